"""What a search has learnt so far, as rewards without a scale."""

import numpy as np
from keras_tuner.engine.trial import TrialStatus


def rank_rewards(losses):
    """Turns losses into ranks: near 1 for the best, near 0 for the worst.

    A rank is the same whatever the unit of the objective is, and one loss
    that exploded does not make all others look alike.

    Args:
        losses: Sequence of numbers to minimise.

    Returns:
        `float64` array: the share of the losses that are worse, where equals
        count one half.

    Example:

    >>> rank_rewards([0.1, 5000.0, 0.3, 0.3])
    array([0.875, 0.125, 0.5  , 0.5  ])
    """
    losses = np.asarray(losses, dtype="float64")
    if not losses.size:
        return losses
    _, place, counts = np.unique(
        losses, return_inverse=True, return_counts=True
    )
    better = np.cumsum(counts) - counts
    return 1.0 - (better + 0.5 * counts)[place] / len(losses)


def rewarded_decisions(oracle, decisions):
    """Collects all that an oracle knows, as decisions and their rewards.

    Args:
        oracle: A `keras_nas.oracles.Oracle`.
        decisions: The `DecisionSequence` of its space.

    Returns:
        Pair of an integer array of shape `(architectures, decisions)` and an
        array of rewards: completed trials, in the order they ended, have
        their rank from 0 to 1, failed ones 0, and infeasible architectures
        less: the more they violate a constraint, the nearer to -1.
    """
    completed = oracle.completed_trials()
    failed = [
        trial
        for trial in map(oracle.trials.get, oracle.end_order)
        if trial.status == TrialStatus.FAILED
    ]
    known = {
        trial.trial_id: trial.hyperparameters.values
        for trial in completed + failed
    }
    for number, one in enumerate(oracle.infeasible):
        known["infeasible", number] = one["values"]
    violations = [one["violation"] for one in oracle.infeasible]
    rewards = np.concatenate(
        [
            rank_rewards([oracle.loss(trial) for trial in completed]),
            np.zeros(len(failed)),
            rank_rewards(violations) - 1.0,
        ]
    )
    return decisions.encode_all(known), rewards
