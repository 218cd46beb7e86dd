import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nas import export
from keras_nas.compression.legacy_keras import import_tfmot


def names_of_failed(report):
    return [check.name for check in report.failed_checks]


def dense_file(kernel, bias=0.0):
    """The file of a Dense layer with one input named `x`."""
    inputs = keras.Input((2,), name="x")
    dense = keras.layers.Dense(1, name="total")
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array(kernel).reshape(2, 1), np.array([bias])])
    return export.to_tflite(model)


def test_good_file_passes_all_checks(classifier, classifier_files, images):
    y = np.arange(len(images)) % 4
    report = export.verify(classifier_files[None], classifier, images, y)
    assert report.passed
    assert report.failed_checks == ()
    assert report.raise_if_failed() is report
    assert [check.name for check in report.checks] == [
        "builtin operations",
        "constant weights",
        "batch size",
        "signature of inputs",
        "signature of outputs",
        "runs with XNNPACK",
        "runs without XNNPACK",
        "stateless",
        "finite outputs",
        "largest error of scores",
        "top-1 agreement of scores",
        "accuracy drop",
    ]
    assert report["largest error of scores"].measured < 1e-5
    assert report["top-1 agreement of scores"].measured == 1.0
    with pytest.raises(KeyError, match="batch size"):
        report["unknown"]


def test_report_prints_a_line_for_each_check(
    classifier, classifier_files, images
):
    report = export.verify(classifier_files["int8"], classifier, images)
    lines = str(report).splitlines()
    assert len(lines) == 1 + len(report.checks)
    assert all(line.endswith("ok") for line in lines[1:])
    assert "\n" not in repr(report)


def test_other_weights_fail_by_the_error_computed_by_hand(weighted_sum):
    # The model computes x0 + 2 x1 + 10, the file 0.5 more. On these samples
    # the model gives 10, 11, 12 and 20: the error is 0.5 of 0 to 20.
    x = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    report = export.verify(dense_file([1, 2], 10.5), weighted_sum, x)
    assert names_of_failed(report) == ["largest error of total"]
    assert report["largest error of total"].measured == pytest.approx(0.025)
    with pytest.raises(export.VerificationError, match="largest error"):
        report.raise_if_failed()
    assert export.verify(
        dense_file([1, 2], 10.5), weighted_sum, x, tolerance=0.03
    ).passed


def test_nan_fails(weighted_sum):
    x = np.array([[0.0, 0.0], [1.0, 0.0]])
    report = export.verify(dense_file([np.nan, 2], 10), weighted_sum, x)
    assert names_of_failed(report) == [
        "finite outputs",
        "largest error of total",
    ]


def test_file_of_another_model_fails_by_its_signature(
    weighted_sum, classifier_files
):
    report = export.verify(
        classifier_files[None], weighted_sum, np.zeros((1, 2))
    )
    assert names_of_failed(report) == [
        "signature of inputs",
        "signature of outputs",
        "runs with XNNPACK",
        "runs without XNNPACK",
    ]


def test_swapped_inputs_are_compared_by_name(two_by_two, two_by_two_file):
    x = {"alpha": np.ones((2, 2)), "zeta": np.full((2, 2), 5.0)}
    report = export.verify(two_by_two_file, two_by_two, x)
    assert report.passed, report


