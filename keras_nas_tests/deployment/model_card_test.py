"""The card says what is true, and its code runs."""

import hashlib
import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas import export
from keras_nas.deployment.loading_code import loading_code
from keras_nas.deployment.model_card import ModelCard
from keras_nas.version import __version__


@pytest.fixture(scope="module")
def card(deployment):
    # As it is read from the file.
    return json.loads(json.dumps(deployment.model_card))


def test_the_card_describes_the_model(card):
    assert card["name"] == "digits"
    assert card["author"] == "the tests"
    assert card["labels"] == {"scores": [f"digit {i}" for i in range(10)]}
    assert card["preprocessing"] == {
        "image": {"mean": [0.0], "std": [16.0], "description": "grey values"}
    }
    architecture = card["architecture"]
    assert architecture["parameters"] == 160 + 4640 + 330
    assert [layer["class"] for layer in architecture["layers"]] == [
        "InputLayer",
        "Conv2D",
        "Flatten",
        "Dense",
        "Dense",
    ]
    assert architecture["layers"][1]["output_shape"] == [[None, 3, 3, 16]]
    assert architecture["layers"][1]["parameters"] == 160
    assert card["data"]["tested_samples"] == 397
    # 200 of the 1400 showed the ranges, and nothing was trained.
    assert card["data"]["calibrated_on"] == [
        {"name": "image", "shape": [200, 8, 8, 1], "dtype": "float32"}
    ]
    assert card["data"]["calibrated_source"] == "x"
    assert card["data"]["fine_tuned_on"] is None
    assert card["metric"] == {"name": "accuracy", "higher_is_better": True}
    assert card["versions"]["keras_nas"] == __version__
    assert {"tensorflow", "keras", "ai-edge-litert"} <= set(card["versions"])


def test_the_card_describes_the_files(card, deployment):
    for entry, variant in zip(
        card["files"], deployment.variants.values(), strict=True
    ):
        content = variant.tflite_model.content
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["size_bytes"] == len(content)
        assert entry["verified"]
        assert all(check["passed"] for check in entry["checks"])
        assert len(entry["latency"]) == 4
    int8_io = card["files"][3]
    assert int8_io["inputs"][0]["scale"] == pytest.approx(1 / 255, rel=0.01)
    assert int8_io["inputs"][0]["zero_point"] == -128
    assert int8_io["inputs"][0]["dtype"] == "int8"


def test_the_page_says_the_same(card, deployment):
    page = ModelCard(deployment).to_markdown()
    assert page.startswith("# digits\n\nReads digits.\n")
    assert str(deployment) in page
    assert f"best file: `{deployment.best.file_name}`" in page
    assert "| conv2d" in page
    assert "samples of `x`: `image`, float32 of shape (200, 8, 8, 1)" in page
    assert "fine-tuned" not in page
    assert "(value - [0.0]) / [16.0]" in page
    assert "digit 0, digit 1" in page
    for code in card["how_to_load"][deployment.best.name].values():
        assert code in page
    # `model_int8_io.tflite` alone has other inputs than the others.
    assert page.count("| input `image` |") == 2


@pytest.mark.parametrize("name", ["float32", "int8_io"])
def test_the_python_code_runs_without_keras_nas(
    card, deployment, tmp_path, name
):
    deployment.save_all(tmp_path)
    code = card["how_to_load"][name]["python"]
    child = subprocess.run(
        [sys.executable, "-I", "-c", f"{code}\nprint(outputs['scores'].shape)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1] == "(1, 10)"
    assert "tensorflow" not in code
    assert "keras" not in code


def test_code_for_phones_has_the_types_and_sizes_of_the_file(card):
    float32, int8_io = (
        card["how_to_load"][name] for name in ("float32", "int8_io")
    )
    assert "inputs[0].writeFloat(FloatArray(64))" in float32["kotlin"]
    assert "val output_scores = outputs[0].readFloat()" in float32["kotlin"]
    assert "inputs[0].writeInt8(ByteArray(64))" in int8_io["kotlin"]
    assert "[Float32](repeating: 0, count: 64)" in float32["swift"]
    assert "bindMemory(to: Int8.self)" in int8_io["swift"]
    # Who feeds integers has to know what they stand for.
    for code in int8_io.values():
        assert "+ -128, limited to int8" in code
        assert "Real value = 0.00390625 * (stored value - -128)" in code


def test_a_card_without_int8_says_nothing_of_calibration(line):
    x = np.random.default_rng(0).normal(size=(9, 2))
    arguments = {"validation_data": (x, x[:, 0]), "num_threads": 1}
    deployed = nas.deploy(line, x, x[:, 0], quantize="float32", **arguments)
    data = deployed.model_card["data"]
    assert data["calibrated_on"] is None and data["fine_tuned_on"] is None
    page = ModelCard(deployed).to_markdown()
    assert "calibrated" not in page and "ranges of int8" not in page
    deployed = nas.deploy(
        line, x, x[:, 0], quantize="int8", representative_data=x, **arguments
    )
    data = deployed.model_card["data"]
    assert data["calibrated_source"] == "representative_data"


@pytest.mark.parametrize("name", ["np", "run", "interpreter", "class"])
def test_no_name_of_a_tensor_breaks_the_code(name, tmp_path):
    inputs = [keras.Input((2,), name=name), keras.Input((2,), name="model")]
    outputs = keras.layers.Add(name="outputs")(inputs)
    file = export.to_tflite(keras.Model(inputs, outputs))
    file.save(tmp_path / "model.tflite")
    code = loading_code("model.tflite", file)
    child = subprocess.run(
        [sys.executable, "-I", "-c", code["python"]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout == "[[0. 0.]]\n"
    for line in (*code["kotlin"].splitlines(), *code["swift"].splitlines()):
        # Names of tensors and names of the code differ.
        if line.startswith(("val ", "let ")):
            variable = line.split()[1]
            assert variable.startswith(("input_", "output_")) or variable in (
                *("model", "inputs", "outputs", "path", "interpreter"),
            )
    assert "val output_outputs = " in code["kotlin"]
    assert "let input_model = " in code["swift"]
