"""Monte Carlo tree search as a tuner."""

from keras_nas.oracles import MonteCarloTreeSearchOracle
from keras_nas.tuners.arguments import oracle_arguments
from keras_nas.tuners.tuner import Tuner


class MonteCarloTreeSearch(Tuner):
    """Searches the tree of decisions that leads to an architecture.

    Made for spaces in which early decisions determine what later ones mean.
    See `keras_nas.oracles.MonteCarloTreeSearchOracle`.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        objective: String, `keras_tuner.Objective`, or a list of them.
        max_trials: Integer, the number of trials. Defaults to 100.
        exploration: Float, the weight of the confidence bound.
        amaf_visits: Integer, for how many visits counts at most what is known
            of an option elsewhere in the tree.
        initial_trials: Optional integer, the random trials to begin with. A
            fifth of `max_trials` by default, at most 10.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner`, such as `directory`,
            `project_name`, `overwrite` and `evaluator`, and of
            `keras_nas.oracles.Oracle`, such as `hyperparameters` and
            `max_retries_per_trial`.

    Reference:
        Kocsis and Szepesvári, [Bandit Based Monte-Carlo
        Planning](https://doi.org/10.1007/11871842_29), 2006; Cazenave,
        [Generalized Rapid Action Value
        Estimation](https://www.ijcai.org/Proceedings/15/Papers/112.pdf),
        2015.

    Example:

    >>> import keras, tempfile
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)), keras.layers.Dense(hp.Int("units", 1, 8))])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = MonteCarloTreeSearch(
    ...     build, "val_loss", max_trials=30, directory=tempfile.mkdtemp())
    >>> tuner.oracle.exploration
    0.1
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=100,
        exploration=0.1,
        amaf_visits=5,
        initial_trials=None,
        seed=None,
        **kwargs,
    ):
        oracle = MonteCarloTreeSearchOracle(
            objective=objective,
            max_trials=max_trials,
            exploration=exploration,
            amaf_visits=amaf_visits,
            initial_trials=initial_trials,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)
