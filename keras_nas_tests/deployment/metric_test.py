"""By what files are compared: the model's own metrics, where it has some."""

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.deployment.metric import make_metric
from keras_nas.export.model_function import ModelFunction


def two_outputs(**compile_arguments):
    inputs = keras.Input((3,), name="x")
    first = keras.layers.Dense(1, name="price")(inputs)
    second = keras.layers.Dense(2, activation="softmax", name="kind")(inputs)
    model = keras.Model(inputs, [first, second])
    if compile_arguments:
        model.compile("sgd", **compile_arguments)
    return model


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)).astype("float32")
    return x, [rng.normal(size=(300, 1)), rng.integers(2, size=300)]


def metric_of(model, x, y, metric=None):
    function = ModelFunction(model)
    outputs = function.predict({"x": x})
    made = make_metric(metric, function, y, outputs)
    return made, made.compute(y, outputs)


def test_the_first_metric_with_a_known_direction(samples):
    x, y = samples
    model = two_outputs(
        loss=["mse", "sparse_categorical_crossentropy"],
        metrics=[["mae"], ["accuracy"]],
    )
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    metric, value = metric_of(model, x, y)
    assert metric.name in expected
    assert value == pytest.approx(expected[metric.name], rel=1e-5)
    for name, higher_is_better in (
        ("kind_accuracy", True),
        ("price_mae", False),
        ("loss", False),
    ):
        metric, value = metric_of(model, x, y, name)
        assert metric.higher_is_better is higher_is_better
        assert value == pytest.approx(expected[name], rel=1e-5)


def test_the_loss_if_there_are_no_metrics(samples):
    x, y = samples
    model = two_outputs(loss=["mse", "sparse_categorical_crossentropy"])
    metric, value = metric_of(model, x, y)
    assert (metric.name, metric.higher_is_better) == ("loss", False)
    # More than one batch, the last of which is smaller.
    expected = model.evaluate(x, y, batch_size=300, verbose=0)
    assert value == pytest.approx(np.atleast_1d(expected)[0], rel=1e-4)
    assert metric.drop(1.0, 1.5) == 0.5


def test_a_metric_of_the_user_is_passed_over_if_its_direction_is_unknown(
    samples,
):
    def surprise(y, prediction):
        return keras.ops.mean(prediction)

    x, y = samples
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=[surprise])
    assert metric_of(model, x, y[0])[0].name == "loss"
    with pytest.raises(ValueError, match="`metric`.*'surprise'"):
        metric_of(model, x, y[0], "surprise")


def test_a_function_gets_targets_and_outputs(samples):
    def share_above(y, outputs):
        assert set(outputs) == {"price", "kind"}
        return np.mean(outputs["price"] > y[0])

    x, y = samples
    model = two_outputs()
    metric, value = metric_of(model, x, y, share_above)
    assert metric.name == "share_above"
    expected = np.mean(model.predict(x, verbose=0)[0] > y[0])
    assert value == pytest.approx(expected)


def test_without_compile_classifiers_have_an_accuracy_and_others_an_error(
    samples,
):
    x, y = samples
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(inputs))
    metric, value = metric_of(model, x, y[1])
    assert metric.name == "accuracy"
    right = model.predict(x, verbose=0).argmax(axis=-1) == y[1]
    assert value == pytest.approx(right.mean())
    with pytest.raises(ValueError, match="pass `metric`"):
        metric_of(two_outputs(), x, y)
    with pytest.raises(ValueError, match="not compiled"):
        metric_of(model, x, y[1], "accuracy")


def test_targets_that_the_loss_does_not_take_are_an_error(samples):
    x, _ = samples
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(inputs))
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="`y`.*loss"):
        metric_of(model, x, np.zeros((300, 3)))


@pytest.mark.parametrize("kind", [TypeError, ValueError])
def test_all_lines_of_an_error_of_the_users_own_are_shown(samples, kind):
    def refusing(y, prediction):
        raise kind("Bad shapes.\nExpected: (3,)\nReceived: (2,)")

    x, y = samples
    inputs = keras.Input((3,), name="x")
    model = keras.Model(inputs, keras.layers.Dense(2, "softmax")(inputs))
    model.compile("sgd", refusing)
    with pytest.raises(ValueError, match=r"Bad shapes\.\n.*\nReceived: \(2,"):
        metric_of(model, x, y[1])


def test_inputs_labels_and_preprocessing_by_name(samples):
    x, y = samples
    first, second = (keras.Input((3,), name=name) for name in ("b", "a"))
    total = keras.layers.Add()([first, second])
    outputs = {
        "kind": keras.layers.Dense(2, "softmax", name="k")(total),
        "is_new": keras.layers.Dense(1, "sigmoid", name="n")(total),
    }
    model = keras.Model([first, second], outputs)
    deployed = nas.deploy(
        model,
        [x, 2 * x],
        validation_data=({"a": x, "b": x}, None),
        quantize="int8",
        labels={"kind": ["cat", "dog"], "is_new": ["old", "new"]},
        preprocessing={"a": {"mean": [1, 2, 3], "std": 4}, "b": "as it is"},
        num_threads=1,
    )
    metadata = deployed.best.tflite_model.metadata
    inputs = {t["name"]: t for t in metadata["inputs"]}
    assert list(inputs) == ["b", "a"]
    assert (inputs["a"]["mean"], inputs["a"]["std"]) == ([1, 2, 3], [4])
    assert inputs["b"]["description"].endswith("as it is")
    assert "mean" not in inputs["b"]
    outputs = {t["name"]: t for t in metadata["outputs"]}
    assert outputs["kind"]["labels"] == ["cat", "dog"]
    assert "'new'" in outputs["is_new"]["description"]
    assert inputs["a"]["max"][0] == pytest.approx(
        2 * inputs["b"]["max"][0], rel=1e-5
    )
    assert deployed.model_card["labels"]["is_new"] == ["old", "new"]


def test_refused_targets_leave_the_model_as_it_was(samples):
    """One-hot targets are refused; the metrics must not be made for them."""
    x, (_, kinds) = samples
    inputs = keras.Input((3,), name="x")
    outputs = keras.layers.Dense(2, activation="softmax")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    accuracy = np.mean(model.predict(x, verbose=0).argmax(-1) == kinds)
    with pytest.raises(ValueError, match="`y`"):
        metric_of(model, x, np.eye(2)[kinds])
    _, score = metric_of(model, x, kinds)
    assert score == pytest.approx(accuracy)
    results = model.evaluate(x, kinds, verbose=0, return_dict=True)
    assert results["accuracy"] == pytest.approx(accuracy)
