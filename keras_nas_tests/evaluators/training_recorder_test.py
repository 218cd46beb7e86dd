"""A training that was killed goes on as if it had not been."""

import json

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.evaluators import Candidate, training_recorder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 4)).astype("float32")
Y = (X @ [1.0, -2.0, 0.5, 0.0] + 0.5).reshape(-1, 1).astype("float32")

OBJECTIVE = keras_tuner.Objective("val_loss", "min")


class Killed(BaseException):  # noqa: N818 - it stands for SIGKILL.
    """Passes through `except Exception`, as a kill does."""


class KillAfter(keras.callbacks.Callback):
    """Kills the training in the epoch after the given one."""

    def __init__(self, epochs):
        super().__init__()
        self.epochs = epochs

    def on_train_batch_end(self, batch, logs=None):
        if self.model.epochs_begun > self.epochs:
            raise Killed


class CountEpochs(keras.callbacks.Callback):
    def __init__(self, begun):
        super().__init__()
        self.begun = begun

    def on_epoch_begin(self, epoch, logs=None):
        self.begun.append(epoch)
        self.model.epochs_begun = epoch + 1


def make_model(units=8, kind="functional", run_eagerly=True):
    keras.utils.set_random_seed(7)
    layers = [
        keras.layers.Dense(units, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(1),
    ]
    if kind == "functional":
        layers.insert(0, keras.Input((4,)))
    model = keras.Sequential(layers)  # Without an input it is not built.
    model.compile(
        keras.optimizers.Adam(0.05),
        "mse",
        metrics=["mae"],
        run_eagerly=run_eagerly,  # A graph would cost more than it saves.
    )
    return model


def make_candidate(directory, begun, callbacks, epochs=6, **changes):
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 8}

    def fit(model, callbacks, **arguments):
        arguments = {"epochs": epochs, "verbose": 0} | arguments
        return model.fit(
            X,
            Y,
            batch_size=16,
            validation_data=(X, Y),
            callbacks=callbacks,
            **arguments,
        )

    fields = {
        "hyperparameters": hp,
        "objective": OBJECTIVE,
        "directory": str(directory),
        "build": make_model,
        "fit": fit,
        "callbacks": lambda execution: [CountEpochs(begun), *callbacks()],
        "can_resume": True,
    }
    return Candidate(**(fields | changes))


@pytest.fixture(autouse=True)
def every_epoch_is_saved(monkeypatch):
    """However slow the disk is; one test below is about that."""
    monkeypatch.setattr(training_recorder, "_MAX_SHARE", float("inf"))


def run(directory, callbacks=list, executions=1, **changes):
    """Trains; returns the metrics, the epochs begun and the best weights."""
    begun = []
    candidate = make_candidate(directory, begun, callbacks, **changes)
    metrics = nas.evaluators.Training(executions).evaluate(candidate)
    model = make_model()
    model.load_weights(directory / "checkpoint.weights.h5")
    return metrics, begun, model.get_weights()


def kill(directory, after, callbacks=list, executions=1, **changes):
    def killing():
        return [*callbacks(), KillAfter(after)]

    candidate = make_candidate(directory, [], killing, **changes)
    with pytest.raises(Killed):
        nas.evaluators.Training(executions).evaluate(candidate)


