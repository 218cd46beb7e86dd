"""Reinforcement learning as a tuner (Zoph and Le, 2017)."""

from keras_nas.oracles import ReinforcementLearningOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class ReinforcementLearning(Tuner):
    """A controller network learns to make good architectures.

    For budgets of some hundred trials; other tuners learn faster.
    See `keras_nas.oracles.ReinforcementLearningOracle`.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 200.
        algorithm: String, `"reinforce"` or `"ppo"`.
        learning_rate: Optional float, of the controller.
        entropy_bonus: Optional float, what keeps the controller from making
            up its mind too soon.
        units: Integer, the size of the controller's state.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        Zoph and Le, [Neural Architecture Search with Reinforcement
        Learning](https://arxiv.org/abs/1611.01578), 2017.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = ReinforcementLearning(
    ...     build, "val_loss", max_trials=30, directory=tempfile.mkdtemp())
    >>> tuner.oracle.algorithm
    'reinforce'
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=200,
        algorithm="reinforce",
        learning_rate=None,
        entropy_bonus=None,
        units=16,
        seed=None,
        **kwargs,
    ):
        oracle = ReinforcementLearningOracle(
            objective=objective,
            max_trials=max_trials,
            algorithm=algorithm,
            learning_rate=learning_rate,
            entropy_bonus=entropy_bonus,
            units=units,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
