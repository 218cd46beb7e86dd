"""The pieces that a latency table has entries for."""

import keras
import numpy as np
import pytest

from keras_nas import blocks
from keras_nas.costs.segment import cut


def network(filters=8, expansion=2):
    x = inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(filters, 3, padding="same")(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(6.0)(x)
    x = blocks.InvertedBottleneck(filters, expansion=expansion)(x)
    x = blocks.InvertedBottleneck(12, expansion=3, strides=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(4, "softmax")(x))


def keys(model):
    return [segment.key for segment in cut(model)]


def same_keys(first, second):
    return [a == b for a, b in zip(keys(first), keys(second), strict=True)]


def test_what_a_shortcut_passes_by_is_one_piece():
    kinds = [s.description.split(" of ")[0] for s in cut(network())]
    fused = "Conv2D BatchNormalization"
    depthwise = "DepthwiseConv2D BatchNormalization ReLU"
    assert kinds == [
        f"{fused} ReLU",
        f"{fused} ReLU {depthwise} {fused} Add",
        f"{fused} ReLU",
        depthwise,
        fused,
        "GlobalAveragePooling2D",
        "Dense",
    ]


def test_pieces_one_after_the_other_are_the_model():
    keras.utils.set_random_seed(0)
    model = network()
    x = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    outputs = x
    for segment in cut(model):
        outputs = segment.model()(outputs)
    np.testing.assert_allclose(outputs, model(x), atol=1e-6)


def test_equal_pieces_have_one_key_whatever_their_weights_and_names():
    assert keys(network()) == keys(network())
    assert same_keys(network(), network(8, 3)) == [
        True,
        False,
        True,
        True,
        True,
        True,
        True,
    ]


def test_other_sizes_are_other_pieces():
    # The last block is expanded from them; what follows its 12 is the same.
    same = same_keys(network(), network(16))
    assert same == [False, False, False, False, False, True, True]


def test_several_inputs_and_outputs_stay_together():
    a, b = keras.Input((3,)), keras.Input((4,))
    x = keras.layers.Concatenate()([a, b])
    x = keras.layers.Dense(5)(x)
    outputs = [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)]
    joined, _, last = cut(keras.Model([a, b], outputs))
    assert [tuple(t.shape) for t in joined.inputs] == [(None, 3), (None, 4)]
    assert [tuple(t.shape) for t in last.outputs] == [(None, 2), (None, 3)]


def test_models_inside_are_cut_too():
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(4)]
    )
    outer = keras.Sequential([keras.Input((4,)), inner, inner])
    first, second, third, fourth = keys(outer)
    assert (first, second) == (third, fourth)


def test_a_subclassed_model_cannot_be_cut():
    class Mine(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="graph of layers"):
        cut(Mine())


def test_layers_without_a_configuration_have_one_key_in_every_network():
    class Scaled(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self._factor = factor

        def call(self, inputs):
            return self._factor * inputs

        def get_config(self):
            raise NotImplementedError

    def scaled(factor):
        inputs = keras.Input((4,))
        return keras.Model(inputs, Scaled(factor)(inputs))

    assert keys(scaled(2)) == keys(scaled(2))
    assert keys(scaled(2)) != keys(scaled(3))


def test_constants_of_other_shapes_are_other_pieces():
    def convolved(filters):
        inputs = keras.Input((8, 8, 64))
        kernel = np.zeros((3, 3, 64, filters), "float32")
        return keras.Model(inputs, keras.ops.conv(inputs, kernel))

    assert keys(convolved(64)) == keys(convolved(64))
    assert keys(convolved(64)) != keys(convolved(128))
