"""Trials on a Dask cluster of real processes, one of them killed."""

import concurrent.futures
import os
import pathlib
import signal
import time
import weakref

import dask
import distributed
import pytest

import keras_nas as nas
from keras_nas import storage
from keras_nas_tests.examples.running import run_example
from keras_nas_tests.tuners.tiny_searches import (
    ScoredByUnits,
    X,
    Y,
    build,
    trials_of,
)

ROOT = pathlib.Path(__file__).parents[2]


class Scripted(nas.evaluators.Evaluator):
    """Does, for each number of units, what is written for it."""

    def __init__(self, marks):
        self.marks = str(marks)

    def evaluate(self, candidate):
        units = candidate.hyperparameters["units"]
        with open(os.path.join(self.marks, f"{units}.log"), "a+") as file:
            file.write(f"{os.getpid()}\n")
            file.seek(0)
            tries = len(file.readlines())
        if units == 1:
            raise ValueError("one unit is not enough")
        if units == 2 and tries == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if units == 3 and tries == 1:
            raise ValueError("three units fail at first")
        return {"val_loss": float(units)}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Six trials on two workers, each of which may run twice."""
    marks = tmp_path_factory.mktemp("marks")
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=6,
        max_retries_per_trial=1,
        seed=0,
        evaluator=Scripted(marks),
        directory=tmp_path_factory.mktemp("project"),
    )
    with (
        # The search is told of the first death, and not of the fourth.
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            # Lets workers import this package, wherever the tests are run.
            env={"PYTHONPATH": str(ROOT)},
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        tuner.search(
            X,
            Y,
            validation_data=(X, Y),
            executor=client.get_executor(),
            workers=2,
            verbose=0,
        )
    trials = tuner.oracle.trials.values()
    by_units = {trial.hyperparameters["units"]: trial for trial in trials}
    return tuner, by_units, marks


def pids(marks, units):
    return [int(pid) for pid in (marks / f"{units}.log").read_text().split()]


def test_every_trial_is_accounted_for(searched):
    tuner, by_units, _ = searched
    assert {units: trial.score for units, trial in by_units.items()} == {
        1: None,
        2: 2.0,
        3: 3.0,
        4: 4.0,
        5: 5.0,
        6: 6.0,
    }
    assert by_units[1].status == "FAILED"
    assert sorted(tuner.oracle.end_order) == sorted(tuner.oracle.start_order)
    assert tuner.oracle.ongoing_trials == {}


def test_every_trial_runs_as_often_as_it_must(searched):
    _, _, marks = searched
    tries = {units: len(pids(marks, units)) for units in range(1, 7)}
    assert tries == {1: 2, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1}


def test_a_trial_whose_worker_was_killed_runs_in_another(searched):
    _, _, marks = searched
    first, second = pids(marks, 2)
    assert first != second
    assert os.getpid() not in (first, second)


def test_an_error_comes_back_with_its_traceback(searched):
    message = searched[1][1].message
    assert "ValueError: one unit is not enough" in message
    assert "dask_test.py" in message


def test_nothing_is_left_behind(searched):
    files = os.listdir(searched[0].project_dir)
    assert not [name for name in files if name.endswith(".pkl")]


class Remembering(concurrent.futures.ThreadPoolExecutor):
    """Knows which of its futures are still held by somebody."""

    futures = []

    def submit(self, *args, **kwargs):
        future = super().submit(*args, **kwargs)
        self.futures.append(weakref.ref(future))
        return future


class WaitsForTheFirst(nas.evaluators.Evaluator):
    """All but the first trial wait until the first's future is let go."""

    def evaluate(self, candidate):
        started_s = time.monotonic()
        if not os.path.basename(candidate.directory).strip("trial_0"):
            return {"val_loss": 0.0}
        while Remembering.futures[0]() and time.monotonic() - started_s < 10:
            time.sleep(0.01)
        return {"val_loss": time.monotonic() - started_s}


def test_a_finished_trial_is_let_go(tmp_path):
    """Dask would run it again if the worker that holds its result died."""
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        seed=0,
        evaluator=WaitsForTheFirst(),
        directory=tmp_path,
    )
    Remembering.futures.clear()
    with Remembering(2) as executor:
        tuner.search(X, Y, verbose=0, executor=executor)
    _, waited_s = (trial.score for trial in tuner.oracle.trials.values())
    assert 0 < waited_s < 10


class Cancelling(concurrent.futures.Executor):
    """Does what Dask does when the scheduler is gone."""

    def submit(self, *args, **kwargs):
        future = concurrent.futures.Future()
        future.cancel()
        future.set_running_or_notify_cancel()
        return future


def test_a_lost_cluster_ends_the_search_and_nothing_else(tmp_path):
    def make_tuner():
        return nas.RandomSearch(
            build,
            "val_loss",
            max_trials=3,
            seed=0,
            evaluator=ScoredByUnits(),
            directory=tmp_path,
        )

    with pytest.raises(RuntimeError, match="cancelled a trial.*again to go on"):
        make_tuner().search(X, Y, verbose=0, executor=Cancelling(), workers=2)
    tuner = make_tuner()
    tuner.search(X, Y, verbose=0)
    assert [t[1] for t in trials_of(tuner)] == ["COMPLETED"] * 3


def test_the_example_runs(tmp_path):
    flags = "--output", str(tmp_path)
    printed = run_example("dask_cluster", *flags, timeout_s=120)
    trials = [
        storage.read_json(path)
        for path in tmp_path.glob("search/trial_*/trial.json")
    ]
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 4
    assert "test accuracy" in printed
