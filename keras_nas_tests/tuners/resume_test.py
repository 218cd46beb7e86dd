"""A search that was stopped goes on as if it had not been."""

import pathlib
import re
import signal
import subprocess
import sys
import time

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas import storage
from keras_nas_tests.tuners.tiny_searches import (
    X,
    Y,
    build,
    snapshot,
    trials_of,
)

TUNERS = [nas.RandomSearch, nas.RegularizedEvolution]


def space():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b", "c"])
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    with hp.conditional_scope("kind", ["b", "c"]):
        hp.Int("units", 1, 50)
    return hp


def score(values):
    return {"a": 0, "b": 10, "c": 20}[values["kind"]] + values.get("units", 0)


def make(kind, directory, run, max_trials=10, seed=3, **arguments):
    """Makes a tuner whose trials are scored by `run(trial)`."""

    class Quick(kind):
        def run_trial(self, trial, *args, **kwargs):
            return run(trial)

    if kind is nas.RegularizedEvolution:
        arguments = {"population_size": 4, "tournament_size": 2} | arguments
    return Quick(
        objective=keras_tuner.Objective("score", "max"),
        hyperparameters=space(),
        max_trials=max_trials,
        seed=seed,
        directory=directory,
        **arguments,
    )


def run(trial):
    return float(score(trial.hyperparameters.values))


