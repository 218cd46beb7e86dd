"""Regularized evolution (Real et al., 2019)."""

import heapq

from keras_nas import architectures
from keras_nas.oracles.oracle import Oracle, check_integer, check_probability

# Tournaments held for one proposal. Children are often known architectures
# in a small space; more attempts mutate more often, so the search leaves a
# neighbourhood that it has exhausted.
_MAX_ATTEMPTS = 60
_ATTEMPTS_PER_MUTATION = 20

# How often a mutated number takes a step and is not drawn afresh: on smooth
# functions of 5 to 10 numbers, that left a half of the error after 200 trials.
_STEP_PROBABILITY = 0.5


class RegularizedEvolutionOracle(Oracle):
    """Evolves a population in which the oldest die, not the worst.

    After a random start, each proposal is a mutation of the winner of a
    small tournament among the most recent architectures. Because everyone
    dies of age, an architecture stays only if its children do well too,
    which protects from one lucky training run.

    A robust default from about 15 trials on: it needs no model of the
    space, handles every kind of hyperparameter, and runs well in parallel.

    The population is the last `population_size` completed trials; there is
    no other state. Until there are so many, architectures that violate the
    constraints of the tuner stand in for them, those that violate least: any
    feasible one wins a tournament against them.

    Args:
        population_size: Integer, at least 2, the number of recent trials that
            can become parents. Defaults to 15: small populations learn
            sooner.
        tournament_size: Integer, how many of the population compete for
            being the parent; more is greedier. Defaults to four fifths of
            the population.
        num_initial_points: Integer, how many random architectures come
            first. Defaults to half of the population.
        crossover_probability: Float in [0, 1], how often a child is first
            recombined from two tournament winners. Defaults to 0, as in the
            paper; nothing else was better on the published tables.
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
        population_size=15,
        tournament_size=None,
        num_initial_points=None,
        crossover_probability=0.0,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        check_integer("population_size", population_size, 2)
        if tournament_size is None:
            tournament_size = max(2, 4 * population_size // 5)
        check_integer("tournament_size", tournament_size, 1)
        if tournament_size > population_size:
            raise ValueError(
                "Invalid value received for argument `tournament_size`. "
                "Expected an integer from 1 to `population_size` "
                f"({population_size}). Received: "
                f"tournament_size={tournament_size}"
            )
        if num_initial_points is None:
            num_initial_points = max(2, population_size // 2)
        check_integer("num_initial_points", num_initial_points, 1)
        check_probability("crossover_probability", crossover_probability)
        self.population_size = population_size
        self.tournament_size = tournament_size
        self.num_initial_points = num_initial_points
        self.crossover_probability = crossover_probability

    def propose(self, rng):
        """Mutates the winner of a tournament; random to begin with."""
        population = self._population()
        known = max(len(self.start_order), len(population))
        known += len(self.infeasible)
        space = self.hyperparameters
        if (
            known < self.num_initial_points
            or not population
            or not architectures.has_choice(space)
        ):
            return self.random_values(rng)
        for attempt in range(_MAX_ATTEMPTS):
            child = self._select(population, rng)
            if rng.random() < self.crossover_probability:
                other = self._select(population, rng)
                child = architectures.crossover(child, other, space, rng)
            for _ in range(1 + attempt // _ATTEMPTS_PER_MUTATION):
                child = architectures.mutate(
                    child, space, rng, _STEP_PROBABILITY
                )
            if not self.is_seen(child):
                return child
        return None

    def _population(self):
        """Pairs of values and what is to be small, the youngest last."""
        trials = self.completed_trials(last=self.population_size)
        feasible = [
            (trial.hyperparameters.values, (0.0, self.loss(trial)))
            for trial in trials
        ]
        nearest = heapq.nsmallest(
            self.population_size - len(trials),
            self.infeasible,
            key=lambda one: one["violation"],
        )
        infeasible = [
            (one["values"], (one["violation"], 0.0)) for one in nearest
        ]
        return infeasible + feasible

    def _select(self, population, rng):
        size = min(self.tournament_size, len(population))
        entrants = rng.choice(len(population), size=size, replace=False)
        winner = min((population[i] for i in entrants), key=lambda p: p[1])
        return winner[0]
