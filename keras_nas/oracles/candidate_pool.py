"""Many architectures at once, as rows of an array.

Oracles with a model of the scores compare hundreds of candidates before each
proposal. As dicts, drawing and encoding them would take longer than the
model.
"""

import itertools

import numpy as np
from keras_tuner.engine import hyperparameters as hp_types

from keras_nas import architectures

# The values of a hyperparameter that has more are not listed but computed.
_MAX_LISTED_VALUES = 1000

# The width of a small step of a number, as a share of its range.
_STEP_SHARE = 0.1

_ALMOST_ONE = 1 - 1e-12


class CandidatePool:
    """Draws, changes and encodes architectures by the hundred.

    A row stands for an architecture, a column for a hyperparameter, in the
    order of `space.space`. A number in it is the *position* of the value: its
    place in the range from 0 to 1, on the scale on which it is sampled, as
    KerasTuner's `value_to_prob` gives it. Equal values have equal positions.
    NaN is an inactive hyperparameter.

    Made for one state of a space: when the space has grown, make another.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("op", ["conv", "pool"])
    >>> _ = space.Int("kernel", 1, 5, step=2, parent_name="op",
    ...               parent_values=["conv"])
    >>> pool = CandidatePool(space)
    >>> rows = pool.rows([{"op": "conv", "kernel": 3}, {"op": "pool"}])
    >>> rows
    array([[0.25, 0.5 ],
           [0.75,  nan]])
    >>> pool.values(rows[0])
    {'op': 'conv', 'kernel': 3}
    >>> pool.sample(100, np.random.default_rng(0)).shape
    (100, 2)
    >>> len(pool.enumerate(limit=1000))
    4
    """

    def __init__(self, space):
        self.space = space
        number_of = {id(hp): number for number, hp in enumerate(space.space)}
        self._columns = [_Column(hp) for hp in space.space]
        # Parents before children.
        self._order = [
            number_of[id(hp)] for hp in architectures.parents_first(space)
        ]
        # Of several hyperparameters with one name, the first active one counts.
        self._namesakes = {
            number: [
                other
                for other in self._order[:place]
                if self._columns[other].hp.name == self._columns[number].hp.name
            ]
            for place, number in enumerate(self._order)
        }
        # By column, whether it has a second value, and an order of values.
        self.is_varied = np.array([c.is_varied for c in self._columns], bool)
        self.is_ordered = np.array([c.is_ordered for c in self._columns], bool)
        # By column of `encode`, the number of the hyperparameter, and whether
        # it is a place in a range.
        groups, is_range = [], []
        for number, column in enumerate(self._columns):
            if column.is_varied:
                kinds = column.encoded_kinds()
                groups += [number] * len(kinds)
                is_range += kinds
        self.encoded_groups = np.array(groups, int)
        self.encoded_is_range = np.array(is_range, bool)

    def rows(self, architectures_values):
        """Turns dicts of values into rows.

        What is inactive or unknown is ignored; an active hyperparameter that
        is missing, or has a value outside of its options, becomes NaN.

        Args:
            architectures_values: List of dicts of hyperparameter values.

        Returns:
            `float64` array of shape `(architectures, hyperparameters)`.
        """
        rows = self._empty(len(architectures_values))
        for number in self._order:
            column = self._columns[number]
            name = column.hp.name
            positions = [
                column.position(values[name]) if name in values else np.nan
                for values in architectures_values
            ]
            active = self._active(number, rows)
            rows[:, number] = np.where(active, positions, np.nan)
        return rows

    def values(self, row):
        """Turns a row into a dict of the active hyperparameter values."""
        values = {
            self._columns[number].hp.name: self._columns[number].value(
                row[number]
            )
            for number in self._order
            if not np.isnan(row[number])
        }
        return architectures.active_values(values, self.space)

    def sample(self, number, rng):
        """Draws architectures from the prior; see `architectures.sample`.

        Args:
            number: Integer, how many.
            rng: `numpy.random.Generator`.

        Returns:
            Rows, equal ones possible.
        """
        rows = self._empty(number)
        for index in self._order:
            active = self._active(index, rows)
            draws = self._columns[index].draw(rng.random(number))
            rows[active, index] = draws[active]
        return rows

    def mutate(self, rows, rng, step_probability=0.0):
        """Gives each row a new value in one active hyperparameter.

        As `architectures.mutate` does: what depends on a changed category is
        drawn anew, what depends on a changed number is kept where it can be.

        Args:
            rows: Rows to start from.
            rng: `numpy.random.Generator`.
            step_probability: Float in [0, 1], how often a number (an `Int`, a
                `Float`, an ordered `Choice`) goes a small step, 10% of its
                range on average, rather than being drawn from the prior.

        Returns:
            New rows, as many; those without a second value are unchanged.
        """
        count = len(rows)
        # The column to change: a random one of the active ones.
        chance = np.where(
            np.isnan(rows) | ~self.is_varied, -1.0, rng.random(rows.shape)
        )
        target = chance.argmax(axis=1)
        target[chance.max(axis=1, initial=-1.0) < 0] = -1
        small = rng.random(count) < step_probability
        children = self._empty(count)
        drawn_anew = {
            column.hp.name: np.zeros(count, bool) for column in self._columns
        }
        for number in self._order:
            column = self._columns[number]
            active = self._active(number, children)
            is_target = active & (target == number)
            kept = active & ~is_target & ~np.isnan(rows[:, number])
            for condition in column.hp.conditions:
                if condition.name in drawn_anew:
                    kept &= ~drawn_anew[condition.name]
            drawn = active & ~is_target & ~kept
            draws = column.draw(rng.random(count))
            children[kept, number] = rows[kept, number]
            children[drawn, number] = draws[drawn]
            drawn_anew[column.hp.name] |= drawn
            if is_target.any():
                children[is_target, number] = column.draw_other(
                    rows[is_target, number], small[is_target], rng
                )
                if not column.is_ordered:
                    drawn_anew[column.hp.name] |= is_target
        return children

    def enumerate(self, limit):
        """Lists the whole space, if it is small.

        Args:
            limit: Integer, the most rows to make.

        Returns:
            Rows without repetitions in an order that is always the same, or
            `None` if there are more, or a continuous hyperparameter.
        """
        rows = self._empty(1)
        for number in self._order:
            options = self._columns[number].positions
            active = self._active(number, rows)
            if not active.any():
                continue
            if options is None:
                return None
            repeats = np.where(active, len(options), 1)
            if repeats.sum() > limit:
                return None
            ends = np.cumsum(repeats)
            rows = np.repeat(rows, repeats, axis=0)
            option = np.arange(len(rows)) - np.repeat(ends - repeats, repeats)
            active = np.repeat(active, repeats)
            rows[active, number] = options[option[active]]
        return rows

    def without(self, rows, known):
        """Leaves out repeated rows, and those that are known.

        Args:
            rows: Rows.
            known: Rows that may not be among them.

        Returns:
            The rows that are left, in their order.
        """
        both = np.concatenate([known, rows])
        # What is 1e-9 apart differs by a rounding error; and NaN is NaN.
        rounded = np.where(np.isnan(both), -1.0, np.round(both, 9)) + 0.0
        whole = np.ascontiguousarray(rounded).view(
            np.dtype((np.void, rounded.itemsize * max(1, rounded.shape[1])))
        )
        _, first = np.unique(whole.ravel(), return_index=True)
        return both[np.sort(first[first >= len(known)])]

    def encode(self, rows):
        """Encodes rows as vectors, exactly as `architectures.encode` does.

        Args:
            rows: Rows.

        Returns:
            `float64` array of shape `(rows, columns)`;
            `architectures.encoding_columns` names the columns.
        """
        vectors = [np.empty((len(rows), 0))]
        for positions, column in zip(rows.T, self._columns, strict=True):
            if not column.is_varied:
                continue
            hp = column.hp
            if isinstance(hp, hp_types.Choice) and not hp.ordered:
                vectors.append(positions[:, None] == column.positions)
                continue
            if isinstance(hp, hp_types.Boolean):
                positions = np.where(np.isnan(positions), 0, positions > 0.5)
            vectors.append(np.nan_to_num(positions)[:, None])
            if hp.conditions:
                vectors.append(~np.isnan(rows[:, [self._index(column)]]))
        return np.concatenate(vectors, axis=1, dtype="float64")

    def _index(self, column):
        return self._columns.index(column)

    def _empty(self, number):
        return np.full((number, len(self._columns)), np.nan)

    def _active(self, number, rows):
        """Where a column is active, given the columns of its parents."""
        active = np.ones(len(rows), bool)
        for condition in self._columns[number].hp.conditions:
            met = np.zeros(len(rows), bool)
            for parent, column in enumerate(self._columns):
                if column.hp.name == condition.name:
                    met |= column.is_one_of(rows[:, parent], condition)
            active &= met
        for other in self._namesakes[number]:
            active &= np.isnan(rows[:, other])
        return active


