"""NSGA-II as a tuner (Deb et al., 2002)."""

from keras_nas.oracles import NSGA2Oracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class NSGA2(Tuner):
    """Evolves architectures towards the whole Pareto front.

    For several objectives that are not to be traded for one another in
    advance. `tuner.pareto_front()` returns the trials to choose from.
    See `keras_nas.oracles.NSGA2Oracle` for the algorithm.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: A list of objectives, each a string or a
            `keras_tuner.Objective`, or one of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        population_size: Integer, how many architectures can become parents.
            Defaults to 15.
        num_initial_points: Optional integer, how many random architectures
            come first. 10 by default, at most `population_size`.
        crossover_probability: Float in [0, 1], how often a child has two
            parents.
        mutation_probability: Float in [0, 1], how often one hyperparameter
            of a child is changed.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        Deb et al., [A Fast and Elitist Multiobjective Genetic Algorithm:
        NSGA-II](https://doi.org/10.1109/4235.996017), 2002.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse", metrics=["mae"])
    ...     return model
    >>> tuner = NSGA2(build, ["val_loss", "val_mae"], max_trials=30,
    ...               directory=tempfile.mkdtemp())
    >>> [objective.name for objective in tuner.oracle.objectives]
    ['val_loss', 'val_mae']
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        population_size=15,
        num_initial_points=None,
        crossover_probability=0.9,
        mutation_probability=0.5,
        seed=None,
        **kwargs,
    ):
        oracle = NSGA2Oracle(
            objective=objective,
            max_trials=max_trials,
            population_size=population_size,
            num_initial_points=num_initial_points,
            crossover_probability=crossover_probability,
            mutation_probability=mutation_probability,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