def assert_same(one, other):
    assert one[0] == other[0]
    for ours, theirs in zip(one[2], other[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize("after", [1, 4])
def test_a_killed_training_goes_on_from_its_last_epoch(
    tmp_path, uninterrupted, after
):
    kill(tmp_path, after)
    result = run(tmp_path)
    assert result[1] == list(range(after, 6))
    assert_same(result, uninterrupted)


def test_so_does_one_that_is_compiled_to_a_graph(tmp_path):
    def build():
        return make_model(run_eagerly=False)

    (whole := tmp_path / "whole").mkdir()
    expected = run(whole, build=build)
    (killed := tmp_path / "killed").mkdir()
    kill(killed, 3, build=build)
    result = run(killed, build=build)
    assert result[1] == [3, 4, 5]
    assert_same(result, expected)


def test_it_may_be_killed_again_and_again(tmp_path, uninterrupted):
    for after in (1, 2, 4):
        kill(tmp_path, after)
    result = run(tmp_path)
    assert result[1] == [4, 5]
    assert_same(result, uninterrupted)


def test_nothing_is_left_when_the_trial_has_ended(tmp_path, uninterrupted):
    kill(tmp_path, 2)
    assert (tmp_path / "training_state.npz").exists()
    run(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "build_config.json",
        "checkpoint.weights.h5",
    ]


def stop_early():
    return [
        keras.callbacks.EarlyStopping("loss", patience=2, min_delta=10.0),
        keras.callbacks.ReduceLROnPlateau(
            "loss", patience=1, min_delta=10.0, factor=0.5
        ),
    ]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A training that its callbacks end, and nothing else."""
    return run(tmp_path_factory.mktemp("stopped"), stop_early)


@pytest.mark.parametrize("after", [1, 2])
def test_callbacks_remember_what_they_waited_for(tmp_path, stopped, after):
    assert stopped[1] == [0, 1, 2]
    kill(tmp_path, after, stop_early)
    result = run(tmp_path, stop_early)
    assert result[1] == list(range(after, 3))
    assert_same(result, stopped)


class KillAtEnd(keras.callbacks.Callback):
    def on_train_end(self, logs=None):
        raise Killed


@pytest.mark.parametrize(
    ("callbacks", "whole"), [(list, "uninterrupted"), (stop_early, "stopped")]
)
def test_a_training_killed_after_its_last_epoch_is_not_repeated(
    tmp_path, request, callbacks, whole
):
    kill(tmp_path, 99, lambda: [*callbacks(), KillAtEnd()])
    result = run(tmp_path, callbacks)
    assert result[1] == []
    assert_same(result, request.getfixturevalue(whole))


def test_more_epochs_may_be_asked_for(tmp_path, uninterrupted):
    kill(tmp_path, 2, epochs=3)
    assert_same(run(tmp_path), uninterrupted)


def test_finished_executions_are_not_repeated(tmp_path):
    (whole := tmp_path / "whole").mkdir()
    expected = run(whole, executions=2, epochs=3)
    (killed := tmp_path / "killed").mkdir()
    runs = []

    class KillInSecondRun(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            runs.append(self)

        def on_epoch_begin(self, epoch, logs=None):
            if len(runs) == 2 and epoch == 1:
                raise Killed

    kill(killed, 99, lambda: [KillInSecondRun()], executions=2, epochs=3)
    result = run(killed, executions=2, epochs=3)
    assert result[1] == [1, 2]
    assert_same(result, expected)


def test_a_model_that_is_not_built_goes_on_too(tmp_path):
    def build():
        return make_model(kind="deferred")

    (whole := tmp_path / "whole").mkdir()
    candidate = make_candidate(whole, [], list, build=build)
    expected = nas.evaluators.Training().evaluate(candidate)
    (killed := tmp_path / "killed").mkdir()
    kill(killed, 3, build=build)
    begun = []
    candidate = make_candidate(killed, begun, list, build=build)
    assert nas.evaluators.Training().evaluate(candidate) == expected
    assert begun == [3, 4, 5]


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_state_is_ignored(tmp_path, uninterrupted, damage):
    kill(tmp_path, 3)
    path = tmp_path / "training_state.npz"
    content = path.read_bytes()
    path.write_bytes(
        {"cut": content[:-40], "empty": b"", "text": b"{}"}[damage]
    )
    result = run(tmp_path)
    assert result[1] == list(range(6))
    assert_same(result, uninterrupted)


def test_the_state_of_another_candidate_is_ignored(tmp_path):
    kill(tmp_path, 3)
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 16}
    assert run(tmp_path, hyperparameters=hp)[1] == list(range(6))


def test_the_state_of_another_model_is_ignored(tmp_path, uninterrupted):
    kill(tmp_path, 3, build=lambda: make_model(units=4))
    result = run(tmp_path)
    assert result[1] == list(range(6))
    assert_same(result, uninterrupted)


def test_a_training_that_failed_starts_anew(tmp_path, uninterrupted):
    class Fails(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                raise ValueError("no more memory")

    candidate = make_candidate(tmp_path, [], lambda: [Fails()])
    with pytest.raises(ValueError, match="no more memory"):
        nas.evaluators.Training().evaluate(candidate)
    result = run(tmp_path)
    assert result[1] == list(range(6))
    assert_same(result, uninterrupted)


def test_a_fit_of_the_hypermodel_s_own_is_called_from_the_beginning(tmp_path):
    kill(tmp_path, 3, can_resume=False)
    assert run(tmp_path, can_resume=False)[1] == list(range(6))


def test_mixed_precision_goes_on(tmp_path):
    def build():
        keras.utils.set_random_seed(7)
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(8, dtype="bfloat16"),
                keras.layers.Dense(1, dtype="float32"),
            ]
        )
        model.compile(
            keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam()),
            "mse",
            run_eagerly=True,
        )
        return model

    results = []
    for name in ("whole", "killed"):
        (folder := tmp_path / name).mkdir()
        if name == "killed":
            kill(folder, 2, build=build, epochs=4)
        candidate = make_candidate(folder, [], list, build=build, epochs=4)
        results.append(nas.evaluators.Training().evaluate(candidate))
    assert results[0] == results[1]


def test_epochs_that_are_faster_than_saving_are_not_all_saved(
    tmp_path, monkeypatch
):
    """A tenth of the time is what saving may cost."""
    now_s = [0.0]
    saved = []

    def clock():
        return now_s[0]

    def write(path, content):
        saved.append(path)
        now_s[0] += 1.0

    monkeypatch.setattr(training_recorder, "_MAX_SHARE", 0.1)
    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr(nas.storage, "write_bytes", write)

    class EpochsOfThreeSeconds(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            now_s[0] += 3.0

    run(tmp_path, lambda: [EpochsOfThreeSeconds()], epochs=9)
    # After the first, which costs 1 s, every fourth: 12 s of training.
    assert len(saved) == 3


def test_a_report_may_end_the_training(tmp_path):
    reported = []

    def report(epochs):
        reported.append(json.loads(json.dumps(epochs)))
        return len(epochs) == 2

    metrics, begun, _ = run(tmp_path, executions=2, report=report)
    assert begun == [0, 1]
    assert metrics["stopped_epoch"] == 2.0
    assert [len(epochs) for epochs in reported] == [1, 2]
    losses = [epoch["val_loss"] for epoch in reported[-1]]
    assert metrics["val_loss"] == min(losses)


def test_a_training_killed_when_it_was_stopped_stays_stopped(tmp_path):
    def report(epochs):
        return len(epochs) == 2

    kill(tmp_path, 99, lambda: [KillAtEnd()], report=report)
    metrics, begun, _ = run(tmp_path, report=report)
    assert begun == []
    assert metrics["stopped_epoch"] == 2.0
