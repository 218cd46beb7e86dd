"""Search for a Pareto front guided by an ensemble of predictors."""

from keras_nas.oracles.pareto_bayesian_oracle import ParetoBayesianOracle
from keras_nas.oracles.predictor_guided_oracle import PredictorGuidedOracle


class ParetoPredictorOracle(PredictorGuidedOracle, ParetoBayesianOracle):
    """Looks for the Pareto front with predictors of each objective.

    `PredictorGuidedOracle` for several objectives: each is predicted on its
    own. The next trial is the one that is expected to get furthest beyond the
    front in a random direction.

    Take it instead of `ParetoBayesianOracle` when something is known of an
    architecture before it is trained, and give that as `columns`. A latency
    that is known in advance is an objective that need not be guessed.

    Args:
        num_initial_points: Integer, the number of random trials to begin
            with; imported trials count as such.
        columns: Optional function of a dict of hyperparameter values that
            returns a dict of numbers; see `PredictorGuidedOracle`.
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`, a list
            here, `max_trials` (here 100 by default), `seed` and so on.

    Reference:
        White et al., [BANANAS: Bayesian Optimization with Neural
        Architectures for Neural Architecture
        Search](https://arxiv.org/abs/1910.11858), 2021. Golovin & Zhang,
        [Random Hypervolume Scalarizations for Provable Multi-Objective Black
        Box Optimization](https://arxiv.org/abs/2006.04655), 2020: the random
        directions.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> for i in range(4):
    ...     _ = space.Choice(f"op{i}", ["conv", "pool", "skip"])
    >>> oracle = ParetoPredictorOracle(
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
