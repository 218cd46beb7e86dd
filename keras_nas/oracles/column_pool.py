"""Candidates with more columns than their encoding."""

import numpy as np

from keras_nas.oracles.candidate_pool import CandidatePool

# Architectures by which the columns are scaled.
_REFERENCE_SIZE = 100
_REFERENCE_SEED = 0

# From the middle half of the values, brought to a width of one, to the range
# of the other columns.
_SCALE = 0.25


class ColumnPool(CandidatePool):
    """Encodes architectures with what else is known of them in advance.

    Each number becomes one more column, brought to a common scale by the
    median and the quartiles of random architectures; tails are compressed
    logarithmically, and missing numbers are put in the middle. A last column
    tells the share of numbers that are missing.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        columns: Function of a dict of hyperparameter values that returns a
            dict of numbers by name, or `None`.

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
        self._found = {}
        rng = np.random.default_rng(_REFERENCE_SEED)
        sample = self.sample(_REFERENCE_SIZE, rng)
        self._ask(sample)
        found = [self._found[row.tobytes()] for row in sample]
        self.names = sorted({name for one in found for name in one})
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
        self._ask(rows)
        z = (self._numbers(rows) - self._middles) / self._widths
        missing = ~np.isfinite(z)
        z = np.where(missing, 0.0, z)
        z = np.sign(z) * np.log1p(np.abs(z))
        share = missing.mean(axis=1, keepdims=True) if self.names else 0.0
        share = np.broadcast_to(share, (len(rows), 1))
        return np.concatenate(
            [super().encode(rows), 0.5 + _SCALE * z, share], axis=1
        )

    def _ask(self, rows):
        for row in rows:
            key = row.tobytes()
            if key not in self._found:
                self._found[key] = dict(self._function(self.values(row)) or {})

    def _numbers(self, rows):
        numbers = [
            [self._found[row.tobytes()].get(name) for name in self.names]
            for row in rows
        ]
        # None becomes NaN.
        return np.array(numbers, "float64").reshape(len(rows), len(self.names))
