"""Architectures as sequences of decisions, each between a few options."""

import numpy as np

from keras_nas import architectures

# Values that are put into bins one by one; the bins of more values than
# these, or of infinitely many, are cut out of the range.
_MAX_LISTED_VALUES = 1024

# Draws in a bin before a value from beside it is taken, which rounding gives.
_MAX_REDRAWS = 8


class DecisionSequence:
    """The decisions of a search space, parents before children.

    What a tree search or a controller needs: every hyperparameter is one
    decision between a small number of options. An option is a value, or of a
    number with many values, a range of them (a *bin*, of equal size on the
    scale that the hyperparameter is sampled on).

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        max_bins: Integer, the options of an `Int` or a `Float` at most.

    Attributes:
        hyperparameters: List of hyperparameters, one a decision.
        sizes: List of integers, the number of options of each decision.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("op", ["conv", "pool", "skip"])
    >>> _ = space.Int("units", 1, 64)
    >>> decisions = DecisionSequence(space, max_bins=4)
    >>> decisions.sizes
    [3, 4]
    >>> decisions.encode({"op": "skip", "units": 20})
    [2, 1]
    """

    def __init__(self, space, max_bins):
        self.max_bins = max_bins
        self.hyperparameters = architectures.parents_first(space)
        self._listed = [self._list(hp) for hp in self.hyperparameters]
        self.sizes = [
            max_bins if listed is None else 1 + max(listed.values())
            for listed in self._listed
        ]
        self._members = [
            None if listed is None else _invert(listed)
            for listed in self._listed
        ]
        self._values = [
            None
            if members is None or len(members) < len(listed)
            else [members[option][0] for option in range(len(members))]
            for members, listed in zip(self._members, self._listed, strict=True)
        ]
        self._space_size = len(space.space)
        # What was encoded before, by name: the values, and a row below.
        self._known = {}
        self._options = np.empty((0, len(self)), dtype=int)
        self._positions = np.empty((0, len(self)))

    def __len__(self):
        return len(self.hyperparameters)

    def grown(self, space):
        """Returns the decisions of a space that may have grown since."""
        if len(space.space) == self._space_size:
            return self
        return DecisionSequence(space, self.max_bins)

    def encode(self, values):
        """Returns the option taken at each decision.

        -1 is for what was not asked, and for a value that is none of the
        space's, as an earlier project may have.

        Args:
            values: Dict of hyperparameter values, by name.

        Returns:
            List of integers.
        """
        known, row = {}, []
        for hp, listed in zip(self.hyperparameters, self._listed, strict=True):
            name = hp.name
            if (
                name in known
                or name not in values
                or not architectures.is_active(hp, known)
            ):
                row.append(-1)
                continue
            known[name] = value = values[name]
            row.append(self._option(hp, listed, value))
        return row

    def encode_all(self, known):
        """Encodes architectures; each only once, for searches ask again.

        Args:
            known: Dict of names, each of which stays with its architecture,
                to dicts of hyperparameter values.

        Returns:
            Array of integers, of shape `(architectures, decisions)`.
        """
        rows = self._rows_of(known)
        return self._options[rows]

    def positions(self, known):
        """Returns a number a decision, equal exactly for equal values.

        Args:
            known: Dict as for `encode_all`.

        Returns:
            `float64` array of shape `(architectures, decisions)`, -1 where a
            decision was not asked.
        """
        rows = self._rows_of(known)
        return self._positions[rows]

    def _rows_of(self, known):
        rows = []
        for name, values in known.items():
            encoded, row = self._known.get(name, (None, None))
            # A build may have added values, then they are another dict.
            if encoded is not values:
                row = len(self._known) if row is None else row
                self._write(row, values)
                self._known[name] = values, row
            rows.append(row)
        return np.array(rows, dtype=int)

    def _write(self, row, values):
        if row >= len(self._options):
            larger = (2 * row + 16, len(self))
            self._options = np.resize(self._options, larger)
            self._positions = np.resize(self._positions, larger)
        options = self.encode(values)
        self._options[row] = self._positions[row] = options
        for index, option in enumerate(options):
            if option >= 0 and self._values[index] is None:
                hp = self.hyperparameters[index]
                self._positions[row, index] = architectures.position(
                    hp, values[hp.name]
                )

    def draw(self, index, option, rng):
        """Draws a value of an option.

        Args:
            index: Integer, the number of the decision.
            option: Integer, one of its options.
            rng: `numpy.random.Generator`.

        Returns:
            A value of the hyperparameter.
        """
        members = self._members[index]
        if members is not None:
            few = members[option]
            return few[rng.integers(len(few))] if len(few) > 1 else few[0]
        hp = self.hyperparameters[index]
        for _ in range(_MAX_REDRAWS):
            value = hp.prob_to_value((option + rng.random()) / self.max_bins)
            if self._bin(hp, value) == option:
                break
        return value

    def make(self, choose, rng):
        """Makes an architecture, decision by decision.

        Args:
            choose: Function of the number of a decision that returns an
                option. It is called in the order of the decisions, for those
                that are active and have more than one option.
            rng: `numpy.random.Generator`, draws within the options.

        Returns:
            Dict of the active hyperparameter values, by name.
        """
        values = {}
        for index, hp in enumerate(self.hyperparameters):
            if hp.name in values or not architectures.is_active(hp, values):
                continue
            option = choose(index) if self.sizes[index] > 1 else 0
            values[hp.name] = self.draw(index, option, rng)
        return values

    def _list(self, hp):
        """Maps each value to its option; None if there are too many."""
        values = architectures.finite_values(hp)
        if values is None or len(values) > _MAX_LISTED_VALUES:
            return None
        is_number = hasattr(hp, "min_value")
        if not is_number or len(values) <= self.max_bins:
            return {value: option for option, value in enumerate(values)}
        # Of a log range, some bins hold no integer.
        bins = [self._bin(hp, value) for value in values]
        numbers = {one: number for number, one in enumerate(sorted(set(bins)))}
        return {
            value: numbers[one] for value, one in zip(values, bins, strict=True)
        }

    def values_at(self, index):
        """Returns the values of a decision, an option each, or `None`.

        It is `None` if an option is a range of values.
        """
        return self._values[index]

    def option(self, index, value):
        """Returns the option that a value of a decision belongs to."""
        hp = self.hyperparameters[index]
        return self._option(hp, self._listed[index], value)

    def _option(self, hp, listed, value):
        if listed is None:
            return self._bin(hp, value)
        if value in listed:
            return listed[value]
        if not hasattr(hp, "min_value"):
            return -1  # Of an earlier project, which had other values.
        # A float that went through a file or a sum.
        nearest = min(listed, key=lambda one: abs(one - value))
        return listed[nearest]

    def _bin(self, hp, value):
        share = architectures.position(hp, value)
        return min(max(int(share * self.max_bins), 0), self.max_bins - 1)


def _invert(listed):
    members = {}
    for value, option in listed.items():
        members.setdefault(option, []).append(value)
    return members
