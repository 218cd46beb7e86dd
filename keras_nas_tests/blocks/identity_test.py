import keras
import numpy as np
import pytest

from keras_nas import blocks


def test_adds_no_layer():
    for x in (keras.Input((4,)), [keras.Input((4,)), keras.Input((5,))]):
        assert blocks.Identity()(x) is x


@pytest.mark.parametrize(
    ("channels", "expected"),
    # Two paths of half the channels, and BatchNormalization.
    [(16, 2 * 16 * 8 + 64), (3, 3 * 2 + 3 * 1 + 12), (1, 1 + 4)],
)
def test_parameters_of_the_reduction(channels, expected):
    x = keras.Input((8, 8, channels))
    output = blocks.Identity(strides=2)(x)
    assert output.shape == (None, 4, 4, channels)
    assert keras.Model(x, output).count_params() == expected


def test_the_reduction_reads_two_pixels_of_four():
    x = keras.Input((3, 4, 2))
    model = keras.Model(x, blocks.Identity(strides=2, name="skip")(x))
    norm = model.get_layer("skip_reduce_bn")
    gamma, beta, mean, variance = norm.get_weights()
    gamma[:] = np.sqrt(1 + norm.epsilon)
    norm.set_weights([gamma, beta, mean, variance])
    for path in (1, 2):
        kernel = np.zeros((1, 1, 2, 1))
        kernel[0, 0, path - 1] = 1
        model.get_layer(f"skip_reduce{path}").set_weights([kernel])
    data = np.arange(1.0, 25.0).reshape(1, 3, 4, 2)
    output = model(data)
    np.testing.assert_allclose(output[..., 0], data[:, ::2, ::2, 0], rtol=1e-6)
    # Below the last row of an odd height there are zeros.
    expected = [[data[0, 1, 1, 1], data[0, 1, 3, 1]], [0, 0]]
    np.testing.assert_allclose(output[0, :, :, 1], expected, rtol=1e-6)
