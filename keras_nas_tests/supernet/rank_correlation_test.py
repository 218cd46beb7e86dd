"""Tests of the rank correlation."""

import numpy as np
import pytest

from keras_nas.supernet.rank_correlation import rank_correlation


def test_spearman_by_hand():
    # 1 - 6 * sum(d^2) / (n * (n^2 - 1)) with d = (0, 1, -1, 0).
    result = rank_correlation([1, 2, 3, 4], [1, 3, 2, 4])
    assert result.spearman == pytest.approx(1 - 6 * 2 / (4 * 15))


def test_the_interval_holds_the_estimate_and_shrinks():
    rng = np.random.default_rng(0)
    widths = []
    for size in (10, 100):
        truth = rng.random(size)
        result = rank_correlation(truth + 0.2 * rng.random(size), truth)
        low, high = result.interval
        assert low < result.kendall_tau < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite scores"):
        rank_correlation([1, 2, np.nan], [1, 2, 3])
