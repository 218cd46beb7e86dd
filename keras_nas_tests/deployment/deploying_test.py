"""`nas.deploy`, from the model to the files."""

import contextlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas import export
from keras_nas.deployment import DeploymentError
from keras_nas.export import unrolled_loops


def accuracy(model, digits):
    x, y = digits[1]
    return np.mean(model.predict(x).argmax(axis=-1) == y)


# What is measured.


def test_scores_are_those_of_the_files_on_the_held_out_data(
    deployment, classifier, digits
):
    keras_row = deployment.baselines[0]
    _, expected = classifier.evaluate(*digits[1], verbose=0)
    assert expected > 0.85
    assert keras_row.score == pytest.approx(expected, abs=1e-6)
    assert list(deployment.variants) == [
        "float32",
        "dynamic",
        "int8",
        "int8_io",
    ]
    for variant in deployment.variants.values():
        right = accuracy(variant.tflite_model, digits)
        assert variant.score == pytest.approx(right, abs=1e-6)
        assert variant.accuracy_drop == pytest.approx(
            expected - right, abs=1e-6
        )
        assert variant.is_verified
        assert variant.verification["accuracy drop"].passed
    assert deployment.metric.name == "accuracy"


def test_bytes_and_memory_are_those_of_the_files(deployment):
    for variant in deployment.variants.values():
        file = variant.tflite_model
        assert variant.size_bytes == len(file.content)
        assert variant.gzip_bytes == file.gzip_bytes
        assert variant.peak_memory_bytes == export.measure_peak_memory(file)
    weights = 3 * 3 * 16 + 16 + 144 * 32 + 32 + 32 * 10 + 10
    assert deployment.baselines[0].size_bytes == 4 * weights


def test_latency_is_measured_with_and_without_xnnpack_and_by_threads(
    deployment,
):
    for variant in deployment.variants.values():
        assert list(variant.latencies) == [
            (1, True),
            (2, True),
            (1, False),
            (2, False),
        ]
        assert variant.latency_ms == variant.latencies[1, True].latency_ms
        assert all(m.latency_ms > 0 for m in variant.latencies.values())
    assert (
        deployment.variants["int8"].latency_ms
        < deployment.baselines[0].latency_ms
    )


def test_the_model_of_the_user_is_as_it_was(deployment, classifier, digits):
    assert deployment.model is classifier
    assert len(deployment.baselines) == 1
    assert classifier.compiled
    assert classifier.optimizer.iterations == 8 * 44


def test_files_say_what_they_are(deployment):
    for variant in deployment.variants.values():
        metadata = variant.tflite_model.metadata
        assert metadata["name"] == "digits"
        assert metadata["author"] == "the tests"
        (image,) = metadata["inputs"]
        assert (image["name"], image["image"]) == ("image", "grayscale")
        assert (image["mean"], image["std"]) == ([0.0], [16.0])
        assert (image["min"], image["max"]) == ([0.0], [1.0])
        (scores,) = metadata["outputs"]
        assert scores["labels"] == [f"digit {i}" for i in range(10)]


def test_without_limits_the_smallest_verified_file_is_best(deployment):
    sizes = {v.size_bytes for v in deployment.variants.values()}
    assert deployment.best.size_bytes == min(sizes)
    assert deployment.best.is_verified


# Limits.


def test_a_limit_on_bytes_leaves_the_most_accurate(classifier, digits):
    before = float(classifier.get_metrics_result()["accuracy"])
    deployed = nas.deploy(
        classifier,
        *digits[0],
        validation_data=digits[1],
        quantize="float32",
        max_bytes=30_000,
        max_accuracy_drop=0.01,
        num_threads=1,
    )
    assert deployed.best.name == "float32"
    assert deployed.limits.to_dict() == {
        "max_accuracy_drop": 0.01,
        "max_bytes": 30_000,
    }
    # Metrics of the measurement do not leak into those of the training.
    assert float(classifier.get_metrics_result()["accuracy"]) == before


