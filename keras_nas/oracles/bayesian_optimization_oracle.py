"""Bayesian optimization with a Gaussian process (Kandasamy et al., 2018)."""

import numpy as np
from keras_tuner.engine.trial import TrialStatus

from keras_nas import architectures
from keras_nas.oracles.acquisition import (
    log_expected_improvement,
    normal_cdf,
)
from keras_nas.oracles.candidate_pool import CandidatePool
from keras_nas.oracles.oracle import Oracle, check_integer
from keras_nas.predictors.gaussian_process import (
    GaussianProcess,
    normal_quantiles,
)

# A space with fewer architectures is looked through as a whole, while the
# covariances with all trials stay below the second number.
_MAX_LISTED = 20_000
_MAX_COVARIANCES = 4_000_000

# Candidates otherwise: random ones, changes of the best, and then rounds of
# changes of the best candidates.
_RANDOM_CANDIDATES = 400
_CHANGED_CANDIDATES = 400
_ROUNDS = 3
_CANDIDATES_A_ROUND = 100
_PARENTS = 10

# The model is fitted anew whenever there are so many times more trials.
_REFIT_FACTOR = 1.1
_MAX_FITTED = 256
_MAX_TRIALS = 1000

# Candidates whose exact deviation is computed at a time, most promising first.
_CHUNK = 256

_MAX_REMEMBERED_INFEASIBLE = 300


