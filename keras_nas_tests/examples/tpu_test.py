"""Without a TPU, the example says so and searches on what there is."""

import re

from keras_nas import storage
from keras_nas_tests.examples.running import run_example


def test_the_example_runs_on_two_devices_of_the_cpu(tmp_path):
    printed = run_example("tpu", "--cpu_devices=2", f"--output={tmp_path}")
    assert re.search(
        r"There is no TPU\. Searching on \S+CPU:0, \S+CPU:1\.", printed
    )
    trials = [
        storage.read_json(path)
        for path in tmp_path.glob("search/trial_*/trial.json")
    ]
    assert [trial["status"] for trial in trials] == ["COMPLETED"] * 3
    # One in ten would be guessed.
    (accuracy,) = re.findall(r"test accuracy (\S+)%", printed)
    assert float(accuracy) > 60
