"""Models and their files, converted once for all tests of this folder."""

import keras
import numpy as np
import pytest

from keras_nas import export


@pytest.fixture(scope="session")
def classifier():
    """A small convolutional classifier of 8x8 images."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(32, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(64, 3, strides=2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(4, activation="softmax", name="scores")(x)
    return keras.Model(inputs, outputs)


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).random((50, 8, 8, 1), "float32")


@pytest.fixture(scope="session")
def classifier_files(classifier, images):
    """The classifier's files by quantization."""
    return {
        quantize: export.to_tflite(classifier, quantize, images)
        for quantize in (None, "float16", "dynamic", "int8", "int8_io")
    }


@pytest.fixture(scope="session")
def weighted_sum():
    """A Dense layer that computes x0 + 2 * x1 + 10."""
    inputs = keras.Input((2,), name="x")
    dense = keras.layers.Dense(1, name="total")
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array([[1.0], [2.0]]), np.array([10.0])])
    return model


@pytest.fixture(scope="session")
def weighted_sum_file(weighted_sum):
    return export.to_tflite(weighted_sum)


@pytest.fixture(scope="session")
def two_by_two():
    """A model of two inputs and two outputs, not in alphabetical order."""
    first = keras.Input((2,), name="zeta")
    second = keras.Input((2,), name="alpha")
    difference = keras.layers.Subtract(name="y_difference")([first, second])
    total = keras.layers.Add(name="b_total")([first, second])
    return keras.Model([first, second], [difference, total])


@pytest.fixture(scope="session")
def two_by_two_file(two_by_two):
    return export.to_tflite(two_by_two)
