"""Local search as a tuner (White et al., 2020)."""

from keras_nas.oracles import LocalSearchOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class LocalSearch(Tuner):
    """Climbs from the best architecture to better neighbours.

    Strong where the number of trials is a few times the number of neighbours
    that an architecture has.
    See `keras_nas.oracles.LocalSearchOracle`.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        initial_trials: Optional integer, the random trials to begin with. A
            fifth of `max_trials` by default, at most 10.
        restart_after: Float, how many times its number of neighbours an
            architecture may stay the best before a climb starts elsewhere.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        White et al., [Exploring the Loss Landscape in Neural Architecture
        Search](https://arxiv.org/abs/2005.02960), 2020.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = LocalSearch(
    ...     build, "val_loss", max_trials=30, directory=tempfile.mkdtemp())
    >>> tuner.oracle.initial_trials
    6
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        initial_trials=None,
        restart_after=1.0,
        seed=None,
        **kwargs,
    ):
        oracle = LocalSearchOracle(
            objective=objective,
            max_trials=max_trials,
            initial_trials=initial_trials,
            restart_after=restart_after,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
