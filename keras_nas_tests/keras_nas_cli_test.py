"""The command line answers at once, and mistakes by one line."""

import os
import pathlib
import subprocess
import sys

import pytest

import keras_nas_cli

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--help"], "usage: keras-nas COMMAND"),
        (["deploy", "--help"], "--max_accuracy_drop: Limit"),
        (["benchmark", "-h"], "--rounds: "),
    ],
)
def test_help_says_what_there_is(arguments, text, capsys):
    assert keras_nas_cli.main(arguments) == 0
    shown = capsys.readouterr()
    assert text in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "usage: keras-nas COMMAND"),
        (["depoly"], "no command 'depoly'. Commands: deploy, benchmark"),
        (["deploy", "m.keras", "--dta=x"], "Unknown command line flag 'dta'"),
        (["deploy", "m.keras", "--prune=half"], "--prune=half"),
        (["deploy", "--data=d.npz", "--output=o"], "one .keras file"),
        (["deploy", "m.h5", "--data=d.npz", "--output=o"], "Received: m.h5"),
        (["deploy", "m.keras"], "missing --data and --output"),
        (["benchmark"], "at least one .tflite file"),
    ],
)
def test_a_mistake_is_told_without_doing_anything(arguments, text, capsys):
    assert keras_nas_cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert text in shown.err
    assert "Traceback" not in shown.err


def test_help_does_not_wait_for_tensorflow():
    code = (
        "import sys, keras_nas_cli\n"
        "assert keras_nas_cli.main(['deploy', '--help']) == 0\n"
        "assert keras_nas_cli.main(['deploy', 'm.h5']) == 2\n"
        "print([m for m in ('tensorflow', 'keras', 'keras_nas', 'numpy')"
        " if m in sys.modules])"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1] == "[]"


def test_python_m_keras_nas_is_the_same_program():
    child = subprocess.run(
        [sys.executable, "-m", "keras_nas", "benchmark", "missing.tflite"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 1
    assert child.stdout == ""
    assert child.stderr.splitlines()[-1] == (
        "keras-nas: Cannot read 'missing.tflite': No such file or directory."
    )
