"""Predictor-guided search for a Pareto front as a tuner."""

from keras_nas.oracles import ParetoPredictorOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class ParetoPredictor(Tuner):
    """Looks for the best trade-offs with predictors of each objective.

    It can learn from what is known of an architecture in advance, by
    `columns`. See `keras_nas.oracles.ParetoPredictorOracle` for the
    algorithm; `tuner.pareto_front()` are the trials to choose from.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: List of strings or `keras_tuner.Objective` objects.
        max_trials: Integer, the number of trials. Defaults to 100.
        num_initial_points: Integer, the number of random trials to begin
            with; imported trials count as such.
        columns: Optional function of a dict of hyperparameter values that
            returns a dict of numbers which are known before a training, such
            as costs and zero-cost proxies.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        White et al., [BANANAS: Bayesian Optimization with Neural
        Architectures for Neural Architecture
        Search](https://arxiv.org/abs/1910.11858), 2021.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse", metrics=["mae"])
    ...     return model
    >>> tuner = ParetoPredictor(
    ...     build, ["val_loss", "val_mae"], max_trials=30,
    ...     directory=tempfile.mkdtemp())
    >>> tuner.oracle.num_initial_points
    10
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        num_initial_points=10,
        columns=None,
        seed=None,
        **kwargs,
    ):
        oracle = ParetoPredictorOracle(
            objective=objective,
            max_trials=max_trials,
            num_initial_points=num_initial_points,
            columns=columns,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
