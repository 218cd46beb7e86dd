"""The choice among files, by numbers made up for each case."""

import types

import pytest

from keras_nas.deployment.limits import Limits
from keras_nas.deployment.variant import Variant


def variant(name, size_bytes, drop=0.0, latency_ms=1.0, passed=True):
    return Variant(
        name,
        verification=types.SimpleNamespace(passed=passed, failed_checks=()),
        accuracy_drop=drop,
        size_bytes=size_bytes,
        latencies={(1, True): types.SimpleNamespace(latency_ms=latency_ms)},
    )


BIG = variant("float32", 400, 0.0, 4.0)
MIDDLE = variant("float16", 200, 0.004, 3.0)
SMALL = variant("int8", 100, 0.03, 1.0)
ALL = [BIG, MIDDLE, SMALL]


def explain(limits, variants):
    deployment = types.SimpleNamespace(
        name="m", variants={v.name: v for v in variants}
    )
    return limits.explain(deployment)


@pytest.mark.parametrize(
    ("limits", "best"),
    [
        ({}, SMALL),
        ({"max_accuracy_drop": 0.03}, SMALL),
        ({"max_accuracy_drop": 0.01}, MIDDLE),
        ({"max_accuracy_drop": 0.0}, BIG),
        # Nothing to save below the limit: the most accurate.
        ({"max_bytes": 400}, BIG),
        ({"max_bytes": 399}, MIDDLE),
        ({"max_latency_ms": 3.5}, MIDDLE),
        ({"max_bytes": 400, "max_accuracy_drop": 0.01}, MIDDLE),
        ({"max_latency_ms": 1.0, "max_accuracy_drop": 0.01}, None),
        ({"max_bytes": 99}, None),
    ],
)
def test_the_best_within_the_limits(limits, best):
    assert Limits(**limits).choose(ALL) is best


def test_of_two_files_of_one_size_the_faster_is_chosen():
    fast = variant("int8", 100, latency_ms=0.5)
    assert Limits().choose([variant("dynamic", 100), fast]) is fast


def test_equally_accurate_means_equal_up_to_noise():
    smaller = variant("int8", 100, 0.0015)
    assert Limits(max_bytes=500).choose([BIG, smaller]) is smaller


def test_a_file_that_failed_is_not_chosen():
    wrong = variant("int8", 10, passed=False)
    missing = Variant("int8_io", error="crashed")
    assert Limits().choose([BIG, wrong, missing]) is BIG
    error = explain(Limits(), [missing])
    assert "int8_io: crashed" in str(error)
    assert error.nearest is None


def test_an_accuracy_that_is_not_a_number_meets_no_limit():
    lost = variant("int8", 10, drop=float("nan"))
    assert Limits(max_accuracy_drop=0.5).choose([lost, BIG]) is BIG


def test_the_nearest_is_told_with_its_gap():
    error = explain(Limits(max_bytes=90), ALL)
    assert (error.limit, error.nearest, error.gap) == ("max_bytes", SMALL, 10)
    assert "no variant meets max_bytes" in str(error)
    assert "max_bytes=90 is exceeded by 10 bytes" in str(error)


def test_limits_that_no_file_meets_together_are_told_as_such():
    limits = Limits(max_accuracy_drop=0.01, max_bytes=150)
    error = explain(limits, ALL)
    assert "met by some variant, but not all by one" in str(error)
    # A third above 150 bytes; of the drop SMALL has three times too much.
    assert error.nearest is MIDDLE
    assert error.gap == 50


@pytest.mark.parametrize("value", [-1, "1", float("nan"), float("inf"), [1]])
def test_a_limit_is_a_number(value):
    with pytest.raises(ValueError, match="`max_bytes`"):
        Limits(max_bytes=value)
