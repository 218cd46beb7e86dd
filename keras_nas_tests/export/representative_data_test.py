"""Through `to_tflite`: bad data must be refused before any conversion."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import export


@pytest.fixture
def no_conversion(monkeypatch):
    """Makes a conversion that starts in spite of bad data an error."""

    def fail(*_):
        raise AssertionError("The converter was started.")

    monkeypatch.setattr("keras_nas.export.conversion.start_converter", fail)


@pytest.fixture(scope="module")
def tokens_and_features():
    tokens = keras.Input((3,), dtype="int32", name="tokens")
    features = keras.Input((2,), name="features")
    x = keras.layers.Flatten()(keras.layers.Embedding(10, 2)(tokens))
    x = keras.layers.Concatenate()([x, features])
    outputs = keras.layers.Dense(1)(x)
    return keras.Model([tokens, features], outputs)


BAD_DATA = {
    "missing": (None, "`representative_data` is required.*x_train"),
    "shape": (np.zeros((5, 3)), r"shape \(samples, 2\).*shape \(5, 3\)"),
    "one sample": (np.zeros(2), r"x\[None\]"),
    "empty": (np.zeros((0, 2)), "at least one sample"),
    "strings": (np.array([["a", "b"]]), "dtype float32.*dtype str"),
    "token ids": (np.zeros((5, 2), "int64"), r"astype\('float32'\)"),
    "NaN": (np.array([[0.0, 1.0], [0.0, np.nan]]), "1 of 2.*sample 1"),
    "infinite": (np.array([[0.0, np.inf]]), "NaN or infinite"),
    "too large": (np.array([[0.0, 1e300]]), "NaN or infinite"),
    "two arrays": ({"x": np.zeros((1, 2)), "y": 0}, "one array"),
    "name": ({"y": np.zeros((1, 2))}, "'x'.*'y'"),
    "text": ("x_train", "iterable.*'x_train'"),
    "number": (3, "iterable"),
    "empty list": ([], "at least one sample"),
    "used generator": (iter(()), "make a new one"),
    "ragged list": ([np.zeros(2), np.zeros(3)], r"shape \(1, 3\)"),
    "dataset": (
        tf.data.Dataset.from_tensor_slices(np.zeros((5, 3))).batch(2),
        r"shape \(2, 3\)",
    ),
}


@pytest.mark.parametrize("quantize", ["int8", "int8_io"])
@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.usefixtures("no_conversion")
def test_bad_data_are_refused(weighted_sum, quantize, case):
    data, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message) as error:
        export.to_tflite(weighted_sum, quantize, data)
    assert "`representative_data`" in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((5, 3), "int32"), "2 arrays"),
        ([np.zeros((5, 3), "int32")], "2 arrays"),
        (
            {"tokens": np.zeros((5, 3)), "features": np.zeros((5, 2))},
            "dtype int32.*float64",
        ),
        (
            [np.full((5, 3), 2**40), np.zeros((5, 2))],
            "values that fit int32",
        ),
        (
            [np.zeros((5, 3), "int32"), np.zeros((4, 2))],
            "same number of samples",
        ),
        (
            iter([[np.zeros((5, 3), "int32"), np.zeros((4, 2))]]),
            "same number of samples",
        ),
    ],
)
@pytest.mark.usefixtures("no_conversion")
def test_bad_data_for_two_inputs_are_refused(
    tokens_and_features, data, message
):
    with pytest.raises(ValueError, match=message):
        export.to_tflite(tokens_and_features, "int8", data)


def _input_range(data):
    """Converts and returns the input range that calibration found."""
    inputs = keras.Input((2,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    tflite_model = export.to_tflite(model, "int8_io", data)
    return tflite_model.inputs[0].dequantize([-128, 127])


def test_all_kinds_of_data_calibrate_alike():
    # Values from -1 to 2 give the range [-1, 2], up to one step.
    x = np.linspace(-1, 2, 40).reshape(20, 2).astype("float32")
    y = np.zeros(20)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    kinds = {
        "array": x,
        "float64": x.astype("float64"),
        "tensor": tf.constant(x),
        "dict": {"x": x},
        "list": [x],
        "dataset of (x, y)": batches,
        "endless dataset": batches.repeat(),
        "generator of samples": (sample for sample in x),
        "function": lambda: ([sample[None]] for sample in x),
    }
    for kind, data in kinds.items():
        np.testing.assert_allclose(
            _input_range(data), [-1, 2], atol=3 / 255, err_msg=kind
        )


def test_arrays_sorted_by_class_are_sampled_evenly():
    x = np.linspace(0, 1, 2000).reshape(1000, 2)
    np.testing.assert_allclose(_input_range(x), [0, 1], atol=0.01)


def test_reads_no_more_of_an_iterable_than_it_uses():
    read = []

    def samples():
        for i in range(1000):
            read.append(i)
            yield np.full(2, i % 7, "float32")

    np.testing.assert_allclose(_input_range(samples()), [0, 6], atol=0.05)
    assert len(read) == 200


def test_integer_and_float_inputs_together(tokens_and_features):
    rng = np.random.default_rng(0)
    x = {
        "features": rng.random((30, 2)),
        "tokens": rng.integers(0, 10, (30, 3)),
    }
    tflite_model = export.to_tflite(tokens_and_features, "int8", x)
    assert [d.dtype for d in tflite_model.inputs] == ["int32", "float32"]
    report = export.verify(tflite_model, tokens_and_features, x)
    assert report.passed, report
