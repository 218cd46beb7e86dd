"""The example finds a good network, and goes on where it was."""

import re

from keras_nas_tests.examples.running import run_example


def run(tmp_path, trials):
    flags = (f"--output={tmp_path}", f"--trials={trials}")
    return run_example("weight_sharing", *flags)


def test_the_example_scores_by_shared_weights(tmp_path):
    out = run(tmp_path, trials=4)
    assert "supernet: epoch 40/40" in out
    inherited, tuned = map(float, re.findall(r"([\d.]+)%", out)[-2:])
    assert inherited > 50  # One in ten would be guessed.
    assert tuned > 80
    out = run(tmp_path, trials=6)
    assert "supernet: epoch" not in out
