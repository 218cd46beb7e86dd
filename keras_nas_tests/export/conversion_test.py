import importlib.util
import os
import resource
import sys
import tempfile
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import export
from keras_nas.export import unrolled_loops


def assert_same_outputs(tflite_model, model, x):
    export.verify(tflite_model, model, x).raise_if_failed()


# What is in the file.


def test_file_has_batch_norm_folded_and_no_variables(classifier_files):
    assert classifier_files[None].operations == (
        "CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    )


def test_quantized_files_shrink_with_their_weights(
    classifier, classifier_files
):
    float32 = classifier_files[None]
    # Batch normalization becomes part of the convolution before it.
    weights = 3 * 3 * 32 + 32 + 3 * 3 * 32 * 64 + 64 + 64 * 4 + 4
    assert 0 < float32.size_bytes - 4 * weights < 4000
    assert classifier_files["float16"].size_bytes / float32.size_bytes > 0.5
    assert classifier_files["float16"].size_bytes / float32.size_bytes < 0.55
    for quantize in ("dynamic", "int8", "int8_io"):
        ratio = classifier_files[quantize].size_bytes / float32.size_bytes
        assert 0.25 < ratio < 0.35


@pytest.mark.parametrize(
    "quantize", [None, "float16", "dynamic", "int8", "int8_io"]
)
def test_quantization_shows_in_the_tensors(
    classifier, classifier_files, images, quantize
):
    tflite_model = classifier_files[quantize]
    assert tflite_model.quantization == quantize
    dtype = "int8" if quantize == "int8_io" else "float32"
    assert tflite_model.inputs[0].dtype == dtype
    assert tflite_model.outputs[0].dtype == dtype
    is_integer = quantize in ("int8", "int8_io")
    assert (tflite_model.float_operations == ()) == is_integer
    assert_same_outputs(tflite_model, classifier, images)


def test_int4_halves_the_weights_of_int8(classifier, classifier_files, images):
    pytest.importorskip("ai_edge_quantizer")
    int4 = export.to_tflite(classifier, "int4")
    assert int4.quantization == "int4"
    assert int4.inputs == classifier_files[None].inputs
    assert int4.outputs == classifier_files[None].outputs
    # Half a byte a weight, and a scale for each channel.
    weights = 3 * 3 * 32 + 3 * 3 * 32 * 64 + 64 * 4
    assert weights / 2 < int4.size_bytes < weights / 2 + 6000
    assert int4.size_bytes < 0.65 * classifier_files["dynamic"].size_bytes
    assert_same_outputs(int4, classifier, images)


def test_int4_without_its_package_says_what_to_install(classifier, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)
    find_spec = importlib.util.find_spec

    def missing(name, *arguments):
        if name == "ai_edge_quantizer":
            return None
        return find_spec(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", missing)
    with pytest.raises(ImportError, match=r"pip install keras-nas\[int4\]"):
        export.to_tflite(classifier, "int4")


def test_a_full_disk_for_temporary_files_is_named(
    classifier, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="TMPDIR") as error:
            export.to_tflite(classifier)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(tmp_path)
    assert os.listdir(tmp_path) == []


def test_operation_without_int8_kernel_is_warned_of():
    inputs = keras.Input((4,), name="x")
    outputs = keras.ops.sin(keras.layers.Dense(8)(inputs))
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(30, 4))
    with pytest.warns(UserWarning, match="floating point.*SIN"):
        tflite_model = export.to_tflite(model, "int8", x)
    assert tflite_model.float_operations == ("SIN",)
    assert_same_outputs(tflite_model, model, x)


# Kinds of models.


def test_sequential_model_without_names():
    model = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(3, name="dense_out")]
    )
    model.build((None, 2, 2))
    tflite_model = export.to_tflite(model)
    # Not the number that Keras counts through the process.
    assert tflite_model.inputs[0].name == "input"
    assert_same_outputs(tflite_model, model, np.ones((3, 2, 2)))


def test_copies_of_a_model_have_the_same_names():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    copy = keras.models.clone_model(model)
    assert model.inputs[0].name != copy.inputs[0].name
    assert export.to_tflite(copy).inputs[0].name == "input"


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs):
        x = self.dense(inputs["left"] - inputs["right"])
        return {"z": x, "a": keras.ops.relu(x)}


