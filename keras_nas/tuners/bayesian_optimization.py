"""Bayesian optimization as a tuner (Kandasamy et al., 2018)."""

from keras_nas.oracles import BayesianOptimizationOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class BayesianOptimization(Tuner):
    """Models the scores, and tries what promises the largest improvement.

    The strongest choice for up to a few hundred trials. See
    `keras_nas.oracles.BayesianOptimizationOracle` for the algorithm.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        num_initial_points: Integer, the number of random trials to begin
            with; imported trials count as such.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        Jones et al., [Efficient Global Optimization of Expensive Black-Box
        Functions](https://doi.org/10.1023/A:1008306431147), 1998.
        Kandasamy et al., [Neural Architecture Search with Bayesian
        Optimisation and Optimal Transport](https://arxiv.org/abs/1802.07191),
        2018.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = BayesianOptimization(
    ...     build, "val_loss", max_trials=30, directory=tempfile.mkdtemp())
    >>> tuner.oracle.num_initial_points
    10
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        num_initial_points=10,
        seed=None,
        **kwargs,
    ):
        oracle = BayesianOptimizationOracle(
            objective=objective,
            max_trials=max_trials,
            num_initial_points=num_initial_points,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
