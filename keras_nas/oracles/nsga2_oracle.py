"""NSGA-II: evolution for several objectives (Deb et al., 2002)."""

import heapq

import numpy as np

from keras_nas import architectures, pareto
from keras_nas.oracles.oracle import Oracle, check_integer, check_probability

# Children bred for one proposal. In a small space they are often known;
# later ones are mutated more often, so an exhausted neighbourhood is left.
_MAX_ATTEMPTS = 60
_ATTEMPTS_PER_MUTATION = 20

# How often a mutated number takes a step and is not drawn afresh.
_STEP_PROBABILITY = 0.5


class NSGA2Oracle(Oracle):
    """Evolves a population towards the whole Pareto front.

    For two or more objectives, of which none should be traded for another in
    advance: accuracy and latency, say. What the search has found is
    `pareto_front()`; the `score` of a trial is the sum of the objectives, as
    in KerasTuner, and decides nothing.

    Whenever a trial ends, it joins the population, and the worst one leaves
    it: of the last front, the one in the most crowded region. A child has two
    parents, each the better of two drawn at random: the one of the better
    front, or the lonelier one of the same front.

    Architectures that violate the constraints of the tuner are individuals
    too. Any feasible one is better, and of two infeasible ones the one that
    violates less (Deb's constraint domination), so where few architectures
    are feasible the search breeds its way there instead of drawing at random.

    The paper's population changes with every generation and this one with
    every trial, so no worker ever waits for others. It follows from the
    trials in the order in which they ended; there is no other state. With one
    objective, it is a genetic algorithm in which the best survive.

    Args:
        objective: A list of objectives, each a string (`"val_accuracy"`) or
            a `keras_tuner.Objective`; or one of them.
        max_trials: Integer, the number of trials to run. Defaults to 100.
        population_size: Integer, at least 2, how many architectures can
            become parents. Defaults to 15. More are better for three
            objectives or more than 200 trials, fewer for less than 100.
        num_initial_points: Integer, how many random architectures come
            first. Defaults to 10, at most `population_size`.
        crossover_probability: Float in [0, 1], how often a child has two
            parents. Defaults to 0.9, as in the paper.
        mutation_probability: Float in [0, 1], how often one hyperparameter
            of a child is changed; it always is if the child was proposed
            before.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `seed` and so on.

    Reference:
        Deb et al., [A Fast and Elitist Multiobjective Genetic Algorithm:
        NSGA-II](https://doi.org/10.1109/4235.996017), 2002.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"filters{i}", [8, 16, 32, 64])
    >>> objectives = [keras_tuner.Objective("error", "min"),
    ...               keras_tuner.Objective("latency_ms", "min")]
    >>> oracle = NSGA2Oracle(
    ...     objectives, max_trials=60, hyperparameters=space, seed=0)
    >>> for i in range(60):
    ...     trial = oracle.create_trial("tuner0")
    ...     total = sum(trial.hyperparameters.values.values())
    ...     metrics = {"error": 1 / total, "latency_ms": total / 10}
    ...     _ = oracle.update_trial(trial.trial_id, metrics)
    ...     trial.status = "COMPLETED"
    ...     oracle.end_trial(trial)
    >>> len(oracle.pareto_front()) > 10
    True
    """

    def __init__(
        self,
        objective=None,
        max_trials=100,
        population_size=15,
        num_initial_points=None,
        crossover_probability=0.9,
        mutation_probability=0.5,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        check_integer("population_size", population_size, 2)
        if num_initial_points is None:
            num_initial_points = min(population_size, 10)
        check_integer("num_initial_points", num_initial_points, 1)
        check_probability("crossover_probability", crossover_probability)
        check_probability("mutation_probability", mutation_probability)
        self.population_size = population_size
        self.num_initial_points = num_initial_points
        self.crossover_probability = crossover_probability
        self.mutation_probability = mutation_probability
        # What `_survivors` has worked out so far, and from which trials.
        self._selected_from, self._selected = [], []

    def propose(self, rng):
        """Breeds a child of two survivors; random to begin with."""
        trials = self.completed_trials()
        known = max(len(trials), len(self.start_order)) + len(self.infeasible)
        survivors = self._survivors(trials)
        space = self.hyperparameters
        if (
            known < self.num_initial_points
            or not survivors
            or not architectures.has_choice(space)
        ):
            return self.random_values(rng)
        for attempt in range(_MAX_ATTEMPTS):
            child = _tournament(survivors, rng)
            if rng.random() < self.crossover_probability:
                other = _tournament(survivors, rng)
                child = architectures.crossover(child, other, space, rng)
            mutations = attempt // _ATTEMPTS_PER_MUTATION
            is_mutated = rng.random() < self.mutation_probability
            if is_mutated or self.is_seen(child):
                mutations += 1
            for _ in range(mutations):
                child = architectures.mutate(
                    child, space, rng, _STEP_PROBABILITY
                )
            if not self.is_seen(child):
                return child
        return None

    def _survivors(self, trials):
        """The population, best first: environmental selection of the paper.

        Returns:
            List of hyperparameter values. Neighbours in it differ in their
            front, or in how crowded it is around them.
        """
        ids = [trial.trial_id for trial in trials]
        done = len(self._selected_from)
        if ids[:done] != self._selected_from:
            done, self._selected = 0, []  # Trials were imported since.
        for trial in trials[done:]:
            candidates = [*self._selected, trial]
            losses = [self.losses(candidate) for candidate in candidates]
            best = _best_first(np.array(losses))[: self.population_size]
            self._selected = [candidates[i] for i in best]
        self._selected_from = ids
        feasible = [trial.hyperparameters.values for trial in self._selected]
        # Those that violate the constraints fill the places that are left.
        infeasible = heapq.nsmallest(
            self.population_size - len(feasible),
            self.infeasible,
            key=lambda one: one["violation"],
        )
        return feasible + [one["values"] for one in infeasible]


def _best_first(losses):
    """Indices in the order of fronts and, in a front, of crowding."""
    order = []
    left = np.arange(len(losses))
    while len(left):
        is_front = pareto.non_dominated(losses[left])
        front, left = left[is_front], left[~is_front]
        distances = pareto.crowding_distance(losses[front])
        order += front[np.argsort(-distances, kind="stable")].tolist()
    return order


def _tournament(survivors, rng):
    # They stand in the order of who wins.
    return survivors[rng.integers(len(survivors), size=2).min()]
