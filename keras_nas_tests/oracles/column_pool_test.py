import math
import re

import keras_tuner
import numpy as np
import pytest

from keras_nas.oracles.candidate_pool import CandidatePool
from keras_nas.oracles.column_pool import ColumnPool


def make_space():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool", "skip"])
    space.Float("width", 0.0, 1.0)
    return space


def test_columns_stand_behind_the_encoding_on_a_common_scale():
    space = make_space()
    pool = ColumnPool(space, lambda values: {"cost": 100 * values["width"]})
    plain = CandidatePool(space)
    sample = plain.sample(100, np.random.default_rng(0))
    low, middle, high = np.quantile(100 * sample[:, 1], [0.25, 0.5, 0.75])

    rows = pool.rows([{"op": "conv", "width": w} for w in (0.0, 0.5, 0.9)])
    x = pool.encode(rows)
    np.testing.assert_array_equal(x[:, :4], plain.encode(rows))
    for row, cost in zip(x, (0.0, 50.0, 90.0), strict=True):
        z = (cost - middle) / (high - low)
        expected = 0.5 + 0.25 * math.copysign(math.log1p(abs(z)), z)
        assert math.isclose(row[4], expected, rel_tol=1e-6)
        assert row[5] == 0  # Nothing is missing.
    # One-hot columns belong together, others are on their own.
    assert pool.encoded_groups.tolist() == [0, 0, 0, 1, 2, 3]
    assert pool.encoded_is_range.tolist() == [False] * 3 + [True] * 3


def test_a_missing_number_is_put_in_the_middle_and_said():
    def columns(values):
        if values["op"] == "skip":
            return None
        if values["op"] == "pool":
            return {"cost": math.nan, "proxy": values["width"]}
        return {"cost": math.inf}

    pool = ColumnPool(make_space(), columns)
    assert pool.names == ["cost", "proxy"]
    ops = ("skip", "pool", "conv")
    x = pool.encode(pool.rows([{"op": op, "width": 0.9} for op in ops]))
    assert x[:, -1].tolist() == [1.0, 0.5, 1.0]
    assert x[:, -3].tolist() == [0.5, 0.5, 0.5]
    assert x[0, -2] == x[2, -2] == 0.5 < x[1, -2]


def test_names_may_differ_between_architectures():
    def columns(values):
        if values["op"] == "skip":
            return {"cost": None, "of_skips": values["width"]}
        # No random architecture has the last one.
        rare = {"rare": 1.0} if values["width"] == 0.5 else {}
        return {"cost": values["width"]} | rare

    pool = ColumnPool(make_space(), columns)
    assert pool.names == ["cost", "of_skips"]
    ops = ("skip", "conv")
    x = pool.encode(pool.rows([{"op": op, "width": 0.5} for op in ops]))
    assert x.shape == (2, 7)
    assert x[:, -1].tolist() == [0.5, 0.5]
    assert x[0, -3] == x[1, -2] == 0.5


def test_huge_and_equal_numbers_stay_finite():
    def columns(values):
        return {"huge": 1e308 * (2 * values["width"] - 1), "same": 7}

    pool = ColumnPool(make_space(), columns)
    x = pool.encode(pool.sample(50, np.random.default_rng(1)))
    assert np.isfinite(x).all()
    assert (x[:, -2] == 0.5).all()


def test_of_an_incomplete_architecture_nothing_is_known():
    space = make_space()
    with space.conditional_scope("op", ["conv"]):
        space.Boolean("bias")

    def columns(values):
        assert ("bias" in values) == (values["op"] == "conv")
        return {"cost": values["width"]}

    pool = ColumnPool(space, columns)
    some = [
        {"op": "pool", "width": 0.9},
        {"op": "conv", "width": 0.9, "bias": True},
        {"op": "conv", "width": 0.9},
        {"width": 0.9},
    ]
    x = pool.encode(pool.rows(some))
    assert x[:, -1].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert x[0, -2] == x[1, -2] > x[2, -2] == x[3, -2] == 0.5


def test_an_error_names_the_architecture():
    def columns(values):
        return {"cost": 1 / (values["op"] != "pool")}

    message = "`columns` raised.*'op': 'pool'.*None.*ZeroDivisionError"
    with pytest.raises(RuntimeError, match=message):
        ColumnPool(make_space(), columns)


@pytest.mark.parametrize(
    "wrong", [3.0, [1.0, 2.0], {"cost": "much"}, {"cost": [1.0, 2.0]}], ids=str
)
def test_anything_but_numbers_by_name_is_refused(wrong):
    message = f"`columns`.*dict of numbers.*{re.escape(repr(wrong))}"
    with pytest.raises(ValueError, match=message):
        ColumnPool(make_space(), lambda values: wrong)


def test_the_function_cannot_change_an_architecture():
    def columns(values):
        return {"cost": values.pop("width")}

    pool = ColumnPool(make_space(), columns)
    rows = pool.rows([{"op": "conv", "width": 0.25}])
    pool.encode(rows)
    assert pool.values(rows[0]) == {"op": "conv", "width": 0.25}


def test_no_column_at_all():
    pool = ColumnPool(make_space(), lambda values: {})
    x = pool.encode(pool.sample(7, np.random.default_rng(0)))
    assert x.shape == (7, 5)
    assert (x[:, -1] == 0).all()
    assert pool.encode(np.empty((0, 2))).shape == (0, 5)


def test_an_outlier_does_not_hide_the_others():
    def columns(values):
        return {"score": 10 ** (30 * values["width"] ** 8)}

    pool = ColumnPool(make_space(), columns)
    widths = (0.2, 0.6, 0.8, 1.0)
    x = pool.encode(pool.rows([{"op": "conv", "width": w} for w in widths]))
    scores = x[:, -2]
    assert (np.diff(scores) > 0).all()
    assert np.isfinite(scores).all()
    # Of 30 orders of magnitude.
    assert np.ptp(scores) < 20


def test_each_architecture_is_asked_for_once():
    asked = []

    def columns(values):
        asked.append((values["op"], values["width"]))
        return {"cost": values["width"]}

    pool = ColumnPool(make_space(), columns)
    rows = pool.sample(50, np.random.default_rng(1))
    first = pool.encode(rows)
    np.testing.assert_array_equal(pool.encode(rows[::-1])[::-1], first)
    assert len(asked) == len(set(asked)) == 150
