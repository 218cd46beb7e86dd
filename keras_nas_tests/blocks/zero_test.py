import keras
import numpy as np
import pytest

from keras_nas import blocks


@pytest.mark.parametrize("strides", [1, 2])
def test_is_zero_whatever_the_input(strides, tmp_path):
    x = keras.Input((3, 3, 2))
    model = keras.Model(x, blocks.Zero(strides=strides)(x))
    model.save(tmp_path / "zero.keras")
    model = keras.models.load_model(tmp_path / "zero.keras")
    data = np.full((2, 3, 3, 2), np.nan)
    size = 3 if strides == 1 else 2
    np.testing.assert_array_equal(
        model.predict(data, verbose=0), np.zeros((2, size, size, 2))
    )


def test_takes_any_rank():
    assert blocks.Zero()(keras.Input((5,))).shape == (None, 5)
