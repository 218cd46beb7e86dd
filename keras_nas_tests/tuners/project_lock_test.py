"""One process at a time searches in a project."""

import subprocess
import sys

import pytest

import keras_nas as nas
from keras_nas.tuners.project_lock import project_lock
from keras_nas_tests.tuners.tiny_searches import X, Y, build

HOLD = """
import sys, time
from keras_nas.tuners.project_lock import project_lock
with project_lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    project = tmp_path / "untitled_project"
    project.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(project)], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()


def search(tmp_path):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path, seed=1
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    return tuner


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path, holder):
    with pytest.raises(RuntimeError, match=f"process {holder.pid} on "):
        search(tmp_path)


def test_a_killed_process_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert len(search(tmp_path).oracle.end_order) == 1


def test_a_project_can_be_held_again(tmp_path):
    for _ in range(2):
        with project_lock(tmp_path):
            pass


def test_overwriting_keeps_the_lock(tmp_path):
    search(tmp_path)
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=1,
        directory=tmp_path,
        overwrite=True,
        evaluator=Contender(tmp_path),
    )
    tuner.search(verbose=0)
    assert tuner.oracle.get_best_trials()[0].score == 1.0


class Contender(nas.evaluators.Evaluator):
    """Tries to hold the project while it is being searched."""

    def __init__(self, directory):
        self.directory = directory

    def evaluate(self, candidate):
        with (
            pytest.raises(RuntimeError, match="Another process"),
            project_lock(self.directory / "untitled_project"),
        ):
            pass
        return {"val_loss": 1.0}
