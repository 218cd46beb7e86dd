"""Random search (Bergstra & Bengio, 2012)."""

from keras_nas.oracles.oracle import Oracle


class RandomOracle(Oracle):
    """Draws architectures at random, without repeating one.

    The baseline that every other strategy has to beat, and the right choice
    for a first look at a space. On a small space it visits every
    architecture exactly once and then ends the search.

    Args:
        **kwargs: Arguments of `keras_nas.oracles.Oracle`: `objective`,
            `max_trials`, `seed` and so on.

    Reference:
        Bergstra & Bengio, [Random Search for Hyper-Parameter
        Optimization](https://jmlr.org/papers/v13/bergstra12a.html), 2012.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("units", [8, 16, 32])
    >>> oracle = RandomOracle("val_loss", hyperparameters=space, seed=0)
    >>> sorted(oracle.create_trial(str(i)).hyperparameters["units"]
    ...        for i in range(3))
    [8, 16, 32]
    >>> oracle.create_trial("3").status
    'STOPPED'
    """

    def propose(self, rng):
        """Draws an architecture from the prior of the space."""
        return self.random_values(rng)
