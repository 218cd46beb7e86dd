"""Data that do not fit are found before any stage."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas as nas
from keras_nas.compression import Bridge, compress, prune_channels
from keras_nas_tests.compression.small_mlp import X, Y, mlp


def two_inputs():
    a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b")
    x = layers.Concatenate()([a, b])
    model = keras.Model({"a": a, "b": b}, layers.Dense(2, "softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def image_model():
    inputs = keras.Input((8, 8, 1), name="image")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2, "softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def endless():
    while True:
        yield X[:16], Y[:16]


class Batches(keras.utils.PyDataset):
    def __init__(self, x=X, y=Y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 4

    def __getitem__(self, i):
        part = slice(16 * i, 16 * i + 16)
        return self.x[part], self.y[part]


def dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(16)


@pytest.fixture(autouse=True)
def trainings(monkeypatch):
    """Fails if something is trained that should have been refused."""
    calls = []
    fit = keras.Model.fit

    def counted(self, *args, **kwargs):
        calls.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", counted)
    return calls


@pytest.mark.parametrize(
    "build, x, y, message",
    [
        (mlp, None, None, "`x`.*data to train on"),
        (mlp, X[:, :5], Y, r"`x`.*\(samples, 8\).*'x'.*\(64, 5\)"),
        (mlp, X.tolist(), Y, "`x`.*one array.*'x'"),
        (mlp, [X, X], Y, "`x`.*one array"),
        (mlp, X, Y[:5], r"`y`.*64 samples of `x`.*\(5,\)"),
        (mlp, X, None, "`y`.*targets.*compiled with a loss"),
        (image_model, np.zeros((9, 12, 12, 1)), Y[:9], r"'image'.*12, 12, 1"),
        (two_inputs, {"a": X, "c": X}, Y, r"2 arrays.*\['a', 'b'\].*'c'"),
        (two_inputs, {"a": X, "b": X[:3]}, Y, "`x`.*entry for each of the 64"),
        (two_inputs, X, Y, "`x`.*2 arrays"),
        (mlp, dataset(X), None, "`y`.*targets"),
        (mlp, dataset(X[:, :5], Y), None, r"`x`.*\(None, 5\)"),
        (mlp, dataset(X, Y), Y, "`y` must be left out"),
        (mlp, Batches(X[:, :5]), None, r"`x`.*\(16, 5\)"),
    ],
)
def test_data_that_do_not_fit(build, x, y, message, trainings):
    with pytest.raises(ValueError, match=message):
        compress(build(), x, y, prune=0.5, verbose=0)
    assert trainings == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"sample_weight": np.ones(5)}, "`sample_weight`.*64 samples"),
        ({"validation_data": (X, None)}, "`validation_data`.*targets"),
        ({"validation_data": (X[:, :5], Y)}, r"`validation_data`.*\(64, 5\)"),
        ({"validation_data": X}, "`validation_data`"),
        ({"validation_data": (X,)}, "`validation_data`.*`\\(x, y\\)`"),
        ({"epochs": True}, "`epochs`.*True"),
        ({"epochs": 1.5}, "`epochs`.*1.5"),
        ({"epochs": np.int64(-1)}, "`epochs`"),
        ({"skip": 5}, "`skip`.*5"),
        ({"skip": [5]}, "`skip`"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, trainings):
    with pytest.raises(ValueError, match=message):
        compress(mlp(), X, Y, prune=0.5, verbose=0, **arguments)
    assert trainings == []


def test_a_generator_cannot_be_read_for_two_stages(trainings):
    arguments = {"cluster": 8, "steps_per_epoch": 4, "epochs": 1, "verbose": 0}
    with pytest.raises(ValueError, match="read 2 times.*x=generator"):
        compress(mlp(), endless(), prune=0.5, **arguments)
    assert trainings == []
    result = compress(mlp(), endless(), **arguments)
    assert result.report["hidden"].num_clusters <= 8


def test_only_pruning_has_to_know_the_length(trainings):
    with pytest.raises(ValueError, match="steps_per_epoch"):
        compress(mlp(), endless(), prune=0.5, verbose=0)
    assert trainings == []
    result = compress(mlp(), cluster=8, epochs=0)
    assert result.report["hidden"].num_clusters <= 8
    assert trainings == []


def test_what_fit_takes_is_taken():
    """One of everything: a dataset of Keras, weights, numbers of NumPy."""
    result = compress(
        mlp(),
        Batches(),
        prune=0.5,
        cluster=8,
        skip="head",
        epochs=np.int64(1),
        validation_data=(X, Y, np.ones(64)),
        verbose=0,
    )
    assert result.report["hidden"].sparsity >= 0.5
    assert result.report["head"].done == []
    weighted = compress(
        two_inputs(),
        {"a": X, "b": X, "unused": X},
        Y[:, None],
        prune=0.5,
        epochs=2,
        sample_weight=np.zeros(64),
        verbose=0,
    )
    # Samples without weight teach nothing, so the loss is none.
    assert weighted.history["prune"]["loss"] == [0.0, 0.0]


class OwnStep(keras.Model):
    calls = 0

    def train_step(self, data):
        OwnStep.calls += 1
        return super().train_step(data)


class OwnLoss(keras.Model):
    def compute_loss(self, *args, **kwargs):
        return 2 * super().compute_loss(*args, **kwargs)


@pytest.mark.parametrize(
    "kind, name", [(OwnStep, "train_step"), (OwnLoss, "compute_loss")]
)
def test_a_training_of_ones_own_is_not_dropped(kind, name, trainings):
    inputs = keras.Input((8,))
    x = layers.Dense(8)(inputs)
    model = kind(inputs, layers.Dense(2, "softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=f"{kind.__name__}.*: {name}"):
        compress(model, X, Y, prune=0.5, prune_channels=0.5, verbose=0)
    assert trainings == []
    OwnStep.calls = 0
    result = compress(model, X, Y, prune_channels=0.5, epochs=1, verbose=0)
    assert type(result.model) is kind
    assert OwnStep.calls > 0 or kind is OwnLoss


def test_models_that_are_quantized_already():
    model = mlp()
    model.quantize("int8")
    model.compile("adam", "sparse_categorical_crossentropy")
    for use in (
        lambda: compress(model, X, Y, prune=0.5),
        lambda: compress(model, X, Y, prune_channels=0.5),
        lambda: prune_channels(model),
        lambda: Bridge(model),
    ):
        with pytest.raises(ValueError, match="quantized already.*'hidden'"):
            use()


def test_models_with_lora():
    model = mlp()
    model.get_layer("hidden").enable_lora(4)
    model.compile("adam", "sparse_categorical_crossentropy")
    for use in (
        lambda: compress(model, X, Y, prune=0.5),
        lambda: prune_channels(model),
    ):
        with pytest.raises(ValueError, match="LoRA.*'hidden'"):
            use()


def test_mixed_precision_is_kept_and_makes_files():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = mlp()
    finally:
        keras.config.set_dtype_policy(before)
    result = compress(
        model, X, Y, prune=0.5, quantization_aware=True, epochs=2, verbose=0
    )
    hidden = result.model.get_layer("hidden")
    assert hidden.dtype_policy.name == "mixed_float16"
    assert np.mean(hidden.get_weights()[0] == 0) >= 0.5
    file = result.to_tflite("int8", representative_data=X)
    scores = file.predict(X)
    assert np.mean(scores.argmax(1) == result.model(X).numpy().argmax(1)) > 0.9


def test_names_that_tensorflow_refuses():
    inputs = keras.Input((8,))
    x = layers.Dense(4, name="my dense!")(inputs)
    bridge = Bridge(keras.Model(inputs, layers.Dense(2, name="_é")(x)))
    assert [layer.name for layer in bridge.model.layers[1:]] == [
        "my_dense_",
        "layer__",
    ]


@pytest.mark.parametrize(
    "function, name, meant",
    [
        (nas.compress, "batchsize", "batch_size"),
        (nas.compress, "prun", "prune"),
        (nas.deploy, "max_byte", "max_bytes"),
        (nas.deploy, "clustr", "cluster"),
    ],
)
def test_misspelt_arguments_are_named(function, name, meant):
    message = f"{function.__name__}.* no argument '{name}'.* '{meant}'"
    with pytest.raises(TypeError, match=message):
        function(None, None, None, **{name: 3})