def run_interrupted_at(number):
    def run_or_stop(trial):
        if int(trial.trial_id) == number:
            raise KeyboardInterrupt
        return run(trial)

    return run_or_stop


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What each kind of search does if nothing happens to it."""
    results = {}
    for kind in TUNERS:
        tuner = make(kind, tmp_path_factory.mktemp(kind.__name__), run)
        tuner.search(verbose=0)
        results[kind] = trials_of(tuner)
        assert len(results[kind]) == 10
    return results


@pytest.mark.parametrize("kind", TUNERS)
@pytest.mark.parametrize("number", [0, 3, 6, 9])
def test_an_interrupted_search_goes_on_with_the_same_trials(
    tmp_path, uninterrupted, kind, number
):
    with pytest.raises(KeyboardInterrupt):
        make(kind, tmp_path, run_interrupted_at(number)).search(verbose=0)
    tuner = make(kind, tmp_path, run)
    assert len(tuner.oracle.end_order) == number
    tuner.search(verbose=0)
    assert trials_of(tuner) == uninterrupted[kind]


@pytest.mark.parametrize("kind", TUNERS)
def test_a_search_interrupted_at_every_trial_is_no_different(
    tmp_path, uninterrupted, kind
):
    for number in range(10):
        tuner = make(kind, tmp_path, run_interrupted_at(number))
        with pytest.raises(KeyboardInterrupt):
            tuner.search(verbose=0)
    tuner = make(kind, tmp_path, run)
    tuner.search(verbose=0)
    assert trials_of(tuner) == uninterrupted[kind]


@pytest.mark.parametrize("kind", TUNERS)
def test_the_same_tuner_can_search_on_after_an_interruption(
    tmp_path, uninterrupted, kind
):
    has_stopped = []

    def stop_once(trial):
        if trial.trial_id == "0005" and not has_stopped:
            has_stopped.append(True)
            raise KeyboardInterrupt
        return run(trial)

    tuner = make(kind, tmp_path, stop_once)
    with pytest.raises(KeyboardInterrupt):
        tuner.search(verbose=0)
    tuner.search(verbose=0)
    assert trials_of(tuner) == uninterrupted[kind]


def test_finished_trials_are_not_run_again(tmp_path):
    runs = []

    def run_and_count(trial):
        runs.append(trial.trial_id)
        if runs.count(trial.trial_id) == 1 and trial.trial_id == "0004":
            raise KeyboardInterrupt
        return run(trial)

    with pytest.raises(KeyboardInterrupt):
        make(nas.RandomSearch, tmp_path, run_and_count).search(verbose=0)
    make(nas.RandomSearch, tmp_path, run_and_count).search(verbose=0)
    expected = [f"{i:04d}" for i in range(10)]
    assert runs == [*expected[:5], "0004", *expected[5:]]


def test_a_finished_search_has_nothing_left_to_run(tmp_path):
    make(nas.RandomSearch, tmp_path, run, max_trials=3).search(verbose=0)
    before = snapshot(tmp_path / "untitled_project" / "trial_0000")
    again = make(
        nas.RandomSearch, tmp_path, run_interrupted_at(0), max_trials=3
    )
    again.search(verbose=0)
    assert len(again.oracle.trials) == 3
    assert snapshot(tmp_path / "untitled_project" / "trial_0000") == before


def test_fewer_trials_may_be_asked_for_later(tmp_path, capsys):
    make(nas.RandomSearch, tmp_path, lambda trial: 1.0, max_trials=4).search()
    capsys.readouterr()
    tuner = make(nas.RandomSearch, tmp_path, pytest.fail, max_trials=2)
    tuner.search()
    assert tuner.remaining_trials == 0
    assert len(tuner.oracle.trials) == 4
    assert "exhausted" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", TUNERS)
def test_more_trials_may_be_asked_for_later(tmp_path, uninterrupted, kind):
    make(kind, tmp_path, run, max_trials=4).search(verbose=0)
    tuner = make(kind, tmp_path, run, max_trials=10)
    assert tuner.remaining_trials == 6
    tuner.search(verbose=0)
    assert trials_of(tuner) == uninterrupted[kind]


def test_a_tuner_of_another_name_goes_on_with_the_project(tmp_path):
    make(nas.RandomSearch, tmp_path, run, max_trials=2).search(verbose=0)
    tuner = make(nas.RandomSearch, tmp_path, run, tuner_id="second")
    assert len(tuner.oracle.trials) == 2
    tuner.search(verbose=0)
    again = make(nas.RandomSearch, tmp_path, run, tuner_id="second")
    assert trials_of(again) == trials_of(tuner)


def test_a_search_without_a_seed_is_resumed_too(tmp_path):
    make(nas.RandomSearch, tmp_path, run, max_trials=3, seed=None).search(
        verbose=0
    )
    tuner = make(nas.RandomSearch, tmp_path, run, max_trials=6, seed=None)
    first = trials_of(tuner)
    tuner.search(verbose=0)
    assert trials_of(tuner)[:3] == first
    rates = [values["rate"] for *_, values in trials_of(tuner)]
    assert len(set(rates)) == 6


def test_failed_trials_stay_failed(tmp_path):
    def fail_some(trial):
        if trial.trial_id in ("0001", "0002"):
            raise ValueError(f"no luck with {trial.trial_id}")
        return run(trial)

    def statuses(tuner):
        return [status for _, status, *_ in trials_of(tuner)]

    make(nas.RandomSearch, tmp_path, fail_some, max_trials=4).search(verbose=0)
    tuner = make(nas.RandomSearch, tmp_path, run, max_trials=5)
    tuner.search(verbose=0)
    assert statuses(tuner) == [
        "COMPLETED",
        "FAILED",
        "FAILED",
        "COMPLETED",
        "COMPLETED",
    ]
    assert "no luck with 0001" in tuner.oracle.trials["0001"].message


def test_the_time_spent_adds_up(tmp_path, capsys):
    def slow(trial):
        time.sleep(0.2)
        return run(trial)

    def spent_s(tuner):
        (line,) = [
            line
            for line in capsys.readouterr().out.splitlines()
            if line.startswith(f"trial {len(tuner.oracle.trials)}/")
        ]
        return float(re.search(r"spent ([\d.]+)s", line)[1])

    first = make(nas.RandomSearch, tmp_path, slow, max_trials=2)
    first.search()
    shown_s, before_s = spent_s(first), first.get_state()["spent_s"]
    assert shown_s >= 0.4
    time.sleep(1.0)
    second = make(nas.RandomSearch, tmp_path, slow, max_trials=3)
    started_s = time.monotonic()
    second.search()
    took_s = time.monotonic() - started_s
    assert shown_s + 0.2 <= spent_s(second) + 0.05
    # What passed between the two searches does not count.
    assert second.get_state()["spent_s"] <= before_s + took_s


class KilledError(BaseException):
    """Stands for the end of the process: nothing may be written after it."""


@pytest.mark.parametrize("kind", TUNERS)
def test_a_search_killed_before_any_of_its_writes_is_no_different(
    tmp_path, monkeypatch, uninterrupted, kind
):
    """A stop before the 1st, 2nd, 3rd ... write of a file, until it ends."""
    write = storage.write_atomically
    expected = uninterrupted[kind][:3]
    for number_of_writes in range(1, 99):
        folder = tmp_path / str(number_of_writes)
        left = number_of_writes

        def write_some(path, function):
            nonlocal left
            left -= 1
            if left <= 0:
                raise KilledError
            write(path, function)

        with monkeypatch.context() as patch:
            patch.setattr(storage, "write_atomically", write_some)
            try:
                make(kind, folder, run, max_trials=3).search(verbose=0)
            except KilledError:
                has_ended = False
            else:
                has_ended = True
        tuner = make(kind, folder, run, max_trials=3)
        tuner.search(verbose=0)
        assert trials_of(tuner) == expected, number_of_writes
        if has_ended:
            break
    assert has_ended
    assert number_of_writes > 9


CHILD = """
import sys, time
import keras_nas as nas
from keras_nas_tests.tuners.resume_test import make, run

