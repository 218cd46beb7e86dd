"""Dense layer of which the units can be searched."""

import keras

from keras_nas.layers.elastic_kernel import ElasticRange, only_first
from keras_nas.layers.elastic_value import is_elastic, largest


class Dense(keras.layers.Dense):
    """`keras.layers.Dense` of which widths share weights.

    With a plain number, in a trial, it *is* a `keras.layers.Dense`. While a
    `keras_nas.Supernet` is built, a value of `hp.Choice` or `hp.Int` for
    `units` makes one layer with the largest kernel, of which smaller
    architectures use the first units.

    Args:
        units: Integer, or a value of a hyperparameter.
        activation: Name of a Keras activation, a function, or `None`.
        **kwargs: The other arguments of `keras.layers.Dense`.

    Input shape:
        N-D tensor `(batch, ..., channels)`.

    Output shape:
        N-D tensor `(batch, ..., units)`.

    Reference:

    - [Yu et al., 2019, Slimmable Neural
      Networks](https://arxiv.org/abs/1812.08928)

    Example:
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> Dense(hp.Int("units", 8, 32, step=8), name="hidden")
    <Dense name=hidden, built=False>
    """

    def __new__(cls, units, *args, **kwargs):
        """Returns a Keras layer where nothing is searched."""
        if not is_elastic(units):
            return keras.layers.Dense(units, *args, **kwargs)
        return super().__new__(cls, units, *args, **kwargs)

    def __init__(self, units, *args, **kwargs):
        super().__init__(largest(units), *args, **kwargs)
        self.elastic_channels = units
        units.use("width")

    def call(self, inputs, training=None):
        """Applies the layer; units that are not in use give 0."""
        outputs = super().call(inputs, training=training)
        return only_first(self.elastic_channels, outputs)

    def elastic_axes(self, inputs):
        """Says what of each weight an architecture uses.

        Args:
            inputs: Which input channels are used; `None` if all are.

        Returns:
            List of dicts, one a weight, from axes to what is used of them.
        """
        outputs = ElasticRange(self.elastic_channels)
        return [{0: inputs, -1: outputs}, {-1: outputs}][: len(self.weights)]
