"""Asynchronous successive halving as a tuner (Li et al., 2020)."""

from keras_nas.oracles import ASHAOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class ASHA(Tuner):
    """Starts many trials, and trains on only the best.

    For trainings of many epochs: give `epochs` as for a full training and
    `max_trials` some three times as large as you could afford in full. See
    `keras_nas.oracles.ASHAOracle` for the algorithm. In `search(workers=N)`
    nobody waits for others, which the name says.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        min_epochs: Integer, epochs until the first trials are stopped.
        reduction_factor: Number above 1, of how many trials one goes on.
        brackets: Integer; above 1 this is Hyperband, see
            `keras_nas.stopping.SuccessiveHalving`.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        Li et al., [A System for Massively Parallel Hyperparameter
        Tuning](https://arxiv.org/abs/1810.05934), 2020.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = ASHA(build, "val_loss", max_trials=30,
    ...              directory=tempfile.mkdtemp())
    >>> tuner.oracle.stopping_rule.reduction_factor
    3
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        min_epochs=1,
        reduction_factor=3,
        brackets=1,
        seed=None,
        **kwargs,
    ):
        oracle = ASHAOracle(
            objective=objective,
            max_trials=max_trials,
            min_epochs=min_epochs,
            reduction_factor=reduction_factor,
            brackets=brackets,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
