"""Runs an example as a person does."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_example(name, *flags, timeout_s=600):
    """Returns what an example prints; fails if it fails."""
    child = subprocess.run(
        [sys.executable, f"examples/{name}.py", *flags],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout
