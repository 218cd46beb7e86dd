"""What every oracle for several objectives has to keep."""

import functools

import keras_tuner
import numpy as np
import pytest

from keras_nas import architectures, oracles, pareto
from keras_nas_tests.oracles.oracle_contract import (
    MULTI_OBJECTIVE,
    OBJECTIVES,
    Participant,
    Project,
    finish,
    finish_with,
    keys,
    rich_space,
    small_space,
    toy_metrics,
    toy_space,
)

pytestmark = pytest.mark.parametrize("create", MULTI_OBJECTIVE, ids=str)

# In `toy_space`: nothing is right, and everything costs 3.
REFERENCE = (0, 30)

RANDOM = Participant(oracles.RandomOracle)


def search(oracle, trials=None, metrics=toy_metrics):
    """Runs an oracle until it stops, or so many trials."""
    proposals = []
    while trials is None or len(proposals) < trials:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        proposals.append(dict(trial.hyperparameters.values))
        finish_with(oracle, trial, metrics(proposals[-1]))
    return proposals


def hypervolume(oracle):
    """Of what it has found in `toy_space`; 259 is the true front's."""
    losses = [oracle.losses(trial) for trial in oracle.completed_trials()]
    return pareto.hypervolume(losses, REFERENCE)


def test_the_toy_has_the_front_that_it_says(create):
    del create
    # All that is right, less what costs most, one after the other.
    steps = [(3, 0), (4, 1), (5, 2), (6, 3), (7, 5), (8, 7), (9, 10), (10, 13)]
    best = dict(zip([f"op{i}" for i in range(10)], "abcdabcdab", strict=True))
    assert toy_metrics(best) == {"right": 10, "cost": 13}
    points = [(-right, cost) for right, cost in steps]
    # A strip for each number of right ones, from 0 up to the end.
    expected = 3 * 30 + 29 + 28 + 27 + 25 + 23 + 20 + 17
    assert pareto.hypervolume(points, REFERENCE) == expected


def test_it_finds_more_than_random_search(create):
    ours, randoms = (
        mean_hypervolume(create),
        mean_hypervolume(RANDOM),
    )
    # The standard error of each is about 2, of 3 seeds 4.
    assert ours > randoms + 10


def test_evolution_in_random_directions_is_not_behind_nsga2(create):
    if create.oracle is oracles.RegularizedEvolutionOracle:
        nsga2 = Participant(oracles.NSGA2Oracle)
        # The standard error of the difference is about 9.
        assert mean_hypervolume(create) > mean_hypervolume(nsga2) - 10


@functools.cache
def searched(participant, seed):
    """Returns the oracle after a search of 60 trials; leave it as it is."""
    oracle = participant.at_its_best(
        toy_space(), objective=OBJECTIVES, max_trials=60, seed=seed
    )
    search(oracle)
    return oracle


@functools.cache
def mean_hypervolume(participant):
    """Of 60 trials, over 10 seeds or fewer."""
    seeds = range(min(10, participant.seeds))
    return np.mean([hypervolume(searched(participant, seed)) for seed in seeds])


def test_the_front_moves_on(create):
    gains = []
    for seed in range(3):
        oracle = searched(create, seed)
        losses = [oracle.losses(trial) for trial in oracle.completed_trials()]
        first, last = (
            pareto.hypervolume(part, REFERENCE)
            for part in (losses[:20], losses[40:])
        )
        gains.append(last - first)
    assert np.mean(gains) > 0


def test_the_best_trials_begin_with_the_knee_and_the_ends(create):
    oracle = create(toy_space(), objective=OBJECTIVES, max_trials=20)
    search(oracle)
    front = oracle.pareto_front()
    losses = [oracle.losses(trial) for trial in front]
    best = oracle.get_best_trials(20)
    assert len(best) == 20
    assert best[0] is front[pareto.knee(losses)]
    assert oracle.recommend() is best[0]
    ahead = [oracle.losses(trial) for trial in best[: len(front)]]
    assert sorted(ahead) == sorted(losses)
    if len(set(losses)) > 2:
        assert {ahead[1], ahead[2], ahead[0]} >= {min(losses), max(losses)}


def test_the_front_has_both_ends_and_no_trial_that_is_dominated(create):
    oracle = searched(create, 0)
    front = [oracle.losses(trial) for trial in oracle.pareto_front()]
    everything = [oracle.losses(t) for t in oracle.completed_trials()]
    assert len(set(front)) > 1 or not create.spreads
    for index in (0, 1):
        assert min(f[index] for f in front) == min(e[index] for e in everything)
    for one in front:
        assert not any(
            other != one and other[0] <= one[0] and other[1] <= one[1]
            for other in everything
        )


