"""`keras-nas report`, on projects of either library."""

import sys

import keras_tuner
import pytest

import keras_nas_cli
from keras_nas_tests.reports.made_up_projects import make_trial, write_project


@pytest.fixture
def project(tmp_path):
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 9)
    metrics = {"loss": (1.0, "min"), "val_loss": (0.5, "min")}
    trial = make_trial("0", space, {"units": 3}, metrics, score=0.5)
    write_project(tmp_path / "search", space, [trial])
    return tmp_path / "search"


def test_a_project_becomes_a_page(project, tmp_path, capsys):
    output = tmp_path / "page.html"
    arguments = ["report", str(project), "--output", str(output)]
    assert keras_nas_cli.main(arguments) == 0
    assert "1 trials, 1 completed, by val_loss\n" in capsys.readouterr().out
    assert output.read_text().startswith("<!doctype html>")
    assert keras_nas_cli.main([*arguments, "--objective", "loss,val_loss"]) == 0
    assert "by loss, val_loss" in capsys.readouterr().out


def test_a_project_becomes_a_table(project, tmp_path):
    pandas = pytest.importorskip("pandas")
    table = tmp_path / "trials.csv"
    assert not keras_nas_cli.main(
        ["report", str(project)]
        + [f"--output={tmp_path / 'page.html'}", f"--csv={table}"]
    )
    assert pandas.read_csv(table)["hp:units"].tolist() == [3]


def test_without_pandas_nothing_is_written(
    project, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "pandas", None)
    page, table = tmp_path / "page.html", tmp_path / "trials.csv"
    arguments = ["report", str(project), f"--output={page}", f"--csv={table}"]
    assert keras_nas_cli.main(arguments) == 1
    assert "pip install" in capsys.readouterr().err
    assert not page.exists()


def test_mistakes_are_told_on_one_line(project, tmp_path, capsys):
    output = f"--output={tmp_path / 'page.html'}"
    for arguments, text in (
        ([], "expected one folder of a search. Received: none"),
        (["a", "b"], "Received: a b"),
        ([str(tmp_path / "nowhere"), output], "there is no such folder"),
        ([str(tmp_path), output], f"Did you mean {project}?"),
        ([str(project), output, "--objective=x"], "Received: x"),
        ([str(project), f"--output={tmp_path}"], "it is a folder"),
        ([str(project), output, f"--csv={tmp_path}/no/t.csv"], "no folder"),
    ):
        assert keras_nas_cli.main(["report", *arguments]) == 2
        shown = capsys.readouterr()
        assert text in shown.err
        assert shown.err.startswith("keras-nas: ")
        assert shown.out == ""
    assert not (tmp_path / "page.html").exists()
