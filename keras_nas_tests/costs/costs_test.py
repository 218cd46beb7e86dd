"""Costs, checked against numbers worked out by hand."""

import keras
import keras_tuner
import pytest

from keras_nas import costs, oracles


def convolutional():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(5, use_bias=False)(x))


def test_operations_are_counted_as_by_hand():
    macs = 8 * 8 * 4 * (3 * 3 * 3) + 8 * 8 * 4 * (3 * 3) + 256 * 5
    assert costs.Flops().measure(convolutional()) == 2 * macs


def test_parameters_are_counted_as_by_hand():
    expected = 3 * 3 * 3 * 4 + 3 * 3 * 4 + 256 * 5
    assert costs.Parameters().measure(convolutional()) == expected


def test_a_model_may_have_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    x = keras.layers.Concatenate()([a, b])
    outputs = keras.layers.Dense(2, use_bias=False)(x)
    for inputs in ([a, b], {"a": a, "b": b}):
        assert costs.Flops().measure(keras.Model(inputs, outputs)) == 24


def test_an_open_shape_cannot_be_counted():
    inputs = keras.Input((None, 4))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="depend on the size of its input"):
        costs.Flops().measure(model)


@pytest.mark.parametrize(
    "value, violation", [(50, 0.0), (100, 0.0), (150, 0.5), (300, 2.0)]
)
def test_a_violation_is_a_share_of_the_limit(value, violation):
    assert costs.Parameters(100).violation(value) == pytest.approx(violation)
    assert costs.Parameters().violation(value) == 0.0


@pytest.mark.parametrize("limit", [0, -1, "100", True])
@pytest.mark.parametrize("cost", [costs.Parameters, costs.Flops])
def test_a_limit_is_a_positive_number(cost, limit):
    with pytest.raises(ValueError, match="Expected a positive number"):
        cost(limit)


def test_a_cost_is_an_objective_to_be_minimised():
    cost = costs.Parameters()
    assert isinstance(cost, keras_tuner.Objective)
    assert (cost.name, cost.direction) == ("parameters", "min")
    oracle = oracles.RandomOracle(["val_accuracy", cost], max_trials=1)
    assert oracle.objectives[1] is cost