class BayesianOptimizationOracle(Oracle):
    """Models the scores, and tries what promises the largest improvement.

    A Gaussian process (`keras_nas.predictors.GaussianProcess`) predicts the
    score of an architecture and how sure that is. The next trial is the one
    with the largest expected improvement over the best, out of the whole
    space where it is small, else out of random candidates and changes of
    the best ones.

    The strongest choice for budgets of up to a few hundred trials that cost
    a minute or more each: a proposal takes some tens of milliseconds.

    Scores are used by rank, so a few architectures that fail to learn do no
    harm, nor does the scale of the objective. Trials that still run are
    taken to end as predicted, so several workers try different things. What
    violates a constraint, or fails, lowers the expected improvement of what
    resembles it.

    Args:
        num_initial_points: Integer, the number of random trials to begin
            with.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        Jones et al., [Efficient Global Optimization of Expensive Black-Box
        Functions](https://doi.org/10.1023/A:1008306431147), 1998.
        Kandasamy et al., [Neural Architecture Search with Bayesian
        Optimisation and Optimal Transport](https://arxiv.org/abs/1802.07191),
        2018.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = BayesianOptimizationOracle(
    ...     "val_loss", max_trials=20, hyperparameters=space, seed=0)
    >>> for i in range(20):
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
        num_initial_points=10,
        **kwargs,
    ):
        super().__init__(objective=objective, max_trials=max_trials, **kwargs)
        check_integer("num_initial_points", num_initial_points, 1)
        self.num_initial_points = num_initial_points
        # All of this follows from the trials and is made again on a resume.
        self._pool = self._listed = None
        self._rows_of = {}
        self._models = {}

    def propose(self, rng):
        """Maximises the expected improvement; random to begin with."""
        trials = self.completed_trials()
        if (
            len(self.start_order) < self.num_initial_points
            or not trials
            or not architectures.has_choice(self.hyperparameters)
        ):
            return self.random_values(rng)
        self._prepare()
        running = self.running_trials()
        acquisition = self._acquisition(trials, running, rng)
        best = sorted(trials, key=self.loss)[:_PARENTS]
        return self._maximize(acquisition, self._rows(best), rng)

    def recommend(self):
        """Returns the trial that is best by the model, not by luck."""
        trials = self.completed_trials()
        own = set(self.end_order)
        if len(trials) < self.num_initial_points or not (
            architectures.has_choice(self.hyperparameters)
        ):
            return super().recommend()
        self._prepare()
        model = self._model("loss", trials, self.loss)
        means, _ = model.predict(self._pool.encode(self._rows(trials)))
        candidates = [
            (-round(mean, 9), self.loss(trial), number)
            for number, (mean, trial) in enumerate(
                zip(means, trials, strict=True)
            )
            if trial.trial_id in own
        ]
        return trials[min(candidates)[-1]] if candidates else None

    def _acquisition(self, trials, running, rng):
        """Returns a pair of functions of encoded rows.

        The first is the logarithm of the acquisition, the second a quick
        upper bound of it.
        """
        model = self._model("loss", trials, self.loss, running)
        known = self._pool.encode(self._rows(trials))
        best = model.predict_roughly(known)[0].max()
        return (
            lambda x: log_expected_improvement(*model.predict(x), best),
            lambda x: log_expected_improvement(*model.predict_roughly(x), best),
        )

    # The model.

    def _model(self, name, trials, loss, running=()):
        """A Gaussian process of the scores: negative losses, by rank.

        The fit depends on the first trials only, up to a number that grows
        in steps, so it is the same after a resume.
        """
        trials = _thinned(trials, loss)
        base = trials[: _fit_size(len(trials))]
        key = (len(self.hyperparameters.space), [t.trial_id for t in base])
        if self._models.get(name, (None,))[0] != key:
            model = GaussianProcess(
                self._pool.encoded_groups, self._pool.encoded_is_range
            )
            model.fit(
                self._pool.encode(self._rows(base)),
                -normal_quantiles([loss(t) for t in base]),
                max_points=_MAX_FITTED,
            )
            self._models[name] = key, model
        return self._models[name][1].condition(
            self._pool.encode(self._rows([*trials, *running])),
            -normal_quantiles([loss(trial) for trial in trials]),
        )

    def _feasibility(self, trials):
        """Log-probability that an architecture is allowed and does not fail.

        Returns:
            Function of encoded rows, or `None` if nothing has gone wrong.
        """
        failed = [
            self.trials[i]
            for i in self.end_order
            if self.trials[i].status == TrialStatus.FAILED
        ]
        infeasible = self.infeasible[-_MAX_REMEMBERED_INFEASIBLE:]
        failed = failed[-_MAX_REMEMBERED_INFEASIBLE:]
        trials = trials[-_MAX_REMEMBERED_INFEASIBLE:]
        if not infeasible and not failed:
            return None
        margins = [min(1.0, one["violation"]) for one in infeasible]
        margins += [1.0] * len(failed)
        rows = np.concatenate(
            [
                self._rows(trials),
                self._rows(failed),
                self._pool.rows([one["values"] for one in infeasible]),
            ]
        )
        y = np.concatenate(
            [np.ones(len(trials)), -np.ones(len(failed) + len(infeasible))]
        )
        del margins
        x = self._pool.encode(rows)
        model = GaussianProcess(
            self._pool.encoded_groups, self._pool.encoded_is_range
        ).fit(x, y, max_points=_MAX_FITTED)

        def log_probability(x):
            means, deviations = model.predict(x)
            return np.log(
                np.maximum(normal_cdf(means / (deviations + 0.3)), 1e-300)
            )

        return log_probability

    # Candidates.

    def _prepare(self):
        space = self.hyperparameters
        if self._pool is not None and self._pool.is_varied.size == len(
            space.space
        ):
            return
        self._pool = CandidatePool(space)
        self._rows_of = {}
        rows = self._pool.enumerate(_MAX_LISTED)
        self._listed = None
        if rows is not None:
            numbers = {row.tobytes(): i for i, row in enumerate(rows)}
            self._listed = rows, self._pool.encode(rows), numbers

    def _rows(self, trials):
        new = [t for t in trials if t.trial_id not in self._rows_of]
        if new:
            rows = self._pool.rows([t.hyperparameters.values for t in new])
            for trial, row in zip(new, rows, strict=True):
                self._rows_of[trial.trial_id] = row
        return np.array(
            [self._rows_of[trial.trial_id] for trial in trials]
        ).reshape(len(trials), -1)

    def _maximize(self, acquisition, best, rng):
        exact, bound = acquisition
        feasibility = self._feasibility(self.completed_trials())
        known = self._known_rows()
        everything = self._listed
        trials = len(known) + 1
        if everything and len(everything[0]) * trials <= _MAX_COVARIANCES:
            rows, x, numbers = everything
            new = np.ones(len(rows), bool)
            seen = (numbers.get(row.tobytes()) for row in known)
            new[[number for number in seen if number is not None]] = False
            rows, x = rows[new], x[new]
            scores = _scores(x, exact, bound, feasibility)
        else:
            pool = self._pool
            count = -(-_CHANGED_CANDIDATES // len(best))
            changed = np.repeat(best, count, axis=0)
            changed = pool.mutate(changed, rng, 0.5)
            twice = pool.mutate(changed[::2], rng, 0.5)
            rows = pool.sample(_RANDOM_CANDIDATES, rng)
            rows = pool.without(np.concatenate([rows, changed, twice]), known)
            scores = _scores(pool.encode(rows), exact, bound, feasibility)
            for _ in range(_ROUNDS):
                if not len(rows):
                    break
                top = rows[np.argsort(-scores, kind="stable")[:_PARENTS]]
                count = -(-_CANDIDATES_A_ROUND // len(top))
                new = pool.mutate(np.repeat(top, count, axis=0), rng, 0.5)
                new = pool.without(new, np.concatenate([known, rows]))
                if not len(new):
                    continue
                more = _scores(pool.encode(new), exact, bound, feasibility)
                rows = np.concatenate([rows, new])
                scores = np.concatenate([scores, more])
        # Rounded, or the last bit would decide between equals.
        order = np.argsort(-np.round(scores, 7), kind="stable")
        for index in order[:100]:
            values = self._pool.values(rows[index])
            if np.isfinite(scores[index]) and not self.is_seen(values):
                return values
        return None

    def _known_rows(self):
        own = self._rows(list(self.trials.values()))
        infeasible = self._pool.rows([one["values"] for one in self.infeasible])
        return np.concatenate([own, infeasible])


def _scores(x, exact, bound, feasibility):
    """Exact where it could be the largest, minus infinity elsewhere."""
    bounds = bound(x)
    scores = np.full(len(x), -np.inf)
    order = np.argsort(-bounds, kind="stable")
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        if start and scores.max() >= bounds[chunk[0]]:
            break
        scores[chunk] = exact(x[chunk])
        if feasibility is not None:
            scores[chunk] += feasibility(x[chunk])
    return scores


def _fit_size(trials):
    """How many of the first trials the model is fitted to."""
    size = min(trials, 10)
    while (larger := int(size * _REFIT_FACTOR) + 1) <= trials:
        size = larger
    return size


def _thinned(trials, loss):
    return trials
