import collections

import keras_tuner
import numpy as np
import pytest

from keras_nas import architectures
from keras_nas.oracles.candidate_pool import CandidatePool
from keras_nas_tests.oracles.oracle_contract import rich_space, small_space


def odd_space():
    """Ranges and lists that need care, under a parent that is a number."""
    space = keras_tuner.HyperParameters()
    space.Choice("repeated", [3, 1, 3, 2])
    space.Choice("words", ["a", "b", "a"])
    space.Int("big", 1, 10**6)
    space.Int("big_log", 1, 10**6, sampling="log")
    space.Int("log", 1, 40, sampling="log")
    space.Int("reverse", 1, 40, sampling="reverse_log")
    space.Int("reverse_step", 1, 100, step=2, sampling="reverse_log")
    space.Float("step", 0, 1, step=0.1)
    space.Float("reverse_float", 0.1, 10, sampling="reverse_log")
    space.Fixed("fixed", 3)
    space.Int("one", 5, 5)
    space.Int("depth", 0, 3)
    with space.conditional_scope("depth", [2, 3]):
        space.Boolean("twice")
    with space.conditional_scope("depth", [0, 1]):
        space.Float("twice", 0, 1)
    return space


SPACES = pytest.mark.parametrize(
    "make_space", [rich_space, small_space, odd_space]
)


def some_rows(pool, rng):
    rows = pool.sample(60, rng)
    return np.concatenate(
        [rows, pool.mutate(rows, rng), pool.mutate(rows, rng, 1.0)]
    )


@SPACES
def test_rows_and_values_are_the_same_architectures(make_space):
    space = make_space()
    pool, rng = CandidatePool(space), np.random.default_rng(0)
    rows = some_rows(pool, rng)
    values = [pool.values(row) for row in rows]
    np.testing.assert_allclose(pool.rows(values), rows, rtol=0, atol=1e-9)
    for one in values:
        architectures.check_values(one, space)
        # Nothing is missing, and nothing too much.
        assert architectures.complete(one, space, rng) == one


@SPACES
def test_rows_are_encoded_as_values_are(make_space):
    space = make_space()
    pool = CandidatePool(space)
    rows = some_rows(pool, np.random.default_rng(1))
    expected = [architectures.encode(pool.values(row), space) for row in rows]
    np.testing.assert_allclose(pool.encode(rows), expected, rtol=0, atol=1e-9)


def test_values_are_drawn_as_often_as_keras_tuner_draws_them():
    space, rng = odd_space(), np.random.default_rng(2)
    pool = CandidatePool(space)
    drawn = [pool.values(row) for row in pool.sample(4000, rng)]
    for name in ("repeated", "words", "log", "reverse", "step", "depth"):
        hp = next(hp for hp in space.space if hp.name == name)
        ours = collections.Counter(values[name] for values in drawn)
        prior = collections.Counter(
            hp.prob_to_value((i + 0.5) / 4000) for i in range(4000)
        )
        for value in prior | ours:
            # Five standard deviations.
            width = 5 * (prior[value] + 1) ** 0.5
            assert ours[value] == pytest.approx(prior[value], abs=width)


def test_a_space_is_listed_once_each_or_not_at_all():
    space = small_space()
    pool = CandidatePool(space)
    listed = [pool.values(row) for row in pool.enumerate(16)]
    keys = {architectures.canonical_key(one, space) for one in listed}
    assert len(listed) == len(keys) == 16
    assert pool.enumerate(15) is None
    assert CandidatePool(rich_space()).enumerate(10**6) is None


def test_a_mutation_changes_one_hyperparameter_and_what_depends_on_it():
    pool, rng = CandidatePool(small_space()), np.random.default_rng(3)
    rows = pool.rows([{"skip": True, "op": "conv", "units": 8, "act": "relu"}])
    changed = collections.Counter()
    for row in pool.mutate(np.repeat(rows, 2000, axis=0), rng):
        values = pool.values(row)
        if values["op"] == "conv":
            differing = {
                name
                for name, value in pool.values(rows[0]).items()
                if values[name] != value
            }
            assert len(differing) == 1
            changed[differing.pop()] += 1
        else:
            assert values["skip"]
            changed["op"] += 1
    # Each of the four has an equal chance.
    assert set(changed) == {"skip", "op", "units", "act"}
    assert min(changed.values()) > 400


def test_what_depends_on_a_number_is_kept_where_it_still_exists():
    space = keras_tuner.HyperParameters()
    space.Int("depth", 1, 4)
    for block in (2, 3, 4):
        with space.conditional_scope("depth", list(range(block, 5))):
            space.Int(f"width{block}", 1, 1000)
    pool, rng = CandidatePool(space), np.random.default_rng(4)
    parent = pool.sample(100, rng)
    for before, after in zip(parent, pool.mutate(parent, rng), strict=True):
        before, after = pool.values(before), pool.values(after)
        if before["depth"] != after["depth"]:
            common = (before.keys() & after.keys()) - {"depth"}
            assert all(before[name] == after[name] for name in common)


def test_small_steps_stay_near_and_move():
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 100)
    space.Int("few", 1, 3)
    space.Float("rate", 0, 1)
    pool, rng = CandidatePool(space), np.random.default_rng(5)
    start = np.repeat(
        pool.rows([{"units": 50, "few": 2, "rate": 0.5}]), 500, axis=0
    )
    steps = pool.mutate(start, rng, step_probability=1.0) - start
    assert (np.count_nonzero(steps, axis=1) == 1).all()
    units = 100 * steps[steps[:, 0] != 0, 0]
    assert np.abs(units).mean() == pytest.approx(8, abs=2)
    assert np.abs(units).max() < 50
    assert set(np.round(3 * steps[steps[:, 1] != 0, 1])) == {-1, 1}
    far = np.abs(pool.mutate(start, rng) - start)
    assert far[far[:, 0] != 0, 0].mean() == pytest.approx(0.25, abs=0.05)


def test_repeated_and_known_rows_are_left_out():
    pool = CandidatePool(small_space())
    everything = pool.enumerate(16)
    twice = np.concatenate([everything[::-1], everything])
    left = pool.without(twice, known=everything[[0, 5]])
    assert len(left) == 14
    np.testing.assert_array_equal(
        left, np.delete(everything, [0, 5], axis=0)[::-1]
    )


def test_without_choices_a_row_stays_as_it_is():
    space = keras_tuner.HyperParameters()
    space.Fixed("classes", 10)
    pool, rng = CandidatePool(space), np.random.default_rng(0)
    rows = pool.mutate(pool.sample(2, rng), rng)
    assert [pool.values(row) for row in rows] == [{"classes": 10}] * 2
    assert CandidatePool(keras_tuner.HyperParameters()).sample(
        3, rng
    ).shape == (3, 0)
