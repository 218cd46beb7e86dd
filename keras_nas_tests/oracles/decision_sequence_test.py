import keras_tuner
import numpy as np
import pytest

from keras_nas import architectures
from keras_nas.oracles.decision_sequence import DecisionSequence
from keras_nas_tests.oracles.oracle_contract import rich_space


def rng_of(seed=0):
    return np.random.default_rng(seed)


def space_of_numbers():
    space = keras_tuner.HyperParameters()
    space.Int("few", 1, 4)
    space.Int("many", 1, 64)
    space.Int("log", 1, 1000, sampling="log")
    space.Int("huge", 0, 10**6)
    space.Float("rate", 1e-4, 1.0, sampling="log")
    space.Float("step", 0.0, 1.0, step=0.1)
    space.Boolean("norm")
    space.Fixed("classes", 10)
    return space


def test_an_option_is_a_value_or_a_range_of_them():
    decisions = DecisionSequence(space_of_numbers(), max_bins=4)
    assert decisions.sizes == [4, 4, 4, 4, 4, 4, 2, 1]
    values = {
        "few": 3,
        "many": 33,  # The third quarter of 1 to 64.
        "log": 31,  # Below the square root of 1001, on a log scale.
        "huge": 10**6,
        "rate": 0.9,
        "step": 0.3,  # The 4th of 11 steps, in the middle: 3.5 / 11.
        "norm": False,
        "classes": 10,
    }
    assert decisions.encode(values) == [2, 2, 1, 3, 3, 1, 1, 0]


def test_only_decisions_with_an_option_a_value_have_listed_values():
    decisions = DecisionSequence(space_of_numbers(), max_bins=4)
    assert list(decisions.values_at(0)) == [1, 2, 3, 4]
    assert list(decisions.values_at(6)) == [True, False]
    assert [decisions.values_at(index) for index in (1, 2, 3, 4)] == [None] * 4


@pytest.mark.parametrize("max_bins", [2, 3, 8, 16])
def test_what_is_drawn_of_an_option_belongs_to_it(max_bins):
    space = space_of_numbers()
    decisions = DecisionSequence(space, max_bins)
    rng = rng_of()
    for index, size in enumerate(decisions.sizes):
        drawn = [
            [decisions.draw(index, option, rng) for _ in range(20)]
            for option in range(size)
        ]
        for option, values in enumerate(drawn):
            found = {decisions.option(index, value) for value in values}
            assert found == {option}
        # All of the range can come out.
        if decisions.hyperparameters[index].name == "many":
            assert len({v for values in drawn for v in values}) > 25


def test_a_sequence_asks_for_active_decisions_in_order_parents_first():
    space = rich_space()
    decisions = DecisionSequence(space, max_bins=4)
    names = [hp.name for hp in decisions.hyperparameters]
    rng = rng_of()
    for _ in range(50):
        asked = []

        def choose(index, asked=asked):
            asked.append(index)
            return int(rng.integers(decisions.sizes[index]))

        values = decisions.make(choose, rng)
        assert asked == sorted(asked)
        assert {names[i] for i in asked} | {"classes"} == set(values)
        assert architectures.active_values(values, space) == values
        architectures.check_values(values, space)


def test_what_was_decided_is_read_back():
    decisions = DecisionSequence(rich_space(), max_bins=4)
    rng = rng_of()
    for _ in range(50):
        row = [-1] * len(decisions)
        row[0] = 0  # The fixed one, which is not asked.

        def choose(index, row=row):
            row[index] = int(rng.integers(decisions.sizes[index]))
            return row[index]

        assert decisions.encode(decisions.make(choose, rng)) == row


def test_positions_are_equal_exactly_for_equal_values():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool"])
    space.Float("rate", 0.0, 1.0, parent_name="op", parent_values=["conv"])
    decisions = DecisionSequence(space, max_bins=4)
    positions = decisions.positions(
        {
            "a": {"op": "conv", "rate": 0.5},
            "b": {"op": "conv", "rate": 0.51},
            "c": {"op": "pool"},
        }
    )
    assert positions.tolist() == [[0, 0.5], [0, 0.51], [1, -1]]


def test_values_of_another_project_do_no_harm():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool"])
    space.Int("units", 1, 4)
    space.Float("rate", 0.0, 1.0)
    decisions = DecisionSequence(space, max_bins=4)
    row = decisions.encode({"op": "lstm", "units": 9, "rate": 2.0})
    assert row == [-1, 3, 3]


def test_architectures_are_encoded_again_if_a_build_has_added_values():
    space = rich_space()
    decisions = DecisionSequence(space, max_bins=4)
    first = decisions.encode_all({"0": {"op": "pool"}})
    again = decisions.encode_all({"0": {"op": "pool", "depth": 1}})
    assert (first == -1).sum() - (again == -1).sum() == 1


def test_decisions_grow_with_the_space():
    space = keras_tuner.HyperParameters()
    space.Boolean("a")
    decisions = DecisionSequence(space, max_bins=4)
    assert decisions.grown(space) is decisions
    space.Boolean("b")
    assert decisions.grown(space).sizes == [2, 2]
