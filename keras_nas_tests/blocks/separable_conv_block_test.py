import keras
import numpy as np

from keras_nas import blocks


def test_parameters():
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, blocks.SeparableConvBlock(16, kernel_size=5)(x))
    # 5*5*3 and 3*16, each with BatchNormalization.
    assert model.count_params() == 75 + 12 + 48 + 64


def test_values():
    x = keras.Input((1, 1, 2))
    block = blocks.SeparableConvBlock(1, kernel_size=1, name="block")
    model = keras.Model(x, block(x))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            gamma[:] = np.sqrt(1 + layer.epsilon)
            layer.set_weights([gamma, beta, mean, variance])
    depthwise = np.array([2.0, 3.0]).reshape(1, 1, 2, 1)
    model.get_layer("block_depthwise").set_weights([depthwise])
    pointwise = np.array([1.0, 10.0]).reshape(1, 1, 2, 1)
    model.get_layer("block_pointwise").set_weights([pointwise])
    # relu(2 * 1) + 10 * relu(3 * 4), then relu(2 * 1) + 10 * relu(3 * -4).
    for second, expected in ((4.0, 122.0), (-4.0, 2.0)):
        output = model(np.array([1.0, second]).reshape(1, 1, 1, 2))
        np.testing.assert_allclose(output, [[[[expected]]]], rtol=1e-6)
