"""Tests of Bayesian optimization beyond the contract of all oracles."""

import itertools

import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    Project,
    toy_loss,
    toy_space,
)


def create(space, **arguments):
    defaults = {"max_trials": 40, "seed": 0, "hyperparameters": space}
    return oracles.BayesianOptimizationOracle(
        keras_tuner.Objective("loss", "min"), **(defaults | arguments)
    )


def search(oracle, loss, trials):
    tried = []
    for _ in range(trials):
        trial = oracle.create_trial("tuner0")
        values = dict(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {"loss": loss(values)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        tried.append(values)
    return tried


def test_it_finds_what_is_best_among_a_million():
    # Random search has tried nothing better than 3 by then.
    losses = []
    for seed in range(3):
        oracle = create(toy_space(), seed=seed, max_trials=None)
        losses.append(min(map(toy_loss, search(oracle, toy_loss, 60))))
    assert np.mean(losses) < 1.5


def test_an_infinite_loss_is_never_good():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["bad", "good"])
    for number in range(5):
        space.Choice(f"other{number}", list("abcd"))
    oracle = create(space, max_trials=None, num_initial_points=8)
    tried = search(
        oracle,
        lambda values: np.inf if values["op"] == "bad" else 1.0,
        trials=40,
    )
    later = [values["op"] for values in tried[8:]]
    assert later.count("bad") <= 4
    assert oracle.recommend().hyperparameters.values["op"] == "good"


@pytest.mark.parametrize("imported", [0, 8])
def test_it_recommends_by_its_model_as_well_as_by_luck(imported, tmp_path):
    space = keras_tuner.HyperParameters()
    for number in range(5):
        space.Choice(f"op{number}", ["a", "b", "c", "d"])

    def wrong(values):
        letters = zip("abcda", values.values(), strict=True)
        return sum(right != value for right, value in letters)

    luckiest, recommended = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        oracle = create(
            space,
            seed=seed,
            max_trials=None,
            num_initial_points=200 + imported,
        )
        if imported:
            # Better than any of this search, but not its own.
            earlier = create(space, seed=seed, num_initial_points=imported)
            earlier._set_project_dir(str(tmp_path), f"earlier{seed}")
            search(earlier, lambda values: wrong(values) - 10, imported)
            oracle.import_trials(tmp_path / f"earlier{seed}")
        search(
            oracle,
            lambda values, rng=rng: wrong(values) + rng.standard_normal(),
            trials=200,
        )
        best = oracle.get_best_trials(1)[0]
        luckiest.append(wrong(best.hyperparameters.values))
        recommended.append(wrong(oracle.recommend().hyperparameters.values))
    assert np.mean(recommended) < np.mean(luckiest) - 0.2


def test_without_noise_it_recommends_the_best():
    for seed in range(3):
        oracle = create(toy_space(), seed=seed, max_trials=None)
        search(oracle, toy_loss, 50)
        assert oracle.recommend() is oracle.get_best_trials(1)[0]


@pytest.mark.parametrize(
    "oracle_class",
    [
        oracles.BayesianOptimizationOracle,
        oracles.PredictorGuidedOracle,
        oracles.ParetoBayesianOracle,
    ],
)
def test_imported_trials_count_as_initial_points(oracle_class, tmp_path):
    earlier = create(toy_space(), seed=1)
    earlier._set_project_dir(str(tmp_path), "earlier")
    search(earlier, toy_loss, 8)

    def searched(oracle_class, **arguments):
        oracle = oracle_class(
            keras_tuner.Objective("loss", "min"),
            hyperparameters=toy_space(),
            seed=0,
            **arguments,
        )
        oracle.import_trials(str(tmp_path / "earlier"))
        return search(oracle, toy_loss, 3)

    at_random = searched(oracles.RandomOracle)
    # The random start is filled up only.
    proposals = searched(oracle_class, num_initial_points=10)
    assert proposals[:2] == at_random[:2]
    assert proposals[2] != at_random[2]
    assert searched(oracle_class, num_initial_points=8)[0] != at_random[0]


# What is more costly is better, so that the best is just within the limit.
COSTS = {"a": 1.0, "b": 2.0, "c": 3.5, "d": 6.0}
LIMIT = 16.0


def cost(values):
    return sum(COSTS[values[f"op{i}"]] * (1 + 0.3 * i) for i in range(5))


def loss_within(values):
    return -cost(values) + 4 * (values["op0"] == "b") * (values["op3"] == "b")


def screen(values):
    return {
        "violation": max(0.0, cost(values) / LIMIT - 1),
        "reason": "cost",
        "ratios": {"cost": cost(values) / LIMIT},
    }


def constrained_search(seed=0, **arguments):
    space = keras_tuner.HyperParameters()
    for i in range(5):
        space.Choice(f"op{i}", list(COSTS))
    oracle = create(space, seed=seed, max_trials=None, **arguments)
    oracle.screen = screen
    return oracle


def test_the_best_within_a_limit_is_found_by_what_is_known_of_the_cost():
    everything = [
        {f"op{i}": op for i, op in enumerate(ops)}
        for ops in itertools.product(COSTS, repeat=5)
    ]
    feasible = [values for values in everything if cost(values) <= LIMIT]
    assert len(feasible) / len(everything) == pytest.approx(0.09, abs=0.02)
    best = min(map(loss_within, feasible))
    for seed in range(3):
        oracle = constrained_search(seed)
        tried = search(oracle, loss_within, trials=30)
        assert min(map(loss_within, tried)) == best
        # Ten in a row at random; few once the cost is known.
        late = [one for one in oracle.infeasible if one["ended_trials"] >= 12]
        assert len(late) <= 2 * 18


def test_a_resume_knows_what_the_costs_were(tmp_path):
    def open_project(directory):
        directory.mkdir(exist_ok=True)
        return Project(directory).open(constrained_search())

    whole = open_project(tmp_path / "whole")
    expected = search(whole, loss_within, trials=18)
    found = []
    for _ in range(3):
        resumed = open_project(tmp_path / "parts")
        found += search(resumed, loss_within, trials=6)
    assert found == expected
    assert resumed.infeasible == whole.infeasible


def test_without_costs_it_goes_by_the_violations():
    oracle = constrained_search(num_initial_points=5)
    oracle.screen = lambda values: {
        "violation": float(values["op0"] == "d"),
        "reason": "no d",
    }
    tried = search(oracle, loss_within, trials=40)
    assert not any(values["op0"] == "d" for values in tried)
    # One in four, if nothing were learnt, and more, as "d" promises most.
    assert len(oracle.infeasible) <= 8
