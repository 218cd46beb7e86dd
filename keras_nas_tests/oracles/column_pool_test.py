import math

import keras_tuner
import numpy as np

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
