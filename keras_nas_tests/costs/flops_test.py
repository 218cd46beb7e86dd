"""Operations, by hand and by TensorFlow's profiler."""

import contextlib
import io

import keras
import pytest
import tensorflow as tf

from keras_nas.costs import Flops, Macs
from keras_nas_tests.costs.parameters_test import Scaled
from keras_nas_tests.costs.sample_models import convolutional

layers = keras.layers


def profiled_flops(model):
    """Counts as TensorFlow's profiler does."""
    specs = [
        tf.TensorSpec((1, *tensor.shape[1:]), tensor.dtype)
        for tensor in model.inputs
    ]
    is_single = len(specs) == 1
    graph = (
        tf.function(
            lambda *x: model(x[0] if is_single else list(x), training=False)
        )
        .get_concrete_function(*specs)
        .graph
    )
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(
        profiler.ProfileOptionBuilder.float_operation()
    )
    with contextlib.redirect_stdout(io.StringIO()):
        profile = profiler.profile(
            graph=graph, options=options.with_empty_output().build()
        )
    return profile.total_float_ops


def test_operations_are_counted_as_by_hand():
    macs = {
        "convolution": 8 * 8 * 4 * (3 * 3 * 3),
        "depthwise": 8 * 8 * 4 * (3 * 3),
        "flatten": 0,
        "dense": 256 * 5,
    }
    model = convolutional()
    assert Macs().by_layer(model) == macs
    assert Macs().measure(model) == sum(macs.values())
    assert Flops().by_layer(model) == {k: 2 * v for k, v in macs.items()}
    assert Flops().measure(model) == 2 * sum(macs.values())


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.applications.MobileNetV2(
            (32, 32, 3), alpha=0.35, weights=None, classes=10
        ),
        lambda: keras.applications.MobileNetV3Small(
            (32, 32, 3), weights=None, classes=10
        ),
        lambda: keras.applications.EfficientNetB0(
            input_shape=(32, 32, 3), weights=None, classes=10
        ),
    ],
    ids=["MobileNetV2", "MobileNetV3Small", "EfficientNetB0"],
)
def test_known_networks_agree_with_the_profiler(make):
    model = make()
    counts = Flops().by_layer(model)
    assert sum(counts.values()) == Flops().measure(model)
    assert sum(counts.values()) == pytest.approx(
        profiled_flops(model), rel=1e-3
    )


def sequential(shape, *stack):
    return keras.Sequential([keras.Input(shape), *stack])


AS_PROFILED = {
    "separable convolution": lambda: sequential(
        (8, 8, 3), layers.SeparableConv2D(5, 3, depth_multiplier=2)
    ),
    "convolution in one dimension": lambda: sequential(
        (8, 3),
        layers.Conv1D(5, 3, padding="causal", activation="gelu"),
        layers.DepthwiseConv1D(3),
    ),
    "convolution in three dimensions": lambda: sequential(
        (6, 6, 6, 2), layers.Conv3D(3, 3)
    ),
    "transposed convolution": lambda: sequential(
        (4, 4, 3), layers.Conv2DTranspose(5, 3, strides=2, padding="same")
    ),
    "pooling": lambda: sequential(
        (9, 9, 4),
        layers.MaxPooling2D(3, 2),
        layers.AveragePooling2D(2),
        layers.GlobalAveragePooling2D(),
        layers.Softmax(),
    ),
    "normalization": lambda: sequential(
        (4, 4, 6),
        layers.Rescaling(0.5, 1.0),
        layers.BatchNormalization(),
        layers.BatchNormalization(scale=False),
        layers.BatchNormalization(center=False),
        layers.LayerNormalization(),
        layers.GroupNormalization(2),
    ),
    "activations": lambda: sequential(
        (4, 6),
        *(layers.Activation(name) for name in ("relu", "silu", "hard_silu")),
        *(layers.Activation(name) for name in ("sigmoid", "softmax", "mish")),
        layers.ReLU(6.0),
        layers.ReLU(3.0),
        layers.LeakyReLU(),
        layers.PReLU(),
    ),
    "dense layers of sequences": lambda: sequential(
        (9, 4),
        layers.Dense(7, activation="softmax"),
        layers.EinsumDense("abc,cd->abd", (9, 5), bias_axes="d"),
        layers.TimeDistributed(layers.Dense(3)),
    ),
    "unrolled recurrence": lambda: sequential(
        (5, 4),
        layers.Bidirectional(
            layers.LSTM(3, unroll=True, return_sequences=True),
            merge_mode="sum",
        ),
        layers.GRU(3, unroll=True),
    ),
}