def test_a_limit_that_cannot_be_met_is_an_error_with_everything(
    classifier, digits
):
    with pytest.raises(DeploymentError) as caught:
        nas.deploy(
            classifier,
            *digits[0],
            validation_data=digits[1],
            quantize=["float32", "dynamic"],
            max_bytes=5000,
            num_threads=1,
        )
    error = caught.value
    assert error.limit == "max_bytes"
    assert error.nearest.name == "dynamic"
    assert error.gap == error.nearest.size_bytes - 5000 > 0
    assert f"max_bytes=5,000 is exceeded by {error.gap:,} bytes" in str(error)
    assert list(error.deployment.variants) == ["float32", "dynamic"]
    assert error.deployment.best is None
    with pytest.raises(DeploymentError, match="max_bytes"):
        error.deployment.save("nowhere.tflite")


# Data.


def test_without_validation_data_every_fifth_sample_is_held_out(
    classifier, digits
):
    x, y = digits[0]
    with pytest.warns(UserWarning, match="every fifth sample") as caught:
        deployed = nas.deploy(
            classifier, x, y, quantize="dynamic", num_threads=1
        )
    assert caught[0].filename == __file__
    file = deployed.variants["dynamic"].tflite_model
    right = file.predict(x[4::5]).argmax(axis=-1) == y[4::5]
    assert deployed.variants["dynamic"].score == pytest.approx(right.mean())
    assert deployed.data.samples == 280
    assert len(deployed.data.x_train) == 1120


def test_a_dataset_is_read(classifier, digits):
    (x, y), (x_test, y_test) = digits
    deployed = nas.deploy(
        classifier,
        tf.data.Dataset.from_tensor_slices((x, y)).batch(100),
        validation_data=tf.data.Dataset.from_tensor_slices((x_test, y_test)),
        quantize="float32",
        num_threads=1,
    )
    np.testing.assert_array_equal(deployed.data.x["image"], x_test)
    np.testing.assert_array_equal(deployed.data.y, y_test)
    assert len(deployed.data.x_train) == 1400


def test_without_targets_no_accuracy_is_measured(classifier, digits):
    x = digits[0][0][:50]
    with pytest.warns(UserWarning, match="validation_data"):
        deployed = nas.deploy(classifier, x, quantize="float32", num_threads=1)
    assert deployed.best.score is None
    assert deployed.best.is_verified
    assert deployed.metric is None
    assert "score" in str(deployed)
    with pytest.raises(ValueError, match="max_accuracy_drop.*needs targets"):
        nas.deploy(classifier, x, max_accuracy_drop=0.1)


def test_the_error_of_a_regression_is_better_if_lower(line):
    x = np.random.default_rng(0).normal(size=(200, 2))
    y = x @ [[1.0], [2.0]] + 10
    deployed = nas.deploy(
        line,
        x,
        y,
        validation_data=(x, y),
        quantize=["float32", "int8"],
        num_threads=1,
    )
    assert deployed.metric.name == "mae"
    assert not deployed.metric.higher_is_better
    int8 = deployed.variants["int8"]
    error = np.abs(int8.tflite_model.predict(x) - y).mean()
    assert int8.score == pytest.approx(error, rel=1e-4)
    assert error > 0
    assert int8.accuracy_drop == pytest.approx(error, rel=1e-3)


# Compression.


class FakeReport:
    skipped = {"scores": "has no kernel"}

    def to_dict(self):
        return {"sparsity": 0.5}

    def __str__(self):
        return "half of the weights are zero"


