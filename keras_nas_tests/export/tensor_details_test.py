import numpy as np

from keras_nas import export


def test_quantizes_by_hand_checked_numbers():
    details = export.TensorDetails("x", (1, 4), "int8", 0.25, 10)
    # round(v / 0.25) + 10, clipped to [-128, 127].
    np.testing.assert_array_equal(
        details.quantize([0.0, 1.0, -2.5, 1000.0]), [10, 14, 0, 127]
    )
    np.testing.assert_array_equal(
        details.dequantize(np.array([10, 14, 0, 127], "int8")),
        [0.0, 1.0, -2.5, 29.25],
    )
    assert details.quantize([0.0]).dtype == "int8"
    assert details.real_dtype == "float32"


def test_unquantized_integers_are_what_they_are():
    details = export.TensorDetails("tokens", (1, 4), "int32")
    assert not details.is_quantized
    assert details.real_dtype == "int32"
