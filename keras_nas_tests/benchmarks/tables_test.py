import json
import math
import os
import pathlib

import numpy as np
import pytest

from benchmarks import tables
from keras_nas import architectures
from keras_nas_tests.benchmarks.table_files import (
    digit_sum,
    write_macro,
    write_nasbench201,
)

# Edge after edge, an operation whose number the cell "012343" has there.
VALUES = {
    "edge_0_1": "none",
    "edge_0_2": "skip",
    "edge_1_2": "conv_1x1",
    "edge_0_3": "conv_3x3",
    "edge_1_3": "avg_pool_3x3",
    "edge_2_3": "conv_3x3",
}
ACCURACY = {"val_accuracy": lambda cell: 50 + digit_sum(cell)}


def test_an_architecture_is_looked_up_by_its_values(tmp_path):
    path = write_nasbench201(
        tmp_path / "table.csv",
        {
            "val_accuracy": lambda cell: int(cell) / 1e4,
            "latency_ms": lambda cell: "" if cell[0] == "0" else 2.5,
        },
    )
    table = tables.load(path, ["val_accuracy", "latency_ms"])
    found = table.look_up(VALUES)
    assert found["val_accuracy"] == 1.2343
    assert math.isnan(found["latency_ms"])
    other = table.look_up(VALUES | {"edge_0_1": "avg_pool_3x3"})
    assert other == {"val_accuracy": 41.2343, "latency_ms": 2.5}
    assert table.best("val_accuracy", "max") == 44.4444
    assert table.best("val_accuracy", "min") == 0.0
    assert table.best("latency_ms", "min") == 2.5


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.dat"])
def test_the_file_says_whether_it_is_compressed_and_of_which_format(
    name, tmp_path
):
    path = write_nasbench201(tmp_path / name, ACCURACY)
    table = tables.load(path)
    assert len(table) == 15625
    assert list(table.metrics) == ["val_accuracy"]
    assert table.look_up(VALUES) == {"val_accuracy": 63}


def test_the_space_is_unordered_choices_of_operations(tmp_path):
    table = tables.load(write_nasbench201(tmp_path / "t.csv", ACCURACY))
    space = table.space()
    assert architectures.size(space) == 15625
    assert [hp.name for hp in space.space] == list(VALUES)
    for hp in space.space:
        assert hp.values == [
            "none",
            "skip",
            "conv_1x1",
            "conv_3x3",
            "avg_pool_3x3",
        ]
        assert not hp.ordered


def test_numbers_and_architectures_belong_together(tmp_path):
    table = tables.load(write_nasbench201(tmp_path / "t.csv", ACCURACY))
    assert table.number(VALUES) == int("012343", 5)
    assert table.values(int("012343", 5)) == VALUES
    for number in (0, 1, 15624):
        assert table.number(table.values(number)) == number


def test_the_order_of_rows_makes_no_difference_and_some_may_lack(tmp_path):
    path = write_nasbench201(tmp_path / "t.csv", ACCURACY, ["444444", "012343"])
    table = tables.load(path)
    assert table.look_up(VALUES) == {"val_accuracy": 63}
    assert table.best("val_accuracy", "max") == 74
    assert math.isnan(table.look_up(table.values(0))["val_accuracy"])


def test_noise_is_the_first_seed(tmp_path):
    path = write_nasbench201(
        tmp_path / "t.csv",
        ACCURACY | {"val_accuracy_seed0": lambda cell: 7, "size": digit_sum},
    )
    table = tables.load(path, ["val_accuracy", "size"], noise=True)
    noisy = table.with_noise(np.random.default_rng(0))
    assert (noisy["val_accuracy"] == 7).all()
    # What has no noise stays, and so does the truth.
    assert (noisy["size"] == table.metrics["size"]).all()
    assert table.look_up(VALUES) == {"val_accuracy": 63, "size": 13}


def test_macro_is_read_and_its_noise_is_one_of_three_runs(tmp_path):
    path = write_macro(
        tmp_path / "t.json",
        mean_acc=lambda key: 80 + digit_sum(key),
        test_acc=lambda key: [1 + digit_sum(key), 2.0, 3.0],
    )
    table = tables.load(path, ["val_accuracy", "params"], noise=True)
    assert len(table) == 6561
    space = table.space()
    assert architectures.size(space) == 6561
    names = [hp.name for hp in space.space]
    assert names == [f"layer_{i}" for i in range(8)]
    values = dict.fromkeys(names, "identity") | {"layer_6": "mbconv_e6_k5"}
    # Key 00000020: two thirds of the way from 0 to 9 in base 3.
    assert table.look_up(values) == {"val_accuracy": 82, "params": 1006}
    assert table.best("val_accuracy", "max") == 96

    number = table.number(values)
    drawn = [
        table.with_noise(np.random.default_rng(seed))["val_accuracy"]
        for seed in range(30)
    ]
    assert {column[number] for column in drawn} == {3.0, 2.0}
    # Each architecture has a draw of its own, and a seed gives the same.
    tens = drawn[0][table.metrics["val_accuracy"] == 90]
    assert set(tens) == {11.0, 2.0, 3.0}
    again = table.with_noise(np.random.default_rng(0))["val_accuracy"]
    assert (again == drawn[0]).all()


