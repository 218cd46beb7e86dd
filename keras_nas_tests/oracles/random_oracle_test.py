from collections import Counter

import keras_tuner
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    keys,
    search,
    small_space,
)


def random_oracle(space, **arguments):
    defaults = {"max_trials": None, "hyperparameters": space, "seed": 0}
    return oracles.RandomOracle(OBJECTIVE, **(defaults | arguments))


@pytest.mark.parametrize("seed", range(5))
def test_every_architecture_comes_exactly_once(seed):
    proposals = search(random_oracle(small_space(), seed=seed))
    assert len(set(keys(proposals, small_space()))) == len(proposals) == 16


def test_scores_do_not_change_the_proposals():
    first, second = (
        search(random_oracle(small_space()), lambda values, s=sign: s)
        for sign in (1.0, -1.0)
    )
    assert first == second


def test_the_first_proposals_have_the_frequencies_of_the_prior():
    firsts = Counter(
        search(random_oracle(small_space(), seed=seed), trials=1)[0]["op"]
        for seed in range(900)
    )
    assert sorted(firsts) == ["conv", "none", "pool"]
    for count in firsts.values():
        assert count == pytest.approx(300, abs=60)


def test_an_architecture_that_is_hardly_ever_drawn_is_found_too():
    # "a" has half of the probability, each of the 1,000 others 1 in 2,000.
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["a", "b"])
    space.Int("units", 1, 1000, parent_name="head", parent_values=["b"])
    proposals = search(random_oracle(space))
    assert len(set(keys(proposals, space))) == len(proposals) == 1001


def test_a_space_with_a_float_is_never_exhausted():
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0, 1)
    proposals = search(random_oracle(space), trials=200)
    assert len(set(keys(proposals, space))) == 200