def slowly(trial):
    time.sleep(0.02)
    return run(trial)

kind, directory = sys.argv[1:]
make(getattr(nas, kind), directory, slowly, 10_000).search(verbose=0)
"""


@pytest.mark.parametrize("kind", TUNERS)
def test_a_search_whose_process_was_killed_goes_on(tmp_path, kind):
    directory = tmp_path / "killed"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, kind.__name__, str(directory)],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    ninth = directory / "untitled_project" / "trial_0008" / "trial.json"
    deadline = time.monotonic() + 120
    while not ninth.exists():
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.003)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert child.returncode == -signal.SIGKILL

    runs = []

    def run_and_count(trial):
        runs.append(trial.trial_id)
        return run(trial)

    resumed = make(kind, directory, run_and_count, max_trials=14)
    finished = list(resumed.oracle.end_order)
    assert len(finished) >= 8
    resumed.search(verbose=0)
    assert not set(runs) & set(finished)
    whole = make(kind, tmp_path / "whole", run, max_trials=14)
    whole.search(verbose=0)
    assert trials_of(resumed) == trials_of(whole)


class Interrupt(keras.callbacks.Callback):
    """Interrupts the training of the trial of a given number."""

    fits = 0

    def __init__(self, number):
        super().__init__()
        self.number = number

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and Interrupt.fits == self.number:
            raise KeyboardInterrupt

    def on_train_end(self, logs=None):
        Interrupt.fits += 1


def test_training_gives_the_same_scores_after_a_resume(tmp_path, monkeypatch):
    def search(project_name, callbacks=None):
        tuner = nas.RandomSearch(
            build,
            "val_loss",
            max_trials=3,
            seed=5,
            directory=tmp_path,
            project_name=project_name,
        )
        tuner.search(
            X,
            Y,
            validation_data=(X, Y),
            epochs=2,
            batch_size=4,
            callbacks=callbacks,
            verbose=0,
        )
        return tuner

    whole = search("whole")
    monkeypatch.setattr(Interrupt, "fits", 0)
    with pytest.raises(KeyboardInterrupt):
        search("halved", [Interrupt(1)])
    # Another process would have another random state.
    keras.utils.set_random_seed(99)
    halved = search("halved")
    assert trials_of(halved) == trials_of(whole)
    (a,), (b,) = whole.get_best_models(), halved.get_best_models()
    for first, second in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_tuner_that_was_made_before_another_one_searched_catches_up(
    tmp_path,
):
    scored = []

    def run_and_note(trial):
        scored.append(trial.trial_id)
        return run(trial)

    late = make(nas.RandomSearch, tmp_path, run_and_note, max_trials=6)
    first = make(nas.RandomSearch, tmp_path, run_and_note, max_trials=4)
    first.search(verbose=0)
    late.search(verbose=0)
    assert scored == [f"{number:04d}" for number in range(6)]
    assert trials_of(late)[:4] == trials_of(first)
