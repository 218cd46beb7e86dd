"""Tests of the rules that draw architectures."""

import numpy as np
import pytest

from keras_nas.supernet import (
    FairSampling,
    ProgressiveShrinking,
    SandwichSampling,
    UniformSampling,
)
from keras_nas.supernet.architecture_space import ArchitectureSpace


def space():
    made = ArchitectureSpace()
    made.option("op", ["a", "b", "c"]).use("operation", [0, 20, 10])
    made.add("kernel", [3, 5]).use("kernel")
    made.add("depth", [1, 2, 3, 4]).use("depth")
    return made


RULES = [
    UniformSampling(),
    FairSampling(),
    SandwichSampling(),
    ProgressiveShrinking(steps_per_phase=2),
]


def draws(rule, steps=200, seed=1):
    rule.prepare(space())
    return np.array([rule.paths(step, seed).numpy() for step in range(steps)])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_draws_depend_on_step_and_seed_alone(rule):
    first = draws(rule, 20)
    assert first.shape == (20, rule.num_paths, 3)
    assert ((first >= 0) & (first < [3, 2, 4])).all()
    np.testing.assert_array_equal(first, draws(rule, 20))
    assert np.any(first != draws(rule, 20, seed=2))


def test_uniform_sampling_draws_each_option_as_often():
    paths = draws(UniformSampling(), 600)[:, 0]
    for column, count in enumerate([3, 2, 4]):
        shares = np.bincount(paths[:, column], minlength=count) / 600
        np.testing.assert_allclose(shares, 1 / count, atol=0.06)
    # Independently of one another: 24 combinations.
    assert len(np.unique(paths, axis=0)) == 24


def test_fair_sampling_trains_each_candidate_once_a_step():
    paths = draws(FairSampling(), 200)
    assert paths.shape[1] == 4
    for step in paths:
        assert sorted(step[:, 2]) == [0, 1, 2, 3]
        assert sorted(step[:, 1]) == [0, 0, 1, 1]
        assert set(step[:, 0]) == {0, 1, 2}
    # Of three options one comes twice; in the long run all as often.
    counts = np.bincount(paths[:, :, 0].ravel())
    np.testing.assert_allclose(counts / counts.sum(), 1 / 3, atol=0.04)


def test_sandwich_sampling_begins_with_the_ends():
    paths = draws(SandwichSampling(num_random=2), 50)
    assert paths.shape[1] == 4
    assert (paths[:, 0] == [1, 1, 3]).all()  # "b" is the largest.
    assert (paths[:, 1] == [0, 0, 0]).all()
    assert len(np.unique(paths[:, 2:].reshape(-1, 3), axis=0)) > 15


def test_progressive_shrinking_lets_smaller_options_in_kind_by_kind():
    rule = ProgressiveShrinking(steps_per_phase=50)
    paths = draws(rule, 500)
    # All largest; then two operations more, one kernel, three depths.
    assert rule.num_phases == 1 + 2 + 1 + 3
    assert (paths[:, 0] == [1, 1, 3]).all()
    others = paths[:, 1].reshape(-1, 50, 3)
    seen = [[set(phase[:, i]) for i in range(3)] for phase in others]
    assert seen[0] == [{1}, {1}, {3}]
    assert seen[1] == [{1, 2}, {1}, {3}]
    assert seen[2] == [{0, 1, 2}, {1}, {3}]
    assert seen[3] == [{0, 1, 2}, {0, 1}, {3}]
    assert seen[4] == [{0, 1, 2}, {0, 1}, {2, 3}]
    assert seen[6] == [{0, 1, 2}, {0, 1}, {0, 1, 2, 3}]


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="num_random=-1"):
        SandwichSampling(num_random=-1)
    with pytest.raises(ValueError, match="steps_per_phase=0"):
        ProgressiveShrinking(steps_per_phase=0)
    with pytest.raises(ValueError, match="order="):
        ProgressiveShrinking(1, order=("depth", "width"))
