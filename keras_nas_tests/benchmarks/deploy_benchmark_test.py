"""The benchmark of deployment measures what it says."""

import json

import keras
import numpy as np
import pytest

from benchmarks import deploy
from keras_nas import compression


@pytest.fixture
def run(tmp_path):
    options = dict(vars(deploy.OPTIONS))

    def measure(part, *arguments):
        path = tmp_path / "results.json"
        deploy.main(["--only", part, "--json", str(path), *arguments])
        return json.loads(path.read_text())[part]

    yield measure
    vars(deploy.OPTIONS).update(options)


def test_a_table_of_what_works(run, monkeypatch):
    compress = compression.compress

    def refuse_clusters(*args, **kwargs):
        if "cluster" in kwargs:
            raise ValueError("no clusters today")
        return compress(*args, **kwargs)

    monkeypatch.setattr(compression, "compress", refuse_clusters)
    result = run("models", "--names", "two inputs", "--ways", "prune,cluster")
    assert result["share_that_works"] == 0.5
    model = result["models"]["two inputs"]
    assert 0 <= model["difference"] < 1e-5
    assert model["prune"]["works"]
    assert not model["cluster"]["works"]
    assert model["cluster"]["message"] == "ValueError: no clusters today"


def test_a_way_that_leaves_layers_alone_does_not_work(run, monkeypatch):
    def silly():
        inputs = keras.Input((8,))
        x = keras.layers.EinsumDense("ab,bc->ac", (4,), name="einsum")(inputs)
        return keras.Model(inputs, keras.layers.Softmax()(x))

    monkeypatch.setattr(deploy, "MODELS", deploy.MODELS | {"silly": silly})
    ways = "prune,cluster,quantization_aware,int8"
    result = run("models", "--names", "silly,two outputs", "--ways", ways)
    cells = result["models"]["silly"]
    for way, done in (("prune", "pruned"), ("cluster", "clustered")):
        assert not cells[way]["works"]
        assert cells[way]["message"] == f"not {done}: einsum"
    assert not cells["quantization_aware"]["works"]
    assert cells["int8"]["works"]
    # It is no cell of TF-MOT's documentation, and does not count as one.
    works = result["models"]["two outputs"]
    assert all(works[way]["documented"] for way in works if way in deploy.WAYS)
    assert result["share_that_works"] == 1.0
    assert result["share_of_all_cells"] == 5 / 8


def test_a_file_that_computes_something_else_does_not_work(run, monkeypatch):
    convert = deploy.export.to_tflite

    def wrong(model, *args, **kwargs):
        other = keras.models.clone_model(model)
        kernel = other.layers[-1].kernel
        kernel.assign(20 * np.eye(*kernel.shape))
        return convert(other, *args, **kwargs)

    monkeypatch.setattr(deploy.export, "to_tflite", wrong)
    result = run("models", "--names", "Conv1D", "--ways", "int8")
    cell = result["models"]["Conv1D"]["int8"]
    assert not cell["works"]
    assert "mean error" in cell["message"]
    assert result["share_that_works"] == 0.0


def test_the_documented_cells_are_cells_of_the_table():
    names = {*deploy.APPLICATIONS, *deploy.MODELS}
    assert set(deploy.DOCUMENTED) == set(deploy.WAYS)
    for documented in deploy.DOCUMENTED.values():
        assert set(documented) <= names


def test_files_of_the_digits_are_compared(run, monkeypatch):
    def small():
        x = inputs = keras.Input((8, 8, 1))
        x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        return deploy.classifier(inputs, x)

    monkeypatch.setattr(deploy, "digits_model", small)
    monkeypatch.setattr(deploy, "separable_model", small)
    ways = {"prune80": {"prune": 0.8}, "channels50": {"prune_channels": 0.5}}
    monkeypatch.setattr(deploy, "COMPRESSIONS", ways)
    result = run(
        *("digits", "--seeds", "1", "--epochs", "2"),
        *("--fine_tuning_epochs", "1"),
    )
    means = result["means"]
    assert set(means) == {
        *("float32", "float32_fine_tuned", "int8", "prune80", "channels50"),
        *("separable_float32", "separable_float32_fine_tuned"),
        *("separable_int8", "separable_channels50"),
    }
    drop = means["float32"]["accuracy"] - means["int8"]["accuracy"]
    assert result["int8_drop"] == pytest.approx(100 * drop)
    drop = (
        means["float32_fine_tuned"]["accuracy"] - means["prune80"]["accuracy"]
    )
    assert result["prune80_drop_fine_tuned"] == pytest.approx(100 * drop)
    for field in ("channels50", "separable_channels50"):
        measured = result[f"{field}_latency_ratio"]
        bar = result["bars"][f"{field}_latency_ratio"]
        assert bar == {"limit": 0.6, "met": measured <= 0.6}
    ratio = means["prune80"]["gzip_bytes"] / means["float32"]["gzip_bytes"]
    assert result["prune80_gzip_ratio"] == pytest.approx(ratio)
    latencies = [
        means[f"separable_{name}"]["latency_ms"]
        for name in ("channels50", "int8")
    ]
    assert result["separable_channels50_latency_ratio"] == pytest.approx(
        latencies[0] / latencies[1]
    )


def test_the_digits_are_all_there_once():
    x, y, x_test, y_test = deploy.read_digits()
    assert x.shape == (1347, 8, 8, 1) and x_test.shape == (450, 8, 8, 1)
    assert len(y) == 1347 and len(y_test) == 450
    assert x.min() == 0 and x.max() == 1
    assert not np.array_equal(y[:450], y_test)


def test_fashion_is_measured_by_the_same_table(run, monkeypatch):
    def small():
        x = inputs = keras.Input((28, 28, 1))
        x = keras.layers.Conv2D(4, 3, strides=4, activation="relu")(x)
        return deploy.classifier(
            inputs, keras.layers.GlobalAveragePooling2D()(x)
        )

    def read(part):
        rng = np.random.default_rng(len(part))
        images = rng.integers(256, size=(64, 28, 28, 1)).astype("uint8")
        return images, rng.integers(10, size=64)

    monkeypatch.setattr(deploy.fashion, "read_fashion", read)
    monkeypatch.setattr(deploy, "mobilenet_model", small)
    monkeypatch.setattr(deploy, "COMPRESSIONS", {"pattern24": {"prune": "2:4"}})
    arguments = ("--fashion_epochs", "1", "--fashion_fine_tuning_epochs", "1")
    result = run("fashion", "--seeds", "2", *arguments)
    runs = result["runs"]
    assert len(runs) == 2
    assert set(runs[0]) == {
        *("float32", "float32_fine_tuned", "int8", "pattern24"),
    }
    mean = (runs[0]["int8"]["bytes"] + runs[1]["int8"]["bytes"]) / 2
    assert result["means"]["int8"]["bytes"] == mean


def test_unknown_parts_are_refused(capsys):
    with pytest.raises(SystemExit):
        deploy.main(["--only", "digit"])
    assert "Received: ['digit']" in capsys.readouterr().err
