import keras
import numpy as np
import pytest

from keras_nas import blocks


def test_values():
    data = np.arange(9.0).reshape(1, 3, 3, 1)
    maximum = blocks.PoolingBlock("max")(data)
    np.testing.assert_array_equal(
        maximum[0, :, :, 0], [[4, 5, 5], [7, 8, 8], [7, 8, 8]]
    )
    # The corner is the mean of 4 pixels: the padding is left out.
    average = blocks.PoolingBlock("average")(data)
    np.testing.assert_allclose(
        average[0, :, :, 0], [[2, 2.5, 3], [3.5, 4, 4.5], [5, 5.5, 6]]
    )


def test_batch_normalization_is_an_option():
    x = keras.Input((8, 8, 4))
    plain = keras.Model(x, blocks.PoolingBlock()(x))
    assert plain.count_params() == 0
    block = blocks.PoolingBlock(batch_normalization=True)
    assert keras.Model(x, block(x)).count_params() == 16


@pytest.mark.parametrize(
    "arguments",
    [{"pooling": "min"}, {"pool_size": 0}, {"batch_normalization": 1}],
)
def test_invalid_arguments(arguments):
    (argument,) = arguments
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        blocks.PoolingBlock(**arguments)
