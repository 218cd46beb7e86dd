"""Correlations of two rankings of the same things."""

import numpy as np


def kendall_tau(first, second):
    """Returns Kendall's tau-b, which allows for ties.

    Args:
        first: Array of floats.
        second: Array of floats.

    Reference:

    - [Kendall, 1945](https://doi.org/10.1093/biomet/33.3.239)

    Example:

    >>> kendall_tau([1, 2, 3], [1, 3, 2])
    0.3333333333333333
    """
    signs = [
        np.sign(np.subtract.outer(values, values)).ravel()
        for values in (np.asarray(first, float), np.asarray(second, float))
    ]
    scale = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
    return float(signs[0] @ signs[1] / scale) if scale else float("nan")


def spearman(first, second):
    """Returns Spearman's correlation of ranks; NaN if one does not vary.

    Args:
        first: Array of floats.
        second: Array of floats.

    Example:

    >>> round(spearman([1, 2, 3, 4], [10, 20, 40, 30]), 3)
    0.8
    """
    ranks = [_ranks(np.asarray(values)) for values in (first, second)]
    if any(np.ptp(one) == 0 for one in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values):
    """Returns ranks from 0; equal values share the mean of theirs."""
    below = (values[:, None] > values).sum(axis=1)
    equal = (values[:, None] == values).sum(axis=1)
    return below + (equal - 1) / 2
