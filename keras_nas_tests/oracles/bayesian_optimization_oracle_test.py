"""Tests of Bayesian optimization beyond the contract of all oracles."""

import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import toy_loss, toy_space


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