def test_subclassed_model_with_dicts():
    model = Subclassed()
    x = {
        "right": np.random.default_rng(0).random((7, 4), "float32"),
        "left": np.random.default_rng(1).random((7, 4), "float32"),
    }
    model(x)
    tflite_model = export.to_tflite(model)
    assert {d.name for d in tflite_model.inputs} == {"left", "right"}
    assert {d.name for d in tflite_model.outputs} == {"z", "a"}
    assert_same_outputs(tflite_model, model, x)


class Scale(keras.layers.Layer):
    """A layer that nobody could load without this file."""

    def build(self, _):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return x * self.scale


def test_functional_model_with_dicts_custom_layers_and_odd_names():
    inputs = {
        name: keras.Input((2,), name=name) for name in ("class", "my input:0")
    }
    total = inputs["class"] + 2 * inputs["my input:0"]
    model = keras.Model(inputs, {"1st": Scale()(total)})
    tflite_model = export.to_tflite(model)
    names = [d.name for d in tflite_model.inputs]
    assert names == ["tensor_class", "my_input_0"]
    assert [d.name for d in tflite_model.outputs] == ["tensor_1st"]
    outputs = tflite_model.predict(
        {"tensor_class": np.ones((1, 2)), "my_input_0": np.ones((1, 2))}
    )
    np.testing.assert_allclose(outputs, [[3.0, 3.0]])


def test_lambda_and_nested_models():
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)]
    )
    inputs = keras.Input((4,), name="x")
    outputs = keras.layers.Lambda(lambda x: x + 1)(inner(inputs))
    model = keras.Model(inputs, outputs)
    assert_same_outputs(export.to_tflite(model), model, np.ones((3, 4)))


def test_mixed_precision_model_becomes_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((8, 6), name="x")
        x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
        x = keras.layers.LayerNormalization()(x)
        x = keras.layers.Flatten()(x)
        model = keras.Model(inputs, keras.layers.Dense(3)(x))
    finally:
        keras.config.set_dtype_policy(before)
    x = np.random.default_rng(0).normal(size=(5, 8, 6))
    tflite_model = export.to_tflite(model)
    assert tflite_model.inputs[0].dtype == "float32"
    assert tflite_model.outputs[0].dtype == "float32"
    assert "CAST" not in tflite_model.operations
    assert_same_outputs(tflite_model, model, x)
    # The user's model is as it was.
    assert {layer.dtype_policy.name for layer in model.layers[1:]} == {
        "mixed_float16"
    }
    assert model(x).dtype == "float16"


@pytest.mark.parametrize("layer", [keras.layers.LSTM, keras.layers.GRU])
def test_recurrent_model(layer):
    inputs = keras.Input((5, 3), name="x")
    model = keras.Model(inputs, layer(4)(inputs))
    x = np.random.default_rng(0).normal(size=(6, 5, 3))
    assert_same_outputs(export.to_tflite(model), model, x)


# What cannot be converted.


class Svd(keras.layers.Layer):
    def call(self, x):
        return tf.linalg.svd(x, compute_uv=False)

    def compute_output_shape(self, shape):
        return shape[:-1]


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_operations_that_tflite_lacks_are_named(quantize):
    inputs = keras.Input((4, 4), name="x")
    x = keras.ops.erf(Svd()(inputs))
    model = keras.Model(inputs, x, name="decomposition")
    with pytest.raises(export.ConversionError, match="Erf, Svd") as error:
        export.to_tflite(model, quantize, np.zeros((3, 4, 4)))
    assert error.value.operations == ("Erf", "Svd")
    assert "decomposition" in str(error.value)


@pytest.fixture(scope="module")
def sequences():
    return np.random.default_rng(0).normal(size=(6, 5, 3))


def lstm_model(**options):
    inputs = keras.Input((5, 3), name="x")
    return keras.Model(
        inputs, keras.layers.LSTM(4, name="y", **options)(inputs)
    )


# These three stand together, since the converter has to start again once.


