"""Losses are compared by their places, the worst of them first."""

import numpy as np
import pytest

from keras_nas.oracles.chebyshev_direction import (
    ChebyshevDirection,
    random_weights,
)

SEEN = [(0.0, 1000.0), (1.0, 30.0), (2.0, 20.0), (9.0, 10.0), (9.0, 40.0)]


def test_the_distance_is_that_of_places_and_not_of_units():
    # Places: 0, 1/3, 2/3, 1, 1 and 1, 1/2, 1/4, 0, 3/4.
    distances = ChebyshevDirection(SEEN, [0.5, 0.5])(SEEN)
    largest = [0.5, 0.25, 1 / 3, 0.5, 0.5]
    sums = [0.5, 5 / 12, 11 / 24, 0.5, 0.875]
    expected = np.array(largest) + 0.05 * np.array(sums)
    assert distances == pytest.approx(expected)


def test_weights_say_where_to_go():
    for weights, best in (([1, 0], 0), ([0, 1], 3), ([0.5, 0.5], 1)):
        direction = ChebyshevDirection(SEEN, weights)
        assert direction(SEEN).argmin() == best
        assert [direction(losses) for losses in SEEN] == direction(
            SEEN
        ).tolist()


def test_what_dominates_is_better_in_every_direction():
    rng = np.random.default_rng(0)
    for _ in range(20):
        direction = ChebyshevDirection(SEEN, random_weights(2, rng))
        assert direction((9.0, 10.0)) < direction((9.0, 40.0))


def test_one_point_is_ideal():
    assert ChebyshevDirection([(3.0, 4.0)], [0.5, 0.5])((3.0, 4.0)) == 0.0


def test_random_weights_are_spread_evenly():
    rng = np.random.default_rng(0)
    weights = np.array([random_weights(3, rng) for _ in range(2000)])
    assert weights.sum(axis=1) == pytest.approx(1.0)
    assert weights.min() >= 0
    assert weights.mean(axis=0) == pytest.approx(1 / 3, abs=0.02)
