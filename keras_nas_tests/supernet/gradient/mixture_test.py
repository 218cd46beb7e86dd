import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.supernet.gradient.mixture import Mixture
from keras_nas_tests.supernet.gradient.toys import Scale


def build(hp):
    """A cell with one node of two edges, and a stage of searched depth."""
    inputs = keras.Input((2,))
    other = Scale(10.0)(inputs)
    operations = {
        "double": lambda: Scale(2.0),
        "zero": nas.blocks.Zero,
        "skip": nas.blocks.Identity,
    }
    x = nas.layers.Cell(hp, "cell", 1, operations, inputs_per_node=1)(
        [inputs, other]
    )
    x = nas.layers.Repeat(hp, "depth", 0, 2, lambda name: Scale(3.0))(x)
    x = nas.layers.InputChoice(hp, "input")([x, inputs])
    return keras.Model(inputs, x)


@pytest.fixture(scope="module")
def supernet():
    return nas.Supernet(build, seed=0)


GIVEN = {
    "cell_node0_inputs": [0.25, 0.75],
    "cell_node0_op0": [0.1, 0.2, 0.7],
    "cell_node0_op1": [0.5, 0.3, 0.2],
    "depth": [0.5, 0.3, 0.2],
    "input": [0.6, 0.4],
}


def run(supernet, training=False, **arguments):
    space = supernet.architecture_space
    assert set(space.names) == set(GIVEN)
    probabilities = {name: tf.constant(p) for name, p in GIVEN.items()}
    mixture = Mixture(probabilities, **arguments)
    x = tf.constant([[1.0, -2.0]] * 400)
    with space.running(None, mixture):
        return supernet(x, training=training).numpy()


def expected(edge0, edge1):
    """The mixture for inputs of 1, given what the edges make of theirs."""
    node = 0.25 * edge0 + 0.75 * edge1 * 10
    for deeper in (0.5, 0.2):  # Than 0 blocks, than 1 block.
        node = (1 - deeper) * node + deeper * 3 * node
    return 0.6 * node + 0.4


def test_all_branches_are_summed_by_their_probabilities(supernet):
    value = expected(0.1 * 2 + 0.7, 0.5 * 2 + 0.2)
    np.testing.assert_allclose(run(supernet)[0], [value, -2 * value], rtol=1e-5)


def test_an_auxiliary_skip_adds_the_inputs_of_choices_with_a_skip(supernet):
    """The depth has skipped blocks as well, but is no choice of one.

    Each edge is zero where it is not chosen, and its skip is added there too.
    """
    edge0 = 0.25 * (0.1 * 2 + 0.7) + 0.5
    edge1 = 0.75 * (0.5 * 2 + 0.2) + 0.5
    value = expected(edge0 / 0.25, edge1 / 0.75)
    outputs = run(supernet, auxiliary_skip=tf.constant(0.5))
    np.testing.assert_allclose(outputs[0], [value, -2 * value], rtol=1e-5)


def test_skips_are_dropped_an_example_at_a_time_and_only_in_training(supernet):
    arguments = {
        "skip_drop_rate": tf.constant(0.75),
        "seed": tf.constant([1, 2]),
    }
    whole = run(supernet, **arguments)
    np.testing.assert_array_equal(whole, run(supernet))
    dropped = run(supernet, training=True, **arguments)
    # Each of the two skips is there, four times as strong, or not.
    values = [
        expected(0.2 + 0.7 * 4 * first, 1.0 + 0.2 * 4 * second)
        for first in (0, 1)
        for second in (0, 1)
    ]
    np.testing.assert_allclose(dropped[:, 1], -2 * dropped[:, 0], rtol=1e-5)
    kinds = np.abs(dropped[:, :1] - np.array(values)).argmin(axis=1)
    np.testing.assert_allclose(
        dropped[:, 0], np.array(values)[kinds], rtol=1e-5
    )
    shares = np.bincount(kinds, minlength=4) / 400
    # Within four standard errors of independent draws.
    np.testing.assert_allclose(
        shares, [9 / 16, 3 / 16, 3 / 16, 1 / 16], atol=0.1
    )


def test_what_is_no_floating_point_number_is_refused():
    def build_integers(hp):
        inputs = keras.Input((2,), dtype="int32")
        x = nas.layers.InputChoice(hp, "input")([inputs, inputs + 1])
        return keras.Model(inputs, x)

    supernet = nas.Supernet(build_integers, seed=0)
    mixture = Mixture({"input": tf.constant([0.5, 0.5])})
    with (
        supernet.architecture_space.running(None, mixture),
        pytest.raises(ValueError, match=r"'?input'?(.|\n)*int32"),
    ):
        supernet(tf.constant([[1, 2]]))


def test_a_mixture_of_nothing_but_zeros_is_zero():
    def build(hp):
        inputs = keras.Input((2,))
        candidates = {"none": nas.blocks.Zero, "nothing": nas.blocks.Zero}
        x = nas.layers.LayerChoice(hp, "op", candidates)(inputs)
        model = keras.Model(inputs, x)
        model.compile("sgd", "mse")
        return model

    supernet = nas.Supernet(build, seed=0)
    mixture = Mixture({"op": tf.constant([0.5, 0.5])})
    with supernet.architecture_space.running(None, mixture):
        np.testing.assert_array_equal(
            supernet(np.ones((3, 2))), np.zeros((3, 2))
        )
