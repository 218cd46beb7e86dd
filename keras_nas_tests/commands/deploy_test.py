"""`keras-nas deploy`, from a file to a folder."""

import json

import keras
import numpy as np
import pytest

import keras_nas_cli
from keras_nas import compression, export


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model that tells which of two numbers is larger."""
    folder = tmp_path_factory.mktemp("deploy")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)).astype("float32")
    y = x.argmax(axis=1)
    inputs = keras.Input((2,), name="pair")
    dense = keras.layers.Dense(2, activation="softmax", name="scores")
    model = keras.Model(inputs, dense(inputs), name="larger")
    dense.set_weights([np.eye(2), np.zeros(2)])
    model.compile(
        "sgd", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.save(folder / "model.keras")
    np.savez(folder / "data.npz", x=x, y=y, x_val=x[:100], y_val=y[:100])
    (folder / "labels.txt").write_text("first\nsecond\n")
    return folder


def deploy(folder, *flags, model="model.keras", data="data.npz"):
    return keras_nas_cli.main(
        [
            "deploy",
            str(folder / model),
            f"--data={folder / data}",
            "--num_threads=1",
            *flags,
        ]
    )


def test_files_card_and_table(folder, tmp_path, capfd):
    code = deploy(
        folder,
        f"--output={tmp_path / 'out'}",
        "--quantize=float32,int8",
        f"--labels={folder / 'labels.txt'}",
        "--mean=0",
        "--std=1",
        "--author=someone",
        "--max_accuracy_drop=0.05",
    )
    shown = capfd.readouterr()
    assert code == 0, shown.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "model.tflite",
        "model_float32.tflite",
        "model_int8.tflite",
        "model_card.json",
        "model_card.md",
    }
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["author"] == "someone"
    assert card["models"][0]["score"] == 1.0
    assert card["limits"] == {"max_accuracy_drop": 0.05}
    best = export.TFLiteModel.load(tmp_path / "out" / "model.tflite")
    assert best.predict([[3.0, 1.0]]).argmax() == 0
    assert best.metadata["outputs"][0]["labels"] == ["first", "second"]
    assert "float32" in shown.out
    assert f"written to {tmp_path / 'out'}" in shown.out
    # What TensorFlow and the converter print is not for users.
    assert shown.err == ""


def test_flags_of_compression_arrive(folder, tmp_path, capsys, monkeypatch):
    received = []

    def compress(model, x, y, **arguments):
        received.append(arguments)
        raise ValueError("that is all")

    monkeypatch.setattr(compression, "compress", compress)
    given = (f"--output={tmp_path}", "--epochs=4", "--quantize=float32")
    assert deploy(folder, *given, "--prune=0.25") == 2
    more = ("--prune=2:4", "--batch_size=16", "--skip=scores,other")
    assert deploy(folder, *given, *more) == 2
    assert "that is all" in capsys.readouterr().err
    share, pattern = received
    assert share["prune"] == 0.25 and share["epochs"] == 4
    assert not {"batch_size", "skip"} & set(share)
    assert pattern["prune"] == "2:4"
    assert pattern["batch_size"] == 16
    assert pattern["skip"] == ["scores", "other"]


def test_a_limit_that_is_not_met_has_its_own_code_and_keeps_the_files(
    folder, tmp_path, capsys
):
    # The best file of an earlier run would not be what was asked for.
    (tmp_path / "model.tflite").write_bytes(b"of an earlier run")
    code = deploy(
        folder,
        f"--output={tmp_path}",
        "--quantize=float32",
        "--max_bytes=1k",
    )
    assert code == 1
    shown = capsys.readouterr()
    assert "no variant meets --max_bytes" in shown.err
    assert "--max_bytes=1,000 is exceeded by" in shown.err
    # Neither what is for Python nor the table twice.
    assert "attribute" not in shown.err and "float32  " not in shown.err
    assert "float32  " in shown.out
    assert {path.name for path in tmp_path.iterdir()} == {
        "model_float32.tflite",
        "model_card.json",
        "model_card.md",
    }


def test_a_model_named_as_a_limit_keeps_its_name(folder, tmp_path, capsys):
    model = keras.models.load_model(folder / "model.keras")
    model.name = "max_pool"
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", **np.load(folder / "data.npz"))
    flags = ("--quantize=float32", "--max_bytes=1k", "--max_latency_ms=1e9")
    assert deploy(tmp_path, f"--output={tmp_path / 'out'}", *flags) == 1
    error = capsys.readouterr().err
    assert (
        "model 'max_pool' meets the limits: no variant meets --max_b" in error
    )
    assert "--max_bytes=1,000 is exceeded by" in error


@pytest.mark.parametrize("flag", ["--epochs=3", "--batch_size=8", "--skip=a"])
def test_flags_of_a_compression_that_is_not_asked_for(folder, capsys, flag):
    code = deploy(folder, f"--output={folder}", "--quantize=int8", flag)
    assert code == 2
    message = f"{flag.partition('=')[0]} can only be given with compression"
    assert message in capsys.readouterr().err


def test_several_inputs_and_outputs_go_by_name(folder, tmp_path, capsys):
    inputs = [keras.Input((2,), name=name) for name in ("b", "a")]
    total = keras.layers.Add(name="total")(inputs)
    difference = keras.layers.Subtract(name="difference")(inputs)
    model = keras.Model(inputs, {"sum": total, "gap": difference})
    model.compile("sgd", {"sum": "mse", "gap": "mse"})
    model.save(tmp_path / "two.keras")
    x = np.random.default_rng(0).normal(size=(40, 2)).astype("float32")
    data = {"x.a": x, "x.b": 3 * x, "y.sum": 4 * x, "y.gap": 2 * x}
    np.savez(tmp_path / "two.npz", **data)
    code = deploy(
        tmp_path,
        f"--output={tmp_path / 'out'}",
        "--quantize=float32",
        model="two.keras",
        data="two.npz",
    )
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert "warning: There is no `validation_data`" in shown.err
    card = json.loads((tmp_path / "out" / "model_card.json").read_text())
    assert card["metric"]["name"] == "loss"
    assert card["models"][0]["score"] == pytest.approx(0, abs=1e-9)


def test_code_in_a_file_is_not_run(folder, tmp_path, capsys):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1)(inputs))
    model.save(tmp_path / "lambda.keras")
    (tmp_path / "data.npz").write_bytes((folder / "data.npz").read_bytes())
    code = deploy(tmp_path, f"--output={tmp_path}", model="lambda.keras")
    assert code == 2
    error = capsys.readouterr().err
    assert "lambda.keras" in error
    assert "Lambda layer" in error
    assert "safe_mode=False" in error
    assert "Traceback" not in error


class Doubling(keras.layers.Layer):
    def call(self, x):
        return 2 * x


def test_layers_that_are_not_known_here_are_named(folder, tmp_path, capsys):
    inputs = keras.Input((2,))
    keras.Model(inputs, Doubling()(inputs)).save(tmp_path / "own.keras")
    (tmp_path / "data.npz").write_bytes((folder / "data.npz").read_bytes())
    code = deploy(tmp_path, f"--output={tmp_path}", model="own.keras")
    assert code == 2
    error = capsys.readouterr().err
    assert "layers of your own" in error
    assert "Doubling" in error


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (
            ["--quantize=int7"],
            "flag --quantize. Expected one of 'float32', 'float16'",
        ),
        (["--labels=missing.txt"], "missing.txt"),
        (["--mean=1"], "both --mean and --std"),
        (["--mean=1", "--std=a,b"], "--std. Expected numbers"),
        (["--num_threads=two"], "--num_threads. Expected numbers"),
        (["--prune=1.5"], "flag --prune. Expected"),
        (["--metric=f1"], "--metric='f1'"),
    ],
)
def test_wrong_values_are_told(folder, tmp_path, flags, text, capsys):
    assert deploy(folder, f"--output={tmp_path / 'out'}", *flags) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.startswith("keras-nas: ")
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plot.xyz", "given as --plot. Expected a name that ends in .png"),
        ("no/such/plot.png", "given as --plot: there is no such folder"),
    ],
)
def test_a_picture_that_cannot_be_is_told_before_the_work(
    folder, tmp_path, name, text, capsys
):
    pytest.importorskip("matplotlib")
    out = f"--output={tmp_path / 'out'}"
    assert deploy(folder, out, f"--plot={tmp_path / name}") == 2
    assert text in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_a_model_that_no_file_can_be_made_of_is_no_mistake(
    folder, tmp_path, capsys, monkeypatch
):
    def to_tflite(model, quantize, samples):
        raise export.ConversionError("TFLite lacks it", operations=["Cumprod"])

    monkeypatch.setattr(export, "to_tflite", to_tflite)
    assert deploy(folder, f"--output={tmp_path}", "--quantize=float32") == 1
    assert capsys.readouterr().err == "keras-nas: TFLite lacks it\n"


def test_nothing_is_compressed_by_a_share_of_zero(folder, tmp_path, capsys):
    flags = ("--quantize=float32", "--prune=0", "--epochs=3")
    code = deploy(folder, f"--output={tmp_path}", *flags)
    assert code == 0, capsys.readouterr().err
    card = json.loads((tmp_path / "model_card.json").read_text())
    assert [row["name"] for row in card["models"]] == ["keras"]


def test_files_that_are_not_what_they_should_be(folder, tmp_path, capsys):
    out = f"--output={tmp_path / 'out'}"
    (tmp_path / "bad.keras").write_text("no model")
    (tmp_path / "bad.npz").write_text("no data")
    np.savez(tmp_path / "other.npz", images=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", x=np.array([{}, {}]))
    data = folder / "data.npz"
    for model, file, text in (
        (folder / "missing.keras", data, "no file"),
        (tmp_path / "bad.keras", data, "as a Keras model"),
        (folder / "model.keras", tmp_path / "bad.npz", "bad.npz"),
        (folder / "model.keras", tmp_path / "missing.npz", "missing.npz"),
        (folder / "model.keras", tmp_path / "other.npz", "['images'], x miss"),
        (folder / "model.keras", tmp_path / "pickle.npz", "allow_pickle"),
    ):
        arguments = ["deploy", str(model), f"--data={file}", out]
        assert keras_nas_cli.main(arguments) == 2
        error = capsys.readouterr().err
        assert text in error
        assert "Traceback" not in error


def test_a_target_that_cannot_be_written_is_found_before_the_work(
    folder, capsys
):
    code = deploy(folder, f"--output={folder / 'data.npz' / 'out'}")
    assert code == 2
    assert "given as --output" in capsys.readouterr().err
