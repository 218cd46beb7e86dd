"""What TensorBoard shows of a whole search."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas

SCORES = {1: 3.0, 2: 5.0, 3: 4.0, 4: 6.0}
COSTS = {1: 4.0, 2: 2.0, 3: 1.0, 4: 1.0}


def build(hp):
    """Builds one of four layers."""
    layers = [keras.Input((1,)), keras.layers.Dense(hp.Int("units", 1, 4))]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


class LookUp(nas.evaluators.Evaluator):
    """Knows all results; one trial fails if told to."""

    def __init__(self, failing=None):
        self.failing = failing

    def evaluate(self, candidate):
        """Returns both numbers."""
        units = candidate.hyperparameters.get("units")
        if units == self.failing:
            raise ValueError("no luck")
        return {"val_loss": SCORES[units], "size_bytes": COSTS[units]}


def search(folder, logs, objective="val_loss", trials=(1, 2, 3, 4), **options):
    tuner = nas.RandomSearch(
        build,
        objective=objective,
        max_trials=len(trials),
        evaluator=LookUp(**options),
        directory=folder,
    )
    for units in trials if not tuner.oracle.trials else ():
        tuner.oracle.enqueue({"units": units})
    data = np.zeros((2, 1))
    # One callback need not be in a list.
    callbacks = keras.callbacks.TensorBoard(logs) if logs else None
    tuner.search(
        data, data, validation_data=(data, data), callbacks=callbacks, verbose=0
    )
    return tuner


def curves(logs):
    """Reads `{name: [(step, value)]}` from all event files."""
    found = {}
    for path in sorted((logs / "search").glob("*tfevents*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def test_every_trial_is_a_step(tmp_path):
    search(tmp_path, tmp_path / "logs", trials=(2, 3, 1, 4))
    found = curves(tmp_path / "logs")
    assert found["val_loss"] == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 6.0)]
    assert found["best/val_loss"] == [(1, 5.0), (2, 4.0), (3, 3.0), (4, 3.0)]
    assert "best/trials_on_front" not in found


def test_several_objectives_have_a_best_each_and_a_front(tmp_path):
    objective = ["val_loss", "size_bytes"]
    search(tmp_path, tmp_path / "logs", objective, trials=(1, 2, 3, 4))
    found = curves(tmp_path / "logs")
    assert [v for _, v in found["best/size_bytes"]] == [4.0, 2.0, 1.0, 1.0]
    # (3, 4); (5, 2) beside it; (4, 1) beats the second, and (6, 1) nothing.
    assert [v for _, v in found["best/trials_on_front"]] == [1, 2, 2, 2]


def test_a_failed_trial_is_no_step(tmp_path):
    tuner = search(tmp_path, tmp_path / "logs", trials=(2, 3, 1), failing=3)
    assert len(tuner.oracle.end_order) == 3
    found = curves(tmp_path / "logs")
    assert found["best/val_loss"] == [(1, 5.0), (3, 3.0)]


def test_a_resumed_search_goes_on_with_the_curve(tmp_path):
    search(tmp_path, tmp_path / "logs", trials=(2, 3))
    tuner = nas.RandomSearch(
        build,
        objective="val_loss",
        max_trials=3,
        evaluator=LookUp(),
        directory=tmp_path,
    )
    data = np.zeros((2, 1))
    tuner.search(
        data,
        data,
        validation_data=(data, data),
        callbacks=[keras.callbacks.TensorBoard(tmp_path / "logs")],
        verbose=0,
    )
    steps = [step for step, _ in curves(tmp_path / "logs")["val_loss"]]
    assert sorted(steps) == [1, 2, 3]


def test_without_the_callback_nothing_is_written(tmp_path):
    search(tmp_path / "project", None, trials=(1, 2))
    assert not list(tmp_path.rglob("*tfevents*"))


def test_the_folder_of_the_search_is_beside_those_of_the_trials(tmp_path):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=2, seed=1, directory=tmp_path
    )
    data = np.zeros((8, 1))
    logs = tmp_path / "logs"
    tuner.search(
        data,
        data,
        validation_data=(data, data),
        callbacks=[keras.callbacks.TensorBoard(logs, write_graph=False)],
        verbose=0,
    )
    names = sorted(path.name for path in logs.iterdir())
    assert names == ["0000", "0001", "search"]
    best = [value for _, value in curves(logs)["best/val_loss"]]
    assert best == pytest.approx(np.minimum.accumulate(best))
