"""DARTS as a tuner (Liu et al., 2019)."""

from keras_nas.supernet.gradient import DARTSSearch
from keras_nas.tuners.gradient_tuner import GradientTuner, check_number


class DARTS(GradientTuner):
    """Searches by gradient: all candidates at once, weighed.

    One supernet is trained in which each choice is a sum of its candidates,
    weighed by their probabilities. The probabilities are learnt by gradient
    on held-out data. The most probable architecture is then trained as an
    ordinary trial.

    It costs about one training of the whole supernet, and as much memory; if
    that is too much, take `GDAS`. It searches choices of layers, inputs and
    depths, but no widths and kernel sizes (`fixed=`, or a `LayerChoice`).

    In long searches DARTS tends to collapse onto skip connections. Cures,
    which can be combined: `early_stopping=` with
    `keras_nas.supernet.HessianStopping()` or `SkipStopping()`,
    `auxiliary_skip=True` and `skip_drop_rate=0.3`. They all mean candidates
    that return their inputs as they are, so no skips that change the size, as
    in reduction cells.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled functional
            or `Sequential` model, or a `keras_tuner.HyperModel`, such as
            `keras_nas.search_spaces.HyperDARTS`.
        objective: String, or `keras_tuner.Objective`, of the trials.
        max_trials: Integer, how many of the most probable architectures are
            trained from scratch. Defaults to 1.
        search_epochs: Integer, how long the supernet is trained.
        order: Integer. 1 takes the present weights for those that are best
            for the probabilities; 2 looks one step ahead, which costs
            several times as much and is what the paper calls second order.
        auxiliary_skip: Boolean, whether a skip connection that fades out is
            added to each choice that has one as a candidate (DARTS-).
        skip_drop_rate: Float from 0 to below 1, how often a skip connection
            is dropped in the first epoch; it falls to 0 in the last
            (P-DARTS).
        **kwargs: Further arguments of the search: `warmup_epochs`,
            `alpha_split`, `alpha_optimizer`, `alpha_regularization`, `cost`,
            `cost_weight`, `early_stopping`, `fixed` and `seed`, see
            `keras_nas.tuners.GradientTuner`; and those of `keras_nas.Tuner`
            and `keras_nas.oracles.Oracle`.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)
    - [Zela et al., 2020, Understanding and Robustifying Differentiable
      Architecture Search](https://arxiv.org/abs/1909.09656)
    - [Liang et al., 2019, DARTS+](https://arxiv.org/abs/1909.06035)
    - [Chu et al., 2021, DARTS-](https://arxiv.org/abs/2009.01027)

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
    >>> tuner = DARTS(build, "val_loss", search_epochs=2, seed=0,
    ...               directory=tempfile.mkdtemp())
    >>> x = np.random.default_rng(0).random((32, 4))
    >>> tuner.search(x, x.sum(1), validation_split=0.5, epochs=1, verbose=0)
    >>> sorted(tuner.probabilities["op"])
    ['dense', 'skip']
    >>> len(tuner.get_best_models())
    1
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=1,
        search_epochs=50,
        order=1,
        auxiliary_skip=False,
        skip_drop_rate=0.0,
        **kwargs,
    ):
        if order not in (1, 2):
            raise ValueError(
                "Invalid value received for argument `order`. Expected 1 or "
                f"2. Received: order={order!r}"
            )
        if not isinstance(auxiliary_skip, bool):
            raise ValueError(
                "Invalid value received for argument `auxiliary_skip`. "
                "Expected a boolean. Received: "
                f"auxiliary_skip={auxiliary_skip!r}"
            )
        check_number("skip_drop_rate", skip_drop_rate, 0, 0.99)
        self.order = order
        self.auxiliary_skip = auxiliary_skip
        self.skip_drop_rate = skip_drop_rate
        super().__init__(
            hypermodel, objective, max_trials, search_epochs, **kwargs
        )

    def make_search(self, supernet, **arguments):
        """Returns the `DARTSSearch` of a supernet."""
        return DARTSSearch(supernet, **self.search_arguments(), **arguments)

    def search_arguments(self):
        """Returns the arguments of the algorithm."""
        return {
            "order": self.order,
            "auxiliary_skip": self.auxiliary_skip,
            "skip_drop_rate": self.skip_drop_rate,
        }
