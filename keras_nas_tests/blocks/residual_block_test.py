import keras
import numpy as np
import pytest

from keras_nas import blocks


@pytest.mark.parametrize(
    ("filters", "strides", "expected"),
    [
        # Two convolutions 3*3*16*16, each with BatchNormalization.
        (16, 1, 2 * (2304 + 64)),
        # 3*3*16*32, 3*3*32*32 and the shortcut 16*32.
        (32, 2, 4608 + 9216 + 512 + 3 * 128),
        (32, 1, 4608 + 9216 + 512 + 3 * 128),
        (16, 2, 2304 + 2304 + 256 + 3 * 64),
    ],
)
def test_parameters(filters, strides, expected):
    x = keras.Input((8, 8, 16))
    output = blocks.ResidualBlock(filters, strides=strides)(x)
    assert keras.Model(x, output).count_params() == expected


def test_adds_the_input_before_the_activation():
    x = keras.Input((4, 4, 2))
    model = keras.Model(x, blocks.ResidualBlock(2)(x))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.zeros_like(layer.get_weights()[0])])
    data = np.random.default_rng(0).normal(size=(1, 4, 4, 2))
    np.testing.assert_allclose(model(data), np.maximum(data, 0), rtol=1e-6)
