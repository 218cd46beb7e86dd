"""`keras-nas benchmark` measures what `deploy` measures."""

import json

import keras
import pytest

import keras_nas_cli
from keras_nas import export


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    inputs = keras.Input((64,), name="x")
    x = keras.layers.Dense(64)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(64)(x))
    paths = []
    for quantize in ("float32", "dynamic"):
        paths.append(str(folder / f"{quantize}.tflite"))
        export.to_tflite(model, quantize).save(paths[-1])
    return paths


def test_files_are_measured_in_all_settings(files, tmp_path, capsys):
    code = keras_nas_cli.main(
        ["benchmark", *files, "--rounds=1", f"--json={tmp_path / 'out.json'}"]
    )
    shown = capsys.readouterr()
    assert code == 0, shown.err
    results = json.loads((tmp_path / "out.json").read_text())
    assert [result["file"] for result in results] == files
    for result, path in zip(results, files, strict=True):
        model = export.TFLiteModel.load(path)
        assert result["size_bytes"] == model.size_bytes
        assert result["gzip_bytes"] == model.gzip_bytes
        assert result["peak_memory_bytes"] == export.measure_peak_memory(model)
        settings = [
            (latency["num_threads"], latency["xnnpack"])
            for latency in result["latency"]
        ]
        assert settings == [(1, True), (2, True), (1, False), (2, False)]
        assert all(latency["latency_ms"] > 0 for latency in result["latency"])
        assert f"{path}: {result['quantization']}, " in shown.out
        assert f"{model.size_bytes:,} bytes" in shown.out
    assert [r["quantization"] for r in results] == ["float32", "dynamic"]


def test_what_is_no_tflite_file_is_told(tmp_path, capsys):
    (tmp_path / "text.tflite").write_text("no model at all")
    assert keras_nas_cli.main(["benchmark", str(tmp_path / "text.tflite")]) == 2
    assert "Expected a TFLite file" in capsys.readouterr().err
    flags = [str(tmp_path / "text.tflite"), "--num_threads=many"]
    assert keras_nas_cli.main(["benchmark", *flags]) == 2
    assert "--num_threads" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_a_mistake(files, tmp_path, capsys):
    path = tmp_path / "missing" / "out.json"
    flags = ["--rounds=1", "--num_threads=1", f"--json={path}"]
    assert keras_nas_cli.main(["benchmark", files[0], *flags]) == 2
    assert str(path.parent) in capsys.readouterr().err
