"""One number of several objectives, in any oracle."""

import pytest

from keras_nas import oracles
from keras_nas.objectives import SoftConstraint, WeightedChebyshev
from keras_nas.oracles import RandomOracle
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVES,
    Project,
    finish_with,
    toy_metrics,
    toy_space,
)


def make(oracle, objective, trials=40):
    return oracle(
        objective, max_trials=trials, hyperparameters=toy_space(), seed=1
    )


def search(oracle, trials=None):
    done = 0
    while trials is None or done < trials:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        metrics = toy_metrics(trial.hyperparameters.values)
        finish_with(oracle, trial, metrics)
        done += 1
    return oracle


def test_the_score_is_the_number_and_the_front_that_of_the_parts():
    objective = SoftConstraint(OBJECTIVES[0], OBJECTIVES[1], target=10, beta=-1)
    oracle = search(make(RandomOracle, objective))
    for trial in oracle.trials.values():
        metrics = toy_metrics(trial.hyperparameters.values)
        right, cost = metrics["right"], metrics["cost"]
        exponent = -0.07 if cost <= 10 else -1
        expected = right * (cost / 10) ** exponent
        assert trial.score == pytest.approx(expected)
        assert oracle.losses(trial) == (-right, cost)
        assert oracle.loss(trial) == -trial.score
    scores = [trial.score for trial in oracle.get_best_trials(40)]
    assert scores == sorted(scores, reverse=True)
    assert oracle.recommend().score == scores[0]
    assert len(oracle.pareto_front()) > 1


@pytest.mark.parametrize(
    "oracle",
    [oracles.RegularizedEvolutionOracle, oracles.BayesianOptimizationOracle],
)
def test_an_oracle_finds_more_of_it_than_random_search(oracle):
    # The ideal is out of reach; it is nearest at 7 right for a cost of 5.
    objective = WeightedChebyshev(OBJECTIVES, ideal=[10, 0], nadir=[0, 15])

    def best(kind):
        return search(make(kind, objective)).get_best_trials()[0].score

    assert best(oracle) < best(RandomOracle)


def test_a_resumed_search_knows_its_scores(tmp_path):
    objective = WeightedChebyshev(OBJECTIVES, ideal=[10, 0], nadir=[0, 15])
    project = Project(tmp_path)
    evolution = oracles.RegularizedEvolutionOracle
    first = search(project.open(make(evolution, objective)), trials=20)
    second = project.open(make(evolution, objective))
    assert [t.score for t in second.get_best_trials(5)] == [
        t.score for t in first.get_best_trials(5)
    ]
    expected = search(make(evolution, objective)).get_best_trials(5)
    search(second)
    assert [t.score for t in second.get_best_trials(5)] == [
        t.score for t in expected
    ]
