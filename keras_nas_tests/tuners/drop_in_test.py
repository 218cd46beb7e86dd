"""What KerasTuner's tuners search is searched here as well."""

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import (
    UNITS,
    batches,
    build,
    make_model,
)


def search(tmp_path, hypermodel, objective, max_trials=2, **arguments):
    tuner = nas.RandomSearch(
        hypermodel, objective, max_trials=max_trials, directory=tmp_path
    )
    data = batches()
    tuner.search(data, validation_data=data, verbose=0, **arguments)
    return tuner


class Vector(keras.metrics.MeanSquaredError):
    def result(self):
        return keras.ops.stack([super().result()] * 2)


def test_a_metric_may_be_a_vector(tmp_path):
    def build_with_vector(hp):
        model = make_model(hp.Choice("units", UNITS))
        model.compile("sgd", "mse", metrics=[Vector()], run_eagerly=True)
        return model

    tuner = search(tmp_path, build_with_vector, "val_loss")
    assert len(tuner.oracle.completed_trials()) == 2


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return {"my_loss": super().train_step(data)["loss"]}


def test_a_model_may_report_what_it_likes(tmp_path):
    def build_own(hp):
        units = hp.Choice("units", UNITS)
        model = OwnStep([keras.Input((2,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse", run_eagerly=True)
        return model

    objective = keras_tuner.Objective("my_loss", "min")
    tuner = search(tmp_path, build_own, objective)
    assert len(tuner.oracle.completed_trials()) == 2


def test_a_callback_may_add_the_objective(tmp_path):
    objective = keras_tuner.Objective("val_f1", "max")
    callback = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(val_f1=0.5)
    )
    tuner = search(tmp_path, build, objective, callbacks=[callback])
    assert [t.score for t in tuner.oracle.completed_trials()] == [0.5, 0.5]


def test_one_callback_needs_no_list(tmp_path):
    callback = keras.callbacks.EarlyStopping()
    tuner = search(tmp_path, build, "val_loss", callbacks=callback)
    assert len(tuner.oracle.completed_trials()) == 2


def test_a_build_may_reject_candidates(tmp_path):
    def build_rejecting(hp):
        if len(rejected) < 4 and len(builds) > 1:
            rejected.append(hp)
            raise keras_tuner.errors.FailedTrialError("too big")
        builds.append(hp)
        return build(hp)

    rejected, builds = [], []
    tuner = search(tmp_path, build_rejecting, "val_loss", max_trials=6)
    status = [trial.status for trial in tuner.oracle.trials.values()]
    assert status == ["FAILED"] * 4 + ["COMPLETED"] * 2


def test_a_space_that_must_not_be_searched_is_empty(tmp_path):
    fixed = keras_tuner.HyperParameters()
    fixed.Fixed("units", 2)
    with pytest.raises(ValueError, match="search space is empty"):
        nas.RandomSearch(
            build,
            "val_loss",
            hyperparameters=fixed,
            tune_new_entries=False,
            directory=tmp_path,
        )


def test_an_epoch_gone_wrong_is_not_the_best(tmp_path):
    class Diverging(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            history = model.fit(*args, epochs=2, **kwargs)
            history.history["val_gain"] = [0.5, np.inf]
            return history

    objective = keras_tuner.Objective("val_gain", "max")
    tuner = search(tmp_path, Diverging(), objective)
    assert [t.score for t in tuner.oracle.completed_trials()] == [0.5, 0.5]
