"""The example finds a good network, and goes on where it was."""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(tmp_path, trials):
    command = [
        "examples/weight_sharing.py",
        f"--output={tmp_path}",
        f"--trials={trials}",
    ]
    child = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_the_example_scores_by_shared_weights(tmp_path):
    out = run(tmp_path, trials=4)
    assert "supernet: epoch 40/40" in out
    inherited, tuned = map(float, re.findall(r"([\d.]+)%", out)[-2:])
    assert inherited > 50  # One in ten would be guessed.
    assert tuned > 80
    out = run(tmp_path, trials=6)
    assert "supernet: epoch" not in out
