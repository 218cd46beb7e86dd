import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas import blocks, layers
from keras_nas.supernet.gradient import GDASSearch, SearchData
from keras_nas.supernet.gradient.sampled_path import SampledPath
from keras_nas_tests.supernet.gradient.toys import Scale


def dense():
    """What draws at random, and what keeps statistics of batches."""
    return keras.Sequential(
        [
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
        ]
    )


def build(hp):
    """The same choice at two places, each with weights of its own."""
    x = inputs = keras.Input((4,))
    candidates = {
        "dense": dense,
        "linear": lambda: keras.layers.Dense(4),
        "zero": blocks.Zero,
        "skip": blocks.Identity,
    }
    for _ in range(2):
        x = layers.LayerChoice(hp, "op", candidates)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    return model


def build_nested(hp):
    """A choice within a choice."""

    def nested(x):
        candidates = {"a": dense, "b": lambda: keras.layers.Dense(4)}
        x = keras.layers.Dense(4)(x)
        return layers.LayerChoice(hp, "inner", candidates)(x)

    x = inputs = keras.Input((4,))
    candidates = {"nested": lambda: nested, "skip": blocks.Identity}
    x = layers.LayerChoice(hp, "op", candidates)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    return model


def run_step(values, relaxation, build=build):
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


@pytest.mark.parametrize(
    ("build", "values", "num_moved"),
    [
        (build, {"op": "dense"}, 10),
        (build, {"op": "linear"}, 6),
        (build, {"op": "zero"}, 1),
        (build, {"op": "skip"}, 2),
        (build_nested, {"op": "nested", "inner": "a"}, 8),
        (build_nested, {"op": "nested", "inner": "b"}, 6),
    ],
)
def test_a_step_is_that_of_the_branch_itself(build, values, num_moved):
    plain = run_step(values, lambda variables: None, build)
    again = run_step(
        values, lambda variables: SampledPath(variables=variables), build
    )
    # Dropout draws the same twice, and statistics are updated once.
    for expected, received in zip(plain, again, strict=True):
        for one, other in zip(
            tf.nest.flatten(expected), tf.nest.flatten(received), strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-7)
    assert sum(np.any(np.asarray(g) != 0) for g in plain[1]) == num_moved


def build_optional(hp):
    """A scale that may be left out, one of two, twice of the same choice."""

    def block(name):
        del name
        return layers.LayerChoice(
            hp,
            "inner",
            {"half": lambda: Scale(0.5), "twice": lambda: Scale(2.0)},
        )

    inputs = keras.Input((1,))
    x = layers.Repeat(hp, "depth", 0, 1, block)(inputs)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    return model


def test_choices_within_a_choice_get_gradients():
    supernet = nas.Supernet(build_optional, seed=0)
    space = supernet.architecture_space
    probabilities = {name: tf.constant([0.5, 0.5]) for name in space.choices}
    values = {"depth": 1, "inner": "twice"}
    vector = tf.constant(space.vector(space.options(values)))
    x = tf.constant([[3.0]])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(probabilities)
            path = SampledPath(probabilities)
            with space.running(space.look_up(vector), path):
                outputs = tf.reduce_sum(supernet(x, training=True))
        return outputs, tape.gradient(outputs, probabilities)

    outputs, gradients = step()
    assert float(outputs) == 6.0
    # The output is 3 * 2 times a factor of 1 for each of the two choices.
    np.testing.assert_allclose(gradients["depth"], [0.0, 6.0])
    np.testing.assert_allclose(gradients["inner"], [0.0, 6.0])


