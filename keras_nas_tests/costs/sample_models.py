"""Small models with numbers that can be worked out by hand."""

import keras


def convolutional():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(
        4, 3, padding="same", use_bias=False, name="convolution"
    )(inputs)
    x = keras.layers.DepthwiseConv2D(
        3, padding="same", use_bias=False, name="depthwise"
    )(x)
    x = keras.layers.Flatten(name="flatten")(x)
    outputs = keras.layers.Dense(5, use_bias=False, name="dense")(x)
    return keras.Model(inputs, outputs)


def residual():
    """Folds batch normalisation and ReLU, and adds a skip connection."""
    inputs = keras.Input((16, 16, 1))
    skip = x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    x = keras.layers.Add()([x, skip])
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def unbuilt():
    return keras.Sequential([keras.layers.Dense(2)])


def open_shape():
    inputs = keras.Input((None, 4))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))
