import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles, pareto
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    finish,
    finish_with,
    search,
    toy_space,
)

ERROR = keras_tuner.Objective("error", "min")
LATENCY_MS = keras_tuner.Objective("latency_ms", "min")


def ops_space(number=5, options=("conv", "pool", "skip")):
    """By default 3**5 = 243 architectures."""
    space = keras_tuner.HyperParameters()
    for i in range(number):
        space.Choice(f"op{i}", list(options))
    return space


def trade_off(values):
    """Each convolution halves the error, and takes 2 ms; each pool 1 ms.

    So the front has 6 points: (32 / 2**k, 2 * k) for k convolutions, and no
    pool.
    """
    ops = list(values.values())
    convs = ops.count("conv")
    latency_ms = 2.0 * convs + ops.count("pool")
    return {"error": 32 / 2**convs, "latency_ms": latency_ms}


FRONT = [(32 / 2**k, 2.0 * k) for k in range(6)]


def pareto_bayesian(objective=(ERROR, LATENCY_MS), **arguments):
    defaults = {"hyperparameters": ops_space(), "max_trials": 60, "seed": 0}
    return oracles.ParetoBayesianOracle(
        list(objective), **(defaults | arguments)
    )


def run(oracle, metrics=trade_off, trials=None):
    """Runs an oracle; where the metrics are `None`, the trial fails."""
    proposals = []
    while trials is None or len(proposals) < trials:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        values = dict(trial.hyperparameters.values)
        proposals.append(values)
        measured = metrics(values)
        if measured is None:
            finish(oracle, trial, None, "FAILED", f"error {len(proposals)}")
        else:
            finish_with(oracle, trial, measured)
    return proposals


def front_of(oracle):
    return sorted({oracle.losses(t) for t in oracle.pareto_front()})[::-1]


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_whole_front_of_a_small_space(seed):
    oracle = pareto_bayesian(seed=seed, max_trials=50)
    run(oracle)
    # Of the ends, 1 architecture of 243 each.
    assert front_of(oracle) == FRONT


def test_random_search_does_not():
    oracle = oracles.RandomOracle(
        [ERROR, LATENCY_MS],
        hyperparameters=ops_space(),
        max_trials=50,
        seed=0,
    )
    run(oracle)
    assert len(set(front_of(oracle)) & set(FRONT)) < 6


def test_what_learns_nothing_does_not_draw_the_search():
    # Without a path through op0 and op1, as in 3 of 16 networks.
    def is_broken(values):
        return values["op0"] == "none" and values["op1"] != "skip"

    def metrics(values):
        one = trade_off(values)
        if is_broken(values):
            return {"error": 1000.0, "latency_ms": one["latency_ms"] - 5}
        return one

    broken = []
    for seed in range(3):
        oracle = pareto_bayesian(
            seed=seed,
            hyperparameters=ops_space(6, ["conv", "pool", "skip", "none"]),
        )
        proposals = run(oracle, metrics)
        broken.append(sum(map(is_broken, proposals[10:])))
        sound = {loss for loss in front_of(oracle) if loss[0] < 1000}
        volume = pareto.hypervolume(list(sound), (64, 13))
        best = [(32 / 2**k, 2.0 * k) for k in range(7)]
        assert volume > 0.95 * pareto.hypervolume(best, (64, 13))
    # Of 50 trials; half would be, if all the front counted alike.
    assert np.mean(broken) < 15


@pytest.mark.parametrize("constant", [0.0, -3.0, 1e9])
def test_an_objective_that_is_constant_leaves_the_other_one(constant):
    oracle = pareto_bayesian(max_trials=40)
    run(oracle, lambda v: trade_off(v) | {"latency_ms": constant})
    # All convolutions: one of 243.
    assert front_of(oracle) == [(1.0, constant)]


def test_two_constants_are_no_error():
    oracle = pareto_bayesian(max_trials=20)
    run(oracle, lambda _: {"error": 1.0, "latency_ms": 2.0})
    assert len(oracle.pareto_front()) == 20


