import contextlib
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas as nas
from keras_nas import compression, export
from keras_nas.compression import compress


def data(count=96):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 8, 8, 1)).astype("float32")
    return x, (x.mean((1, 2, 3)) > 0).astype("int64")


def model_of(*hidden, shape=(8, 8, 1), units=2):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input(shape),
            *hidden,
            layers.Dense(units, activation="softmax", name="head"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def dense_model():
    return model_of(
        layers.Flatten(),
        layers.Dense(16, activation="relu", name="hidden"),
        layers.Dense(16, activation="relu", name="second"),
    )


def convolutional_model():
    return model_of(
        layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(8, 1, name="pointwise"),
        layers.GlobalAveragePooling2D(),
    )


def kernel(model, name):
    return model.get_layer(name).get_weights()[0]


def zeros(array):
    return float(np.mean(array == 0))


def num_values(array):
    return len(np.unique(array[array != 0]))


@pytest.fixture(scope="module")
def pruned():
    x, y = data()
    model = dense_model()
    before = [weight.numpy() for weight in model.weights]
    result = compress(model, x, y, prune=0.75, epochs=3, verbose=0)
    return model, before, result


def test_pruned_kernels_have_the_zeros_asked_for(pruned):
    _, _, result = pruned
    for name in ("hidden", "second", "head"):
        assert zeros(kernel(result.model, name)) == pytest.approx(
            0.75, abs=0.01
        )
    biases = [layer.get_weights()[1] for layer in result.model.layers[1:]]
    assert all(zeros(bias) < 0.5 for bias in biases)


def test_the_result_is_an_ordinary_model_that_trains_on(pruned, tmp_path):
    model, _, result = pruned
    assert isinstance(result.model, keras.Sequential)
    assert [layer.name for layer in result.model.layers] == [
        layer.name for layer in model.layers
    ]
    path = tmp_path / "model.keras"
    result.model.save(path)
    x, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Of an optimizer without variables.
        loaded = keras.models.load_model(path)
    np.testing.assert_allclose(loaded(x), result.model(x), rtol=1e-5)
    loaded.fit(x, y, verbose=0)


@pytest.mark.parametrize(
    "made_smaller",
    [
        lambda model, *xy: compress(model, *xy, prune=0.5, epochs=1).model,
        lambda model, *_: compression.prune_channels(model, 0.5),
    ],
)
@pytest.mark.parametrize("kind", [layers.Dense, layers.LSTM])
def test_a_frozen_layer_may_be_trained_afterwards(kind, made_smaller):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 6, 4)).astype("float32"), np.arange(32) % 2
    model = model_of(
        layers.Flatten() if kind is layers.Dense else layers.ReLU(),
        kind(4, name="hidden")
        if kind is layers.Dense
        else layers.Bidirectional(kind(4), name="hidden"),
        layers.Dense(8),
        shape=(6, 4),
    )
    model.get_layer("hidden").trainable = False
    result = made_smaller(model, x, y)
    hidden = result.get_layer("hidden")
    assert not hidden.trainable
    before = hidden.get_weights()[0]
    hidden.trainable = True
    result.fit(x, y, verbose=0)
    assert np.any(hidden.get_weights()[0] != before)


def test_a_layer_may_be_frozen_afterwards(pruned):
    x, y = data()
    model = keras.models.clone_model(pruned[2].model)
    model.compile("adam", "sparse_categorical_crossentropy")
    result = compress(model, x, y, prune=0.5, epochs=1, verbose=0).model
    hidden, head = result.get_layer("hidden"), result.get_layer("head")
    before = hidden.get_weights()[0], head.get_weights()[0]
    hidden.trainable = False
    result.fit(x, y, verbose=0)
    assert np.all(hidden.get_weights()[0] == before[0])
    assert np.any(head.get_weights()[0] != before[1])


def test_the_model_that_was_given_is_not_changed(pruned):
    model, before, _ = pruned
    for weight, array in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), array)


