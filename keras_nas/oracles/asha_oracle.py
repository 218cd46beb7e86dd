"""Asynchronous successive halving, ASHA (Li et al., 2020)."""

from keras_nas.oracles.random_oracle import RandomOracle
from keras_nas.stopping import SuccessiveHalving


class ASHAOracle(RandomOracle):
    """Proposes at random, and ends early what falls behind.

    Many random candidates begin, and fewer and fewer are trained on: the
    epochs go where they promise most. Use it where a training is long and
    says early how it will end, with many more trials than could be trained
    fully. The rule is `keras_nas.stopping.SuccessiveHalving`; give the same
    to another oracle's tuner as `stopping_rule=` to combine it with, say,
    evolution. With `brackets` above 1 this is Hyperband.

    Args:
        min_epochs: Integer, epochs until the first trials are stopped.
        reduction_factor: Number above 1, of how many trials one goes on.
        brackets: Integer, see `SuccessiveHalving`.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`.

    Reference:
        Li et al., [A System for Massively Parallel Hyperparameter
        Tuning](https://arxiv.org/abs/1810.05934), 2020.

    Example:

    >>> ASHAOracle("val_loss", reduction_factor=4).stopping_rule.min_epochs
    1
    """

    def __init__(
        self,
        objective=None,
        max_trials=100,
        min_epochs=1,
        reduction_factor=3,
        brackets=1,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        self.stopping_rule = SuccessiveHalving(
            min_epochs, reduction_factor, brackets
        )
