import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.supernet.architecture_space import ArchitectureSpace
from keras_nas.supernet.gradient import DARTSSearch, ExpectedCost, GDASSearch
from keras_nas_tests.supernet.gradient.toys import Scale, batch, set_logits

# "inputs" is of the two inputs, the operations depend on it.
GIVEN = {
    "cell_node0_inputs": [0.25, 0.75],
    "cell_node0_op0": [0.1, 0.9],
    "cell_node0_op1": [0.5, 0.5],
}
COSTS = {
    "cell_node0_inputs": {"1": 3.0},
    "cell_node0_op0": {"scale": 8.0, "skip": 1.0},
    "cell_node0_op1": {"scale": 4.0},
}


def build(hp):
    inputs = keras.Input((1,))
    operations = {"scale": lambda: Scale(2.0), "skip": nas.blocks.Identity}
    cell = nas.layers.Cell(hp, "cell", 1, operations, inputs_per_node=1)
    model = keras.Model(inputs, cell([inputs, Scale(1.0)(inputs)]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


@pytest.fixture(scope="module")
def supernet():
    return nas.Supernet(build, seed=0)


def cost_and_gradients(supernet, costs):
    cost = ExpectedCost(costs, supernet.architecture_space, supernet.space)
    probabilities = {name: tf.constant(p) for name, p in GIVEN.items()}
    with tf.GradientTape() as tape:
        tape.watch(probabilities)
        value = cost(probabilities)
    return float(value), tape.gradient(value, probabilities)


def test_it_is_the_mean_over_architectures(supernet):
    """An operation costs nothing where its edge is not there."""
    value, gradients = cost_and_gradients(supernet, COSTS)
    op0, op1 = 0.1 * 8 + 0.9 * 1, 0.5 * 4
    assert value == pytest.approx(0.75 * 3 + 0.25 * op0 + 0.75 * op1)
    np.testing.assert_allclose(
        gradients["cell_node0_inputs"], [op0, 3 + op1], rtol=1e-6
    )
    np.testing.assert_allclose(
        gradients["cell_node0_op0"], [0.25 * 8, 0.25 * 1], rtol=1e-6
    )
    np.testing.assert_allclose(
        gradients["cell_node0_op1"], [0.75 * 4, 0], rtol=1e-6
    )


def test_it_may_be_a_function_of_the_probabilities(supernet):
    value, _ = cost_and_gradients(
        supernet, lambda given: 10 * given["cell_node0_op0"][1] ** 2
    )
    assert value == pytest.approx(10 * 0.9**2)


@pytest.mark.parametrize("kind", [DARTSSearch, GDASSearch])
def test_it_is_added_to_the_loss_of_the_alphas(supernet, kind):
    values, gradients = [], []
    for arguments in ({}, {"cost": COSTS, "cost_weight": 0.5}):
        search = kind(supernet, epochs=1, **arguments)
        set_logits(search, *[0.0] * 6)
        value, gradient = search.alphas_gradient(
            batch(1.0, 1.0), None, tf.constant(0.0), tf.constant(0)
        )
        values.append(float(value))
        gradients.append(gradient.numpy())
    # All probabilities are one half.
    op0, op1 = 4.5, 2.0
    expected = 0.5 * 3 + 0.5 * op0 + 0.5 * op1
    assert values[1] - values[0] == pytest.approx(0.5 * expected, rel=1e-5)
    # Of a softmax of two: a quarter of the difference of the slopes.
    slopes = [op0 - (3 + op1), 0.5 * (8 - 1), 0.5 * 4]
    difference = [sign * s / 4 * 0.5 for s in slopes for sign in (1, -1)]
    np.testing.assert_allclose(
        gradients[1] - gradients[0], difference, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    "costs, message",
    [
        ({}, "cost={}"),
        (3, "cost=3"),
        ({"op": {"scale": 1}}, "cell_node0_op0(.|\n)*'op'"),
        ({"cell_node0_op0": 3}, "'cell_node0_op0': 3"),
        ({"cell_node0_op0": {"conv": 3}}, "scale(.|\n)*'conv'"),
        ({"cell_node0_op0": {"skip": float("nan")}}, "'skip': nan"),
        ({"cell_node0_op0": {"skip": "1 ms"}}, "'1 ms'"),
    ],
)
def test_costs_that_are_wrong_are_named(supernet, costs, message):
    with pytest.raises(ValueError, match=rf"`cost`(.|\n)*{message}"):
        cost_and_gradients(supernet, costs)


def test_a_hyperparameter_of_one_value_decides_no_cost():
    space, registered = ArchitectureSpace(), keras_tuner.HyperParameters()
    registered.Fixed("one", "conv")
    registered.Choice(
        "op", ["conv", "skip"], parent_name="one", parent_values=["conv"]
    )
    space.add("op", ["conv", "skip"])
    costs = {"one": {"conv": 2.0}, "op": {"conv": 8.0}}
    cost = ExpectedCost(costs, space, registered)
    assert float(cost({"op": tf.constant([0.25, 0.75])})) == 2.0
    with pytest.raises(ValueError, match="'another'"):
        ExpectedCost({"another": {}} | costs, space, registered)
