"""When a search ends: time, patience, timeouts and Ctrl-C."""

import signal
import time

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import UNITS, X, Y, build


@pytest.fixture(autouse=True)
def heeds_ctrl_c():
    """Undoes what a shell does to jobs it starts in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Scores(nas.evaluators.Evaluator):
    """Gives a list of scores, each after some seconds."""

    def __init__(self, *scores, seconds=0.0):
        self.scores = list(scores)
        self.seconds = seconds

    def evaluate(self, candidate):
        time.sleep(self.seconds)
        score = self.scores.pop(0)
        return {"val_loss": score() if callable(score) else score}


def search(tmp_path, evaluator, **arguments):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=len(UNITS),
        seed=0,
        directory=tmp_path,
        evaluator=evaluator,
        **arguments,
    )
    tuner.search(verbose=1)
    return tuner


def test_patience_counts_trials_that_bring_nothing(tmp_path, capsys):
    tuner = search(tmp_path, Scores(3, 2, 2, 4, 1, 0), patience=2)
    assert len(tuner.oracle.end_order) == 4
    assert "the last 2 trials have not improved" in capsys.readouterr().out


def test_an_improvement_restores_patience(tmp_path):
    tuner = search(tmp_path, Scores(3, 4, 2, 4, 1, 0), patience=2)
    assert len(tuner.oracle.end_order) == 6


def test_time_is_over_when_it_is_over(tmp_path):
    scores = Scores(1, 2, 3, 4, 5, 6, seconds=0.2)
    tuner = search(tmp_path, scores, max_time=0.3)
    assert len(tuner.oracle.end_order) == 2


def test_time_goes_on_after_a_resume(tmp_path, capsys):
    search(tmp_path, Scores(1, 2, 3, seconds=0.2), max_time=0.3)
    tuner = search(tmp_path, Scores(), max_time=0.3)
    assert len(tuner.oracle.end_order) == 2
    tuner = search(tmp_path, Scores(3, 4, 5, 6), max_time=100)
    assert len(tuner.oracle.end_order) == 6


def test_ctrl_c_lets_the_trial_finish(tmp_path, capsys):
    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return 2.0

    tuner = search(tmp_path, Scores(1, interrupt, 3))
    assert [t.score for t in tuner.oracle.completed_trials()] == [1, 2]
    out = capsys.readouterr().out
    assert "Press Ctrl-C again to stop at once" in out
    assert "Search finished: 2 trials completed" in out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_stops_at_once_and_loses_nothing(tmp_path):
    def interrupt_twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, Scores(1, interrupt_twice))
    tuner = search(tmp_path, Scores(2, 3, 4, 5, 6))
    scores = [t.score for t in tuner.oracle.completed_trials()]
    assert scores == [1, 2, 3, 4, 5, 6]


class Slow(keras_tuner.HyperModel):
    """Trains for ever, but for one value."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        epochs = 1 if hp["units"] == 1 else 10**6
        return model.fit(*args, **(kwargs | {"epochs": epochs}))


def test_a_trial_that_takes_too_long_has_failed(tmp_path):
    tuner = nas.RandomSearch(
        Slow(),
        "val_loss",
        max_trials=2,
        seed=0,
        directory=tmp_path,
        trial_timeout=0.5,
        max_retries_per_trial=3,
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    trials = list(tuner.oracle.trials.values())
    assert [trial.status for trial in trials] == ["FAILED", "FAILED"]
    assert "longer than `trial_timeout=0.5` seconds" in trials[0].message


@pytest.mark.parametrize("name", ["max_time", "patience", "trial_timeout"])
@pytest.mark.parametrize("value", [0, -1, "10", True])
def test_budgets_are_positive_numbers(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`. Expected a pos"):
        search(tmp_path, Scores(), **{name: value})
