"""Class numbers beyond the outputs are found before any work."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import keras_nas as nas
from keras_nas.compression.class_numbers import check_class_numbers

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")
Y = np.arange(20) % 3
TOO_LARGE = r"`{}`.*from 0 to 2.*'scores'.*numbers from 0 to 3\. Number the"


def model_of(loss="sparse_categorical_crossentropy", metrics=None):
    inputs = keras.Input((4,), name="x")
    outputs = layers.Dense(3, "softmax", name="scores")(inputs)
    model = keras.Model(inputs, outputs, name="m")
    model.compile("sgd", loss, metrics=metrics)
    return model


def two_outputs(loss, as_dict=False):
    inputs = keras.Input((4,))
    # Not in the order of their keys, by which Keras sorts them.
    outputs = {
        "b": layers.Dense(3, "softmax", name="second")(inputs),
        "a": layers.Dense(2, "softmax", name="first")(inputs),
    }
    if not as_dict:
        outputs = [outputs["a"], outputs["b"]]
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss)
    return model


@pytest.fixture
def nothing_runs(monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", None)
    monkeypatch.setattr(nas.export, "to_tflite", None)


@pytest.mark.usefixtures("nothing_runs")
def test_compress_and_deploy_name_the_numbers():
    model = model_of()
    wrong = np.where(Y == 2, 3, Y)
    message = TOO_LARGE.format("y")
    for y in (wrong, wrong[:, None].astype("float32"), tf.constant(wrong)):
        with pytest.raises(ValueError, match=message):
            nas.compress(model, X, y, prune=0.5)
    with pytest.raises(ValueError, match=TOO_LARGE.format("validation_data")):
        nas.compress(model, X, Y, prune=0.5, validation_data=(X, wrong))
    with pytest.raises(ValueError, match=TOO_LARGE.format("validation_data")):
        nas.deploy(model, X, Y, validation_data=(X, wrong))
    with pytest.raises(ValueError, match=message):
        nas.deploy(model, X, wrong, validation_data=(X, Y), prune=0.5)
    dataset = tf.data.Dataset.from_tensor_slices((X, wrong)).batch(8)
    with pytest.raises(ValueError, match=message):
        nas.deploy(model, dataset, validation_data=(X, Y), prune=0.5)
    with (
        pytest.raises(ValueError, match=message),
        pytest.warns(UserWarning, match="every fifth"),
    ):
        nas.deploy(model, X, wrong)
    with pytest.raises(ValueError, match="numbers from -1 to 1"):
        nas.compress(model, X, Y - 1, prune=0.5)


@pytest.mark.parametrize(
    ("loss", "metrics"),
    [
        ("SparseCategoricalCrossentropy", None),
        (keras.losses.sparse_categorical_crossentropy, None),
        (keras.losses.SparseCategoricalCrossentropy(True), ["accuracy"]),
        (["sparse_categorical_crossentropy"], None),
        ({"scores": "sparse_categorical_crossentropy"}, None),
        ("mse", ["mae", "sparse_categorical_crossentropy"]),
        ("mse", [keras.metrics.SparseCategoricalCrossentropy()]),
        ("mse", {"scores": ["sparse_categorical_crossentropy"]}),
    ],
)
def test_each_way_to_ask_for_it(loss, metrics):
    model = model_of(loss, metrics)
    with pytest.raises(ValueError, match="numbers from 0 to 3"):
        check_class_numbers(model, np.array([0, 3]), "y")
    check_class_numbers(model, np.array([0, 2]), "y")


class OfOnesOwn(keras.losses.SparseCategoricalCrossentropy):
    """May allow any number."""


@pytest.mark.parametrize(
    "loss",
    ["mse", OfOnesOwn(), lambda y, scores: keras.ops.mean(scores), None],
)
def test_nothing_is_known_of_other_losses(loss):
    check_class_numbers(
        model_of(loss, ["sparse_categorical_accuracy"]), np.array([-1, 9]), "y"
    )


def test_a_number_that_is_ignored_is_none():
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    model = model_of(loss)
    check_class_numbers(model, np.array([-1, 2]), "y")
    with pytest.raises(ValueError, match="numbers from 0 to 3"):
        check_class_numbers(model, np.array([-1, 0, 3]), "y")


def test_numbers_that_are_none_are_called_so():
    with pytest.raises(ValueError, match=r"Received: NaN in 1 of 3\. Number"):
        check_class_numbers(model_of(), np.array([0, np.nan, 2]), "y")


def test_a_function_of_the_users_own_may_take_any_numbers():
    """Samples without a class, which only that function can leave out."""

    def accuracy(y, outputs):
        return np.mean(outputs.argmax(-1)[y >= 0] == y[y >= 0])

    model, unknown = model_of(), np.where(Y == 2, -1, Y)
    arguments = {
        "metric": accuracy,
        "quantize": "float32",
        "num_threads": 1,
        "validation_data": (X, unknown),
    }
    expected = accuracy(unknown, model.predict(X, verbose=0))
    # Clusters without a training are made without a loss, too.
    for y, more in ((Y, {}), (unknown, {"cluster": 4, "epochs": 0})):
        deployed = nas.deploy(model, X, y, **arguments, **more)
        assert deployed.baselines[0].score == pytest.approx(expected)
    for more in ({"prune": 0.5}, {"cluster": 4, "epochs": {"cluster": 1}}):
        with pytest.raises(ValueError, match="`validation_data`.*-1 to 1"):
            nas.deploy(model, X, Y, **arguments, **more)
    with pytest.raises(ValueError, match="`validation_data`.*-1 to 1"):
        nas.deploy(model, X, Y, **arguments | {"metric": "loss"})


@pytest.mark.parametrize("as_dict", [False, True])
def test_each_output_has_classes_of_its_own(as_dict):
    name = "sparse_categorical_crossentropy"
    losses = {"a": name, "b": name} if as_dict else [name, name]
    model = two_outputs(losses, as_dict)
    two, three = np.array([0, 1]), np.array([0, 2])
    good, bad = ([two, three], [three, two])
    if as_dict:
        good, bad = (dict(zip("ab", pair, strict=True)) for pair in (good, bad))
    check_class_numbers(model, good, "y")
    with pytest.raises(ValueError, match="'(a|first)'.*numbers from 0 to 2"):
        check_class_numbers(model, bad, "y")
    one = two_outputs({"b": name, "a": "mse"} if as_dict else ["mse", name])
    check_class_numbers(one, [three, two], "y")


def test_lists_for_a_dict_of_outputs_are_in_the_order_of_keras():
    name = "sparse_categorical_crossentropy"
    model = two_outputs([name, name], as_dict=True)
    targets = [Y % 2, Y]
    model.fit(X, targets, verbose=0)
    compressed = nas.compress(model, X, targets, prune=0.5, epochs=1, verbose=0)
    assert compressed.report.sparsity == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="'a'.*numbers from 0 to 2"):
        nas.compress(model, X, targets[::-1], prune=0.5)


def test_nothing_is_known_of_lists_inside_of_a_dict():
    inputs = keras.Input((4,))
    both = [layers.Dense(3, "softmax")(inputs) for _ in range(2)]
    model = keras.Model(inputs, {"a": both})
    model.compile("sgd", "sparse_categorical_crossentropy")
    check_class_numbers(model, {"a": [Y, Y + 1]}, "y")
    compressed = nas.compress(
        model, X, {"a": [Y, Y]}, prune=0.5, epochs=1, verbose=0
    )
    assert compressed.report.sparsity == pytest.approx(0.5, abs=0.05)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="own")
        self.dense = layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.dense(x)


def test_a_model_without_a_graph_gets_an_error_of_deploy_too():
    model = Subclassed()
    model(X)
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="`y`.*'own'.*label value of 3") as e:
        nas.deploy(model, X, Y, validation_data=(X, Y + 1))
    assert "\n" not in str(e.value)