def test_the_report_counts_and_prints(pruned):
    _, _, result = pruned
    report = result.report
    assert report.sparsity == pytest.approx(0.75, abs=0.01)
    assert report["hidden"].num_weights == 64 * 16
    assert report["hidden"].done == ["pruned"]
    assert "hidden" in str(result) and "75.0%" in str(result)
    assert report.to_dict()["layers"][0]["name"] == report.layers[0].name
    assert report.skipped == {}


def test_training_continues_with_the_validation_data_given():
    x, y = data()
    result = compress(
        dense_model(),
        x,
        y,
        prune=0.5,
        epochs=2,
        validation_data=(x, y),
        verbose=0,
    )
    assert set(result.history["prune"]) == {
        "accuracy",
        "loss",
        "val_accuracy",
        "val_loss",
    }


def test_layers_are_chosen_by_name():
    x, y = data()
    result = compress(
        dense_model(),
        x,
        y,
        prune={"hidden": 0.5, "second": "2:4"},
        epochs=2,
        prune_schedule="constant",
        verbose=0,
    )
    assert zeros(kernel(result.model, "hidden")) == pytest.approx(0.5, abs=0.01)
    second = kernel(result.model, "second")
    assert zeros(second) == 0.5
    # Two zeros in every four weights of an output, along the inputs.
    groups = second.T.reshape(16, 4, 4)
    assert ((groups == 0).sum(-1) == 2).all()
    assert zeros(kernel(result.model, "head")) == 0


def test_skipped_layers_are_left_alone():
    x, y = data()
    result = compress(
        dense_model(), x, y, prune=0.5, skip=["head"], epochs=2, verbose=0
    )
    assert zeros(kernel(result.model, "head")) == 0
    assert result.report["head"].done == []


def test_what_cannot_be_pruned_is_reported():
    x, y = data()
    result = compress(
        convolutional_model(), x, y, prune=0.5, epochs=2, verbose=0
    )
    assert zeros(kernel(result.model, "pointwise")) == 0.5
    assert zeros(kernel(result.model, "depthwise")) == 0
    assert (
        "depthwise kernels are not pruned"
        in (result.report.skipped["depthwise"])
    )


def test_a_pattern_that_does_not_fit_a_kernel_is_reported():
    """No warning tells of it: there is nothing that could be done."""
    x, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = compress(
            convolutional_model(), x, y, prune="2:4", epochs=2, verbose=0
        )
    assert zeros(kernel(result.model, "pointwise")) == 0.5
    assert result.report["conv"].done == []
    assert result.report.skipped["conv"] == (
        "2:4 does not fit a kernel of the shape (3, 3, 1, 8)"
    )