class _Column:
    """One hyperparameter: its values, and where they are in its range."""

    def __init__(self, hp):
        self.hp = hp
        # Of the distinct values, ascending; None if there are too many.
        self.positions = None
        self._options = self._edges = self._buckets = None
        self._known = {}
        self.is_ordered = isinstance(hp, hp_types.Int | hp_types.Float) or (
            isinstance(hp, hp_types.Choice) and bool(hp.ordered)
        )
        if isinstance(hp, hp_types.Fixed):
            self._list([hp.value])
        elif isinstance(hp, hp_types.Choice | hp_types.Boolean):
            self._list(_values_of_buckets(hp, len(hp.values)))
        elif hp.min_value == hp.max_value:
            self._list([hp.min_value])
        elif hp.step is not None:
            most = _MAX_LISTED_VALUES + 1
            number = len(list(itertools.islice(hp.values, most)))
            if number < most:
                self._list(_values_of_buckets(hp, number))
        elif (
            isinstance(hp, hp_types.Int)
            and hp.max_value - hp.min_value < _MAX_LISTED_VALUES
        ):
            # Each value holds the part of the range in which it is drawn.
            whole = range(hp.min_value, hp.max_value + 1)
            self._options = sorted(whole, key=hp.value_to_prob)
            self.positions = np.array([*map(hp.value_to_prob, self._options)])
            self._buckets = self.positions
            self._edges = np.array(
                [hp.value_to_prob(value - 0.5) for value in whole[1:]]
            )
        self.is_varied = self.positions is None or len(self.positions) > 1

    def _list(self, options):
        """Notes values that share the range equally, repeated ones too."""
        first = {}
        for index, value in enumerate(options):
            first.setdefault(value, index)
        centres = (np.arange(len(options)) + 0.5) / len(options)
        # By share of the range, where the value stands that is drawn there.
        self._buckets = centres[[first[value] for value in options]]
        self._edges = np.arange(1, len(options)) / len(options)
        self._options = list(first)
        self.positions = centres[list(first.values())]

    def encoded_kinds(self):
        """Whether each of its columns in `encode` is a place in a range."""
        if isinstance(self.hp, hp_types.Choice) and not self.hp.ordered:
            return [False] * len(self.positions)
        return [self.is_ordered] + [False] * bool(self.hp.conditions)

    def draw(self, probs):
        """Turns uniform numbers into positions of values."""
        if self.positions is None:
            if isinstance(self.hp, hp_types.Float) and self.hp.step is None:
                return probs
            return np.array([self.position(self.value(p)) for p in probs])
        return self._buckets[np.searchsorted(self._edges, probs, "right")]

    def draw_other(self, current, is_step, rng):
        """Draws positions that differ from the current ones."""
        if self.positions is None:
            drawn = self.draw(rng.random(len(current)))
        else:
            # From the prior without the current value.
            bounds = np.concatenate([[0], self._edges, [1]])
            weights = np.diff(bounds) * (self._buckets != current[:, None])
            total = np.cumsum(weights, axis=1)
            point = rng.random(len(current)) * total[:, -1]
            index = (total <= point[:, None]).sum(axis=1)
            drawn = self._buckets[np.minimum(index, len(self._buckets) - 1)]
        if not self.is_ordered:
            return drawn
        moved = current + _STEP_SHARE * rng.standard_normal(len(current))
        moved = np.clip(moved, 0, _ALMOST_ONE)
        if self.positions is None:
            moved = self.draw(moved)
        else:
            # At least to the next value.
            index = np.searchsorted(self.positions, current - 1e-12)
            to = np.searchsorted(self._edges, moved, "right")
            to = np.searchsorted(self.positions, self._buckets[to] - 1e-12)
            up = moved > current
            beside = index + np.where(up, 1, -1)
            last = len(self.positions) - 1
            beside = np.where(beside < 0, min(1, last), beside)
            beside = np.where(beside > last, max(0, last - 1), beside)
            moved = self.positions[np.where(to == index, beside, to)]
        return np.where(is_step, moved, drawn)

    def position(self, value):
        """Where a value stands; NaN if it is none of the options."""
        if self.positions is None:
            hp = self.hp
            try:
                value = min(max(value, hp.min_value), hp.max_value)
            except TypeError:
                return np.nan
            return min(max(hp.value_to_prob(value), 0.0), 1.0)
        if value not in self._known:
            self._known[value] = self._find(value)
        return self._known[value]

    def _find(self, value):
        if value in self._options:
            return self.positions[self._options.index(value)]
        if isinstance(self.hp, hp_types.Int | hp_types.Float):
            try:
                nearest = np.abs(np.array(self._options) - value).argmin()
            except TypeError:
                return np.nan
            return self.positions[nearest]
        return np.nan

    def value(self, position):
        """The value at a position."""
        if self.positions is None:
            return self.hp.prob_to_value(float(position))
        nearest = np.abs(self.positions - position).argmin()
        return self._options[nearest]

    def is_one_of(self, positions, condition):
        """Where the value is one of those of a condition."""
        if self.positions is None:
            found = np.zeros(len(positions), bool)
            for row in np.flatnonzero(~np.isnan(positions)):
                values = {self.hp.name: self.value(positions[row])}
                found[row] = condition.is_active(values)
            return found
        allowed = [
            position
            for position, value in zip(
                self.positions, self._options, strict=True
            )
            if condition.is_active({self.hp.name: value})
        ]
        return np.isin(positions, allowed)


def _values_of_buckets(hp, number):
    """The values of a hyperparameter that share the range equally."""
    probs = (np.arange(number) + 0.5) / number
    return [hp.prob_to_value(float(prob)) for prob in probs]
