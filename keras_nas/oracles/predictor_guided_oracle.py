"""Search guided by an ensemble of predictors (White et al., 2021)."""

import numpy as np

from keras_nas.oracles.bayesian_optimization_oracle import (
    BayesianOptimizationOracle,
)
from keras_nas.oracles.column_pool import ColumnPool
from keras_nas.predictors.predictor_ensemble import PredictorEnsemble

# Of more trials, so many are used to fit the Gaussian process.
_MAX_FITTED = 256

# A space with fewer architectures is looked through as a whole.
_MAX_LISTED = 1000


class PredictorGuidedOracle(BayesianOptimizationOracle):
    """Tries what an ensemble of predictors expects most of.

    BANANAS: Bayesian optimization in which an ensemble of neural networks
    predicts the score of an architecture from its encoding. Here a Gaussian
    process is part of the ensemble; why, and how they are combined, is said
    at `keras_nas.predictors.PredictorEnsemble`. The next trial is the one
    with the largest expected improvement. `recommend()` is the trial that the
    networks alone think best, for they average over noise.

    Take it instead of `BayesianOptimizationOracle` when something is known
    of an architecture before it is trained: zero-cost proxies, its
    parameters, its latency. Give it as `columns`, which the predictors learn
    to make use of. Without columns it finds as much on published tables, and
    takes more time.

    The networks are trained anew whenever there are a tenth more trials; in
    between, only their last layer learns. So a proposal is cheap, and the
    same after a resume.

    Args:
        num_initial_points: Integer, the number of random trials to begin
            with; imported trials count as such.
        columns: Optional function of a dict of hyperparameter values that
            returns a dict of numbers by name, or `None`. What it leaves out,
            or gives as `None`, NaN or infinity, is taken as missing. It is
            asked for 100 architectures to begin with, and after the random
            start for about 1,000 new ones a proposal, so it should take
            milliseconds. It has to give the same numbers again when a search
            is resumed.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        White et al., [BANANAS: Bayesian Optimization with Neural
        Architectures for Neural Architecture
        Search](https://arxiv.org/abs/1910.11858), 2021. White et al., [How
        Powerful are Performance Predictors in Neural Architecture
        Search?](https://arxiv.org/abs/2104.01177), 2021: on combining
        predictors, and zero-cost scores as their features.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> def count(values):
    ...     return {"skips": list(values.values()).count("skip")}
    >>> oracle = PredictorGuidedOracle(
    ...     "val_loss", max_trials=20, columns=count, hyperparameters=space,
    ...     seed=0)
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
        columns=None,
        **kwargs,
    ):
        super().__init__(
            objective=objective,
            max_trials=max_trials,
            num_initial_points=num_initial_points,
            **kwargs,
        )
        if columns is not None and not callable(columns):
            raise ValueError(
                "Invalid value received for argument `columns`. Expected a "
                "function of a dict of hyperparameter values that returns a "
                f"dict of numbers. Received: columns={columns!r}"
            )
        self.columns = columns

    def _fitted(self, name, items, scores):
        key = [item.trial_id for item in items], scores.tolist()
        if self._models.get(name, (None,))[0] != key:
            pool = self._pool
            model = PredictorEnsemble(
                pool.encoded_groups, pool.encoded_is_range
            )
            # Apart from the generator of the proposal: another proposal is to
            # find the same networks after a resume.
            rng = np.random.default_rng([self.seed, len(items), 1])
            model.fit(self._encoded(items), scores, rng, max_points=_MAX_FITTED)
            self._models[name] = key, model
        return self._models[name][1]

    def _without_noise(self, model, trials):
        # The Gaussian process would be less of a help: where it takes the
        # score of a point for noise, it falls back on the point's neighbours.
        return model.networks.predict(self._encoded(trials))[0]

    def _prepare(self):
        before = self._pool
        super()._prepare()
        if self._pool is before:
            return
        # Until it is complete, in case that `columns` raises an error.
        pool, self._pool = self._pool, None
        if self.columns is not None:
            pool = ColumnPool(self.hyperparameters, self.columns)
        # Of a larger space, candidates find as much in a third of the time,
        # and without asking for the columns of all.
        is_small = self._listed is not None and len(self._listed) <= _MAX_LISTED
        self._listed = self._listed if is_small else None
        self._listed_x = pool.encode(self._listed) if is_small else None
        self._pool = pool