def test_three_objectives_have_their_ends_found():
    pools = keras_tuner.Objective("pools", "max")

    def metrics(values):
        return trade_off(values) | {
            "pools": list(values.values()).count("pool")
        }

    oracle = pareto_bayesian([ERROR, LATENCY_MS, pools], max_trials=90)
    run(oracle, metrics)
    # All convolutions, all skipped, all pools: one of 243 each.
    ends = {(1.0, 10.0, 0.0), (32.0, 0.0, 0.0), (32.0, 5.0, -5.0)}
    assert ends <= set(front_of(oracle))


@pytest.mark.parametrize("factor", [2.0**-20, 2.0**20])
def test_the_unit_of_an_objective_does_not_matter(factor):
    def metrics(values):
        one = trade_off(values)
        return one | {"latency_ms": factor * one["latency_ms"]}

    assert run(pareto_bayesian(max_trials=30)) == run(
        pareto_bayesian(max_trials=30), metrics
    )


def test_a_maximised_objective_is_turned_round():
    right = keras_tuner.Objective("right", "max")

    def metrics(values):
        one = trade_off(values)
        return {"right": -one["error"], "latency_ms": one["latency_ms"]}

    expected = run(pareto_bayesian(max_trials=30))
    assert run(
        pareto_bayesian([right, LATENCY_MS], max_trials=30), metrics
    ) == (expected)


def test_what_fails_is_learnt_from():
    # Two in three fail: those that begin otherwise than with a convolution.
    def metrics(values):
        return trade_off(values) if values["op0"] == "conv" else None

    failed = []
    for seed in range(3):
        oracle = pareto_bayesian(
            seed=seed, max_trials=40, max_consecutive_failed_trials=100
        )
        proposals = run(oracle, metrics)
        failed.append(sum(v["op0"] != "conv" for v in proposals[10:]))
        assert (1.0, 10.0) in front_of(oracle)
    # Of 30; 20 at random.
    assert np.mean(failed) < 10


def test_workers_try_different_things():
    oracle = pareto_bayesian(max_trials=40)
    run(oracle, trials=12)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(8)]
    proposals = [tuple(t.hyperparameters.values.values()) for t in trials]
    assert len(set(proposals)) == 8


def test_an_imported_project_replaces_the_random_start(tmp_path):
    earlier = pareto_bayesian(max_trials=20)
    earlier._set_project_dir(str(tmp_path), "earlier")
    run(earlier)

    def mean_hypervolume(is_imported):
        volumes = []
        for seed in range(5):
            later = pareto_bayesian(max_trials=6, seed=seed)
            if is_imported:
                later.import_trials(str(tmp_path / "earlier"))
            run(later)
            volumes.append(pareto.hypervolume(front_of(later), (64, 12)))
        return np.mean(volumes) / pareto.hypervolume(FRONT, (64, 12))

    # Without, all 6 are random.
    assert mean_hypervolume(True) > mean_hypervolume(False) + 0.05


def test_a_space_that_is_searched_through_ends_the_search():
    oracle = pareto_bayesian(hyperparameters=ops_space(3), max_trials=100)
    assert len(run(oracle)) == 27
    assert front_of(oracle) == [(32 / 2**k, 2.0 * k) for k in range(4)]


def test_with_one_objective_it_is_bayesian_optimization():
    ours, single = (
        oracle_class(
            OBJECTIVE, hyperparameters=toy_space(), max_trials=16, seed=0
        )
        for oracle_class in (
            oracles.ParetoBayesianOracle,
            oracles.BayesianOptimizationOracle,
        )
    )
    assert search(ours) == search(single)
    assert ours.recommend().trial_id == single.recommend().trial_id


def test_it_recommends_the_knee():
    oracle = pareto_bayesian(max_trials=50)
    run(oracle)
    # Shares of the ranges 31 and 10 for k = 1, 2, 3: 15/31 + .2 = .68,
    # 7/31 + .4 = .63, 3/31 + .6 = .70.
    assert oracle.losses(oracle.recommend()) == (8.0, 4.0)


@pytest.mark.parametrize("value", [0, 1.5, "ten"])
def test_a_bad_argument_is_an_error_that_says_what_was_expected(value):
    with pytest.raises(ValueError, match="`num_initial_points`") as raised:
        pareto_bayesian(num_initial_points=value)
    assert f"Received: num_initial_points={value!r}" in str(raised.value)
