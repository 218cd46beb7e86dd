"""The command line answers at once, and mistakes by one line."""

import errno
import os
import pathlib
import subprocess
import sys
import types

import pytest
from absl import flags

import keras_nas_cli
from keras_nas.compression.bridge import BridgeError

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
        (["deploy", "m.keras", "--max_bytes=100q"], "100k (the same) or 1.5M"),
        (["deploy", "m.keras", "--max_bytes=-3"], "--max_bytes=-3"),
        (["deploy", "m.keras", "--max_bytes=1.5"], "a whole number of bytes"),
        (["deploy", "m.keras", "--max_bytes=1.0001k"], "such as 1500 or 1.5k"),
        (["deploy", "m.keras", "--max_bytes=0.3Ki"], "--max_bytes=0.3Ki"),
        (["deploy", "m.keras", "--max_bytes=1,00"], "--max_bytes=1,00"),
        (["deploy", "m.keras", "--max_latency_ms=-1"], "--max_latency_ms=-1"),
        (["deploy", "m.keras", "--prune_channels=1"], "a share below 1"),
        (["deploy", "m.keras", "--cluster=1"], "--cluster=1"),
        (["benchmark", "m.tflite", "--rounds=0"], "--rounds=0"),
        (["benchmark"], "at least one .tflite file"),
    ],
)
def test_a_mistake_is_told_without_doing_anything(arguments, text, capsys):
    assert keras_nas_cli.main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert text in shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100000", 100_000),
        ("100_000", 100_000),
        ("1,000,000", 1_000_000),
        ("100k", 100_000),
        ("100 kB", 100_000),
        ("1.5M", 1_500_000),
        ("2.01k", 2010),
        ("1.001001001G", 1_001_001_001),
        ("1500.0", 1500),
        ("64Ki", 65_536),
        ("0.5MiB", 524_288),
    ],
)
def test_bytes_have_units(text, number):
    values = flags.FlagValues()
    keras_nas_cli.define_deploy_flags(values)
    values(["keras-nas deploy", f"--max_bytes={text}"])
    assert values.max_bytes == number
    assert isinstance(values.max_bytes, int)


def run_command(monkeypatch, error, *arguments):
    """Runs `keras-nas deploy`, whose work ends with an error."""

    def run(files, values):
        raise error

    command = types.SimpleNamespace(run=run)
    monkeypatch.setitem(sys.modules, "keras_nas.commands.deploy", command)
    return keras_nas_cli.main(
        ["deploy", "models/m.keras", "--data=d.npz", "--output=out", *arguments]
    )


@pytest.mark.parametrize(
    ("kind", "path", "code"),
    [
        (PermissionError, "out", 2),
        (PermissionError, "out/model.tflite", 2),
        (FileExistsError, "out/..", 2),
        (FileNotFoundError, "models/m.keras", 2),
        (NotADirectoryError, "models", 2),
        (FileNotFoundError, "plots/.{pid}.plot.png", 2),
        # A file of its own, and a disk that is full.
        (PermissionError, "/temporary/model.pb", 1),
        (FileNotFoundError, "output", 1),
        (FileNotFoundError, None, 1),
        (OSError, "out", 1),
    ],
)
def test_a_path_is_a_mistake_if_it_was_given(
    kind, path, code, monkeypatch, capsys
):
    path = path and path.format(pid=os.getpid())
    error = kind(errno.ENOSPC, "It is so", path)
    flags = ["--plot=plots/plot.png"]
    assert run_command(monkeypatch, error, *flags) == code
    assert "It is so" in capsys.readouterr().err


def test_a_model_that_cannot_be_rebuilt_is_no_mistake(monkeypatch, capsys):
    error = BridgeError("Model 'm' computes something else")
    assert run_command(monkeypatch, error) == 1
    assert run_command(monkeypatch, ValueError("The value")) == 2
    assert "Model 'm' computes something else\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "Bad argument `prune`, of model 'prune=1'. Received: prune=2",
            "Bad flag --prune, of model 'prune=1'. Received: --prune=2",
        ),
        (
            "Nothing fits. Received: prune=0.5, epochs=0",
            "Nothing fits. Received: --prune=0.5, --epochs=0",
        ),
        ("No argument `name` of <Dense name=a, version=1>",) * 2,
        ("It failed. Received: inputs=(3,), name=dense, metric 'epochs=1'",)
        * 2,
    ],
)
def test_arguments_alone_become_flags(message, shown, monkeypatch, capsys):
    run_command(monkeypatch, ValueError(message))
    assert capsys.readouterr().err == f"keras-nas: {shown}\n"


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
    assert child.returncode == 2
    assert child.stdout == ""
    assert child.stderr.splitlines()[-1] == (
        "keras-nas: Cannot read 'missing.tflite': No such file or directory."
    )