def fake_compression(monkeypatch, received):
    """Stands for TF-MOT: sets the smaller half of the weights to zero."""

    def compress(model, x, y, **arguments):
        received.update(arguments, x=x, y=y)
        copy = keras.models.clone_model(model)
        copy.set_weights(
            [
                np.where(np.abs(w) < np.median(np.abs(w)), 0, w)
                for w in model.get_weights()
            ]
        )

        def to_tflite(quantize=None, representative_data=None):
            if quantize == "int8_io":
                raise ValueError("there is no int8_io of this model")
            return export.to_tflite(copy, quantize, representative_data)

        return types.SimpleNamespace(
            model=copy,
            report=FakeReport(),
            to_tflite=to_tflite,
            reference_model=lambda quantize: copy,
        )

    monkeypatch.setattr(nas.compression, "compress", compress)


def test_a_compressed_model_is_converted_and_compared_with_the_given(
    classifier, digits, monkeypatch
):
    received = {}
    fake_compression(monkeypatch, received)
    deployed = nas.deploy(
        classifier,
        *digits[0],
        validation_data=digits[1],
        quantize=["float32", "int8_io"],
        prune=0.5,
        epochs=3,
        batch_size=16,
        num_threads=1,
    )
    assert received["prune"] == 0.5
    assert received["epochs"] == 3
    assert received["batch_size"] == 16
    # What was not asked for is left to `compress`.
    assert "cluster" not in received
    assert "quantization_aware" not in received
    assert len(received["x"]) == 1400
    np.testing.assert_array_equal(received["y"], digits[0][1])
    np.testing.assert_array_equal(received["validation_data"][1], digits[1][1])

    given, compressed = deployed.baselines
    assert (given.name, compressed.name) == ("keras", "keras, compressed")
    float32 = deployed.variants["float32"]
    assert float32.score == pytest.approx(compressed.score, abs=0.003)
    assert float32.accuracy_drop == pytest.approx(given.score - float32.score)
    assert deployed.model is not classifier
    # The file is that of the compressed model.
    np.testing.assert_allclose(
        float32.tflite_model.predict(digits[1][0][:5]),
        deployed.model.predict(digits[1][0][:5], verbose=0),
        atol=1e-5,
    )
    assert deployed.variants["int8_io"].error == (
        "there is no int8_io of this model"
    )
    assert deployed.model_card["compression"] == {"sparsity": 0.5}
    assert "keras, compressed" in str(deployed)
    assert "compressed before, with remarks on 1 layer: see " in str(deployed)


def test_fine_tuning_does_not_see_what_is_held_out(
    classifier, digits, monkeypatch
):
    received = {}
    fake_compression(monkeypatch, received)
    x = digits[0][0][:50]
    with pytest.warns(UserWarning, match="validation_data"):
        nas.deploy(
            classifier,
            x,
            digits[0][1][:50],
            quantize="float32",
            prune=0.1,
            num_threads=1,
        )
    is_held_out = np.arange(50) % 5 == 4
    np.testing.assert_array_equal(received["x"], x[~is_held_out])
    np.testing.assert_array_equal(
        received["validation_data"][0], x[is_held_out]
    )


class Doubling(keras.Model):
    def __init__(self):
        super().__init__(name="doubling")
        self.dense = keras.layers.Dense(
            2, use_bias=False, kernel_initializer=keras.initializers.Constant(2)
        )

    def call(self, x):
        return self.dense(x)


def test_a_subclassed_model_is_quantized_but_not_compressed(monkeypatch):
    monkeypatch.setattr(nas.compression, "compress", None)  # Is not called.
    model = Doubling()
    x = np.random.default_rng(0).normal(size=(50, 2)).astype("float32")
    model(x)
    with pytest.warns(UserWarning, match="is subclassed") as caught:
        deployed = nas.deploy(
            model,
            x,
            validation_data=(x, None),
            quantize=["float32", "int8"],
            prune=0.5,
            num_threads=1,
        )
    assert caught[0].filename == __file__
    assert len(deployed.baselines) == 1
    assert deployed.variants["int8"].is_verified
    np.testing.assert_allclose(
        deployed.variants["float32"].tflite_model.predict(x[:1]),
        [[2 * x[0].sum()] * 2],
        rtol=1e-5,
    )
    assert deployed.model_card["architecture"]["layers"][0]["class"] == "Dense"


