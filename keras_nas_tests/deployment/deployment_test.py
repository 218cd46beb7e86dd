"""The result of `deploy`: as text, as a picture, as files."""

import errno
import json
import os

import pytest

from keras_nas import export


def columns(line):
    return line.removeprefix("* ").split()


def test_prints_a_row_for_the_model_and_for_each_file(deployment):
    lines = str(deployment).splitlines()
    assert lines[0].split()[:5] == [
        "accuracy",
        "drop",
        "bytes",
        "gzip",
        "memory",
    ]
    assert [columns(line)[0] for line in lines[1:6]] == [
        "keras",
        "float32",
        "dynamic",
        "int8",
        "int8_io",
    ]
    for line, variant in zip(
        lines[2:6], deployment.variants.values(), strict=True
    ):
        assert f"{variant.score:.2%}" in line
        assert f"{variant.size_bytes:,}" in line
        assert f"{variant.gzip_bytes:,}" in line
        assert line.endswith("yes")
        assert line.startswith("* ") == (variant is deployment.best)
    assert f"* the best: {deployment.best.name}" in lines
    assert "compressed" not in str(deployment)
    # All rows line up, and fit a wide terminal.
    assert max(map(len, lines)) < 120


def test_save_writes_the_best_file(deployment, tmp_path):
    path = deployment.save(str(tmp_path / "model.tflite"))
    assert path == tmp_path / "model.tflite"
    saved = export.TFLiteModel.load(path)
    assert saved.content == deployment.best.tflite_model.content


def test_save_all_writes_every_file_and_the_card(deployment, tmp_path):
    paths = deployment.save_all(tmp_path / "new" / "folder")
    assert {os.path.basename(path) for path in paths} == {
        "model_float32.tflite",
        "model_dynamic.tflite",
        "model_int8.tflite",
        "model_int8_io.tflite",
        "model_card.json",
        "model_card.md",
    }
    assert set(paths) == {
        str(path) for path in (tmp_path / "new" / "folder").iterdir()
    }
    for path in paths[:4]:
        name = os.path.basename(path)[len("model_") : -len(".tflite")]
        content = deployment.variants[name].tflite_model.content
        assert export.TFLiteModel.load(path).content == content
    with open(paths[4], encoding="utf-8") as file:
        assert json.load(file) == json.loads(json.dumps(deployment.model_card))


def test_a_full_disk_leaves_the_folder_as_it_was(
    deployment, tmp_path, monkeypatch
):
    (tmp_path / "model_card.md").write_text("old")
    flush, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left.*Nothing was changed"):
        deployment.save_all(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model_card.md"]
    assert (tmp_path / "model_card.md").read_text() == "old"


def test_a_folder_that_cannot_be_written_to_is_named(deployment, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="`folder`.*file"):
            deployment.save_all(folder)
    with pytest.raises(OSError, match="`path`"):
        deployment.save(tmp_path / "missing" / "model.tflite")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_plot_has_a_mark_for_each_file(deployment, tmp_path):
    pytest.importorskip("matplotlib")
    figure = deployment.plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[1:4] == b"PNG"
    scores, sizes, latencies = figure.axes
    points = scores.collections[0].get_offsets()
    variants = deployment.variants.values()
    assert [x for x, _ in points] == [v.score for v in variants]
    widths = [patch.get_width() for patch in sizes.patches]
    assert widths == [v.size_bytes / 1000 for v in variants] + [
        v.gzip_bytes / 1000 for v in variants
    ]
    widths = [patch.get_width() for patch in latencies.patches]
    assert widths == [v.latency_ms for v in variants]


@pytest.mark.parametrize("name", ["plot.xyz", "plot.1", ""])
def test_an_image_format_that_does_not_exist_is_an_error(
    deployment, tmp_path, name
):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match=f"`path`.*ends in .png.*{name}"):
        deployment.plot(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_an_image_in_no_folder_is_found_before_it_is_drawn(
    deployment, tmp_path, monkeypatch
):
    figure = pytest.importorskip("matplotlib.figure").Figure
    monkeypatch.setattr(figure, "subplots", None)
    with pytest.raises(OSError, match="`path`: there is no such folder.*miss"):
        deployment.plot(tmp_path / "missing" / "plot.png")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    deployment.plot("plot.PNG")
    (tmp_path / "v1.2").mkdir()
    deployment.plot("v1.2/plot")  # No ending at all.
    for name in ("plot.PNG", "v1.2/plot"):
        assert (tmp_path / name).read_bytes()[1:4] == b"PNG"


def test_without_matplotlib_the_extra_is_named(deployment, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install keras-nas\[plots\]"):
        deployment.plot()
