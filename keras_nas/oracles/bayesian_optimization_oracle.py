"""Bayesian optimization with a Gaussian process (Kandasamy et al., 2018)."""

import itertools

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

# Proposals that turn out to be known before a random one is taken.
_MAX_COLLISIONS = 100

# Candidates otherwise: random ones, changes of the best, and then rounds of
# changes of the best candidates.
_RANDOM_CANDIDATES = 400
_CHANGED_CANDIDATES = 400
_ROUNDS = 3
_CANDIDATES_A_ROUND = 100
_PARENTS = 10
# How often a number is changed a little, rather than drawn.
_SMALL_STEPS = 0.5

# The model is fitted anew whenever there are so many times more trials, to so
# many of them at most.
_REFIT_FACTOR = 1.1
_MAX_FITTED = 256

# The best by the model is recommended of so many of the best scores.
_MAX_RECOMMENDED = 5

# Of more trials, the best and the latest are kept; what is kept changes in
# steps, for the model has to be fitted anew then.
_MAX_TRIALS = 1000
_BEST_KEPT, _LATEST_KEPT, _STEP_OF_KEEPING = 500, 400, 100

# Failed and infeasible architectures that are remembered, of each.
_MAX_REMEMBERED = 300
# With fewer, the random start takes no notice of them.
_MIN_INFEASIBLE = 10
_STEP_OF_REMEMBERING = 50

# What is less likely to keep the constraints is proposed only if nothing else
# is left. To screen a candidate costs little, and the best architectures often
# lie just within a limit. On NAS-Bench-201, with the fastest quarter allowed,
# the regret after 200 trials was .22 with 0.5 here, for 0.9 candidates turned
# away a trial, .03 with 0.1 for 5, and .01 with 0.01 for 10.
_LIKELY = np.log(0.1)
_UNLIKELY = -1000.0
# Logarithms of costs: of none, and the noise as a share of their deviation.
_SMALLEST_RATIO = 1e-6
_COST_NOISE = 0.02

