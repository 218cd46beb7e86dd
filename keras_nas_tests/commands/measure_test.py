"""`keras-nas measure`, in a process of its own."""

import os
import subprocess
import sys

import keras
import keras_tuner
import pytest

import keras_nas_cli
from keras_nas import costs

SPACE = """
import keras

def build(hp):
    return keras.Sequential([
        keras.Input((16,)),
        keras.layers.Dense(hp.Choice("units", [4, 8]), "relu")])
"""


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "search.py"
    path.write_text(SPACE)
    return f"{path}:build"


def test_a_table_of_another_process_knows_the_pieces_of_this_one(
    space, tmp_path
):
    output = tmp_path / "pixel8.json"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "keras_nas", "measure"),
            *("--space", space, "--output", str(output)),
            *("--calibration_models", "1", "--test_models", "1"),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert ran.returncode == 0, ran.stderr
    assert "measured 2 of 2 pieces" in ran.stdout
    table = costs.LatencyTable.load(output)
    assert table.device == "pixel8"
    hp = keras_tuner.HyperParameters()
    hp.values = {"units": 8}
    model = keras.Sequential(
        [
            keras.Input((16,), name="other"),
            keras.layers.Dense(8, "relu", kernel_initializer="zeros"),
        ]
    )
    assert table.predict(model) > 0


def test_files_for_another_device_are_written(space, tmp_path, capsys):
    folder, output = tmp_path / "remote", tmp_path / "pixel8.json"
    arguments = ["measure", "--output", str(output)]
    code = keras_nas_cli.main(
        [
            *(*arguments, "--space", space, "--remote", str(folder)),
            *("--calibration_models", "0", "--test_models", "0"),
        ]
    )
    assert code == 0
    assert f"--read {folder} --output {output}" in capsys.readouterr().out
    assert len(list(folder.glob("*.tflite"))) == 2
    assert keras_nas_cli.main([*arguments, "--read", str(folder)]) == 2
    assert "results.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "missing --output"),
        (["--output", "t.json"], "one of --space and --read"),
        (["--output", "t.json", "--space", "a:b", "--read", "c"], "one of"),
        (["--output", "t.json", "here.py:build"], "flags alone"),
    ],
)
def test_mistakes_are_told_at_once(capsys, arguments, message):
    assert keras_nas_cli.main(["measure", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "space", ["nowhere.py:build", "keras_nas:nothing", "build"]
)
def test_a_space_that_is_not_there_is_named(capsys, tmp_path, space):
    output = str(tmp_path / "t.json")
    arguments = ["measure", "--output", output, "--space", space]
    assert keras_nas_cli.main(arguments) == 2
    assert space in capsys.readouterr().err


def test_a_name_that_a_file_does_not_have_is_told(space, capsys, tmp_path):
    path = space.rpartition(":")[0]
    output = str(tmp_path / "t.json")
    arguments = ["measure", "--output", output, "--space", f"{path}:bulid"]
    assert keras_nas_cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert f"'{path}' has no attribute 'bulid'" in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def build(hp):\n    return nothing", "NameError"),
        ("def build(hp)", "SyntaxError"),
        ("class build:\n    def __init__(self, depth):\n        pass", "class"),
    ],
)
def test_a_space_that_does_not_work_is_named(capsys, tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    output = str(tmp_path / "t.json")
    arguments = ["measure", "--output", output, "--space", f"{path}:build"]
    assert keras_nas_cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert f"'{path}:build'" in shown
    assert message in shown
