"""Bayesian optimization of several objectives, by hypervolume."""

import numpy as np

from keras_nas import pareto
from keras_nas.oracles.bayesian_optimization_oracle import (
    BayesianOptimizationOracle,
)
from keras_nas.oracles.oracle import Oracle
from keras_nas.predictors.gaussian_process import normal_quantiles

# Expectations over a normal distribution are sums over these nodes.
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(20)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
# For a first look, two deviations better than expected.
_ROUGH_NODES, _ROUGH_WEIGHTS = np.array([2.0]), np.array([1.0])

# Joint draws, where the expectation is not a product.
_DRAWS = 64

# Beyond so many interquartile ranges above the third quartile is an outlier.
_OUTLIER_RANGES = 1.5

# The neighbourhoods of the front are searched, and of the next best if it is
# small.
_MIN_PARENTS = 10

import os

_S = float(os.environ.get("SDS", "1"))
_TINY = 1e-300
_ROWS_AT_A_TIME = 2000


class ParetoBayesianOracle(BayesianOptimizationOracle):
    """Looks for the Pareto front with one Gaussian process an objective.

    The next trial is the one by which the hypervolume of the front is
    expected to grow most. For two objectives that is computed exactly; for
    more, the improvement is that of one random direction a proposal, which
    on average is the same.

    Take it when the best trade-offs count, say of accuracy against latency,
    and a trial costs a minute or more: it needs far fewer trials than an
    evolutionary search. With a single objective it is
    `BayesianOptimizationOracle`.

    The objectives are modelled by rank, and predictions are turned back into
    their units, so it does not matter how they are scaled.

    Args:
        num_initial_points: Integer, the number of random trials to begin
            with.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`, a list
            here, `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        Emmerich et al., [Single- and Multiobjective Evolutionary
        Optimization Assisted by Gaussian Random Field
        Metamodels](https://doi.org/10.1109/TEVC.2005.859463), 2006: expected
        hypervolume improvement.
        Golovin & Zhang, [Random Hypervolume
        Scalarizations](https://arxiv.org/abs/2006.04655), 2020: the random
        directions.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = ParetoBayesianOracle(
    ...     [keras_tuner.Objective("error", "min"),
    ...      keras_tuner.Objective("latency_ms", "min")],
    ...     max_trials=30, hyperparameters=space, seed=0)
    >>> for i in range(30):
    ...     trial = oracle.create_trial("tuner0")
    ...     convs = list(trial.hyperparameters.values.values()).count("conv")
    ...     metrics = {"error": 4 - convs, "latency_ms": 1 + 2 * convs}
    ...     _ = oracle.update_trial(trial.trial_id, metrics)
    ...     trial.status = "COMPLETED"
    ...     oracle.end_trial(trial)
    >>> sorted({oracle.losses(trial) for trial in oracle.pareto_front()})
    [(0.0, 9.0), (1.0, 7.0), (2.0, 5.0), (3.0, 3.0), (4.0, 1.0)]
    """

    def recommend(self):
        """Returns the best trial by the sum of the objectives."""
        if len(self.objectives) == 1:
            return super().recommend()
        return Oracle.recommend(self)

    def _acquisition(self, trials, running, rng):
        if len(self.objectives) == 1:
            return super()._acquisition(trials, running, rng)
        losses = np.array([self.losses(trial) for trial in trials])
        reference = self._reference(trials)
        units = [_Unit(column) for column in losses.T]
        models = [
            self._model(
                f"objective {number}",
                trials,
                lambda trial, number=number: self.losses(trial)[number],
                running,
            )
            for number in range(len(reference))
        ]
        if os.environ.get("REF") == "model":
            x = self._pool.encode(self._pool.sample(200, rng))
            sample = np.stack(
                [
                    unit(model.predict_roughly(x)[0])
                    for unit, model in zip(units, models, strict=True)
                ],
                axis=1,
            )
            first, third = np.quantile(sample, [0.25, 0.75], axis=0)
            reference = third + float(
                os.environ.get("FENCE", "1.5")
            ) * np.maximum(third - first, 1e-12)
        front = losses[pareto.non_dominated(losses)]
        if len(models) == 2 and os.environ.get("ACQ", "ehvi") == "ehvi":
            improvement = _expected_hypervolume_improvement(front, reference)
        else:
            improvement = _scalarized_improvement(front, reference, rng)

        def value(x, nodes, weights, predict):
            values = np.empty(len(x))
            predictions = [predict(model) for model in models]
            for start in range(0, len(x), _ROWS_AT_A_TIME):
                part = slice(start, start + _ROWS_AT_A_TIME)
                values[part] = improvement(
                    [
                        (unit, means[part], deviations[part])
                        for unit, (means, deviations) in zip(
                            units, predictions, strict=True
                        )
                    ],
                    nodes,
                    weights,
                )
            return np.log(np.maximum(values, _TINY))

        def exact(x):
            return value(
                x, _NODES, _NODE_WEIGHTS, lambda model: model.predict(x)
            )

        def rough(x):
            keep = x is self._listed_x
            return value(
                x,
                _ROUGH_NODES,
                _ROUGH_WEIGHTS,
                lambda model: model.predict_roughly(x, keep),
            )

        return exact, rough

    def _reference(self, trials):
        """What counts as bad: worse than all but outliers (Tukey's fences).

        Architectures that do not learn at all are quick and small, and so
        belong to the front. Measured from there, little else would count.
        """
        first = set(self.start_order[: self.num_initial_points])
        losses = [self.losses(t) for t in trials if t.trial_id in first]
        if len(losses) < 4:
            losses = [self.losses(t) for t in trials]
        first, third = np.quantile(losses, [0.25, 0.75], axis=0)
        return third + _OUTLIER_RANGES * np.maximum(third - first, 1e-12)

    def _parents(self, trials):
        if len(self.objectives) == 1:
            return super()._parents(trials)
        losses = np.array([self.losses(trial) for trial in trials])
        ranks = pareto.non_dominated_sort(losses)
        order = np.argsort(ranks, kind="stable")
        chosen = max(_MIN_PARENTS, np.count_nonzero(ranks == 0))
        return [trials[i] for i in order[:chosen]]