def test_the_score_is_the_sum_as_in_kerastuner(create):
    oracle = create(toy_space(), objective=OBJECTIVES)
    search(oracle, trials=3)
    for trial in oracle.completed_trials():
        metrics = toy_metrics(trial.hyperparameters.values)
        assert trial.score == metrics["cost"] - metrics["right"]


def test_three_objectives_are_searched(create):
    third = keras_tuner.Objective("ds", "min")

    def metrics(values):
        ds = float(list(values.values()).count("d"))
        return toy_metrics(values) | {"ds": ds}

    oracle = create(toy_space(), objective=[*OBJECTIVES, third], max_trials=24)
    assert len(set(keys(search(oracle, metrics=metrics), toy_space()))) == 24
    assert {len(oracle.losses(t)) for t in oracle.pareto_front()} == {3}


def test_the_same_seed_gives_the_same_search_and_another_one_does_not(create):
    def proposals(seed):
        return search(
            create(rich_space(), objective=OBJECTIVES, seed=seed),
            trials=16,
            metrics=rich_metrics,
        )

    assert proposals(3) == proposals(3)
    assert proposals(3) != proposals(4)


def rich_metrics(values):
    """Deep networks are more often right, and cost more."""
    right = values["depth"] - abs(np.log10(values["lr"]) + 2)
    return {"right": right, "cost": float(2 ** values["depth"] + len(values))}


def test_the_unit_of_an_objective_makes_no_difference(create):
    def proposals(unit):
        def metrics(values):
            found = rich_metrics(values)
            return found | {"cost": unit * found["cost"]}

        oracle = create(rich_space(), objective=OBJECTIVES, max_trials=16)
        return search(oracle, metrics=metrics)

    assert proposals(1) == proposals(1024)


def test_a_resumed_search_goes_on_as_an_uninterrupted_one(create, tmp_path):
    def new():
        return create(rich_space(), objective=OBJECTIVES, max_trials=16)

    expected = search(new(), metrics=rich_metrics)
    project = Project(tmp_path)
    proposals = []
    for trials in (3, 4, 5, 4):
        oracle = project.open(new())
        proposals += search(oracle, trials, rich_metrics)
    assert proposals == expected
    assert len(proposals) == 16


def test_nothing_is_repeated_while_trials_run_and_fail(create):
    space = small_space()
    oracle = create(
        space,
        objective=OBJECTIVES,
        max_trials=100,
        max_consecutive_failed_trials=100,
    )
    proposals = []
    for _ in range(4):
        trials = [oracle.create_trial(f"tuner{i}") for i in range(4)]
        proposals += [trial.hyperparameters.values for trial in trials]
        finish(oracle, trials[1], None, "FAILED", "broken")
        finish_with(oracle, trials[2], {"right": float("nan"), "cost": 1.0})
        for trial in (trials[3], trials[0]):
            size = float(len(trial.hyperparameters.values))
            finish_with(oracle, trial, {"right": size, "cost": size})
    assert len(set(keys(proposals, space))) == 16
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert len(oracle.completed_trials()) == 8


def test_what_violates_a_constraint_is_never_tried_and_learnt_from(create):
    oracle = create(toy_space(), objective=OBJECTIVES, max_trials=20)

    def screen(values):
        cost = toy_metrics(values)["cost"]
        return {
            "violation": max(0.0, cost - 12) / 12,
            "reason": f"it costs {cost}",
            "ratios": {"cost": cost / 12},
        }

    oracle.screen = screen
    proposals = search(oracle)
    assert len(proposals) == 20
    assert max(toy_metrics(values)["cost"] for values in proposals) <= 12
    # One draw in 8 is feasible; the mean cost is 15.
    assert oracle.infeasible
    rejected = [one["values"] for one in oracle.infeasible]
    seen = keys(proposals + rejected, toy_space())
    assert len(set(seen)) == len(seen)


def test_proposals_are_inside_a_conditional_space(create):
    space = rich_space()
    oracle = create(space, objective=OBJECTIVES, max_trials=30)
    for values in search(oracle, metrics=rich_metrics):
        assert architectures.active_values(values, space) == values
        assert (
            architectures.complete(values, space, np.random.default_rng(0))
            == values
        )
        architectures.check_values(values, space)
