"""Tests of the correlations of two rankings."""

import numpy as np
import pytest

from keras_nas.ranking import kendall_tau, spearman


def test_kendall_tau_by_hand():
    # Pairs: 6. In the opposite order: (2, 3) only.
    assert kendall_tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert kendall_tau([1, 2, 3], [3, 2, 1]) == -1
    # One tie on the left: 2 of 3 pairs count there; tau-b = 2 / sqrt(2 * 3).
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / 6**0.5)
    assert np.isnan(kendall_tau([1, 1, 1], [1, 2, 3]))


def test_spearman_by_hand():
    # 1 - 6 * sum(d^2) / (n * (n^2 - 1)) with d = (0, 1, -1, 0).
    assert spearman([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(0.8)
    # Ranks 0.5 0.5 2 and 0 1 2: covariance 1.5 by the root of 1.5 * 2.
    assert spearman([5, 5, 9], [1, 2, 3]) == pytest.approx(1.5 / 3**0.5)
    assert np.isnan(spearman([1, 1, 1], [1, 2, 3]))
