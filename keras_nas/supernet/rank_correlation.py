"""How far the order of shared weights agrees with that of trained models."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from keras_nas.ranking import kendall_tau, spearman

# The metric of trials that no training of their own has scored.
SHARED_WEIGHTS = "shared_weights"


@dataclasses.dataclass(frozen=True)
class RankCorrelation:
    """Agreement of two scores of the same architectures.

    Attributes:
        kendall_tau: Float from -1 to 1: by how much more pairs of
            architectures are in the same order than in the opposite one.
            Below about 0.5 a search by the one score alone misleads.
        interval: Pair of floats, the 95% bootstrap interval of it.
        spearman: Float from -1 to 1, the correlation of the ranks.
        supernet_scores: List of floats, by shared weights.
        trained_scores: List of floats, of models trained on their own.

    Example:

    >>> result = rank_correlation([1, 2, 3, 4], [10, 20, 40, 30])
    >>> round(result.kendall_tau, 3), round(result.spearman, 3)
    (0.667, 0.8)
    """

    kendall_tau: float
    interval: tuple
    spearman: float
    supernet_scores: list
    trained_scores: list

    def __str__(self):
        low, high = self.interval
        return (
            f"Kendall's tau {self.kendall_tau:.2f} (95%: {low:.2f} to "
            f"{high:.2f}), Spearman {self.spearman:.2f}, "
            f"{len(self.supernet_scores)} architectures"
        )


def rank_correlation(supernet_scores, trained_scores, seed=0):
    """Compares two scores of the same architectures.

    Args:
        supernet_scores: List of floats.
        trained_scores: List of floats.
        seed: Integer, for the bootstrap.

    Returns:
        `RankCorrelation`.

    Raises:
        ValueError: If there are fewer than 3 architectures, or a score is
            not finite.

    Reference:

    - [Yu et al., 2020, Evaluating the Search Phase of Neural Architecture
      Search](https://arxiv.org/abs/1902.08142)
    """
    scores = np.array([supernet_scores, trained_scores], float)
    if scores.shape[1] < 3 or not np.isfinite(scores).all():
        raise ValueError(
            "Expected finite scores of at least 3 architectures. Received: "
            f"supernet_scores={list(supernet_scores)}, "
            f"trained_scores={list(trained_scores)}"
        )
    rng = np.random.default_rng(seed)
    count = scores.shape[1]
    taus = []
    for _ in range(1000):
        sample = scores[:, rng.integers(count, size=count)]
        if np.ptp(sample, axis=1).all():
            taus.append(kendall_tau(*sample))
    low, high = np.quantile(taus or [np.nan], [0.025, 0.975])
    return RankCorrelation(
        kendall_tau=kendall_tau(*scores),
        interval=(float(low), float(high)),
        spearman=spearman(*scores),
        supernet_scores=scores[0].tolist(),
        trained_scores=scores[1].tolist(),
    )


def comparable_trials(trials, check, known_names):
    """Returns the finished trials, all of the space of a supernet.

    Args:
        trials: List of `keras_tuner.engine.trial.Trial`, or dict with them
            as values.
        check: Function that raises a `ValueError` for hyperparameters that
            the supernet has no architecture of.
        known_names: Set of strings, the hyperparameters of the supernet.

    Returns:
        List of those with a score.

    Raises:
        ValueError: If they are something else, of another space, or were
            scored by a supernet themselves.
    """
    given = trials
    if isinstance(trials, dict):
        trials = trials.values()
    trials = list(trials) if isinstance(trials, Iterable) else [trials]
    if not all(hasattr(t, "score") and hasattr(t, "metrics") for t in trials):
        raise ValueError(
            "Invalid value received for argument `trials`. Expected finished "
            "trials, such as `tuner.oracle.get_best_trials(24)`. Received: "
            f"trials={given!r}"
        )
    trials = [trial for trial in trials if trial.score is not None]
    shared = [t for t in trials if t.metrics.exists(SHARED_WEIGHTS)]
    if shared:
        raise ValueError(
            f"Trial {shared[0].trial_id} was scored by `WeightSharing`: a "
            "supernet would be compared with itself. Expected trials of "
            "architectures that were trained on their own, such as those of "
            "`RandomSearch(build, ...)` without that evaluator."
        )
    others = {}
    for trial in trials:
        try:
            check(trial.hyperparameters)
        except ValueError as error:
            raise ValueError(
                f"Trial {trial.trial_id} is of another space than the "
                "supernet. Expected trials of a tuner with the same "
                f"`build`. The difference: {error}"
            ) from error
        for name, value in trial.hyperparameters.values.items():
            if name not in known_names and not name.startswith("tuner/"):
                others.setdefault(name, set()).add(repr(value))
    differing = [name for name, values in others.items() if len(values) > 1]
    if differing:
        raise ValueError(
            f"The trials differ in the hyperparameters {differing}, which the "
            "supernet does not have: it would give the same score to trials "
            "that are not the same. Expected trials of a tuner with the same "
            f"`build`, of {sorted(known_names)}."
        )
    return trials


def check_metric(metric, trials):
    """Raises a `ValueError` unless all trials report a metric.

    Args:
        metric: String, without `val_`.
        trials: List of `keras_tuner.engine.trial.Trial`.
    """
    for trial in trials:
        known = sorted(trial.metrics.metrics)
        if f"val_{metric}" not in known:
            raise ValueError(
                "Invalid value received for argument `metric`. Expected a "
                "metric of the validation data that all trials report, "
                f"without `val_`. Trial {trial.trial_id} reports {known}. "
                f"Received: metric={metric!r}"
            )
