"""Shares of the variance against those computed by hand."""

import sys

import keras_tuner
import numpy as np
import pytest

from keras_nas.reports import FunctionalAnova


def anova_of(function, repeats=8):
    space = keras_tuner.HyperParameters()
    space.Choice("a", ["x", "y"])
    space.Boolean("b")
    space.Int("c", 0, 1)
    values = [
        {"a": a, "b": b, "c": c}
        for a in "xy"
        for b in (False, True)
        for c in (0, 1)
    ] * repeats
    losses = [function(one["a"] == "y", one["b"], one["c"]) for one in values]
    return FunctionalAnova(space, values, losses, np.random.default_rng(0))


def test_a_sum_is_split_by_the_squares_of_its_terms():
    anova = anova_of(lambda a, b, c: 3 * a + b)
    assert list(anova.importances) == ["a", "b", "c"]
    assert anova.importances["a"] == pytest.approx(0.9, abs=0.01)
    assert anova.importances["b"] == pytest.approx(0.1, abs=0.01)
    assert max(anova.interactions.values()) < 0.01
    assert anova.quality == pytest.approx(1.0, abs=0.01)


def test_an_exclusive_or_is_an_interaction_and_nothing_else():
    anova = anova_of(lambda a, b, c: float(a != bool(c)))
    (pair, share), *rest = anova.interactions.items()
    assert set(pair) == {"a", "c"}
    assert share == pytest.approx(1.0, abs=0.02)
    assert max(share for _, share in rest) < 0.01
    assert max(anova.importances.values()) < 0.02


def test_a_mixed_function():
    # a + a*c in terms of signs: 1.5a/2, c/4 and ac/4: 9 to 1 to 1.
    anova = anova_of(lambda a, b, c: a + a * c)
    assert anova.importances["a"] == pytest.approx(9 / 11, abs=0.02)
    assert anova.importances["c"] == pytest.approx(1 / 11, abs=0.02)
    share = next(iter(anova.interactions.values()))
    assert share == pytest.approx(1 / 11, abs=0.02)


def test_inactive_and_continuous_hyperparameters():
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["flat", "dense"])
    space.Int("units", 1, 9, parent_name="head", parent_values=["dense"])
    space.Float("rate", 1e-4, 1.0, sampling="log")
    space.Fixed("epochs", 3)
    rng = np.random.default_rng(0)
    values = [
        {"head": "flat", "rate": 10 ** (-4 * rng.random())} for _ in range(60)
    ]
    losses = [np.log10(one["rate"]) for one in values]
    anova = FunctionalAnova(space, values, losses, rng)
    assert anova.importances["rate"] > 0.99
    assert set(anova.importances) == {"head", "units", "rate"}


def test_a_number_that_is_defined_under_several_conditions():
    space = keras_tuner.HyperParameters()
    space.Choice("optimizer", ["adam", "sgd"])
    ranges = {"adam": (1e-4, 1e-2), "sgd": (1e-3, 1.0)}
    for name, (low, high) in ranges.items():
        with space.conditional_scope("optimizer", [name]):
            space.Float("rate", low, high, sampling="log")
    rng = np.random.default_rng(0)
    values = []
    for number in range(100):
        name = ("adam", "sgd")[number % 2]
        low, high = np.log10(ranges[name])
        rate = 10 ** rng.uniform(low, high)
        values.append({"optimizer": name, "rate": rate})
    losses = [np.log10(one["rate"]) for one in values]
    anova = FunctionalAnova(space, values, losses, rng)
    # Each optimizer has a range of its own, so it tells something as well.
    assert anova.importances["rate"] > 0.8
    assert anova.quality > 0.9


def test_a_space_without_a_choice_is_refused():
    space = keras_tuner.HyperParameters()
    space.Fixed("epochs", 3)
    losses = np.arange(20.0)
    with pytest.raises(ValueError, match="one with two values"):
        FunctionalAnova(space, [{}] * 20, losses, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_shares():
    first, second = (anova_of(lambda a, b, c: a + b * c) for _ in "12")
    assert first.importances == second.importances


def test_too_few_trials_or_all_equal_are_refused():
    with pytest.raises(ValueError, match="at least 10 .*Received: 8 trials"):
        anova_of(lambda a, b, c: a, repeats=1)
    with pytest.raises(ValueError, match="1 different"):
        anova_of(lambda a, b, c: 1.0)


def test_without_scikit_learn_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ImportError, match=r"keras-nas\[reports\]"):
        anova_of(lambda a, b, c: a)
