"""Without a TPU, the example says so and searches on what there is."""

import os
import pathlib
import re
import subprocess
import sys

from keras_nas import storage

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_example_runs_on_two_devices_of_the_cpu(tmp_path):
    command = ["examples/tpu.py", "--cpu_devices=2", f"--output={tmp_path}"]
    child = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert child.returncode == 0, child.stderr
    assert re.search(
        r"There is no TPU\. Searching on \S+CPU:0, \S+CPU:1\.", child.stdout
    )
    trials = [
        storage.read_json(path)
        for path in tmp_path.glob("search/trial_*/trial.json")
    ]
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 3
    # One in ten would be guessed.
    (accuracy,) = re.findall(r"test accuracy (\S+)%", child.stdout)
    assert float(accuracy) > 60