def test_crash_of_the_converter_is_an_error(sequences, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Too many steps to unroll.
    monkeypatch.setattr(unrolled_loops, "MAX_STEPS", 4)
    with pytest.raises(export.ConversionError, match="SIGSEGV") as error:
        export.to_tflite(lstm_model(), "int8", sequences)
    assert "unroll=True" in str(error.value)
    # TensorFlow leaves source code there until the process ends.
    left = [name for name in os.listdir(tmp_path) if "autograph" not in name]
    assert left == []


def test_converter_that_takes_too_long_is_stopped(
    weighted_sum, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(export.ConversionError, match="timeout_s=0.001"):
        export.to_tflite(weighted_sum, timeout_s=0.001)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(4),
        keras.layers.GRU(4),
        keras.layers.Bidirectional(keras.layers.LSTM(4)),
        keras.layers.RNN(keras.layers.SimpleRNNCell(4)),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_recurrent_models_are_unrolled_for_int8(sequences, layer):
    inputs = keras.Input((5, 3), name="x")
    model = keras.Model(inputs, layer(inputs))
    tflite_model = export.to_tflite(model, "int8", sequences)
    assert "WHILE" not in tflite_model.operations
    assert_same_outputs(tflite_model, model, sequences)
    # The model has its loops still.
    assert not getattr(layer, "unroll", False)


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((None, None, 3), "float32", "'x'.*open size.*None, None, None, 3"),
        ((2,), "string", "'x'.*'string'.*preprocessing"),
        ((2,), "complex64", "'x'.*'complex64'"),
    ],
)
def test_inputs_that_tflite_cannot_have(shape, dtype, message):
    inputs = keras.Input(shape, dtype=dtype, name="x")
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    with pytest.raises(ValueError, match=message):
        export.to_tflite(model)


class TwoArguments(keras.Model):
    def call(self, left, right):
        return left + right


def test_models_whose_inputs_are_unknown():
    with pytest.raises(ValueError, match="must be built"):
        export.to_tflite(keras.Sequential([keras.layers.Dense(3)]))
    model = TwoArguments()
    model(np.ones((1, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match="several arguments"):
        export.to_tflite(model)


class BatchOfFour(keras.layers.Layer):
    def call(self, x):
        return keras.ops.reshape(x, (4, 3))


def test_model_of_another_batch_size():
    inputs = keras.Input(batch_shape=(4, 3), name="x")
    model = keras.Model(inputs, BatchOfFour()(inputs))
    with pytest.raises(ValueError, match="batch size 1"):
        export.to_tflite(model)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": None}, "`model`.*None"),
        ({"model": "model.keras"}, "`model`.*'model.keras'"),
        ({"quantize": "int7"}, "`quantize`.*'int8'.*'int7'"),
        ({"quantize": True}, "`quantize`"),
        ({"timeout_s": 0}, "`timeout_s`.*0"),
        ({"timeout_s": "long"}, "`timeout_s`"),
    ],
)
def test_invalid_arguments(weighted_sum, arguments, message):
    with pytest.raises(ValueError, match=message):
        export.to_tflite(**{"model": weighted_sum, **arguments})


def test_conversion_is_quiet(weighted_sum, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export.to_tflite(weighted_sum)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("weight", "largest"), [(1.0, 2e-6), (1.0, 3e-5), (100.0, 3e-3)]
)
def test_a_layer_without_a_scale_is_named(weight, largest):
    inputs = keras.Input((4, 4, 1))
    layer = keras.layers.Conv2D(2, 1, activation="relu6", name="asleep")
    outputs = keras.layers.Conv2D(2, 1, name="after")(layer(inputs))
    model = keras.Model(inputs, outputs)
    # Positive for the largest input alone, and hardly so.
    kernel = np.full((1, 1, 1, 2), weight)
    layer.set_weights([kernel, np.full(2, largest - weight)])
    x = np.random.default_rng(0).random((32, 4, 4, 1), dtype="float32")
    x[0, 0, 0, 0] = 1.0
    with pytest.raises(
        export.ConversionError, match="asleep(.|\n)*representative data"
    ):
        export.to_tflite(model, "int8", x)
    layer.set_weights([kernel, np.full(2, -0.5 * weight)])
    assert export.to_tflite(model, "int8", x).predict(x).shape == (32, 4, 4, 2)