def test_a_pattern_that_fits_a_kernel_in_part_is_reported():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 6, 6, 3)).astype("float32"), np.arange(64) % 2
    model = model_of(
        layers.Conv2D(10, 3, name="conv"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(8, name="hidden"),
        shape=(6, 6, 3),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = compress(model, x, y, prune="2:4", epochs=2, verbose=0)
    # One of three, and two each of twice four of ten.
    shares = {"conv": 1 / 3, "hidden": 0.4, "head": 0.5}
    for name, share in shares.items():
        assert zeros(kernel(result.model, name)) == pytest.approx(share)
        assert result.report[name].done == ["pruned"]
    assert result.report.skipped == {
        "conv": "2:4 are 33.3% zeros of a kernel of the shape (3, 3, 3, 10)",
        "hidden": "2:4 are 40.0% zeros of a kernel of the shape (10, 8)",
    }


@pytest.mark.parametrize("arguments", [{"prune": 0.8}, {"prune": "2:4"}])
def test_an_ordinary_network_for_grey_images_gives_no_warning(arguments):
    x = np.random.default_rng(0).normal(size=(64, 28, 28, 1))
    model = model_of(
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        shape=(28, 28, 1),
        units=10,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = compress(
            model, x, np.arange(64) % 10, epochs=3, verbose=0, **arguments
        )
    assert result.report["head"].done == ["pruned"]


def test_a_pattern_that_fits_no_kernel_is_a_warning():
    x, y = data(32)
    with pytest.warns(UserWarning, match="No layer was pruned"):
        compress(
            convolutional_model(),
            x,
            y,
            prune={"conv": "2:4"},
            epochs=1,
            verbose=0,
        )


@pytest.mark.parametrize("way", ["prune", "cluster"])
def test_a_layer_named_that_has_nothing_to_compress_is_reported(way):
    x, y = data()
    asked = {"prune": 0.5, "cluster": 4}[way]
    names = ("batch_normalization", "re_lu", "hidden")
    model = model_of(
        layers.Flatten(),
        layers.Dense(8, name="hidden"),
        layers.BatchNormalization(name="batch_normalization"),
        layers.ReLU(name="re_lu"),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "No layer was")
        result = compress(
            model,
            x,
            y,
            epochs=1,
            verbose=0,
            **{way: dict.fromkeys(names, asked)},
        )
    reason = f"has no kernel to {way}"
    assert result.report.skipped == dict.fromkeys(names[:2], reason)
    # A line of its own, though there are no weights to count.
    lines = str(result.report).splitlines()
    assert [line.split()[0] for line in lines if line.endswith(reason)] == [
        *names[:2]
    ]
    assert len(result.report["hidden"].done) == 1


def test_a_training_in_which_nothing_is_pruned_is_a_warning():
    x, y = data(32)
    with pytest.warns(UserWarning, match="No layer was pruned") as caught:
        result = compress(
            convolutional_model(),
            x,
            y,
            prune={"depthwise": 0.5},
            epochs=1,
            verbose=0,
        )
    assert caught[0].filename == __file__
    assert set(result.report.skipped) == {"depthwise"}


def test_a_kernel_too_small_for_the_zeros_is_reported():
    x, y = data(32)
    model = model_of(layers.Flatten(), layers.Dense(1, name="hidden"))
    result = compress(model, x, y, prune=0.2, epochs=1, verbose=0)
    assert result.report["hidden"].done == ["pruned"]
    assert result.report["head"].done == []
    assert result.report.skipped == {
        "head": "2 weights are too few for 20.0% zeros"
    }


class Scaled(layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(shape=input_shape[-1:], name="scale")

    def call(self, inputs):
        return inputs * self.scale


class Mixed(layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], 8), name="kernel", initializer="normal"
        )

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.kernel)


@pytest.mark.parametrize(
    "layer",
    [
        layers.GroupNormalization(2),
        layers.BatchNormalization(),
        layers.PReLU(),
        Scaled(),
    ],
    ids=lambda layer: type(layer).__name__,
)
@pytest.mark.parametrize("way", [{"prune": 0.5}, {"cluster": 4}])
def test_layers_without_kernels_are_no_matter(layer, way):
    layer = type(layer).from_config(layer.get_config())
    x, y = data()
    model = model_of(layers.Flatten(), layers.Dense(8, name="hidden"), layer)
    result = compress(model, x, y, epochs=1, verbose=0, **way)
    assert result.report["hidden"].done
    assert result.report.skipped == {}


@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU])
def test_recurrent_layers_are_pruned(layer):
    rng = np.random.default_rng(0)
    x = rng.integers(20, size=(64, 6))
    model = model_of(
        layers.Embedding(20, 8, mask_zero=True),
        layer(8, name="recurrent"),
        shape=(6,),
    )
    result = compress(model, x, x[:, 0] % 2, prune=0.5, epochs=2, verbose=0)
    for array in result.model.get_layer("recurrent").get_weights()[:2]:
        assert zeros(array) == pytest.approx(0.5, abs=0.02)


def test_clusters():
    x, y = data()
    result = compress(dense_model(), x, y, cluster=8, epochs=1, verbose=0)
    for name in ("hidden", "second"):
        assert num_values(kernel(result.model, name)) <= 8
    assert result.report["hidden"].num_clusters <= 8


