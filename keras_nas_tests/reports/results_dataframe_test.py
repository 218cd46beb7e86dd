"""The table holds a row a trial, and says what is not there."""

import sys

import keras_tuner
import pytest

from keras_nas.reports import SearchResults, results_dataframe
from keras_nas_tests.reports.made_up_projects import make_trial


def results():
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["flat", "dense"])
    space.Int("units", 1, 9, parent_name="head", parent_values=["dense"])
    trials = [
        make_trial(
            "a",
            space,
            {"head": "dense", "units": 3},
            {"val_loss": (0.5, "min"), "status": (7.0, "min")},
            score=0.5,
        ),
        make_trial(
            "b", space, {"head": "flat"}, status="FAILED", message="bad"
        ),
    ]
    return SearchResults(
        trials,
        [keras_tuner.Objective("val_loss", "min")],
        space,
        started={"a": "2026-11-22T18:00:00"},
    )


def test_a_row_a_trial():
    pandas = pytest.importorskip("pandas")
    table = results_dataframe(results())
    assert list(table.columns) == [
        *("number", "trial_id", "status", "score"),
        *("val_loss", "metric:status", "hp:head", "hp:units"),
        *("started", "message"),
    ]
    first, second = table.to_dict("records")
    assert first["val_loss"] == first["score"] == 0.5
    assert first["metric:status"] == 7.0
    assert (first["hp:head"], first["hp:units"]) == ("dense", 3)
    assert first["started"] == pandas.Timestamp(2026, 11, 22, 18)
    assert (second["status"], second["message"]) == ("FAILED", "bad")
    assert second["hp:head"] == "flat"
    for column in ("score", "val_loss", "hp:units", "started"):
        assert pandas.isna(second[column])
    assert table["val_loss"].dtype == "float64"


def test_no_trials_are_an_empty_table():
    pytest.importorskip("pandas")
    space = keras_tuner.HyperParameters()
    empty = SearchResults([], [keras_tuner.Objective("x", "min")], space)
    table = results_dataframe(empty)
    assert len(table) == 0
    assert "x" in table


def test_without_pandas_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"keras-nas\[reports\]"):
        results_dataframe(results())
