"""Regularized evolution as a tuner (Real et al., 2019)."""

from keras_nas.oracles import RegularizedEvolutionOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class RegularizedEvolution(Tuner):
    """Evolves architectures: the young replace the old.

    A robust default for searches of 15 trials and more. See
    `keras_nas.oracles.RegularizedEvolutionOracle` for the algorithm.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        population_size: Integer, how many recent trials can become parents.
            Defaults to 15.
        tournament_size: Optional integer, how many of them compete for being
            the parent. Four fifths of the population by default.
        num_initial_points: Optional integer, how many random architectures
            come first. Half of the population by default.
        crossover_probability: Float in [0, 1], how often two parents are
            recombined before the mutation.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

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
    >>> tuner.oracle.num_initial_points
    7
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        population_size=15,
        tournament_size=None,
        num_initial_points=None,
        crossover_probability=0.0,
        seed=None,
        **kwargs,
    ):
        oracle = RegularizedEvolutionOracle(
            objective=objective,
            max_trials=max_trials,
            population_size=population_size,
            tournament_size=tournament_size,
            num_initial_points=num_initial_points,
            crossover_probability=crossover_probability,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