def test_a_model_is_compressed_by_tfmot():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 16)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("int")
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Dense(32, activation="relu", name="hidden"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(x, y, epochs=10, verbose=0)
    deployed = nas.deploy(
        model,
        x,
        y,
        validation_data=(x, y),
        quantize="int8",
        prune_channels=0.5,
        prune=0.5,
        quantization_aware=True,
        epochs=3,
        num_threads=1,
        verbose=0,
    )
    assert deployed.best.is_verified
    hidden = deployed.model.get_layer("hidden")
    assert hidden.units == 16
    assert np.mean(hidden.get_weights()[0] == 0) == 0.5
    assert deployed.compression["hidden"].done == [
        *("channels 32 -> 16", "pruned", "trained for int8")
    ]
    # Four bytes each in the model, and one in the file.
    assert deployed.best.size_bytes < deployed.baselines[0].size_bytes * 2


class Batches(keras.utils.PyDataset):
    """Samples of which those of weight 0 are wrong."""

    def __init__(self, x, y, weights):
        super().__init__()
        self.arrays = x, y, weights

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return tuple(array[i::5] for array in self.arrays)


def own_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def right(y_true, y_pred):
    found = keras.ops.cast(keras.ops.argmax(y_pred, -1), "int64")
    return keras.ops.cast(found == keras.ops.cast(y_true, "int64"), "float32")


@pytest.mark.parametrize("kind", ["PyDataset", "arrays"])
def test_what_users_bring_is_compressed_by_tfmot(kind):
    """Normalization, a loss, a metric and weights of one's own, float16."""
    rng = np.random.default_rng(0)
    x = rng.normal(50, 20, size=(300, 4)).astype("float32")
    y = (x[:, 0] > 50).astype("int64")
    weights = np.repeat([1.0, 0.0], 150)
    wrong = np.where(weights > 0, y, 1 - y)
    keras.utils.set_random_seed(0)
    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    model = keras.Sequential(
        [
            keras.Input((4,), name="x"),
            normalization,
            keras.layers.Dense(
                16, "relu", dtype="mixed_float16", name="hidden"
            ),
            keras.layers.Dense(2, "softmax", name="head"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), own_loss, metrics=[right])
    model.fit(x, y, epochs=10, verbose=0)
    data = (Batches(x, wrong, weights),)
    arguments = {"validation_data": (x[::3], y[::3])}
    if kind == "arrays":  # These are held out together with their weights.
        data, arguments = (x, wrong), {"sample_weight": weights}
    context = (
        pytest.warns(UserWarning, match="every fifth")
        if kind == "arrays"
        else contextlib.nullcontext()
    )
    with context:
        deployed = nas.deploy(
            model,
            *data,
            prune=0.5,
            epochs=4,
            skip="head",
            quantize="int8" if kind == "PyDataset" else "float32",
            metric=lambda y, scores: np.mean(scores.argmax(-1) == y),
            num_threads=np.int64(1),
            verbose=0,
            **arguments,
        )
    assert deployed.compression["hidden"].done == ["pruned"]
    assert deployed.compression["head"].done == []
    kernel = deployed.model.get_layer("hidden").get_weights()[0]
    assert np.mean(kernel == 0) == 0.5
    # It has learnt nothing of the samples without weight.
    scores = deployed.model.predict(x, verbose=0)
    assert np.mean(scores.argmax(-1) == y) > 0.9
    assert all(v.is_verified for v in deployed.variants.values())
    data = deployed.model_card["data"]
    assert data["fine_tuned_on"][0]["shape"] == (
        [300, 4] if kind == "PyDataset" else [240, 4]
    )


def test_arguments_of_compression_need_a_compression(classifier, digits):
    with pytest.raises(TypeError, match="batch_size.*epochs.*prune"):
        nas.deploy(classifier, *digits[0], epochs=3, batch_size=3)


# What goes wrong.


def test_a_variant_that_crashes_the_converter_leaves_the_others(monkeypatch):
    # Too many steps to unroll for int8.
    monkeypatch.setattr(unrolled_loops, "MAX_STEPS", 4)
    inputs = keras.Input((5, 3), name="x")
    model = keras.Model(inputs, keras.layers.LSTM(4, name="y")(inputs))
    x = np.random.default_rng(0).normal(size=(60, 5, 3))
    deployed = nas.deploy(
        model,
        x,
        validation_data=(x[:10], None),
        quantize=["int8", "dynamic"],
        num_threads=1,
    )
    assert "SIGSEGV" in deployed.variants["int8"].error
    assert "unroll=True" in deployed.variants["int8"].error
    assert deployed.variants["int8"].tflite_model is None
    assert deployed.best.name == "dynamic"
    assert "int8 failed: " in str(deployed)
    card = deployed.model_card
    assert "SIGSEGV" in card["files"][0]["error"]
    assert list(card["how_to_load"]) == ["dynamic"]


def test_a_file_that_computes_something_else_is_never_the_best(line):
    x = np.random.default_rng(0).normal(size=(100, 2)) * 100
    deployed = nas.deploy(
        line,
        x,
        validation_data=(x, None),
        quantize=["float32", "int8"],
        # Calibrated with values near zero, int8 clips all others.
        representative_data=x / 1e4,
        num_threads=1,
    )
    int8 = deployed.variants["int8"]
    assert not int8.is_verified
    assert deployed.best.name == "float32"
    assert "int8 failed its verification: mean error of y" in str(deployed)
    with pytest.raises(DeploymentError, match="fit for use.*\n.*mean error"):
        nas.deploy(
            line,
            x,
            validation_data=(x, None),
            quantize="int8",
            representative_data=x / 1e4,
            num_threads=1,
        )


class Svd(keras.layers.Layer):
    def call(self, x):
        return tf.linalg.svd(x, compute_uv=False)

    def compute_output_shape(self, shape):
        return shape[:-1]


def test_an_operation_that_tflite_lacks_is_named():
    inputs = keras.Input((4, 4), name="x")
    model = keras.Model(inputs, Svd()(inputs))
    x = np.random.default_rng(0).normal(size=(10, 4, 4))
    with pytest.raises(export.ConversionError, match="not have: Svd") as error:
        nas.deploy(
            model, x, validation_data=(x, None), quantize=["float32", "int8"]
        )
    assert error.value.operations == ("Svd",)


def test_mixed_precision_becomes_float32(digits):
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((8, 8, 1), name="image")
        x = keras.layers.Flatten()(inputs)
        x = keras.layers.Dense(10, "softmax", name="scores")(x)
        model = keras.Model(inputs, x)
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    deployed = nas.deploy(
        model,
        *digits[0],
        validation_data=digits[1],
        quantize=["float32", "int8"],
        num_threads=1,
    )
    float32 = deployed.variants["float32"]
    assert float32.tflite_model.inputs[0].dtype == "float32"
    assert float32.verification["largest error of scores"].measured < 1e-5
    assert float32.score == deployed.baselines[0].score


@pytest.fixture
def conversions(monkeypatch):
    """Records whether anything is converted."""
    calls = []
    monkeypatch.setattr(
        "keras_nas.export.conversion.request_conversion",
        lambda *arguments: calls.append(arguments),
    )
    return calls


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantize": "int7"}, "`quantize`.*int7"),
        ({"quantize": []}, "`quantize`"),
        ({"representative_data": np.zeros((5, 9, 9, 1))}, "representative"),
        ({"representative_data": [np.nan]}, "representative_data"),
        ({"max_bytes": -1}, "`max_bytes`.*-1"),
        ({"max_latency_ms": "fast"}, "`max_latency_ms`.*fast"),
        ({"num_threads": 0}, "`num_threads`.*0"),
        ({"num_threads": []}, "`num_threads`"),
        ({"validation_data": np.zeros(3)}, "`validation_data`"),
        ({"validation_data": (np.zeros((3, 4)), np.zeros(3))}, "validation"),
        ({"labels": ["a", "b"]}, "`labels`.*2 labels for 'scores'"),
        ({"labels": 5}, "`labels`.*Received: 5 for"),
        ({"labels": {"score": ["a"] * 10}}, "`labels`.*'score'"),
        ({"preprocessing": {"mean": 1}}, "`preprocessing`"),
        ({"preprocessing": {"mean": [1, 2], "std": [1, 2]}}, "preprocessing"),
        ({"preprocessing": {"mean": 1, "std": 0}}, "`preprocessing`"),
        ({"details": {"autor": "me"}}, "`details`.*autor"),
        ({"metric": "f1"}, "`metric`.*accuracy.*f1"),
        ({"metric": 3}, "`metric`.*3"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_invalid_arguments_are_found_before_any_conversion(
    classifier, digits, conversions, arguments, message
):
    valid = {"validation_data": digits[1]}
    with pytest.raises(ValueError, match=message):
        nas.deploy(classifier, *digits[0], **(valid | arguments))
    assert conversions == []


def test_data_that_do_not_fit_are_found_before_any_conversion(
    classifier, digits, conversions
):
    x, y = digits[0]
    with pytest.raises(ValueError, match=r"`x`.*shape \(samples, 8, 8, 1\)"):
        nas.deploy(classifier, x[:, :7], y)
    with pytest.raises(ValueError, match="`y`.*1400.*shape \\(3,\\)"):
        nas.deploy(classifier, x, y[:3])
    with pytest.raises(ValueError, match="at least 5 samples"):
        nas.deploy(classifier, x[:3], y[:3])
    with pytest.raises(ValueError, match="`x`"):
        nas.deploy(classifier, "data.npz", y)
    infinite = tf.data.Dataset.from_tensor_slices((x, y)).batch(9).repeat()
    with pytest.raises(ValueError, match="ends.*infinite"):
        nas.deploy(classifier, infinite)
    with pytest.raises(ValueError, match="`x`.*PyDataset.*generator"):
        nas.deploy(classifier, (pair for pair in [(x, y)]))
    with pytest.raises(ValueError, match="`sample_weight`.*1400"):
        nas.deploy(classifier, x, y, prune=0.5, sample_weight=np.ones(3))
    with pytest.raises(ValueError, match=r"`\(x, y, sample_weight\)`"):
        nas.deploy(classifier, tf.data.Dataset.from_tensor_slices(x).batch(9))
    assert conversions == []


def test_a_model_that_keras_has_quantized_is_told_so(conversions):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.quantize("int8")
    with pytest.raises(ValueError, match="quantized already.*`quantize=`"):
        nas.deploy(model, np.zeros((9, 4)))
    assert conversions == []


def test_one_number_for_a_sample_has_the_labels_of_two_classes():
    inputs = keras.Input((4,), name="x")
    outputs = keras.ops.mean(keras.layers.Dense(4)(inputs), axis=-1)
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(7, 4))
    arguments = {"validation_data": (x, None), "quantize": "float32"}
    # As many labels as samples are no labels of classes.
    with pytest.raises(ValueError, match="`labels`.*7 labels"):
        nas.deploy(model, x, labels=list("abcdefg"), **arguments)
    deployed = nas.deploy(model, x, labels=["a", "b"], **arguments)
    (output,) = deployed.best.tflite_model.metadata["outputs"]
    assert "How likely 'b' is" in output["description"]


def test_an_image_size_that_is_open_is_an_error():
    inputs = keras.Input((None, None, 1), name="image")
    x = keras.layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    with pytest.raises(ValueError, match="open size.*fixed shape"):
        nas.deploy(model, np.zeros((9, 8, 8, 1)))


def test_something_that_is_no_model_is_an_error():
    with pytest.raises(ValueError, match="`model`.*Keras model"):
        nas.deploy("model.keras", np.zeros((9, 2)))
