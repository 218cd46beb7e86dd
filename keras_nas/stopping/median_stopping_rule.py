"""The median stopping rule (Golovin et al., 2017)."""

import numpy as np

from keras_nas.stopping.arguments import check_positive_integer
from keras_nas.stopping.curves import best_so_far
from keras_nas.stopping.stopping_rule import StoppingRule


class MedianStoppingRule(StoppingRule):
    """Stops a trial whose best is worse than the others' median average.

    After epoch s a trial is stopped if its best loss so far is higher than
    the median, over all other trials that got as far, of their mean loss up
    to s. It needs no settings, assumes no shape of the curves and stops only
    what is clearly behind. Use `SuccessiveHalving` to save more.

    Args:
        min_epochs: Integer, every trial gets so many epochs.
        min_trials: Integer, nothing is stopped before so many other trials
            have got as far.

    Raises:
        ValueError: If an argument is not a positive integer.

    Reference:
        Golovin et al., [Google Vizier: A Service for Black-Box
        Optimization](https://research.google/pubs/pub46180/), 2017,
        section 3.2.2.

    Example:

    >>> rule = MedianStoppingRule(min_trials=2)
    >>> others = {0: [1.0, 0.6], 1: [0.9, 0.3]}  # Means 0.8 and 0.6.
    >>> rule.should_stop([0.9, 0.71], others, number=2)
    True
    >>> rule.should_stop([0.9, 0.69], others, number=2)
    False
    """

    def __init__(self, min_epochs=1, min_trials=5):
        for name, value in (
            ("min_epochs", min_epochs),
            ("min_trials", min_trials),
        ):
            check_positive_integer(name, value)
        self.min_epochs = min_epochs
        self.min_trials = min_trials

    def should_stop(self, curve, others, number):
        """Compares the best of the trial with the median of the means."""
        epochs = len(curve)
        if epochs < self.min_epochs:
            return False
        means = [_mean(o[:epochs]) for o in others.values() if len(o) >= epochs]
        if len(means) < self.min_trials:
            return False
        return bool(best_so_far(curve, epochs) > np.median(means))


def _mean(losses):
    finite = [loss for loss in losses if np.isfinite(loss)]
    return float(np.mean(finite)) if finite else float("inf")
