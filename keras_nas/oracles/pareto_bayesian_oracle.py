"""Bayesian optimization of several objectives, in random directions."""

import numpy as np

from keras_nas import pareto
from keras_nas.oracles.acquisition import normal_cdf
from keras_nas.oracles.bayesian_optimization_oracle import (
    BayesianOptimizationOracle,
)
from keras_nas.oracles.oracle import Oracle
from keras_nas.predictors.gaussian_process import normal_quantiles

# Random architectures of which the losses are predicted to find out what
# counts as bad: more than so many interquartile ranges above the third
# quartile.
_REFERENCE_SAMPLE = 200
_OUTLIER_RANGES = 1.5

# A direction may lie so far outside of the ends of the front: the cosines of
# its angles, and the draws until one does.
_MARGIN = 0.05
_MAX_DRAWS = 100

# The expected progress is an integral over so many steps; for a first look,
# everything is taken to be so many deviations better than expected.
_STEPS = 24
_OPTIMISM = 2.0

# The neighbourhoods of the front are searched, and of the next best if it is
# small.
_MIN_PARENTS = 10

_TINY = 1e-300


class ParetoBayesianOracle(BayesianOptimizationOracle):
    """Looks for the Pareto front with one Gaussian process an objective.

    Each proposal goes in a random direction between the ends of the front,
    and is the architecture that is expected to get furthest beyond the front
    in it. On average over the directions, that is what the hypervolume grows
    by; one at a time, they keep the search from spending itself on one
    stretch of the front.

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
        Golovin & Zhang, [Random Hypervolume Scalarizations for Provable
        Multi-Objective Black Box
        Optimization](https://arxiv.org/abs/2006.04655), 2020.

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
        units = [_Unit(column) for column in losses.T]
        models = [
            self._model(
                f"objective {number}",
                trials,
                lambda trial, number=number: self.losses(trial)[number],
                running,
            )
            for number in range(losses.shape[1])
        ]
        sample = self._pool.encode(self._pool.sample(_REFERENCE_SAMPLE, rng))
        expected = [
            unit(model.predict_roughly(sample)[0])
            for unit, model in zip(units, models, strict=True)
        ]
        direction = _Direction(losses, np.stack(expected, axis=1), rng)

        def exact(x):
            predictions = [model.predict(x) for model in models]
            return direction.log_expected_progress(predictions, units)

        def rough(x):
            keep = x is self._listed_x
            predictions = [model.predict_roughly(x, keep) for model in models]
            return direction.log_optimistic_progress(predictions, units)

        return exact, rough

    def _parents(self, trials):
        if len(self.objectives) == 1:
            return super()._parents(trials)
        losses = np.array([self.losses(trial) for trial in trials])
        ranks = pareto.non_dominated_sort(losses)
        order = np.argsort(ranks, kind="stable")
        chosen = max(_MIN_PARENTS, np.count_nonzero(ranks == 0))
        return [trials[i] for i in order[:chosen]]


class _Direction:
    """A way from what counts as bad to the front, and beyond.

    How far a point gets on it is the smallest of its gains over the reference,
    each in units of the direction.
    """

    def __init__(self, losses, expected, rng):
        # Architectures that do not learn at all are quick and small, and so
        # belong to the front. Measured from there, little else would count.
        first, third = np.quantile(expected, [0.25, 0.75], axis=0)
        fence = third + _OUTLIER_RANGES * np.maximum(third - first, 1e-12)
        front = losses[pareto.non_dominated(losses)]
        inside = front[(front < fence).all(axis=1)]
        front = inside if len(inside) else front
        self._reference = np.maximum(fence, front.min(axis=0) + 1e-12)
        scale = self._reference - front.min(axis=0)
        gains = np.maximum((self._reference - front) / scale, 0)
        self._units = scale * _draw_direction(gains, rng)
        self._reached = self._progress(front.T).max()
        self._furthest = self._progress(front.min(axis=0))

    def _progress(self, losses):
        """Of an array with a row an objective."""
        return np.min(
            [
                (end - column) / unit
                for end, column, unit in zip(
                    self._reference, losses, self._units, strict=True
                )
            ],
            axis=0,
        )

    def log_expected_progress(self, predictions, units):
        """The integral of the probability to get further and further."""
        span = 1.2 * self._furthest - self._reached
        span = max(span, 0.2 * self._furthest)
        steps = self._reached + span * np.linspace(0, 1, _STEPS) ** 3
        chances = 1.0
        for (means, deviations), to_loss, end, unit in zip(
            predictions, units, self._reference, self._units, strict=True
        ):
            needed = to_loss.scores(end - steps * unit)
            chances = chances * normal_cdf(
                (means[:, None] - needed) / deviations[:, None]
            )
        widths = np.diff(steps)
        value = (chances[:, 1:] + chances[:, :-1]) @ widths / 2
        return np.log(np.maximum(value, _TINY))

    def log_optimistic_progress(self, predictions, units):
        """Nearly a bound of it, and quick."""
        losses = [
            to_loss(means + _OPTIMISM * deviations)
            for (means, deviations), to_loss in zip(
                predictions, units, strict=True
            )
        ]
        value = self._progress(losses) - self._reached
        # What is hopeless is still ordered.
        hopeless = np.log(_TINY) + np.minimum(value, 0)
        return np.where(value > 0, np.log(np.maximum(value, _TINY)), hopeless)


def _draw_direction(gains, rng):
    """A random unit vector between the ends of the front."""
    lengths = np.linalg.norm(gains, axis=1, keepdims=True)
    ends = gains / np.maximum(lengths, 1e-12)
    low, high = ends.min(axis=0) - _MARGIN, ends.max(axis=0) + _MARGIN
    drawn = np.abs(rng.standard_normal((_MAX_DRAWS, gains.shape[1])))
    drawn = np.maximum(drawn, 1e-6)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    fits = ((drawn >= low) & (drawn <= high)).all(axis=1)
    return drawn[fits.argmax()]


class _Unit:
    """Turns predicted quantiles of an objective back into losses."""

    def __init__(self, losses):
        self._scores, first = np.unique(
            -normal_quantiles(losses), return_index=True
        )
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

    def scores(self, losses):
        """The reverse."""
        scores = np.interp(losses, self._losses[::-1], self._scores[::-1])
        best, worst = self._losses[-1], self._losses[0]
        scores += np.minimum(losses - best, 0) / min(self._at_best, -1e-12)
        scores += np.maximum(losses - worst, 0) / min(self._at_worst, -1e-12)
        return scores
