import numpy as np
import pytest

from keras_nas import oracles
from keras_nas.oracles.decision_sequence import DecisionSequence
from keras_nas.oracles.rewards import rank_rewards, rewarded_decisions
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    finish,
    toy_space,
)


def test_a_reward_is_the_share_of_what_is_worse():
    # Equals count one half, each with itself too.
    assert rank_rewards([3, 1, 2, 9]).tolist() == [0.375, 0.875, 0.625, 0.125]
    assert rank_rewards([5, 5, 1]).tolist() == pytest.approx(
        [1 / 3] * 2 + [5 / 6]
    )
    assert rank_rewards([7.0]).tolist() == [0.5]
    assert rank_rewards([]).tolist() == []


def test_rewards_have_no_scale():
    losses = np.random.default_rng(0).normal(size=20)
    expected = rank_rewards(losses).tolist()
    assert rank_rewards(1e6 * losses - 5).tolist() == expected
    assert rank_rewards(np.exp(losses)).tolist() == expected


def test_failed_trials_are_worse_than_completed_and_better_than_infeasible():
    space = toy_space()
    oracle = oracles.RandomOracle(OBJECTIVE, hyperparameters=space, seed=0)
    violations = iter([0.5, 0.1, 0.0, 0.0, 0.0])
    oracle.screen = lambda values: {
        "violation": next(violations),
        "reason": "size",
    }
    for loss in (2.0, None, 1.0):
        trial = oracle.create_trial("tuner0")
        status = "FAILED" if loss is None else "COMPLETED"
        finish(oracle, trial, loss, status, "error")
    decisions = DecisionSequence(space, 4)
    rows, rewards = rewarded_decisions(oracle, decisions)
    # Completed: losses 2 and 1. Failed. Infeasible: 0.5 and 0.1.
    assert rewards.tolist() == [0.25, 0.75, 0.0, -0.75, -0.25]
    known = [oracle.trials[i].hyperparameters.values for i in ("0000", "0002")]
    known += [oracle.trials["0001"].hyperparameters.values]
    known += [one["values"] for one in oracle.infeasible]
    assert rows.tolist() == [decisions.encode(values) for values in known]
