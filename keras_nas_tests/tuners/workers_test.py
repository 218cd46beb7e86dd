"""Trials in other processes: what goes there, what comes back."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.tuners.project import remove_leftovers
from keras_nas.tuners.worker_pool import WorkerPool
from keras_nas_tests.tuners.tiny_searches import X, Y, build, trials_of


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Lets workers import this package, wherever the tests are run."""
    monkeypatch.setenv("PYTHONPATH", os.getcwd())


class Scripted(nas.evaluators.Evaluator):
    """Does, for each number of units, what is written for it.

    `marks` is a folder: what was done once is done differently afterwards.
    """

    def __init__(self, marks):
        self.marks = str(marks)

    def evaluate(self, candidate):
        units = candidate.hyperparameters["units"]
        with open(os.path.join(self.marks, f"{units}.log"), "a") as file:
            file.write(f"{os.getpid()}\n")
        with open(os.path.join(self.marks, f"{units}.log")) as file:
            tries = len(file.readlines())
        if units == 1:
            raise ValueError("one unit is not enough")
        if units == 2 and tries == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if units == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if units == 4:
            return {"val_loss": float("nan")}
        return {"val_loss": float(units), "best_epoch": 3}


def pids(marks, units):
    return [int(pid) for pid in (marks / f"{units}.log").read_text().split()]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Six trials in two workers, of which one fails, one dies, and so on."""
    os.environ["PYTHONPATH"] = os.getcwd()
    marks = tmp_path_factory.mktemp("marks")
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=6,
        seed=0,
        evaluator=Scripted(marks),
        directory=tmp_path_factory.mktemp("project"),
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0, workers=2)
    return tuner, marks


def by_units(tuner):
    trials = tuner.oracle.trials.values()
    return {trial.hyperparameters["units"]: trial for trial in trials}


def test_every_trial_is_accounted_for(searched):
    tuner, _ = searched
    status = {units: trial.status for units, trial in by_units(tuner).items()}
    assert status == {
        1: "FAILED",
        2: "COMPLETED",
        3: "FAILED",
        4: "FAILED",
        5: "COMPLETED",
        6: "COMPLETED",
    }
    assert len(tuner.oracle.end_order) == 6
    assert tuner.oracle.ongoing_trials == {}


def test_an_error_comes_back_with_its_traceback(searched):
    message = by_units(searched[0])[1].message
    assert "ValueError: one unit is not enough" in message
    assert "workers_test.py" in message


def test_a_trial_whose_worker_died_runs_again(searched):
    tuner, marks = searched
    assert len(pids(marks, 2)) == 2
    assert by_units(tuner)[2].score == 2.0


def test_a_trial_that_kills_its_workers_has_failed(searched):
    tuner, marks = searched
    assert len(pids(marks, 3)) == 3
    assert "the worker of this trial died 3 times" in by_units(tuner)[3].message


def test_a_score_that_is_not_finite_has_failed(searched):
    assert "`val_loss` is nan" in by_units(searched[0])[4].message


def test_every_trial_has_a_process_of_its_own(searched):
    _, marks = searched
    used = [pid for units in range(1, 7) for pid in pids(marks, units)]
    assert len(set(used)) == len(used) == 9
    assert os.getpid() not in used


def test_the_best_epoch_is_known(searched):
    assert by_units(searched[0])[5].best_step == 3


def test_nothing_is_left_behind(searched):
    files = os.listdir(searched[0].project_dir)
    assert not [name for name in files if name.endswith(".pkl")]


def test_workers_train_as_this_process_does(tmp_path):
    def search(name, **arguments):
        tuner = nas.RandomSearch(
            build,
            "val_loss",
            max_trials=2,
            seed=3,
            directory=tmp_path,
            project_name=name,
        )
        data = {"x": X, "y": Y, "validation_data": (X, Y)}
        tuner.search(**data, epochs=2, verbose=0, **arguments)
        return tuner

    here, there = search("here"), search("there", workers=1)
    assert trials_of(there) == trials_of(here)
    for left, right in zip(
        here.get_best_models()[0].get_weights(),
        there.get_best_models()[0].get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(left, right)


def make_dataset():
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


def search_in_threads(tmp_path, *args, evaluator=None, **arguments):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        seed=3,
        directory=tmp_path,
        evaluator=evaluator,
    )
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        tuner.search(*args, verbose=0, executor=executor, **arguments)
    return tuner


def test_any_executor_will_do(tmp_path):
    tuner = search_in_threads(tmp_path, X, Y, validation_data=(X, Y))
    assert [t.status for t in tuner.oracle.trials.values()] == ["COMPLETED"] * 2


class Discovering(nas.evaluators.Evaluator):
    def evaluate(self, candidate):
        candidate.hyperparameters.Choice("found", ["here", "there"])
        return {"val_loss": 1.0}


def test_what_a_worker_discovers_is_learnt(tmp_path):
    tuner = search_in_threads(tmp_path, evaluator=Discovering())
    assert tuner.get_best_hyperparameters()[0]["found"] == "here"
    assert "found" in [hp.name for hp in tuner.oracle.get_space().space]


def test_a_function_makes_the_data_where_they_are_needed(tmp_path):
    tuner = search_in_threads(
        tmp_path, make_dataset, validation_data=make_dataset
    )
    assert [t.status for t in tuner.oracle.trials.values()] == ["COMPLETED"] * 2


def test_a_function_makes_the_data_in_this_process_too(tmp_path):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(make_dataset, validation_data=make_dataset, verbose=0)
    assert len(tuner.oracle.completed_trials()) == 1


HANG = """
import os, sys, time
from keras_nas.tuners.worker_pool import WorkerPool

