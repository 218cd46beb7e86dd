"""KerasTuner's own way of running trials in several processes."""

import os
import socket
import subprocess
import sys

from keras_nas import storage

SCRIPT = """
import sys
import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y, build

tuner = nas.RandomSearch(
    build, ["val_loss", nas.costs.Parameters()], max_trials=3, seed=1,
    directory=sys.argv[1], overwrite=True)
tuner.search(X, Y, validation_data=(X, Y), verbose=0)
"""


def start(tmp_path, role, port):
    environment = os.environ | {
        "KERASTUNER_TUNER_ID": role,
        "KERASTUNER_ORACLE_IP": "127.0.0.1",
        "KERASTUNER_ORACLE_PORT": str(port),
        "PYTHONPATH": os.getcwd(),
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment
    )


def test_a_chief_and_its_worker_search_together(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chief = start(tmp_path, "chief", port)
    worker = start(tmp_path, "tuner0", port)
    try:
        assert worker.wait(timeout=120) == 0
        assert chief.wait(timeout=120) == 0
    finally:
        chief.kill()
        worker.kill()
    project = tmp_path / "untitled_project"
    trials = [
        storage.read_json(path) for path in project.glob("trial_*/trial.json")
    ]
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 3
    assert len(list(project.glob("trial_*/checkpoint.weights.h5"))) == 3
    for trial in trials:
        # The worker measures; see tiny_searches for the number.
        (cost,) = trial["metrics"]["metrics"]["parameters"]["observations"]
        units = trial["hyperparameters"]["values"]["units"]
        assert cost["value"] == [4 * units + 1]
