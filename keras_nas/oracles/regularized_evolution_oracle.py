"""Regularized evolution (Real et al., 2019)."""

import numbers

from keras_nas import architectures
from keras_nas.oracles.oracle import Oracle, check_integer

# Tournaments held for one proposal. Children are often known architectures
# in a small space; more attempts mutate more often, so the search leaves a
# neighbourhood that it has exhausted.
_MAX_ATTEMPTS = 60
_ATTEMPTS_PER_MUTATION = 20


class RegularizedEvolutionOracle(Oracle):
    """Evolves a population in which the oldest die, not the worst.

    After a random start, each proposal is a mutation of the winner of a
    small tournament among the most recent architectures. Because everyone
    dies of age, an architecture stays only if its children do well too,
    which protects from one lucky training run.

    A robust default from about 30 trials on: it needs no model of the
    space, handles every kind of hyperparameter, and runs well in parallel.

    The population is the last `population_size` completed trials; there is
    no other state.

    Args:
        population_size: Integer, the number of recent trials that can become
            parents, and of random trials to begin with. Small populations
            learn sooner: 20 was better than 50 for budgets of up to 200.
            Defaults to a third of `max_trials`, at most 20; set it if you
            may raise `max_trials` later.
        tournament_size: Integer, how many of the population compete for
            being the parent; more is greedier. Defaults to half of the
            population, which found better architectures at every budget
            from 15 to 200 than a quarter, on NAS-Bench-201 and on
            NAS-Bench-Macro.
        crossover_probability: Float in [0, 1], how often a child is first
            recombined from two tournament winners. Defaults to 0, as in the
            paper.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        Real et al., [Regularized Evolution for Image Classifier Architecture
        Search](https://arxiv.org/abs/1802.01548), 2019.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = RegularizedEvolutionOracle(
    ...     "val_loss", max_trials=30, hyperparameters=space, seed=0)
    >>> for i in range(30):
    ...     trial = oracle.create_trial("tuner0")
    ...     convs = list(trial.hyperparameters.values.values()).count("conv")
    ...     _ = oracle.update_trial(trial.trial_id, {"val_loss": 4 - convs})
    ...     trial.status = "COMPLETED"
    ...     oracle.end_trial(trial)
    >>> oracle.get_best_trials()[0].score
    0.0
    """

    def __init__(
        self,
        objective=None,
        max_trials=100,
        population_size=None,
        tournament_size=None,
        crossover_probability=0.0,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        if population_size is None:
            population_size = min(20, max(2, (max_trials or 60) // 3))
        check_integer("population_size", population_size, 2)
        if tournament_size is None:
            tournament_size = max(2, population_size // 2)
        check_integer("tournament_size", tournament_size, 1)
        if tournament_size > population_size:
            raise ValueError(
                "Invalid value received for argument `tournament_size`. "
                "Expected an integer from 1 to `population_size` "
                f"({population_size}). Received: "
                f"tournament_size={tournament_size}"
            )
        if (
            not isinstance(crossover_probability, numbers.Real)
            or not 0 <= crossover_probability <= 1
        ):
            raise ValueError(
                "Invalid value received for argument "
                "`crossover_probability`. Expected a float from 0 to 1. "
                f"Received: crossover_probability={crossover_probability!r}"
            )
        self.population_size = population_size
        self.tournament_size = tournament_size
        self.crossover_probability = crossover_probability

    def propose(self, rng):
        """Mutates the winner of a tournament; random to begin with."""
        population = self.completed_trials(last=self.population_size)
        if len(self.start_order) < self.population_size or not population:
            return self.random_values(rng)
        for attempt in range(_MAX_ATTEMPTS):
            child = self._select(population, rng)
            if rng.random() < self.crossover_probability:
                other = self._select(population, rng)
                child = architectures.crossover(
                    child, other, self.hyperparameters, rng
                )
            for _ in range(1 + attempt // _ATTEMPTS_PER_MUTATION):
                child = architectures.mutate(child, self.hyperparameters, rng)
            if not self.is_seen(child):
                return child
        return None

    def _select(self, population, rng):
        size = min(self.tournament_size, len(population))
        entrants = rng.choice(len(population), size=size, replace=False)
        winner = min((population[i] for i in entrants), key=self.loss)
        return winner.hyperparameters.values