def announce_and_hang(path):
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(600)

pool = WorkerPool(1)
hanging = pool.submit(announce_and_hang, sys.argv[1])
pool.prepare()
time.sleep(600)
"""


def test_workers_end_with_the_process_that_owns_the_search(tmp_path):
    path = tmp_path / "pid"
    owner = subprocess.Popen([sys.executable, "-c", HANG, str(path)])
    while not (path.exists() and path.read_text()):
        time.sleep(0.1)
    worker = int(path.read_text())
    os.kill(worker, 0)  # It lives.
    owner.kill()
    owner.wait()
    for _ in range(100):
        time.sleep(0.1)
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
    raise AssertionError("the worker lives on")


def test_workers_keep_tensorflow_s_greetings_to_themselves(capfd):
    with WorkerPool(1) as pool:
        assert pool.submit(max, 1, 2).result(timeout=60) == 2
    assert "oneDNN" not in capfd.readouterr().err


def test_what_a_killed_search_sent_is_removed(tmp_path):
    project = tmp_path / "untitled_project"
    (project / "trial_0000").mkdir(parents=True)
    leftovers = [
        project / "shipment_a1b2.pkl",
        project / ".123.oracle.json",
        project / "trial_0000" / ".123.checkpoint.weights.h5",
    ]
    for path in leftovers:
        path.touch()
    remove_leftovers(str(project))
    assert not any(path.exists() for path in leftovers)
    assert (project / "trial_0000").exists()


# What cannot be done.


def test_a_dataset_cannot_be_sent_and_the_way_out_is_named(tmp_path):
    with pytest.raises(ValueError, match="`x` of `search.*a function that mak"):
        search_in_threads(tmp_path, make_dataset(), validation_data=(X, Y))


def test_a_callback_that_cannot_be_sent_is_named(tmp_path):
    class Locked(keras.callbacks.Callback):
        def __reduce__(self):
            raise TypeError("holds a lock")

    with pytest.raises(ValueError, match="`callbacks` of.*holds a lock"):
        search_in_threads(
            tmp_path, X, Y, validation_data=(X, Y), callbacks=[Locked()]
        )


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_the_number_of_workers_is_checked(tmp_path, workers):
    tuner = nas.RandomSearch(build, "val_loss", directory=tmp_path)
    with pytest.raises(ValueError, match="argument `workers`. Expected a pos"):
        tuner.search(X, Y, validation_data=(X, Y), workers=workers)


def test_an_executor_of_unknown_size_needs_a_number(tmp_path):
    class Unknown(concurrent.futures.Executor):
        pass

    tuner = nas.RandomSearch(build, "val_loss", directory=tmp_path)
    with pytest.raises(ValueError, match="Expected `workers=`"):
        tuner.search(X, Y, validation_data=(X, Y), executor=Unknown())


def test_an_overridden_tuner_cannot_run_elsewhere(tmp_path):
    class Own(nas.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            return 1.0

    tuner = Own(build, "val_loss", directory=tmp_path)
    with pytest.raises(ValueError, match="overrides.*run_trial"):
        tuner.search(X, Y, workers=1)


# The pool itself.


def test_a_task_that_hangs_can_be_killed():
    with WorkerPool(1) as pool:
        hanging = pool.submit(time.sleep, 60)
        pool.kill(hanging)
        with pytest.raises(Exception, match="(?i)terminated|killed|shut"):
            hanging.result(timeout=30)
        assert pool.submit(max, 1, 2).result(timeout=30) == 2


def test_a_full_pool_says_so():
    with WorkerPool(1) as pool:
        pool.submit(time.sleep, 1)
        with pytest.raises(RuntimeError, match="Wait for a task to end"):
            pool.submit(max, 1, 2)


def test_the_cores_are_shared_out():
    with WorkerPool(2, threads=3) as pool:
        threads = pool.submit(os.getenv, "TF_NUM_INTRAOP_THREADS")
        assert threads.result(timeout=30) == "3"
    assert WorkerPool(2).threads == max(1, (os.cpu_count() or 1) // 2)
