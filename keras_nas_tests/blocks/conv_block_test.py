import keras
import numpy as np

from keras_nas import blocks


def test_parameters():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, blocks.ConvBlock(16, kernel_size=3)(x))
    # 3*3*3*16, no bias, and BatchNormalization.
    assert model.count_params() == 432 + 64


def test_values():
    x = keras.Input((1, 2, 1))
    model = keras.Model(x, blocks.ConvBlock(2, kernel_size=1)(x))
    conv, norm = model.layers[1:3]
    conv.set_weights([np.array([2.0, -3.0]).reshape(1, 1, 1, 2)])
    gamma = np.full(2, np.sqrt(1 + norm.epsilon))
    norm.set_weights([gamma, np.array([1.0, 0.5]), np.zeros(2), np.ones(2)])
    output = model(np.array([1.0, -1.0]).reshape(1, 1, 2, 1))
    # ReLU of 2x + 1 and of -3x + 0.5.
    np.testing.assert_allclose(output[0, 0], [[3, 0], [0, 3.5]], rtol=1e-6)


def test_no_activation():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, blocks.ConvBlock(4, activation=None)(x))
    assert [type(layer).__name__ for layer in model.layers[1:]] == [
        "Conv2D",
        "BatchNormalization",
    ]


def test_layer_names():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, blocks.ConvBlock(4, name="stem")(x))
    assert [layer.name for layer in model.layers[1:]] == [
        "stem_conv",
        "stem_conv_bn",
        "stem_conv_activation",
    ]
