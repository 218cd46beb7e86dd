"""A trained classifier and its deployment, made once for this folder."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_nas as nas

LABELS = [f"digit {i}" for i in range(10)]


@pytest.fixture(scope="session")
def digits():
    """Images of 8 by 8 pixels and their classes, the last 397 for tests."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    return (images[:1400], labels[:1400]), (images[1400:], labels[1400:])


@pytest.fixture(scope="session")
def classifier(digits):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(16, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(32, activation="relu")(x)
    x = keras.layers.Dense(10, activation="softmax", name="scores")(x)
    model = keras.Model(inputs, x, name="digits")
    model.compile(
        keras.optimizers.Adam(0.005),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(*digits[0], epochs=8, batch_size=32, verbose=0)
    return model


@pytest.fixture(scope="session")
def deployment(classifier, digits):
    return nas.deploy(
        classifier,
        *digits[0],
        validation_data=digits[1],
        quantize=["float32", "dynamic", "int8", "int8_io"],
        labels=LABELS,
        preprocessing={"mean": 0, "std": 16, "description": "grey values"},
        details={"author": "the tests", "description": "Reads digits."},
    )


@pytest.fixture(scope="session")
def line():
    """A regression of two inputs whose weights are set by hand."""
    inputs = keras.Input((2,), name="x")
    dense = keras.layers.Dense(1, name="y")
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array([[1.0], [2.0]]), np.array([10.0])])
    model.compile("sgd", "mse", metrics=["mae"])
    return model
