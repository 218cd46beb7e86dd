"""What a tuner replaces of `compile`, and what it keeps."""

import keras
import numpy as np
import pytest

from keras_nas.compile_arguments import (
    compile_like,
    replace_compile_arguments,
)

X = np.linspace(0.0, 1.0, 8, dtype="float32").reshape(4, 2)
Y = np.array([[1.0], [0.0], [2.0], [1.0]], "float32")
WEIGHTS = np.array([1.0, 2.0, 0.0, 1.0], "float32")


def largest_error(y, prediction):
    """A metric that is registered nowhere."""
    return keras.ops.max(keras.ops.abs(y - prediction), axis=-1)


class Halved(keras.optimizers.SGD):
    """An optimizer that is registered nowhere."""


def two_outputs(**arguments):
    inputs = keras.Input((2,))
    model = keras.Model(
        inputs,
        {
            "one": keras.layers.Dense(1, name="one")(inputs),
            "two": keras.layers.Dense(1, name="two")(inputs),
        },
    )
    model.compile("sgd", {"one": "mse", "two": "mse"}, **arguments)
    return model


def test_everything_that_is_not_given_is_kept():
    model = two_outputs(
        loss_weights={"one": 0.0, "two": 2.0},
        metrics={"one": [largest_error]},
        weighted_metrics={"two": ["mse"]},
        steps_per_execution=3,
        jit_compile=True,
    )
    replace_compile_arguments(model, optimizer="adam")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.steps_per_execution == 3
    assert model.jit_compile is True
    logs = model.evaluate(
        X,
        {"one": Y, "two": Y},
        sample_weight={"one": WEIGHTS, "two": WEIGHTS},
        verbose=0,
        return_dict=True,
    )
    errors = {
        name: Y - out for name, out in model.predict(X, verbose=0).items()
    }
    squares = WEIGHTS[:, None] * errors["two"] ** 2
    assert logs["loss"] == pytest.approx(2.0 * squares.mean(), rel=1e-5)
    assert logs["one_largest_error"] == pytest.approx(
        np.abs(errors["one"]).mean(), rel=1e-5
    )
    assert logs["two_mse"] == pytest.approx(
        squares.sum() / WEIGHTS.sum(), rel=1e-5
    )


def test_run_eagerly_is_kept():
    model = two_outputs(run_eagerly=True)
    replace_compile_arguments(model, loss={"one": "mae", "two": "mae"})
    assert model.run_eagerly
    assert not model.jit_compile


def test_each_argument_is_replaced_alone():
    model = two_outputs(metrics={"one": ["mae"]})
    optimizer = model.optimizer
    replace_compile_arguments(model, loss={"one": "mae", "two": "mae"})
    assert model.optimizer is optimizer
    assert model.loss == {"one": "mae", "two": "mae"}
    replace_compile_arguments(model, metrics={"two": ["mse"]})
    assert model.loss == {"one": "mae", "two": "mae"}
    logs = model.evaluate(X, {"one": Y, "two": Y}, verbose=0, return_dict=True)
    assert "two_mse" in logs and "one_mae" not in logs


def test_nothing_given_compiles_nothing():
    model = two_outputs()
    before = model.optimizer
    replace_compile_arguments(model)
    assert model.optimizer is before


@pytest.mark.parametrize(
    "optimizer",
    [
        Halved(0.25),
        keras.optimizers.SGD(
            keras.optimizers.schedules.PolynomialDecay(0.25, 4)
        ),
    ],
    ids=["unregistered", "schedule"],
)
def test_each_model_gets_an_optimizer_of_its_own(optimizer):
    models = [two_outputs(), two_outputs()]
    for model in models:
        replace_compile_arguments(model, optimizer=optimizer)
        model.fit(X, {"one": Y, "two": Y}, verbose=0)
    for model in models:
        assert type(model.optimizer) is type(optimizer)
        assert model.optimizer.get_config() == optimizer.get_config()
        assert int(model.optimizer.iterations) == 1
    assert int(optimizer.iterations) == 0


def test_each_model_gets_metrics_of_its_own():
    metric = keras.metrics.MeanAbsoluteError(name="error")
    models = [two_outputs(), two_outputs()]
    for model in models:
        replace_compile_arguments(model, metrics={"one": [metric]})
        logs = model.evaluate(
            X, {"one": Y, "two": Y}, verbose=0, return_dict=True
        )
        error = np.abs(Y - model.predict(X, verbose=0)["one"]).mean()
        assert logs["one_error"] == pytest.approx(error, rel=1e-5)
    assert float(metric.result()) == 0.0


def test_a_metric_that_cannot_be_copied_starts_anew():
    metric = keras.metrics.MeanMetricWrapper(largest_error, name="largest")
    for model in (two_outputs(), two_outputs()):
        replace_compile_arguments(model, metrics={"one": [metric]})
        logs = model.evaluate(
            X, {"one": Y, "two": Y}, verbose=0, return_dict=True
        )
        error = np.abs(Y - model.predict(X, verbose=0)["one"]).mean()
        assert logs["one_largest"] == pytest.approx(error, rel=1e-5)


class OwnCompile(keras.Model):
    """Takes an argument that Keras does not have, and not all it has."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1)

    def call(self, inputs):
        return self.dense(inputs)

    def compile(self, optimizer, loss=None, scale=1.0):
        super().compile(optimizer, loss)
        self.scale = scale


def test_a_compile_of_the_users_own_gets_what_it_takes():
    model = OwnCompile()
    model.compile("sgd", "mse")
    replace_compile_arguments(model, optimizer="adam")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.loss == "mse"


def test_a_model_that_is_not_compiled_needs_optimizer_and_loss():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    replace_compile_arguments(model, optimizer="sgd", metrics=["mae"])
    assert not model.compiled
    replace_compile_arguments(model, "sgd", "mse", ["mae"])
    assert "mae" in model.evaluate(X, Y, verbose=0, return_dict=True)


def test_a_model_is_compiled_like_another():
    other = two_outputs(
        loss_weights={"one": 0.0, "two": 2.0},
        metrics={"one": [largest_error]},
        weighted_metrics={"two": [keras.metrics.MeanSquaredError("square")]},
        steps_per_execution=3,
    )
    other.optimizer.learning_rate = 0.25
    model = keras.Model.from_config(other.get_config())
    model.set_weights(other.get_weights())
    compile_like(model, other)
    assert model.steps_per_execution == 3
    assert model.optimizer is not other.optimizer
    assert float(model.optimizer.learning_rate) == 0.25
    y = {"one": Y, "two": Y}
    one, two = (
        m.evaluate(X, y, verbose=0, return_dict=True) for m in (model, other)
    )
    assert one == pytest.approx(two)
    assert any("square" in name for name in one)


def test_like_a_model_that_is_not_compiled():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    compile_like(model, keras.Sequential([keras.layers.Dense(1)]))
    assert not model.compiled
