"""Candidates with more columns than their encoding."""

import math

import numpy as np

from keras_nas.oracles.candidate_pool import CandidatePool

# Architectures by which the columns are scaled.
_REFERENCE_SIZE = 100
_REFERENCE_SEED = 0

# From the middle half of the values, brought to a width of one, to the range
# of the other columns.
_SCALE = 0.25

# Architectures whose columns are remembered: some 30 MB.
_MAX_REMEMBERED = 50_000


class ColumnPool(CandidatePool):
    """Encodes architectures with what else is known of them in advance.

    Each number becomes one more column, brought to a common scale by the
    median and the quartiles of 100 random architectures; tails are compressed
    logarithmically, and missing numbers are put in the middle. A last column
    tells the share of numbers that are missing. Names that none of the 100
    has are ignored.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        columns: Function of a dict of hyperparameter values that returns a
            dict of numbers by name, or `None`.

    Raises:
        RuntimeError: If `columns` raises an error.
        ValueError: If it returns something else.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("a")
    >>> pool = ColumnPool(space, lambda values: {"cost": 3.0 * values["a"]})
    >>> pool.encode(pool.rows([{"a": True}])).shape  # a, cost, missing
    (1, 3)
    """

    def __init__(self, space, columns):
        super().__init__(space)
        self._function = columns
        rng = np.random.default_rng(_REFERENCE_SEED)
        sample = self.sample(_REFERENCE_SIZE, rng)
        found = self._ask(sample)
        self.names = sorted({name for one in found for name in one})
        self._known = {
            row.tobytes(): self._ordered(one)
            for row, one in zip(sample, found, strict=True)
        }
        numbers = self._numbers(sample)
        self._middles = np.zeros(len(self.names))
        self._widths = np.ones(len(self.names))
        for i, column in enumerate(numbers.T):
            known = column[np.isfinite(column)]
            if len(known):
                low, self._middles[i], high = np.quantile(
                    known, [0.25, 0.5, 0.75]
                )
                # Where more than half is equal, what differs counts.
                self._widths[i] = (high - low) or np.std(known) or 1.0
        added = len(self.names) + 1
        last = self.encoded_groups.max(initial=-1)
        self.encoded_groups = np.concatenate(
            [self.encoded_groups, last + 1 + np.arange(added)]
        )
        self.encoded_is_range = np.concatenate(
            [self.encoded_is_range, np.ones(added, bool)]
        )

    def encode(self, rows):
        """Encodes rows as vectors, with the further columns at the end.

        Args:
            rows: Rows.

        Returns:
            `float64` array of shape `(rows, columns)`.
        """
        rows = np.asarray(rows)
        numbers = self._numbers(rows)
        missing = ~np.isfinite(numbers)
        z = np.where(missing, self._middles, numbers) - self._middles
        z /= self._widths
        z = np.sign(z) * np.log1p(np.abs(z))
        share = missing.mean(axis=1, keepdims=True) if self.names else 0.0
        share = np.broadcast_to(share, (len(rows), 1))
        return np.concatenate(
            [super().encode(rows), 0.5 + _SCALE * z, share], axis=1
        )

    def _numbers(self, rows):
        """The numbers by name; NaN or infinite where there is none."""
        keys = [row.tobytes() for row in rows]
        new = {}
        for key, row in zip(keys, rows, strict=True):
            if key not in self._known:
                new[key] = row
        for key, found in zip(new, self._ask([*new.values()]), strict=True):
            self._known[key] = self._ordered(found)
        numbers = []
        for key in keys:
            # To the end: the first ones were not needed for longest.
            self._known[key] = self._known.pop(key)
            numbers.append(self._known[key])
        while len(self._known) > max(_MAX_REMEMBERED, len(rows)):
            del self._known[next(iter(self._known))]
        return np.array(numbers, "float64").reshape(len(rows), len(self.names))

    def _ordered(self, found):
        return tuple(found.get(name, math.nan) for name in self.names)

    def _ask(self, rows):
        """What the function says of architectures, a dict for each."""
        rows = np.reshape(rows, (-1, self.is_varied.size))
        return [
            # Incomplete ones are of another project, or of a time before the
            # space has grown.
            self._checked(self.values(row)) if is_complete else {}
            for row, is_complete in zip(
                rows, self._are_complete(rows), strict=True
            )
        ]

    def _checked(self, values):
        try:
            found = self._function(dict(values))
        except Exception as error:
            raise RuntimeError(
                f"`columns` raised an error for {values}. Expected a dict of "
                "numbers, or `None` where there are none. The error: "
                f"{type(error).__name__}: {error}"
            ) from error
        if found is None:
            return {}
        try:
            return {
                name: math.nan if number is None else float(number)
                for name, number in dict(found).items()
            }
        except (TypeError, ValueError) as error:
            raise ValueError(
                "Invalid value received for argument `columns`. Expected a "
                "function of a dict of hyperparameter values that returns a "
                "dict of numbers, or `None` where there are none. Received: "
                f"columns({values}) = {found!r}"
            ) from error

    def _are_complete(self, rows):
        is_complete = np.ones(len(rows), bool)
        for number in self._order:
            missing = np.isnan(rows[:, number])
            if missing.any():
                is_complete &= ~(missing & self._active(number, rows))
        return is_complete
