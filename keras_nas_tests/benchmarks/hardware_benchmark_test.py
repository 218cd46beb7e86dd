"""The benchmark of searches for a device: what its figures are."""

import importlib.util
import json

import numpy as np
import pytest

import keras_nas as nas
from benchmarks import hardware, tables
from keras_nas_tests.benchmarks.table_files import (
    digit_sum,
    write_nasbench201,
)


@pytest.fixture
def table_path(tmp_path):
    """Accuracy and latency grow with the digits, and with other weights."""

    def latency(cell):
        return 1 + sum(int(digit) * 2**i for i, digit in enumerate(cell))

    return write_nasbench201(
        tmp_path / "table.csv",
        {"val_accuracy": digit_sum, "pixel3_latency_ms": latency},
    )


@pytest.fixture
def run(tmp_path, table_path):
    options = dict(vars(hardware.OPTIONS))

    def measure(part, *arguments):
        path = tmp_path / "results.json"
        hardware.main(
            [
                *("--only", part, "--json", str(path), "--jobs", "1"),
                *("--table", str(table_path), *arguments),
            ]
        )
        return json.loads(path.read_text())[part]

    yield measure
    vars(hardware.OPTIONS).update(options)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setitem(vars(hardware.OPTIONS), "evaluations", 12)


def test_a_tuner_searches_the_table(table_path, few):
    column = "pixel3_latency_ms"
    table = tables.load(str(table_path), ("val_accuracy", column))
    numbers = hardware.search_with_tuner("NSGA2", table, column, seed=3)
    assert len(numbers) == len(set(numbers)) == 12
    again = hardware.search_with_tuner("NSGA2", table, column, seed=3)
    assert again == numbers


@pytest.mark.parametrize("name", ["RegularizedEvolution", "random"])
def test_what_is_beyond_the_limit_is_not_counted(table_path, few, name):
    column, limit = "pixel3_latency_ms", 60.0
    table = tables.load(str(table_path), ("val_accuracy", column))
    is_peer = name in hardware.PEERS
    search = (
        hardware.search_with_peer if is_peer else hardware.search_with_tuner
    )
    numbers = search(name, table, column, 1, limit)
    assert len(numbers) == len(set(numbers)) == 12
    assert table.metrics[column][numbers].max() <= limit


@pytest.mark.skipif(
    not importlib.util.find_spec("optuna"), reason="Optuna is not installed"
)
@pytest.mark.parametrize("name", ["optuna-nsga2", "optuna-tpe"])
def test_optuna_is_told_of_violations(table_path, few, name):
    column, limit = "pixel3_latency_ms", 60.0
    table = tables.load(str(table_path), ("val_accuracy", column))
    numbers = hardware.search_with_peer(name, table, column, 1, limit)
    assert len(numbers) == 12
    assert table.metrics[column][numbers].max() <= limit


def test_the_hypervolume_is_a_share_of_that_of_the_table(run):
    result = run(
        "fronts",
        *("--searches", "random", "--evaluations", "40", "--seeds", "2"),
    )
    found = result["searches"]["random"]
    assert set(found) == {"hypervolume_at_40"}
    assert 0.3 < found["hypervolume_at_40"]["mean"] < 1
    assert found["hypervolume_at_40"]["standard_error"] > 0


def test_regret_is_what_is_missing_to_the_best_within_the_limit(run):
    result = run(
        "constrained",
        *("--searches", "random", "--evaluations", "30", "--seeds", "2"),
        *("--feasible_share", "0.5"),
    )
    # By hand: digits count 1, 2, 4, ..., 32, so half of all sums are at most
    # 127; the first five digits are 4 and the last one 0 for 125.
    assert result["limit_ms"] == pytest.approx(127.0)
    assert result["best_accuracy"] == 20.0
    regret = result["searches"]["random"]["regret_at_30"]["mean"]
    assert 0 <= regret < 10


def test_the_latency_table_is_compared_with_whole_models(run, monkeypatch):
    def small(*_):
        return nas.search_spaces.HyperMLP(
            *(8, 2),
            units=(8, 512),
            expansions=(1,),
            max_depth=1,
            activations=("relu",),
            dropouts=(0.0,),
        )

    monkeypatch.setattr(nas.search_spaces, "HyperMobileNet", small)
    arguments = ("--calibration_models", "1", "--test_models", "2")
    result = run("latency_table", *arguments)
    assert result["pieces"] > 4
    assert result["test_models"] == 2
    assert np.isfinite(result["mean_error"])


def test_a_table_is_needed(capsys):
    with pytest.raises(SystemExit):
        hardware.main(["--only", "fronts"])
    assert "expected NAS-Bench-201" in capsys.readouterr().err
