"""Training on several devices; TPUs and GPUs work in the same way."""

import concurrent.futures
import warnings

import keras
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import (
    ScoredByUnits,
    X,
    Y,
    build,
    trials_of,
)
from keras_nas_tests.tuners.two_devices import run_on_two_devices

# Whatever can be made outside of the scope is: optimizer, loss, metrics.
SEARCH = """
import keras_tuner
seen = {"built": [], "screened": [], "fitted": [], "fit_scope": []}

class Hypermodel(keras_tuner.HyperModel):
    def build(self, hp):
        seen["built"].append(
            tf.distribute.get_strategy().num_replicas_in_sync)
        model = keras.Sequential([
            keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [1, 9]))])
        model.compile("sgd", "mse")
        return model

    def fit(self, hp, model, *args, **kwargs):
        seen["fit_scope"].append(
            tf.distribute.get_strategy().num_replicas_in_sync)
        history = super().fit(hp, model, *args, **kwargs)
        seen["fitted"] += [
            devices(model.weights), devices(model.optimizer.variables),
            devices(model.metrics_variables)]
        return history

class Parameters(nas.costs.Parameters):
    def measure(self, model):
        seen["screened"] += devices(model.weights)
        return super().measure(model)

tuner = nas.RandomSearch(
    Hypermodel(), "val_mae", max_trials=2, seed=0, directory=sys.argv[1],
    optimizer=keras.optimizers.Adam(0.01), loss="mae",
    metrics=[keras.metrics.MeanAbsoluteError(name="mae")],
    constraints=[Parameters(max_parameters=10)],
    distribution_strategy=STRATEGY)
explored = len(seen["built"])
tuner.search(
    X, Y[:, [0]], validation_data=(X, Y), batch_size=4, epochs=2, verbose=0)
(trial,) = tuner.oracle.trials.values()
(model,) = tuner.get_best_models()
print(json.dumps(seen | {
    "explored": explored,
    "rejected": [c["values"]["units"] for c in tuner.oracle.infeasible],
    "status": trial.status,
    "message": trial.message,
    "score": trial.score,
    "again": model.evaluate(X, Y, batch_size=4, verbose=0,
                            return_dict=True)["mae"],
    "loaded": devices(model.weights + model.optimizer.variables),
    "optimizer": type(model.optimizer).__name__,
}))
"""


RESUME = """
from keras_nas_tests.tuners.tiny_searches import (
    ScoredByUnits, build, trials_of)
scopes = []

class Interrupted(ScoredByUnits):
    def evaluate(self, candidate):
        if candidate.directory.endswith("3"):
            raise KeyboardInterrupt
        return super().evaluate(candidate)

class Watched(ScoredByUnits):
    def evaluate(self, candidate):
        scopes.append(devices(candidate.build().weights))
        return super().evaluate(candidate)

def search(evaluator):
    tuner = nas.RegularizedEvolution(
        build, "val_loss", max_trials=6, population_size=2,
        tournament_size=2, seed=5, directory=sys.argv[1],
        project_name="resumed", evaluator=evaluator,
        distribution_strategy=STRATEGY)
    tuner.search(verbose=0)
    return tuner

try:
    search(Interrupted())
except KeyboardInterrupt:
    pass
tuner = search(Watched())
print(json.dumps({"trials": trials_of(tuner), "scopes": scopes}))
"""

XLA = """
from keras_nas_tests.tuners.distribution_strategy_test import build_for_xla

def plain(hp):
    model = build_for_xla(hp)
    model.compile("sgd", "mse")
    return model

def search(build, name):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, seed=0, directory=sys.argv[1],
        project_name=name, distribution_strategy=STRATEGY)
    tuner.search(X, Y, validation_data=(X, Y), batch_size=4, verbose=0)
    (trial,) = tuner.oracle.trials.values()
    (model,) = tuner.get_best_models()
    return {
        "status": trial.status, "message": trial.message,
        "score": trial.score, "jit_compile": model.jit_compile,
        "steps_per_execution": model.steps_per_execution}

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    xla = search(build_for_xla, "xla")
told = [str(w.message) for w in told if "Keras cannot" in str(w.message)]
print(json.dumps({
    "xla": xla, "told": told, "plain": search(plain, "plain")}))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What the scripts found, all in one process: it takes long to start."""
    directory = tmp_path_factory.mktemp("two_devices")
    return run_on_two_devices(SEARCH, directory, RESUME, XLA)


@pytest.fixture(scope="module")
def searched(results):
    return results[0]


def test_every_model_is_built_in_the_scope(searched):
    assert searched["explored"] >= 1
    # Two were screened, one of them trained and loaded.
    assert len(searched["built"]) == searched["explored"] + 4
    assert set(searched["built"]) == {2}