# Errors


def test_a_missing_file_says_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_NAS_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="--table.*KERAS_NAS_DATA"):
        tables.load("no_table.csv.gz")
    monkeypatch.setenv("KERAS_NAS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        tables.load("no_table.csv.gz")
    write_nasbench201(tmp_path / "some_table.csv", ACCURACY)
    assert tables.load("some_table.csv").name == "some_table.csv"


def test_missing_columns_are_named(tmp_path):
    path = write_nasbench201(tmp_path / "t.csv", ACCURACY)
    with pytest.raises(ValueError, match="latency_ms.*It has.*val_accuracy"):
        tables.load(path, ["val_accuracy", "latency_ms"])
    with pytest.raises(ValueError, match="val_accuracy_seed0"):
        tables.load(path, ["val_accuracy"], noise=True)
    path.write_text("architecture,val_accuracy\n")
    with pytest.raises(ValueError, match="'cell'"):
        tables.load(path)
    path.write_text("")
    with pytest.raises(ValueError, match="'cell'"):
        tables.load(path)


@pytest.mark.parametrize(
    "line, message",
    [
        ("12343,1", "line 3: .*'12343'.*6 digits from 0 to 4, as text"),
        ("512343,1", "line 3: .*'512343'"),
        ("444444,1", "line 3: '444444' is there twice"),
        ("444443,good", "line 3, column `val_accuracy`.*'good'"),
    ],
)
def test_wrong_lines_are_named(line, message, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"cell,val_accuracy\n444444,90\n{line}\n")
    with pytest.raises(ValueError, match=message):
        tables.load(path)


def test_a_column_without_a_number_is_an_error(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("cell,val_accuracy\n444444,\n")
    with pytest.raises(ValueError, match="`val_accuracy` has no number"):
        tables.load(path)


def test_wrong_macro_files_are_explained(tmp_path):
    path = tmp_path / "t.json"
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        tables.load(path)
    path.write_text(json.dumps({"01201201": {"mean_acc": 90}}))
    with pytest.raises(ValueError, match=r"01201201 lacks \['params'\]"):
        tables.load(path, ["val_accuracy", "params"])
    with pytest.raises(ValueError, match="test_acc"):
        tables.load(path, noise=True)
    path.write_text(json.dumps({"31201201": {"mean_acc": 90}}))
    with pytest.raises(ValueError, match="8 digits from 0 to 2"):
        tables.load(path)


def test_a_format_that_is_none(tmp_path):
    path = write_nasbench201(tmp_path / "t.csv", ACCURACY)
    with pytest.raises(ValueError, match="nasbench201.*'nasbench301'"):
        tables.load(path, table_format="nasbench301")


# The published tables, where they are


@pytest.fixture
def published():
    folder = os.environ.get("KERAS_NAS_DATA")
    if not folder:
        pytest.skip("KERAS_NAS_DATA is not set")
    return pathlib.Path(folder)


def test_published_nasbench201(published):
    columns = ["val_accuracy", "edgetpu_latency_ms"]
    path = published / "nasbench201_cifar10.csv.gz"
    table = tables.load(path, columns, noise=True)
    accuracy = table.metrics["val_accuracy"]
    assert table.best("val_accuracy", "max") == pytest.approx(91.607, abs=1e-3)
    best = table.values(int(accuracy.argmax()))
    # Cell 333132.
    assert list(best.values()) == ["conv_3x3"] * 3 + [
        "skip",
        "conv_3x3",
        "conv_1x1",
    ]
    assert np.median(accuracy) == pytest.approx(87.31, abs=0.01)
    assert np.isnan(table.metrics["edgetpu_latency_ms"]).sum() == 4699


def test_published_macro(published):
    table = tables.load(published / "nasbench_macro_cifar10.json", noise=True)
    accuracy = table.metrics["val_accuracy"]
    assert accuracy.max() == pytest.approx(93.127, abs=1e-3)
    # 22212202 is the same network, with the identity before the last layer.
    assert accuracy[int("22212220", 3)] == accuracy.max()
    assert accuracy.mean() == pytest.approx(90.25, abs=0.01)
