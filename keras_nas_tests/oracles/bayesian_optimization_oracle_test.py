"""Tests of Bayesian optimization beyond the contract of all oracles."""

import keras_tuner
import numpy as np

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


def test_it_recommends_by_its_model_as_well_as_by_luck():
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
            space, seed=seed, max_trials=None, num_initial_points=200
        )
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