def test_candidates_are_screened_on_all_devices(searched):
    assert searched["rejected"] == [9]
    assert len(searched["screened"]) >= 2
    assert set(searched["screened"]) == {2}


def test_trials_run_in_the_scope(searched):
    assert searched["status"] == "COMPLETED", searched["message"]
    assert searched["fit_scope"] == [2]


def test_what_replaces_the_compiled_is_on_all_devices(searched):
    # Weights, optimizer, metrics.
    assert searched["fitted"] == [[2], [2], [2]]
    assert searched["optimizer"] == "Adam"


def test_the_best_model_is_on_all_devices_and_has_its_score(searched):
    assert searched["loaded"] == [2]
    assert searched["score"] == pytest.approx(searched["again"], rel=1e-5)


def test_a_resumed_search_goes_on_with_the_same_proposals(tmp_path, results):
    tuner = nas.RegularizedEvolution(
        build,
        "val_loss",
        max_trials=6,
        population_size=2,
        tournament_size=2,
        seed=5,
        directory=tmp_path / "uninterrupted",
        evaluator=ScoredByUnits(),
    )
    tuner.search(verbose=0)
    resumed = results[1]
    # Three trials before the interruption, and three after it.
    assert resumed["scopes"] == [[2]] * 3
    assert resumed["trials"] == [list(trial) for trial in trials_of(tuner)]


# XLA.


def build_for_xla(hp):
    inputs = keras.Input((2,))
    x = nas.layers.LayerChoice(
        hp,
        "layer",
        {
            "linear": lambda: keras.layers.Dense(2),
            "relu": lambda: keras.layers.Dense(2, "relu"),
        },
    )(inputs)
    x = keras.layers.BatchNormalization()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse", jit_compile=True, steps_per_execution=2)
    return model


class OnlyXla(keras.callbacks.Callback):
    """Fails the trial if the training is not compiled with XLA."""

    def on_train_end(self, logs=None):
        if not self.model.jit_compile:
            raise ValueError("This training was not compiled with XLA.")


@pytest.mark.parametrize(
    ("make_strategy", "trials"),
    [
        (lambda: None, 2),
        (lambda: tf.distribute.MirroredStrategy(["/cpu:0"]), 1),
    ],
    ids=["no_strategy", "one_device"],
)
def test_models_are_trained_with_xla_on_one_device(
    tmp_path, make_strategy, trials
):
    tuner = nas.RandomSearch(
        build_for_xla,
        "val_loss",
        max_trials=trials,
        seed=0,
        optimizer="adam",
        directory=tmp_path,
        distribution_strategy=make_strategy(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        tuner.search(
            X,
            Y,
            validation_data=(X, Y),
            batch_size=4,
            verbose=0,
            callbacks=[OnlyXla()],
        )
    assert len(tuner.oracle.trials) == trials
    for trial in tuner.oracle.trials.values():
        assert trial.status == "COMPLETED", trial.message
    (model,) = tuner.get_best_models()
    assert model.jit_compile
    assert model.steps_per_execution == 2
    score = tuner.oracle.get_best_trials()[0].score
    assert model.evaluate(X, Y, batch_size=4, verbose=0) == pytest.approx(
        score, rel=1e-5
    )


def test_what_keras_cannot_do_on_several_devices_is_left_out(results):
    result = results[2]
    assert result["xla"]["status"] == "COMPLETED", result["xla"]["message"]
    assert result["xla"] == result["plain"]
    assert result["xla"]["jit_compile"] is False
    assert result["xla"]["steps_per_execution"] == 1
    jit_compile, steps_per_execution = result["told"]  # Once each.
    assert "`jit_compile=True` under MirroredStrategy" in jit_compile
    assert "2 replicas" in jit_compile
    assert "`steps_per_execution=2`" in steps_per_execution


# Mistakes.


def make_strategy():
    return tf.distribute.get_strategy()


@pytest.mark.parametrize(
    "strategy", ["mirrored", make_strategy, tf.distribute.MirroredStrategy]
)
def test_what_is_not_a_strategy_is_refused(tmp_path, strategy):
    with pytest.raises(ValueError, match="tf.distribute.Strategy.*Received"):
        nas.RandomSearch(
            build,
            "val_loss",
            directory=tmp_path,
            distribution_strategy=strategy,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [{"workers": 2}, {"executor": concurrent.futures.Executor(), "workers": 1}],
)
def test_a_strategy_has_no_workers(tmp_path, arguments):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=1,
        directory=tmp_path,
        distribution_strategy=tf.distribute.OneDeviceStrategy("/cpu:0"),
    )
    with pytest.raises(ValueError, match="strategy without workers") as error:
        tuner.search(X, Y, validation_data=(X, Y), verbose=0, **arguments)
    assert "distribution_strategy=OneDeviceStrategy" in str(error.value)
    assert tuner.oracle.trials == {}