def test_file_with_tensorflow_operations_fails():
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.ops.erf(inputs))
    function = tf.function(lambda x: {"erf": tf.math.erf(x)})
    traced = function.get_concrete_function(tf.TensorSpec((1, 3), name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    tflite_model = export.TFLiteModel(converter.convert())
    assert tflite_model.custom_operations == ("FlexErf",)
    report = export.verify(tflite_model, model, np.ones((2, 3)))
    assert "builtin operations" in names_of_failed(report)
    assert "runs with XNNPACK" in names_of_failed(report)
    assert "FlexErf" in str(report)


def test_file_that_reads_variables_fails(weighted_sum):
    # What comes out when the converter is given the Keras model itself.
    function = tf.function(lambda x: {"total": weighted_sum(x)})
    traced = function.get_concrete_function(tf.TensorSpec((1, 2), name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced], weighted_sum
    )
    tflite_model = export.TFLiteModel(converter.convert())
    report = export.verify(tflite_model, weighted_sum, np.ones((2, 2)))
    assert "constant weights" in names_of_failed(report)
    assert "READ_VARIABLE" in str(report)


def converted(function, *of_model, shape=(1, 2)):
    """The file of a function of an input named `x`."""
    traced = tf.function(function).get_concrete_function(
        tf.TensorSpec(shape, name="x")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced], *of_model
    )
    return export.TFLiteModel(converter.convert())


def test_a_fused_lstm_that_goes_on_where_it_was_fails():
    _, tf_keras = import_tfmot()
    fused = tf_keras.Sequential(
        [tf_keras.Input((5, 2), batch_size=1), tf_keras.layers.LSTM(3)]
    )
    tflite_model = converted(
        lambda x: {"lstm": fused(x)}, fused, shape=(1, 5, 2)
    )
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in tflite_model.operations
    inputs = keras.Input((5, 2), name="x")
    lstm = keras.layers.LSTM(3, name="lstm")
    model = keras.Model(inputs, lstm(inputs))
    lstm.set_weights(fused.get_weights())
    x = np.random.default_rng(0).normal(size=(4, 5, 2)).astype("float32")
    report = export.verify(tflite_model, model, x)
    # It computes what the model computes, but in the first call only.
    assert names_of_failed(report) == ["stateless"]
    assert report["stateless"].measured == "other values again: lstm"
    # keras_nas converts it without such a state.
    report = export.verify(export.to_tflite(model), model, x)
    assert report["stateless"].passed


def test_randomness_fails(weighted_sum):
    tflite_model = converted(
        lambda x: {"total": x[:, :1] + tf.random.uniform((1, 1))}
    )
    report = export.verify(tflite_model, weighted_sum, np.ones((1, 2)))
    assert report["runs with XNNPACK"].passed
    assert not report["stateless"].passed


def test_open_batch_size_fails(weighted_sum):
    function = tf.function(lambda x: {"total": 2.0 * x})
    traced = function.get_concrete_function(tf.TensorSpec((None, 2), name="x"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    tflite_model = export.TFLiteModel(converter.convert())
    report = export.verify(tflite_model, weighted_sum, np.ones((2, 2)))
    assert "batch size" in names_of_failed(report)


@pytest.fixture(scope="module")
def threshold():
    """Two classes: the second one wherever x is above 0."""
    inputs = keras.Input((1,), name="x")
    dense = keras.layers.Dense(2, activation="softmax", name="scores")
    model = keras.Model(inputs, dense(inputs))
    dense.set_weights([np.array([[0.0, 1.0]]), np.array([0.0, 0.0])])
    return model


@pytest.fixture(scope="module")
def shifted_threshold_file(threshold):
    """A file that puts the threshold at 1.5 in place of 0."""
    shifted = keras.models.clone_model(threshold)
    shifted.set_weights([np.array([[0.0, 1.0]]), np.array([1.5, 0.0])])
    return export.to_tflite(shifted)


@pytest.mark.parametrize("one_hot", [False, True])
def test_accuracy_drop_is_that_computed_by_hand(
    threshold, shifted_threshold_file, one_hot
):
    # The model gets all four right, the file takes 1.0 for the first class.
    x = np.array([[-1.0], [1.0], [2.0], [3.0]])
    y = np.array([0, 1, 1, 1])
    report = export.verify(
        shifted_threshold_file, threshold, x, np.eye(2)[y] if one_hot else y
    )
    assert report["accuracy drop"].measured == pytest.approx(0.25)
    assert not report["accuracy drop"].passed
    report = export.verify(
        shifted_threshold_file, threshold, x, y, max_accuracy_drop=0.25
    )
    assert report["accuracy drop"].passed
    assert report["top-1 agreement of scores"].measured == 0.75
    assert not report["top-1 agreement of scores"].passed


def test_single_unit_counts_as_probability_or_logit(
    weighted_sum, weighted_sum_file
):
    x = np.array([[-20.0, 0.0], [0.0, 0.0]])
    report = export.verify(weighted_sum_file, weighted_sum, x, [0, 1])
    assert report["accuracy drop"].measured == 0.0
    assert report.passed


def test_own_metric(weighted_sum, weighted_sum_file):
    x = np.array([[0.0, 0.0], [1.0, 0.0]])
    seen = []

    def negative_error(y, outputs):
        seen.append(outputs.shape)
        return -np.abs(outputs[:, 0] - y).mean()

    report = export.verify(
        weighted_sum_file,
        weighted_sum,
        x,
        np.array([10.5, 11.5]),
        metric=negative_error,
    )
    assert report["accuracy drop"].measured == pytest.approx(0, abs=1e-6)
    assert seen == [(2, 1), (2, 1)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tflite_model": b"TFL3"}, "`tflite_model`.*bytes"),
        ({"model": None}, "`model`"),
        ({"x": np.zeros((3, 5))}, r"`x`.*shape \(3, 5\)"),
        ({"x": np.array([[np.nan, 0.0]])}, "`x`.*NaN"),
        ({"x": np.zeros((0, 2))}, "`x`.*at least one sample"),
        ({"y": np.array([0.3, 0.7])}, "`y`.*metric"),
        ({"y": np.array([1, 0, 1])}, "`y`.*metric"),
        ({"y": np.array(["a", "b"])}, "`y`.*metric"),
        ({"tolerance": -1}, "`tolerance`.*-1"),
        ({"max_accuracy_drop": "none"}, "`max_accuracy_drop`"),
        ({"max_accuracy_drop": None}, "`max_accuracy_drop`"),
    ],
)
def test_invalid_arguments(weighted_sum, weighted_sum_file, arguments, message):
    valid = {
        "tflite_model": weighted_sum_file,
        "model": weighted_sum,
        "x": np.zeros((2, 2)),
    }
    with pytest.raises(ValueError, match=message):
        export.verify(**{**valid, **arguments})
