"""GDAS as a tuner (Dong and Yang, 2019)."""

from keras_nas.supernet.gradient import GDASSearch
from keras_nas.tuners.gradient_tuner import GradientTuner


class GDAS(GradientTuner):
    """Searches by gradient: one sampled architecture a step.

    As `DARTS`, but each step runs one architecture, drawn by the
    probabilities, however many candidates there are. A branch runs again for
    its gradient and nothing of it is kept before, so a step takes about a
    third longer than one of that architecture, and less memory for
    activations. The probabilities get their gradient through a factor of 1 on
    the outputs of what was drawn. With a table of measured latencies as
    `cost`, this is the search of ProxylessNAS.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled functional
            or `Sequential` model, or a `keras_tuner.HyperModel`, such as
            `keras_nas.search_spaces.HyperCell`.
        objective: String, or `keras_tuner.Objective`, of the trials.
        max_trials: Integer, how many of the most probable architectures are
            trained from scratch. Defaults to 1.
        search_epochs: Integer, how long the supernet is trained. A step
            trains one architecture only, so it takes more of them than
            `DARTS`.
        temperatures: Pair of positive floats, the temperature of the
            Gumbel-softmax in the first and in the last epoch.
        **kwargs: Further arguments of the search: `warmup_epochs`,
            `alpha_split`, `alpha_optimizer`, `alpha_regularization`, `cost`,
            `cost_weight`, `early_stopping`, `fixed` and `seed`, see
            `keras_nas.tuners.GradientTuner`; and those of `keras_nas.Tuner`
            and `keras_nas.oracles.Oracle`.

    Reference:

    - [Dong and Yang, 2019, Searching for a Robust Neural Architecture in Four
      GPU Hours](https://arxiv.org/abs/1910.04465)
    - [Cai et al., 2019, ProxylessNAS](https://arxiv.org/abs/1812.00332)

    Example:

    >>> import keras, tempfile
    >>> import numpy as np
    >>> import keras_nas as nas
    >>> def build(hp):
    ...     x = inputs = keras.Input((4,))
    ...     x = nas.layers.LayerChoice(hp, "op", {
    ...         "dense": lambda: keras.layers.Dense(4, "tanh"),
    ...         "skip": nas.blocks.Identity})(x)
    ...     model = keras.Model(inputs, keras.layers.Dense(1)(x))
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> tuner = GDAS(
    ...     build, "val_loss", search_epochs=2, seed=0,
    ...     cost={"op": {"dense": 1.5}}, cost_weight=0.1,
    ...     directory=tempfile.mkdtemp())
    >>> x = np.random.default_rng(0).random((32, 4))
    >>> tuner.search(x, x.sum(1), validation_split=0.5, epochs=1, verbose=0)
    >>> len(tuner.search_history)
    2
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=1,
        search_epochs=50,
        temperatures=(10.0, 0.1),
        **kwargs,
    ):
        is_pair = isinstance(temperatures, (tuple, list)) and (
            len(temperatures) == 2
        )
        if not is_pair or not all(
            isinstance(t, (int, float)) and t > 0 for t in temperatures
        ):
            raise ValueError(
                "Invalid value received for argument `temperatures`. Expected "
                "two positive numbers, for the first epoch and the last. "
                f"Received: temperatures={temperatures!r}"
            )
        self.temperatures = tuple(temperatures)
        super().__init__(
            hypermodel, objective, max_trials, search_epochs, **kwargs
        )

    def make_search(self, supernet, **arguments):
        """Returns the `GDASSearch` of a supernet."""
        return GDASSearch(supernet, **self.search_arguments(), **arguments)

    def search_arguments(self):
        """Returns the arguments of the algorithm."""
        return {"temperatures": self.temperatures}