# Candidates whose exact deviation is computed at a time, most promising first.
_CHUNK = 256


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
            with; imported trials count as such.
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
        self._pool = self._listed = self._listed_x = None
        self._row_of = {}
        self._models = {}

    def propose(self, rng):
        """Maximises the expected improvement; random to begin with."""
        trials = self.completed_trials()
        if not architectures.has_choice(self.hyperparameters):
            return self.random_values(rng)
        self._prepare()
        known = len(self.start_order) + len(self.imported_trials())
        if known < self.num_initial_points or not trials:
            return self._probably_feasible(trials, rng)
        running = self.running_trials()
        acquisition = self._acquisition(trials, running, rng)
        return self._maximize(acquisition, trials, rng)

    def recommend(self):
        """Returns the trial that is best by the model, not by luck."""
        trials = self.completed_trials()
        if (
            self.is_multi_objective
            or len(trials) < self.num_initial_points
            or not architectures.has_choice(self.hyperparameters)
        ):
            return super().recommend()
        self._prepare()
        model = self._model("loss", trials, self.loss)
        # Imported trials teach the model, but are none of this search.
        own = [trial for trial in trials if trial.trial_id in self.trials]
        means = self._without_noise(model, own) if own else ()
        candidates = [
            (-round(mean, 9), self.loss(trial), number)
            for number, (mean, trial) in enumerate(zip(means, own, strict=True))
        ]
        return own[min(candidates)[-1]] if candidates else None

    def _without_noise(self, model, trials):
        """Estimates the scores of what has been tried already."""
        # Of the best few: where the model takes differences for noise, it
        # alone would be blind.
        means = model.predict(self._encoded(trials))[0]
        losses = np.array([self.loss(trial) for trial in trials])
        means[np.argsort(losses, kind="stable")[_MAX_RECOMMENDED:]] = -np.inf
        return means

    def _acquisition(self, trials, running, rng):
        """Returns a pair of functions of encoded rows.

        The first is the logarithm of the acquisition, the second an upper
        bound of it, or nearly, that takes less time.
        """
        model = self._model("loss", trials, self.loss, running)
        best = model.predict_roughly(self._encoded(trials))[0].max()
        return (
            lambda x: log_expected_improvement(*model.predict(x), best),
            lambda x: log_expected_improvement(
                *model.predict_roughly(x, keep=x is self._listed_x), best
            ),
        )

    def _parents(self, trials):
        """Returns the trials in whose neighbourhood candidates are made."""
        return sorted(trials, key=self.loss)[:_PARENTS]

    def set_state(self, state):
        """Restores what `get_state` returned."""
        super().set_state(state)
        self._pool = None

    # Models

    def _model(self, name, trials, loss, running=(), to_scores=None):
        """A Gaussian process of the scores: negative losses, by rank.

        The fit depends on the first trials only, up to a number that grows
        in steps, so it is the same after a resume.
        """
        to_scores = to_scores or _rank_scores
        kept, size = _kept(trials, loss)
        losses = np.array([loss(trial) for trial in kept])
        model = self._fitted(name, kept[:size], to_scores(losses[:size]))
        x = self._encoded([*kept, *running])
        return model.condition(x, to_scores(losses))

    def _fitted(self, name, items, scores):
        """Returns the model of scores, fitted to some items."""
        return self._fitted_process(name, items, scores)

    def _fitted_process(self, name, items, scores):
        key = [_key(item) for item in items], scores.tolist()
        if self._models.get(name, (None,))[0] != key:
            pool = self._pool
            model = GaussianProcess(pool.encoded_groups, pool.encoded_is_range)
            model.fit(self._encoded(items), scores, max_points=_MAX_FITTED)
            self._models[name] = key, model
        return self._models[name][1]

    def _feasibility(self, trials):
        """How likely it is that nothing goes wrong.

        Returns:
            Function of encoded rows that returns two arrays of logarithms of
            probabilities: not to fail, and to keep the constraints. `None` if
            nothing has gone wrong.
        """
        success, within = self._success(trials), self._within_limits()
        if success is None and not within:
            return None

        def log_probabilities(x):
            nothing = np.zeros(len(x))
            return (
                nothing if success is None else success(x),
                sum((function(x) for function in within), nothing),
            )

        return log_probabilities

    def _success(self, trials):
        """The probability not to fail.

        Violations of which no more is known than that count as failures. They
        are regressed on by rank, with all that went well in the last place.
        """
        failed = [
            self.trials[i]
            for i in self.end_order
            if self.trials[i].status == TrialStatus.FAILED
        ]
        unknown = [
            item for item in self._infeasible_items() if not self._ratios(item)
        ]
        if not failed and not unknown:
            return None
        violations = {_key(item): item[1]["violation"] for item in unknown}
        # As bad as what is infeasible usually is.
        violations |= {trial.trial_id: 1.0 for trial in failed}
        items, size = _fitted_first(trials, failed, unknown)
        losses = np.array([violations.get(_key(item), 0.0) for item in items])
        model = self._fitted_process(
            "success", items[:size], _rank_scores(losses[:size])
        )
        y = _rank_scores(losses)
        model.condition(self._encoded(items), y)
        is_feasible = losses == 0
        limit = y[~is_feasible].max()
        limit = (limit + y.max()) / 2 if is_feasible.any() else limit + 0.5
        return _log_chance(model, limit, sign=1, noise=0.1)

    def _within_limits(self):
        """The probabilities to keep the constraints, one each.

        Of each cost that was too high once, the logarithm is modelled, with
        what is known of all that was screened.
        """
        screened = [*self.trials.values()], self._infeasible_items()
        names = {
            name
            for item in itertools.chain(*screened)
            for name in self._ratios(item)
        }
        functions = []
        for name in sorted(names):
            items, size = _fitted_first(
                *(
                    [item for item in items if name in self._ratios(item)]
                    for items in screened
                )
            )
            ratios = [self._ratios(item)[name] for item in items]
            if max(ratios) <= 1:
                continue
            costs = np.log(np.maximum(ratios, _SMALLEST_RATIO))
            mean = costs[:size].mean()
            deviation = costs[:size].std() or 1.0
            y = (costs - mean) / deviation
            model = self._fitted_process(f"cost {name}", items[:size], y[:size])
            model.condition(self._encoded(items), y)
            limit = -mean / deviation
            functions.append(_log_chance(model, limit, -1, _COST_NOISE))
        return functions

    def _ratios(self, item):
        """What was measured of a candidate to the limits, by name."""
        if isinstance(item, tuple):
            return item[1].get("ratios", {})
        return self.ratios.get(item.trial_id, {})

    # Candidates

    def _prepare(self):
        space = self.hyperparameters
        size = len(space.space)
        if self._pool is not None and self._pool.is_varied.size == size:
            return
        # The space has grown, and everything with it.
        self._pool = CandidatePool(space)
        self._row_of, self._models = {}, {}
        self._listed = self._pool.enumerate(_MAX_LISTED)
        if self._listed is not None:
            self._listed_x = self._pool.encode(self._listed)
            self._number_of = {
                row.tobytes(): i for i, row in enumerate(self._listed)
            }

    def _rows(self, items):
        """The rows of trials and of infeasible architectures."""
        known = self._row_of
        keys = [_key(item) for item in items]
        new = {
            key: item
            for key, item in zip(keys, items, strict=True)
            if key not in known
        }
        if new:
            rows = self._pool.rows([_values(item) for item in new.values()])
            known.update(zip(new, rows, strict=True))
        rows = [known[key] for key in keys]
        for key, item in new.items():
            # The build may yet complete the values of a trial that runs.
            if getattr(item, "status", None) == TrialStatus.RUNNING:
                del known[key]
        return np.array(rows).reshape(len(rows), self._pool.is_varied.size)

    def _encoded(self, items):
        return self._pool.encode(self._rows(items))

    def _probably_feasible(self, trials, rng):
        """A random architecture, if need be one that may be feasible."""
        feasibility = None
        if len(self.infeasible) >= _MIN_INFEASIBLE:
            feasibility = self._feasibility(trials)
        if feasibility is None:
            return self.random_values(rng)
        rows = self._pool.sample(_RANDOM_CANDIDATES, rng)
        rows = self._pool.without(rows, self._known_rows())
        if not len(rows):
            return self.random_values(rng)
        chances = np.exp(sum(feasibility(self._pool.encode(rows))))
        chances += 1e-12
        index = rng.choice(len(rows), p=chances / chances.sum())
        return self._pool.values(rows[index])

    def _known_rows(self):
        return self._rows([*self.trials.values(), *self._infeasible_items()])

    def _infeasible_items(self):
        return list(enumerate(self.infeasible))

    def _maximize(self, acquisition, trials, rng):
        feasibility = self._feasibility(trials)
        known = self._known_rows()
        count = len(known) + len(trials)
        is_small = self._listed is not None and (
            len(self._listed) * count <= _MAX_COVARIANCES
        )
        if is_small:
            rows = self._listed
            seen = (self._number_of.get(row.tobytes()) for row in known)
            seen = [number for number in seen if number is not None]
            scores = _scores(self._listed_x, acquisition, feasibility, seen)
        else:
            rows = self._first_candidates(trials, known, rng)
            scores = _scores(self._pool.encode(rows), acquisition, feasibility)
            for _ in range(_ROUNDS if len(rows) else 0):
                top = rows[np.argsort(-scores, kind="stable")[:_PARENTS]]
                new = self._changed(top, _CANDIDATES_A_ROUND, rng)
                new = self._pool.without(new, np.concatenate([known, rows]))
                rows = np.concatenate([rows, new])
                x = self._pool.encode(new)
                more = _scores(x, acquisition, feasibility)
                scores = np.concatenate([scores, more])
        # Rounded, or the last bit would decide between equals.
        order = np.argsort(-np.round(scores, 7), kind="stable")
        for index in order[:_MAX_COLLISIONS]:
            if scores[index] == -np.inf:
                break
            values = self._pool.values(rows[index])
            if not self.is_seen(values):
                return values
        return None

    def _first_candidates(self, trials, known, rng):
        best = self._rows(self._parents(trials))
        once = self._changed(best, _CHANGED_CANDIDATES, rng)
        twice = self._pool.mutate(once[::2], rng, _SMALL_STEPS)
        random = self._pool.sample(_RANDOM_CANDIDATES, rng)
        rows = np.concatenate([random, once, twice])
        return self._pool.without(rows, known)

    def _changed(self, rows, number, rng):
        copies = np.repeat(rows, -(-number // len(rows)), axis=0)
        return self._pool.mutate(copies, rng, _SMALL_STEPS)


def _log_chance(model, limit, sign, noise):
    """The probability to be on one side of a limit, as a function."""

    def log_probability(x):
        means, deviations = model.predict(x)
        z = sign * (means - limit) / np.hypot(deviations, noise)
        return np.log(np.maximum(normal_cdf(z), 1e-300))

    return log_probability


def _rank_scores(losses):
    return -normal_quantiles(losses)


def _key(item):
    """Names a trial, or an infeasible architecture with its number."""
    return item[0] if isinstance(item, tuple) else item.trial_id


def _values(item):
    if isinstance(item, tuple):
        return item[1]["values"]
    return item.hyperparameters.values


def _scores(x, acquisition, feasibility, seen=()):
    """Exact where it could be the largest, minus infinity elsewhere."""
    exact, bound = acquisition
    scores = np.full(len(x), -np.inf)
    if not len(x):
        return scores
    bounds = bound(x)
    bounds[list(seen)] = -np.inf
    order = np.argsort(-bounds, kind="stable")
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        if scores.max() >= bounds[chunk[0]]:
            break
        scores[chunk] = exact(x[chunk])
        if feasibility is not None:
            success, within = feasibility(x[chunk])
            unlikely = np.where(within < _LIKELY, _UNLIKELY + within, 0.0)
            scores[chunk] += success + unlikely
    return scores


def _in_steps(number):
    """The largest number up to this one at which a model is fitted anew."""
    size = min(number, 10)
    while (larger := int(size * _REFIT_FACTOR) + 1) <= number:
        size = larger
    return size


def _kept(trials, loss):
    """The trials that the model is told, and how many it is fitted to."""
    if len(trials) <= _MAX_TRIALS:
        return trials, _in_steps(len(trials))
    number = len(trials) - len(trials) % _STEP_OF_KEEPING
    earlier = trials[: number - _LATEST_KEPT]
    losses = [loss(trial) for trial in earlier]
    best = np.sort(np.argsort(losses, kind="stable")[:_BEST_KEPT])
    kept = [earlier[i] for i in best] + trials[number - _LATEST_KEPT :]
    return kept, _BEST_KEPT + _LATEST_KEPT


def _fitted_first(*lists):
    """Joins the latest of lists of items; those to fit a model to come first.

    Returns:
        The items, and how many of them a model is fitted to.
    """
    fitted, rest = [], []
    for items in lists:
        items, size = _remembered(items)
        fitted += items[:size]
        rest += items[size:]
    return fitted + rest, len(fitted)


def _remembered(items):
    """The latest items, and how many a model is fitted to."""
    first = max(0, len(items) - _MAX_REMEMBERED)
    first -= first % -_STEP_OF_REMEMBERING
    return items[first:], _in_steps(len(items[first:]))
