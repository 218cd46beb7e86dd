"""Parameters, checked against numbers worked out by hand."""

import keras
import pytest

from keras_nas.costs import Parameters
from keras_nas_tests.costs.sample_models import convolutional, unbuilt


def test_parameters_are_counted_as_by_hand():
    layers = {
        "convolution": 3 * 3 * 3 * 4,
        "depthwise": 3 * 3 * 4,
        "dense": 256 * 5,
    }
    assert Parameters().by_layer(convolutional()) == layers
    assert Parameters().measure(convolutional()) == sum(layers.values())


def test_shared_and_nested_layers_count_once():
    shared = keras.layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), shared], name="inner")
    inputs = keras.Input((3,))
    x = shared(inner(inner(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(1, name="last")(x))
    assert Parameters().by_layer(model) == {"inner/shared": 12, "last": 4}
    assert Parameters().measure(model) == 16


class Scaled(keras.Model):
    """A subclassed model with a weight of its own."""

    def __init__(self):
        super().__init__(name="scaled")
        self.dense = keras.layers.Dense(2, name="dense")

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(2,), name="scale")
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.scale * self.dense(inputs)


def test_a_subclassed_model_has_weights_of_its_own():
    model = Scaled()
    model.build((None, 3))
    assert Parameters().by_layer(model) == {"dense": 8, "scaled": 2}
    assert Parameters().measure(model) == 10


def test_a_model_without_weights_yet_is_refused():
    with pytest.raises(ValueError, match="`model`.*built Keras model"):
        Parameters().measure(unbuilt())