def test_branches_within_a_branch_may_share_a_layer_with_a_state():
    def build(hp):
        norm = keras.layers.BatchNormalization()
        candidates = {"a": lambda: norm, "b": lambda: norm}

        def nested(x):
            return layers.LayerChoice(hp, "inner", candidates)(x)

        x = inputs = keras.Input((4,))
        outer = {"nested": lambda: nested, "skip": blocks.Identity}
        x = layers.LayerChoice(hp, "outer", outer)(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile("sgd", "mse")
        return model

    search = GDASSearch(nas.Supernet(build, seed=0), epochs=1)
    x = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    data = SearchData(x, x[:, :1], batch_size=4)
    assert np.isfinite(search.run_epoch(data)["alpha_loss"])


def test_a_branch_runs_again_with_the_state_it_had():
    class Counting(keras.layers.Layer):
        def build(self, input_shape):
            self.count = self.add_weight(
                shape=(), initializer="ones", trainable=False
            )
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, inputs):
            outputs = inputs * self.scale * self.count
            self.count.assign_add(1.0)
            return outputs

    def build(hp):
        x = inputs = keras.Input((1,))
        candidates = {"count": Counting, "skip": blocks.Identity}
        x = layers.LayerChoice(hp, "op", candidates)(x)
        model = keras.Model(inputs, x)
        model.compile("sgd", "mse")
        return model

    supernet = nas.Supernet(build, seed=0)
    space = supernet.architecture_space
    variables = supernet.trainable_variables

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            path = SampledPath(variables=variables)
            with space.running(space.look_up(tf.zeros(1, "int32")), path):
                outputs = tf.reduce_sum(supernet(tf.ones([1, 1])))
        return tape.gradient(outputs, [v.value for v in variables])

    for count in (1.0, 2.0, 3.0):
        assert float(step()[0]) == count


def test_a_list_of_zeros_stays_a_list():
    def build(hp):
        inputs = keras.Input((4,))
        candidates = {
            "zero": lambda: lambda x: [keras.ops.zeros_like(x)],
            "skip": lambda: lambda x: [keras.layers.ReLU()(x)],
        }
        (x,) = layers.LayerChoice(hp, "op", candidates)(inputs)
        model = keras.Model(inputs, x)
        model.compile("sgd", "mse")
        return model

    supernet = nas.Supernet(build, seed=0)
    x = np.ones((3, 4), "float32")
    for op, value in (("zero", 0.0), ("skip", 1.0)):
        supernet.set_architecture({"op": op})
        np.testing.assert_array_equal(supernet(x), value * x)


def test_candidates_with_several_outputs_are_no_zeros():
    def build(hp):
        inputs = keras.Input((4,))

        def pair(x):
            y = keras.layers.Dense(2)(x)
            return [y, keras.ops.zeros_like(y)]

        a, b = layers.LayerChoice(
            hp, "op", {"one": lambda: pair, "other": lambda: pair}
        )(inputs)
        model = keras.Model(inputs, keras.layers.Add()([a, b]))
        model.compile("sgd", "mse")
        return model

    search = GDASSearch(nas.Supernet(build, seed=0), epochs=1)
    x = np.ones((8, 4), "float32")
    data = SearchData(x, x[:, :2], batch_size=4)
    assert np.isfinite(search.run_epoch(data)["alpha_loss"])


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
            with space.running(space.look_up(tf.zeros(1, "int32")), path):
                loss = tf.reduce_sum(supernet(x, training=True))
        return tape.gradient(loss, [v.value for v in variables])

    graph = step.get_concrete_function(tf.zeros([8, 4])).graph
    conditions = [op for op in graph.get_operations() if "Case" in op.type]
    # Forward one output; backward the inputs' and one vector of weights'.
    assert sorted(len(op.outputs) for op in conditions) == [1, 1, 2, 2]


def test_zeros_may_have_a_shape_that_is_not_known_before():
    def build(hp):
        x = inputs = keras.Input((None, 4))
        candidates = {"none": blocks.Zero, "skip": blocks.Identity}
        x = layers.LayerChoice(hp, "op", candidates)(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile("sgd", "mse")
        return model

    supernet = nas.Supernet(build, seed=0)
    for length in (2, 5):
        x = np.ones((3, length, 4), "float32")
        for op, is_zero in (("none", True), ("skip", False)):
            supernet.set_architecture({"op": op})
            assert np.all(np.asarray(supernet(x)) == 0) == is_zero
