"""A classifier of two classes, and data for it."""

import keras
import numpy as np
from keras import layers

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


def mlp():
    """Builds it, compiled."""
    model = keras.Sequential(
        [
            keras.Input((8,), name="x"),
            layers.Dense(16, "relu", name="hidden"),
            layers.Dense(2, "softmax", name="head"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