def test_clusters_take_steps_as_large_as_those_of_single_weights():
    x, y = data()
    model = model_of(
        layers.Flatten(), layers.Dense(512, activation="relu", name="hidden")
    )
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    before = kernel(model, "hidden")
    result = compress(model, x, y, cluster=8, epochs=2, verbose=0)
    after = kernel(result.model, "hidden")
    # With the sum of their gradients, two values are left.
    assert num_values(after) == 8
    assert after.std() == pytest.approx(before.std(), rel=0.1)


@pytest.mark.parametrize(
    "layer",
    [
        layers.GRU(8, name="layer"),
        layers.Bidirectional(layers.LSTM(8), name="layer"),
        layers.MultiHeadAttention(2, 8, name="layer"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_sequence_layers_are_clustered(layer):
    x = np.random.default_rng(0).normal(size=(32, 6, 4)).astype("float32")
    y = (x[:, 0, 0] > 0).astype("int64")
    inputs = keras.Input((6, 4))
    is_attention = isinstance(layer, layers.MultiHeadAttention)
    hidden = layer(inputs, inputs) if is_attention else layer(inputs)
    outputs = layers.Dense(2, "softmax")(layers.Flatten()(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    result = compress(model, x, y, cluster=4, epochs=1, verbose=0)
    kernels = [
        weight.numpy()
        for weight in result.model.get_layer("layer").weights
        if "kernel" in weight.name
    ]
    assert len(kernels) >= 2
    assert all(num_values(array) <= 4 for array in kernels)
    assert result.report["layer"].done == ["clustered"]


def test_fewer_clusters_than_asked_for_are_reported():
    x, y = data()
    model = dense_model()
    # Three values and a zero, for which nothing need be trained.
    values = np.resize([0.0, 1.0, 2.0, 3.0], (16, 16))
    model.get_layer("second").set_weights([values, np.zeros(16)])
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # It is no shortfall.
        result = compress(
            model, x, y, cluster={"hidden": 8, "second": 5}, epochs=0
        )
    assert result.report["hidden"].notes == []
    assert result.report.skipped == {
        "second": (
            "asked for 5 values, has no more than 3 different weights as it is"
        )
    }


def test_clusters_that_got_lost_are_reported():
    x, y = data()
    result = compress(
        dense_model(),
        x,
        y,
        prune={"hidden": 0.9},
        cluster={"hidden": 64},
        epochs=2,
        verbose=0,
    )
    hidden = kernel(result.model, "hidden")
    count = num_values(hidden) + 1  # Zero is one of them.
    assert count < 64 and zeros(hidden) >= 0.89
    assert result.report["hidden"].num_clusters == count - 1
    assert result.report["hidden"].notes == [
        f"asked for 64 values, has {count}"
    ]


def test_weights_that_are_not_trainable_are_not_clustered():
    x, y = data()
    model = dense_model()
    model.get_layer("hidden").trainable = False
    result = compress(model, x, y, cluster=8, epochs=0)
    assert "not trainable" in result.report.skipped["hidden"]
    assert result.report["hidden"].done == []
    assert result.report["second"].done == ["clustered"]


def test_clustering_needs_no_training():
    x, y = data()
    result = compress(dense_model(), x, y, cluster=8, epochs=0)
    assert num_values(kernel(result.model, "hidden")) <= 8


def test_clusters_keep_the_zeros():
    x, y = data()
    result = compress(
        dense_model(),
        x,
        y,
        prune=0.5,
        cluster=6,
        epochs={"prune": 2, "cluster": 1},
        verbose=0,
    )
    hidden = kernel(result.model, "hidden")
    assert zeros(hidden) >= 0.49
    assert num_values(hidden) <= 6


def test_training_for_int8_gives_an_integer_file():
    x, y = data()
    result = compress(
        convolutional_model(),
        x,
        y,
        quantization_aware=True,
        epochs=2,
        verbose=0,
    )
    file = result.to_tflite("int8", representative_data=x)
    assert file.quantization == "int8"
    assert file.float_operations == ()
    # BatchNormalization and ReLU are folded.
    assert file.operations.count("CONV_2D") == 2
    emulated = result.evaluate_emulated(x, y, verbose=0)[1]
    accuracy = np.mean(file.predict(x).argmax(-1) == y)
    assert accuracy == pytest.approx(emulated, abs=0.05)
    assert "trained for int8" in result.report["conv"].done


def test_training_for_int8_changes_the_weights_of_the_model():
    x, y = data()
    model = dense_model()
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert not np.array_equal(
        kernel(result.model, "hidden"), kernel(model, "hidden")
    )
    assert result.model.evaluate(x, y, verbose=0)[0] == pytest.approx(
        result.evaluate_emulated(x, y, verbose=0)[0], rel=0.1
    )


def int8_kernels(file):
    """Returns the weights of an int8 file by shape, output channels first."""
    interpreter = tf.lite.Interpreter(
        model_content=file.content,
        experimental_op_resolver_type=(
            tf.lite.experimental.OpResolverType.BUILTIN_REF
        ),
    )
    interpreter.allocate_tensors()
    kernels = {}
    for details in interpreter.get_tensor_details():
        # What is computed is not there before the first run.
        if details["dtype"] == np.int8 and len(details["shape"]) > 1:
            with contextlib.suppress(ValueError):
                array = interpreter.get_tensor(details["index"])
                kernels[array.shape] = array
    return kernels


def sequence_model():
    # Conv1D and LSTM are what TF-MOT does not train for int8.
    return model_of(
        layers.Conv1D(12, 3, activation="relu", name="conv1d"),
        layers.LSTM(8, name="lstm"),
        layers.Dense(24, activation="relu", name="hidden"),
        shape=(8, 4),
    )


def sequences(count=96):
    x = np.random.default_rng(0).normal(size=(count, 8, 4)).astype("float32")
    return x, (x.mean((1, 2)) > 0).astype("int64")


@pytest.fixture(scope="module")
def trained_for_int8():
    """A model with zeros and clusters in it, trained for int8 and converted."""
    x, y = sequences()
    result = compress(
        sequence_model(),
        x,
        y,
        prune=0.75,
        cluster={"conv1d": 6, "lstm": 8},
        quantization_aware=True,
        epochs=2,
        verbose=0,
    )
    return result, result.to_tflite("int8", representative_data=x)


def test_the_int8_file_has_the_zeros_of_every_layer(trained_for_int8):
    result, file = trained_for_int8
    kernels = int8_kernels(file)
    for name, shape in (
        ("conv1d", (12, 1, 3, 4)),
        ("lstm", (32, 12)),
        ("hidden", (24, 8)),
        ("head", (2, 24)),
    ):
        assert zeros(kernel(result.model, name)) >= 0.74
        assert zeros(kernels[shape]) >= 0.74, name


def test_the_int8_file_has_the_clusters_of_every_channel(trained_for_int8):
    result, file = trained_for_int8
    assert num_values(kernel(result.model, "conv1d")) <= 6
    assert num_values(kernel(result.model, "lstm")) <= 8
    # Each channel has a scale of its own.
    kernels = int8_kernels(file)
    for channel in kernels[12, 1, 3, 4]:
        assert num_values(channel) <= 6
    for channel in kernels[32, 12]:
        assert num_values(channel) <= 8
    # Of so many weights, others would have more values.
    assert num_values(kernel(result.model, "hidden")) > 20
    assert result.report["conv1d"].num_clusters <= 6


def test_an_int8_file_computes_what_was_emulated(trained_for_int8):
    result, file = trained_for_int8
    x, _ = sequences()
    reference = result.reference_model("int8")
    assert reference is not result.model
    assert result.reference_model("float16") is result.model
    assert export.verify(file, reference, x).passed
    # The model has the weights of the emulation: they differ by rounding.
    np.testing.assert_allclose(
        result.model.predict(x, verbose=0),
        reference.predict(x, verbose=0),
        atol=0.05,
    )


def test_an_int8_file_forgets_one_call_before_the_next(trained_for_int8):
    _, file = trained_for_int8
    assert not any("SEQUENCE" in name for name in file.operations)
    interpreter = tf.lite.Interpreter(model_content=file.content)
    run = interpreter.get_signature_runner()
    x = sequences()[0][:1]
    outputs = [
        next(iter(run(**{file.inputs[0].name: x}).values())) for _ in range(3)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])


def test_a_gru_trained_for_int8():
    x, y = sequences(32)
    model = model_of(layers.GRU(4, name="gru"), shape=(8, 4))
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    file = result.to_tflite("int8", representative_data=x)
    assert export.verify(file, result.reference_model("int8"), x).passed


def test_a_separable_convolution_trained_for_int8():
    x, y = data()
    model = model_of(
        layers.SeparableConv2D(8, 3, activation="relu", name="first"),
        layers.SeparableConv2D(8, 3, activation="relu", name="second"),
        layers.Flatten(),
    )
    result = compress(
        model, x, y, prune=0.5, quantization_aware=True, epochs=2, verbose=0
    )
    # Its parts are layers of their own in the emulation.
    np.testing.assert_allclose(
        result.model.predict(x, verbose=0),
        result.reference_model("int8").predict(x, verbose=0),
        atol=0.05,
    )
    before = model.get_layer("second").get_weights()
    after = result.model.get_layer("second").get_weights()
    assert zeros(after[1]) == 0.5
    assert all(
        np.abs(a - b).max() > 1e-3 for a, b in zip(after, before, strict=True)
    )
    assert result.report["second"].done == ["pruned", "trained for int8"]
    assert result.report["second"].notes == ["but for its depthwise kernel"]


def test_names_of_keras_3_do_not_stop_tfmot_from_folding():
    """TF-MOT takes the layer apart, into a "conv2d" of tf_keras's counting."""
    x, y = data()
    model = model_of(
        layers.Conv2D(4, 3, use_bias=False, name="conv2d"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.SeparableConv2D(4, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.DepthwiseConv2D(3, use_bias=False, name="depthwise_conv2d_7"),
        layers.BatchNormalization(),
        layers.Flatten(),
    )
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert result.report.skipped == {}
    file = result.to_tflite("int8", representative_data=x)
    assert export.verify(file, result.reference_model("int8"), x).passed


@pytest.mark.parametrize("pooling", ["AveragePooling2D", "MaxPooling2D"])
def test_a_concatenation_with_a_pooling_trained_for_int8(pooling):
    x, y = data()
    inputs = keras.Input((8, 8, 1))
    beside = layers.Conv2D(4, 3, padding="same")(inputs)
    pooled = getattr(layers, pooling)(2)(layers.Conv2D(4, 1)(beside))
    after = layers.Conv2D(4, 3, padding="same")(pooled)
    joined = layers.Concatenate()([pooled, after])
    normalized = layers.BatchNormalization(name="lone")(joined)
    features = layers.GlobalAveragePooling2D()(layers.ReLU()(normalized))
    outputs = layers.Dense(2, activation="softmax")(features)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy")
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert result.report.skipped == {
        "lone": "TF-MOT does not train BatchNormalization for int8; the "
        "conversion quantises it"
    }
    file = result.to_tflite("int8", representative_data=x)
    assert export.verify(file, result.reference_model("int8"), x).passed
    assert not file.float_operations


def test_layers_of_other_settings_keep_their_zeros():
    x, y = data()
    result = compress(
        dense_model(),
        x,
        y,
        prune={"hidden": 0.5},
        cluster={"second": 4},
        epochs=2,
        verbose=0,
    )
    assert zeros(kernel(result.model, "hidden")) == 0.5
    assert num_values(kernel(result.model, "second")) <= 4
    assert zeros(kernel(result.model, "head")) == 0


def test_a_layer_too_small_for_its_clusters_keeps_its_zeros():
    x, y = data()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Not all layers have")
        result = compress(
            dense_model(), x, y, prune=0.75, cluster=16, epochs=2, verbose=0
        )
    assert "different weights as it is" in result.report.skipped["head"]
    assert zeros(kernel(result.model, "head")) == 0.75


def test_zeros_and_clusters_of_an_earlier_call_are_kept():
    x, y = data()
    first = compress(
        dense_model(),
        x,
        y,
        prune={"hidden": 0.75, "head": 0.5},
        cluster={"second": 4},
        epochs=2,
        verbose=0,
    ).model
    for arguments in (
        {"quantization_aware": True},
        {"prune_channels": 0.25},
        {"prune": {"head": 0.75}},
    ):
        second = compress(first, x, y, epochs=1, verbose=0, **arguments).model
        assert zeros(kernel(second, "hidden")) == pytest.approx(0.75, abs=0.05)
        assert num_values(kernel(second, "second")) <= 4
        assert zeros(kernel(second, "head")) >= 0.4
        bias = second.get_layer("head").get_weights()[1]
        assert np.all(bias != first.get_layer("head").get_weights()[1])


def test_early_stopping_waits_for_all_zeros():
    x, y = data()
    stopping = keras.callbacks.EarlyStopping(
        "loss", mode="max", patience=0, restore_best_weights=True
    )
    result = compress(
        dense_model(),
        x,
        y,
        prune=0.75,
        epochs=8,
        callbacks=stopping,
        verbose=0,
    )
    # With `mode="max"` each epoch but the first that counts is worse: that in
    # which the last weights are pruned, two thirds of the way.
    assert len(result.history["prune"]["loss"]) == 7
    assert result.report.sparsity == pytest.approx(0.75, abs=0.01)
    assert stopping.start_from_epoch == 0


def test_a_target_that_was_not_reached_is_reported():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    x, y = data()
    with pytest.warns(UserWarning, match="hidden: asked for 90.0% zeros"):
        result = compress(
            dense_model(),
            x,
            y,
            prune=0.9,
            epochs=6,
            callbacks=Stop(),
            verbose=0,
        )
    sparsity = result.report["hidden"].sparsity
    assert sparsity < 0.8
    assert result.report.skipped["hidden"] == (
        f"asked for 90.0% zeros, reached {sparsity:.1%}"
    )


def test_averages_of_the_optimizer_are_what_is_returned():
    x, y = data()
    model = dense_model()
    kernels = []
    for use_ema in (True, False):
        optimizer = keras.optimizers.SGD(
            0.1, use_ema=use_ema, ema_momentum=0.99
        )
        result = compress(
            model,
            x,
            y,
            prune=0.5,
            prune_schedule="constant",
            epochs=3,
            optimizer=optimizer,
            shuffle=False,
            verbose=0,
        )
        kernels.append(kernel(result.model, "hidden"))
        assert zeros(kernels[-1]) == 0.5
    before = kernel(model, "hidden")
    moved = [np.abs(k - before)[k != 0].mean() for k in kernels]
    assert 0 < moved[0] < moved[1] / 2


@pytest.mark.parametrize("name", ["elu", "exponential"])
def test_activations_that_tfmot_does_not_know(name):
    x, y = data(32)
    model = model_of(
        layers.Conv2D(2, 3, activation=name, name="conv"),
        layers.Activation(name, name="activation"),
        layers.Conv2D(2, 3, activation="silu", name="known"),
        layers.Flatten(),
    )
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert name in result.report.skipped["conv"]
    assert name in result.report.skipped["activation"]
    for known in ("known", "head"):
        assert result.report[known].done == ["trained for int8"]
        assert result.report[known].notes == []
    assert result.report["conv"].done == []


def test_layers_that_tfmot_cannot_treat_are_named_by_their_class():
    x, y = data(32)
    model = model_of(
        layers.Reshape((8, 8)),
        layers.SeparableConv1D(4, 3, name="separable"),
        layers.Conv1DTranspose(4, 3, name="transpose"),
        layers.Flatten(),
        Scaled(name="scaled"),
        Mixed(name="mixed"),
    )
    result = compress(
        model, x, y, prune=0.5, quantization_aware=True, epochs=2, verbose=0
    )
    report = result.report
    assert report["transpose"].sparsity == 0.5
    assert report["mixed"].done == report["scaled"].done == []
    assert report["mixed"].notes == [
        "TF-MOT does not prune Mixed",
        "TF-MOT does not train Mixed for int8; the conversion quantises it",
    ]
    assert "SeparableConv1D" in report.skipped["separable"]
    assert "WrappingLayer" not in str(report)


def test_a_model_of_nothing_that_tfmot_trains_for_int8():
    x, y = data(32)
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), Mixed(name="mixed")]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(True))
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert result.report["mixed"].done == []


def test_layers_that_tfmot_refuses_stay_in_float_and_are_reported():
    x, y = data()
    model = model_of(
        layers.Reshape((8, 8)),
        layers.Conv1D(4, 3, name="conv1d"),
        layers.LayerNormalization(name="norm"),
        layers.Flatten(),
    )
    result = compress(model, x, y, quantization_aware=True, epochs=1, verbose=0)
    assert {"conv1d", "norm"} <= set(result.report.skipped)
    assert result.report["head"].done == ["trained for int8"]
    assert (
        result.to_tflite("int8", representative_data=x).quantization == "int8"
    )


def test_fewer_channels_and_zeros_in_what_is_left():
    x, y = data()
    model = convolutional_model()
    result = compress(
        model, x, y, prune_channels=0.5, prune=0.5, epochs=2, verbose=0
    )
    assert result.model.get_layer("conv").filters == 4
    assert result.model.count_params() < model.count_params() / 1.8
    assert zeros(kernel(result.model, "pointwise")) == 0.5
    assert result.report["conv"].done == ["channels 8 -> 4", "pruned"]
    assert "channels kept" in result.report.skipped["head"]
    assert set(result.history) == {"prune_channels", "prune"}
    momenta = {
        layer.momentum
        for layer in result.model.layers
        if isinstance(layer, layers.BatchNormalization)
    }
    assert momenta == {0.99}


def test_arguments_of_channel_pruning():
    x, y = data()
    result = compress(
        convolutional_model(),
        x,
        y,
        prune_channels={"fraction": 0.25, "importance": "taylor"},
        epochs=0,
    )
    assert result.model.get_layer("conv").filters == 6
    with pytest.raises(ValueError, match="`prune_channels`"):
        compress(dense_model(), x, y, prune_channels={"x": x})
    with pytest.raises(ValueError, match="`skip` cannot"):
        compress(dense_model(), x, y, prune_channels=0.5, skip=["head"])


def test_datasets():
    x, y = data()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    result = compress(dense_model(), dataset, prune=0.5, epochs=2, verbose=0)
    assert zeros(kernel(result.model, "hidden")) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        compress(dense_model(), dataset.repeat(), prune=0.5)
    result = compress(
        dense_model(),
        dataset.repeat(),
        prune=0.5,
        steps_per_epoch=3,
        epochs=2,
        verbose=0,
    )
    assert zeros(kernel(result.model, "hidden")) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "Nothing to do"),
        ({"prune": 1.0}, "Invalid value received for argument `prune`"),
        ({"prune": "4:2"}, "Invalid value received for argument `prune`"),
        ({"prune": {"nothing": 0.5}}, "no layers of these names"),
        ({"prune": 0.5, "skip": ["nothing"]}, "no layers of these names"),
        ({"prune": 0.5, "prune_schedule": "x"}, "`prune_schedule`"),
        ({"prune": 0.5, "epochs": 0}, "at least one epoch"),
        ({"prune": 0.5, "epochs": {"cluster": 2}}, "argument `epochs`"),
        ({"cluster": 1}, "Invalid value received for argument `cluster`"),
    ],
)
def test_bad_arguments(arguments, message):
    x, y = data(4)
    with pytest.raises(ValueError, match=message):
        compress(dense_model(), x, y, **arguments)


def test_an_uncompiled_model():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="must be compiled"):
        compress(model, np.zeros((4, 3)), np.zeros((4, 2)), prune=0.5)


def test_only_a_model_trained_for_int8_emulates_it(pruned):
    with pytest.raises(ValueError, match="quantization_aware=True"):
        pruned[2].evaluate_emulated(*data())


def test_it_is_at_hand():
    assert nas.compress is compress
