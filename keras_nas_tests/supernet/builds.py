"""Builds that the tests of the supernet share."""

import keras
import numpy as np

from keras_nas import blocks, layers


def compiled(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def small(hp):
    """A width, and a place with three candidates: six architectures."""
    x = inputs = keras.Input((6,))
    x = layers.Dense(hp.Choice("width", [4, 8]), activation="relu")(x)
    x = layers.LayerChoice(
        hp,
        "op",
        {
            "first": lambda: keras.layers.Dense(6),
            "second": lambda: keras.layers.Dense(6, use_bias=False),
            "third": lambda: keras.layers.Dense(6, activation="tanh"),
        },
    )(x)
    x = keras.layers.BatchNormalization()(x)
    return compiled(inputs, keras.layers.Dense(3, activation="softmax")(x))


def everything(hp):
    """Every primitive, every elastic dimension, and what may be between."""
    x = inputs = keras.Input((11, 11, 3))
    x = layers.Conv2D(
        hp.Choice("stem", [4, 8]), 3, padding="same", strides=2, name="stem"
    )(x)
    x = layers.BatchNormalization()(x)
    x = keras.layers.Activation("sigmoid")(x)  # Not 0 at 0.
    x = blocks.ConvBlock(8)(x)
    x = layers.Repeat(
        hp,
        "stage",
        min_repeats=1,
        max_repeats=3,
        block=lambda name: layers.LayerChoice(
            hp,
            name,
            {
                "bottleneck": lambda: blocks.InvertedBottleneck(
                    8,
                    kernel_size=hp.Choice(f"{name}_kernel", [3, 5]),
                    expansion=hp.Choice(f"{name}_expansion", [2, 3]),
                    squeeze_excite=0.25,
                ),
                "residual": lambda: blocks.ResidualBlock(8),
                "identity": blocks.Identity,
            },
        ),
    )(x)
    y = blocks.SeparableConvBlock(8)(x)
    x = layers.InputChoice(hp, "skip", num_chosen=None, reduction="mean")(
        [x, y]
    )
    x = layers.Cell(
        hp,
        "cell",
        num_nodes=2,
        inputs_per_node=1,
        operations={
            "conv": lambda: blocks.ConvBlock(8),
            "zero": blocks.Zero,
            "pool": lambda: blocks.PoolingBlock("max"),
        },
    )(x)
    a = layers.Conv2D(
        hp.Int("a", 4, 12, step=4),
        hp.Choice("kernel", [1, 3, 5]),
        padding="same",
        strides=2,
    )(x)
    b = layers.Conv2D(hp.Int("b", 4, 8, step=4), 1, strides=2, padding="same")(
        x
    )
    x = keras.layers.Concatenate()([a, keras.layers.ReLU()(b)])
    x = layers.DepthwiseConv2D(hp.Choice("depthwise", [3, 5]), padding="same")(
        x
    )
    y = keras.layers.BatchNormalization()(x)
    x = x + keras.layers.Dropout(0.1)(y)
    x = keras.layers.Flatten()(x)
    x = keras.Sequential(
        [
            layers.Dense(hp.Int("units", 8, 32, step=8), activation="relu"),
            keras.layers.Dropout(0.1),
        ]
    )(x)
    return compiled(inputs, keras.layers.Dense(3, activation="softmax")(x))


def data(shape=(6,), size=64):
    rng = np.random.default_rng(0)
    x = rng.random((size, *shape)).astype("float32")
    return x, rng.integers(0, 3, size)
