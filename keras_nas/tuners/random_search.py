"""Random search as a tuner."""

from keras_nas.oracles import RandomOracle
from keras_nas.tuners.tuner import Tuner


class RandomSearch(Tuner):
    """Tries architectures at random, without repeating one.

    A drop-in for `keras_tuner.RandomSearch`. Use it for a first look at a
    space, and as the baseline for everything else; on a small space it
    visits every architecture once.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 10.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        hyperparameters: Optional `keras_tuner.HyperParameters` that fix or
            register hyperparameters in advance.
        tune_new_entries: Boolean, whether other hyperparameters are
            searched.
        allow_new_entries: Boolean, whether other hyperparameters may occur.
        max_retries_per_trial: Integer, how often a crashed trial is tried
            again.
        max_consecutive_failed_trials: Integer, the search ends with an
            error after so many failed trials in a row.
        **kwargs: Arguments of `keras_nas.Tuner`: `directory`,
            `project_name`, `overwrite`, `evaluator` and so on.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = RandomSearch(build, "val_loss", directory=tempfile.mkdtemp())
    >>> tuner.remaining_trials
    10
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=10,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=10,
        **kwargs,
    ):
        oracle = RandomOracle(
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