@pytest.mark.parametrize("make", AS_PROFILED.values(), ids=list(AS_PROFILED))
def test_each_kind_of_layer_agrees_with_the_profiler(make):
    model = make()
    assert Flops().measure(model) == profiled_flops(model) > 0


def test_groups_of_a_convolution_see_their_own_channels():
    model = sequential((8, 8, 4), layers.Conv2D(6, 3, groups=2, use_bias=False))
    assert Macs().measure(model) == 6 * 6 * 6 * (3 * 3 * 2)


def test_the_steps_of_recurrent_layers_count():
    model = sequential((7, 4), layers.LSTM(3), layers.Dense(1))
    assert Macs().measure(model) == 7 * (4 + 3) * 4 * 3 + 3
    looping = sequential((7, 4), layers.GRU(3))
    unrolled = sequential((7, 4), layers.GRU(3, unroll=True))
    assert Flops().measure(looping) == Flops().measure(unrolled)


def test_attention_counts():
    inputs = keras.Input((6, 8))
    outputs = layers.MultiHeadAttention(2, 4)(inputs, inputs)
    projections = 4 * (6 * 8 * 8)
    scores_and_sums = 2 * (2 * 6 * 6 * 4)
    macs = Macs().measure(keras.Model(inputs, outputs))
    assert macs == projections + scores_and_sums


def test_a_model_may_have_several_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    x = layers.Concatenate()([a, b])
    outputs = layers.Dense(2, use_bias=False)(x)
    for inputs in ([a, b], {"a": a, "b": b}):
        assert Flops().measure(keras.Model(inputs, outputs)) == 24


def test_models_inside_have_paths_and_count_for_each_call():
    inner = sequential((3,), layers.Dense(3, use_bias=False, name="dense"))
    inner.name = "inner"
    inputs = keras.Input((3,))
    x = keras.ops.relu(inner(inner(inputs)) + 1.0)
    model = keras.Model(inputs, layers.Dense(1, name="dense")(x))
    counts = Macs().by_layer(model)
    assert {k: v for k, v in counts.items() if v} == {
        "inner/dense": 2 * 9,
        "dense": 3,
    }


class Twice(layers.Layer):
    """A layer that no rule can know."""

    def __init__(self):
        super().__init__(name="twice")
        self.dense = layers.Dense(4, use_bias=False)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        x = keras.ops.reshape(inputs, (-1, 2, 2))
        x = keras.ops.einsum("bij,bjk->bik", x, x)
        return self.dense(keras.ops.reshape(x, (-1, 4)))


def test_layers_of_the_user_are_traced():
    model = sequential((4,), Twice(), layers.Dense(1, name="last"))
    assert Macs().by_layer(model) == {"twice": 8 + 16, "last": 4}
    assert Flops().by_layer(model) == {"twice": 2 * 24, "last": 9}


class Grouped(layers.Conv2D):
    """Keras compiles convolutions in groups, which hides their operations."""


def test_what_keras_compiles_is_traced_through():
    model = sequential((4, 4, 4), Grouped(2, 3, groups=2, use_bias=False))
    before = tf.config.functions_run_eagerly()
    assert Macs().measure(model) == 2 * 2 * 2 * (3 * 3 * 2)
    assert tf.config.functions_run_eagerly() == before


def test_a_subclassed_model_is_traced():
    model = Scaled()
    model.build((None, 3))
    assert Flops().by_layer(model) == {"dense": 2 * 6 + 2, "scaled": 2}
    assert Flops().measure(model) == 16


class Looping(layers.Layer):
    def compute_output_shape(self, input_shape):
        return input_shape

    def call(self, inputs):
        return keras.ops.while_loop(
            lambda x: keras.ops.max(x) < 9.0, lambda x: (x + 1.0,), (inputs,)
        )[0]


def test_a_loop_of_unknown_length_is_told_of():
    with pytest.warns(UserWarning, match="is not counted"):
        Flops().measure(sequential((4,), Looping()))


def test_a_measured_model_is_as_before():
    model = convolutional()
    config = model.get_config()
    for _ in range(2):
        Flops().measure(model)
    assert model.get_config() == config
    assert model.input_shape == (None, 8, 8, 3)
    assert keras.models.clone_model(model).output_shape == (None, 5)
