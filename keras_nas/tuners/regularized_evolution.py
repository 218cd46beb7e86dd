"""Regularized evolution as a tuner (Real et al., 2019)."""

from keras_nas.oracles import RegularizedEvolutionOracle
from keras_nas.tuners.tuner import Tuner


class RegularizedEvolution(Tuner):
    """Evolves architectures: the young replace the old.

    A robust default for searches of 30 trials and more. See
    `keras_nas.oracles.RegularizedEvolutionOracle` for the algorithm.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        population_size: Optional integer, how many recent trials can become
            parents. A third of `max_trials` by default, at most 20.
        tournament_size: Optional integer, how many of them compete for being
            the parent. Half of the population by default.
        crossover_probability: Float in [0, 1], how often two parents are
            recombined before the mutation.
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

    Reference:
        Real et al., [Regularized Evolution for Image Classifier Architecture
        Search](https://arxiv.org/abs/1802.01548), 2019.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = RegularizedEvolution(
    ...     build, "val_loss", max_trials=30, directory=tempfile.mkdtemp())
    >>> tuner.oracle.population_size
    10
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        population_size=None,
        tournament_size=None,
        crossover_probability=0.0,
        seed=None,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=10,
        **kwargs,
    ):
        oracle = RegularizedEvolutionOracle(
            objective=objective,
            max_trials=max_trials,
            population_size=population_size,
            tournament_size=tournament_size,
            crossover_probability=crossover_probability,
            seed=seed,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