class _Unit:
    """Turns predicted quantiles of an objective back into losses."""

    def __init__(self, losses):
        scores = -normal_quantiles(losses)
        self._scores, first = np.unique(scores, return_index=True)
        self._losses = losses[first]
        # Beyond the best and the worst, as steep as in the tenth beside it.
        self._at_worst = self._slope(slice(None))
        self._at_best = self._slope(slice(None, None, -1))

    def _slope(self, order):
        scores, losses = self._scores[order], self._losses[order]
        last = min(len(scores) - 1, max(1, len(scores) // 10))
        if not last:
            return 0.0
        return (losses[last] - losses[0]) / (scores[last] - scores[0])

    def __call__(self, scores):
        losses = np.interp(scores, self._scores, self._losses)
        losses += self._at_best * np.maximum(scores - self._scores[-1], 0)
        losses += self._at_worst * np.minimum(scores - self._scores[0], 0)
        return losses


def _expected_hypervolume_improvement(front, reference):
    """For two objectives with independent predictions.

    Left of each point of the front, up to its neighbour, is a strip. In it,
    what a new point adds is a width, which depends on its first loss only,
    times a height, which depends on its second. So the expectation is a sum
    of products.
    """
    order = np.lexsort(front.T[::-1])
    inside = (front[order] < reference).all(axis=1)
    front = np.unique(front[order][inside], axis=0)
    lefts = np.concatenate([[-np.inf], front[:, 0]])
    rights = np.append(front[:, 0], reference[0])
    # The lowest point so far bounds each strip from above.
    tops = np.append(reference[1], front[:, 1])

    def expectation(predictions, nodes, weights):
        first, second = (
            unit(means[:, None] + _S * deviations[:, None] * nodes)
            for unit, means, deviations in predictions
        )
        value = np.zeros(len(first))
        for left, right, top in zip(lefts, rights, tops, strict=True):
            width = np.maximum(right - np.maximum(first, left), 0) @ weights
            height = np.maximum(top - second, 0) @ weights
            value += width * height
        return value

    return expectation


def _scalarized_improvement(front, reference, rng):
    """For more objectives: how much further in one random direction."""
    direction = np.abs(rng.standard_normal(len(reference)))
    direction /= np.linalg.norm(direction)
    scale = np.maximum(reference - front.min(axis=0), 1e-12) * direction
    draws = rng.standard_normal((_DRAWS, len(reference)))
    reached = np.min((reference - front) / scale, axis=1).max()

    def expectation(predictions, nodes, weights):
        columns = [nodes] * len(reference) if len(nodes) == 1 else draws.T
        shares = [
            (end - unit(means[:, None] + _S * deviations[:, None] * column))
            / width
            for (unit, means, deviations), column, end, width in zip(
                predictions, columns, reference, scale, strict=True
            )
        ]
        further = np.minimum.reduce(shares) - reached
        return np.maximum(further, 0).mean(axis=1)

    return expectation
