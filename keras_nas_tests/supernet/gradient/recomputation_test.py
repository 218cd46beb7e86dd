import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas import blocks, layers
from keras_nas.supernet.gradient.sampled_path import SampledPath

CHOICES = {"op": ["dense", "nested", "zero", "skip"], "inner": ["a", "b"]}


def build(hp):
    """Dropout, statistics of batches, and a choice within a choice."""

    def dense():
        return keras.Sequential(
            [
                keras.layers.Dense(4, activation="tanh"),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
            ]
        )

    def nested(x):
        candidates = {"a": dense, "b": lambda: keras.layers.Dense(4)}
        x = keras.layers.Dense(4)(x)
        return layers.LayerChoice(hp, "inner", candidates)(x)

    x = inputs = keras.Input((4,))
    candidates = {
        "dense": dense,
        "nested": lambda: nested,
        "zero": blocks.Zero,
        "skip": blocks.Identity,
    }
    # Twice the same choices: each place has weights of its own.
    for _ in range(2):
        x = layers.LayerChoice(hp, "op", candidates)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    return model


def run_step(values, relaxation):
    """Returns loss, gradients, and what is not trained, after one pass."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(5)
    supernet = nas.Supernet(build, seed=0)
    space = supernet.architecture_space
    vector = tf.constant(space.vector(space.options(values)))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 1))
    variables = supernet.trainable_variables

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            path = relaxation(variables)
            with space.running(space.look_up(vector), path):
                loss = tf.reduce_mean((supernet(x, training=True) - y) ** 2)
        return loss, tape.gradient(
            loss,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )

    loss, gradients = step(x.astype("float32"), y.astype("float32"))
    others = [variable.numpy() for variable in supernet.non_trainable_variables]
    return loss, gradients, others


@pytest.mark.parametrize("inner", CHOICES["inner"])
@pytest.mark.parametrize("op", CHOICES["op"])
def test_a_step_is_that_of_the_branch_itself(op, inner):
    values = {"op": op, "inner": inner}
    plain = run_step(values, lambda variables: None)
    again = run_step(values, lambda variables: SampledPath(variables=variables))
    # Dropout draws the same twice, and statistics are updated once.
    for expected, received in zip(plain, again, strict=True):
        for one, other in zip(
            tf.nest.flatten(expected), tf.nest.flatten(received), strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-7)
    is_moved = [np.any(np.asarray(g) != 0) for g in plain[1]]
    assert (
        sum(is_moved)
        == {
            "dense": 10,
            "nested": 14 if inner == "a" else 10,
            "zero": 1,
            "skip": 2,
        }[op]
    )


def test_no_gradient_flows_to_weights_that_are_not_trained():
    _, gradients, _ = run_step({"op": "dense"}, lambda _: SampledPath())
    # Those of the last layer are not behind a choice.
    assert [np.any(np.asarray(g) != 0) for g in gradients].count(True) == 2


def test_searches_keep_the_inputs_of_a_branch_and_nothing_it_makes():
    """A condition gives its outputs and nothing for the backward pass."""
    supernet = nas.Supernet(build, seed=0)
    space = supernet.architecture_space

    @tf.function
    def step(x):
        variables = supernet.trainable_variables
        with tf.GradientTape() as tape:
            path = SampledPath(variables=variables)
            with space.running(space.look_up(tf.zeros(2, "int32")), path):
                loss = tf.reduce_sum(supernet(x, training=True))
        return tape.gradient(loss, [v.value for v in variables])

    graph = step.get_concrete_function(tf.zeros([8, 4])).graph
    conditions = [op for op in graph.get_operations() if "Case" in op.type]
    # Forward one output; backward the inputs' and one vector of weights'.
    assert sorted(len(op.outputs) for op in conditions) == [1, 1, 2, 2]
