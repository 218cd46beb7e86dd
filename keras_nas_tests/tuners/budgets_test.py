"""When a search ends: time, patience, timeouts and Ctrl-C."""

import signal
import time

import keras_tuner
import pytest
import tensorflow as tf

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
    scores = Scores(1, 2, 3, 4, 5, 6, seconds=1.0)
    tuner = search(tmp_path, scores, max_time=1.9)
    assert len(tuner.oracle.end_order) == 2


def test_time_goes_on_after_a_resume(tmp_path, capsys):
    first = search(tmp_path, Scores(1, 2, 3, seconds=1.0), max_time=1.9)
    # One, if what is around a trial takes long.
    assert len(first.oracle.end_order) in (1, 2)
    tuner = search(tmp_path, Scores(), max_time=1.9)
    assert len(tuner.oracle.end_order) == len(first.oracle.end_order)
    tuner = search(tmp_path, Scores(3, 4, 5, 6, 7), max_time=100)
    assert len(tuner.oracle.end_order) == 6


def test_ctrl_c_lets_the_trial_finish(tmp_path, capsys):
    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return 2.0

    tuner = search(tmp_path, Scores(1, interrupt, 3))
    assert [t.score for t in tuner.oracle.completed_trials()] == [1, 2]
    out = capsys.readouterr().out
    assert "Press Ctrl-C again to stop at once" in out
    assert "Search stopped: 2 trials completed" in out
    assert "Run the script again to go on." in out
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


def test_an_evaluator_may_end_after_one_ctrl_c(tmp_path, capsys):
    class Long(Scores):
        def evaluate(self, candidate):
            score = super().evaluate(candidate)
            if candidate.is_interrupted():
                raise nas.evaluators.SearchInterrupted
            return score

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return 2.0

    # In the last trial, after which none is left.
    tuner = search(tmp_path, Long(6, 5, 4, 3, 2, interrupt))
    assert len(tuner.oracle.end_order) == 5
    assert "Run the script again to go on." in capsys.readouterr().out
    tuner = search(tmp_path, Long(1))
    scores = [t.score for t in tuner.oracle.completed_trials()]
    assert scores == [6, 5, 4, 3, 2, 1]


def test_a_second_ctrl_c_comes_out_of_a_search_that_ends(tmp_path):
    class Ending(nas.RandomSearch):
        def on_search_end(self):
            signal.raise_signal(signal.SIGINT)

    def interrupt():
        signal.raise_signal(signal.SIGINT)
        return 2.0

    tuner = Ending(
        build, "val_loss", evaluator=Scores(interrupt), directory=tmp_path
    )
    with pytest.raises(KeyboardInterrupt):
        tuner.search(verbose=0)


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


class Alternating(nas.evaluators.Evaluator):
    """Fails as a model does that does not fit, unless told otherwise."""

    def __init__(self, succeeds):
        self.succeeds = succeeds
        self.count = 0

    def evaluate(self, candidate):
        self.count += 1
        if self.succeeds(self.count):
            return {"val_loss": 1.0}
        raise tf.errors.ResourceExhaustedError(
            None, None, f"OOM when allocating a tensor of {self.count} bytes"
        )


def many(hp):
    return build(hp) if hp.Int("number", 1, 1000) else None


def search_many(tmp_path, succeeds, **arguments):
    tuner = nas.RandomSearch(
        many,
        "val_loss",
        max_trials=20,
        seed=0,
        directory=tmp_path,
        evaluator=Alternating(succeeds),
        max_consecutive_failed_trials=100,
        **arguments,
    )
    tuner.search(verbose=1)
    return tuner


def test_a_search_goes_on_while_enough_trials_succeed(tmp_path, capsys):
    tuner = search_many(tmp_path, lambda n: n % 5 == 1)
    states = [t.status for t in tuner.oracle.trials.values()]
    assert states.count("FAILED") == 16
    assert states.count("COMPLETED") == 4
    assert "4 trials completed, 16 failed" in capsys.readouterr().out
    tuner.results_summary(1)
    out = capsys.readouterr().out
    assert "16 failed (80% of those that ended)" in out
    assert "ResourceExhaustedError: OOM when allocating a tensor of 2" in out


def test_a_search_ends_when_too_large_a_share_has_failed(tmp_path):
    with pytest.raises(RuntimeError) as raised:
        search_many(tmp_path, lambda n: n == 1, max_failed_share=0.5)
    message = str(raised.value)
    # Not before 10 have ended, though the second of them was too many.
    assert message.startswith("9 of 10 trials have failed")
    assert "`max_failed_share=0.5`" in message
    assert "OOM when allocating a tensor of 10 bytes" in message
    # It can be resumed, and a share of 1 is never exceeded.
    tuner = search_many(tmp_path, lambda n: False, max_failed_share=1)
    assert len(tuner.oracle.end_order) == 20


@pytest.mark.parametrize("share", [0, 1.1, "half", float("nan")])
def test_the_share_is_a_number_up_to_1(share):
    with pytest.raises(ValueError, match="`max_failed_share`.*Received: "):
        nas.oracles.RandomOracle("val_loss", max_failed_share=share)
