"""Asynchronous successive halving and Hyperband (Li et al., 2017, 2020)."""

import numbers

import numpy as np

from keras_nas.stopping.arguments import check_positive_integer
from keras_nas.stopping.curves import best_so_far
from keras_nas.stopping.stopping_rule import StoppingRule

# Multiples of it, modulo 1, fill the unit interval evenly at any length.
_GOLDEN_RATIO = 0.6180339887498949


class SuccessiveHalving(StoppingRule):
    """Lets only the best share of the trials pass each rung.

    Rungs stand after `min_epochs`, `min_epochs * reduction_factor`,
    `min_epochs * reduction_factor**2`, ... epochs. A trial that comes to one
    goes on if its best loss so far is in the best `1 / reduction_factor` of
    all trials that have come there, itself included. Nobody waits for
    others: the first trials at a rung pass it until there are enough of
    them to compare. With `reduction_factor=3`, of 27 epochs an average trial
    trains little more than 3.

    With `brackets=n` it is Hyperband: trials are divided over n brackets,
    of which each next one has its first rung `reduction_factor` times later,
    and are compared within their bracket. It guards against rungs so early
    that slow learners lose; more trials go to the brackets that stop early,
    so that each bracket costs about the same.

    Args:
        min_epochs: Integer, epochs until the first rung.
        reduction_factor: Number above 1, of how many trials one passes.
        brackets: Integer, how many starting points of the rungs.

    Raises:
        ValueError: If an argument is out of range.

    Reference:
        Li et al., [A System for Massively Parallel Hyperparameter
        Tuning](https://arxiv.org/abs/1810.05934), 2020 (ASHA, here in the
        form that stops trials instead of pausing them);
        Li et al., [Hyperband](https://arxiv.org/abs/1603.06560), 2017.

    Example:

    >>> rule = SuccessiveHalving(min_epochs=1, reduction_factor=3)
    >>> others = {0: [0.5], 1: [0.7]}
    >>> rule.should_stop([0.6], others, number=2)  # The second of three.
    True
    >>> rule.should_stop([0.4], others, number=2)
    False
    """

    def __init__(self, min_epochs=1, reduction_factor=3, brackets=1):
        check_positive_integer("min_epochs", min_epochs)
        check_positive_integer("brackets", brackets)
        is_number = isinstance(reduction_factor, numbers.Real)
        if not is_number or not reduction_factor > 1:
            raise ValueError(
                "Invalid value received for argument `reduction_factor`. "
                "Expected a number above 1. Received: "
                f"reduction_factor={reduction_factor!r}"
            )
        self.min_epochs = min_epochs
        self.reduction_factor = reduction_factor
        self.brackets = brackets

    def should_stop(self, curve, others, number):
        """Compares the trial with those of its bracket, at a rung."""
        epochs = len(curve)
        bracket = self._bracket(number)
        if not self._is_rung(epochs, bracket):
            return False
        rivals = [
            best_so_far(other, epochs)
            for other_number, other in others.items()
            if len(other) >= epochs and self._bracket(other_number) == bracket
        ]
        at_rung = len(rivals) + 1
        if at_rung < self.reduction_factor:
            return False
        own = best_so_far(curve, epochs)
        better = sum(rival < own for rival in rivals)
        return better >= max(1, int(at_rung / self.reduction_factor))

    def _is_rung(self, epochs, bracket):
        rung = self.min_epochs * self.reduction_factor**bracket
        while round(rung) < epochs:
            rung *= self.reduction_factor
        return round(rung) == epochs

    def _bracket(self, number):
        weights = float(self.reduction_factor) ** -np.arange(self.brackets)
        # A bracket that stops later costs more a trial, so it gets fewer.
        position = (number + 0.5) * _GOLDEN_RATIO % 1.0
        shares = np.cumsum(weights) / weights.sum()
        return int(np.searchsorted(shares, position, side="right"))
