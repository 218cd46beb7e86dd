"""The number of multiply-accumulate operations."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.layer_counts import count_layers


class Macs(Cost):
    """Counts the multiply-accumulate operations of one example.

    These are the products that convolutions, dense layers and attention add
    up. Papers on small networks mostly give them, and mostly half of
    `Flops`. Biases, batch normalisation, pooling and activations are none.

    Args:
        max_macs: Optional integer, the most that are allowed.

    Example:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((3,)),
    ...     keras.layers.Dense(2, name="hidden"),
    ...     keras.layers.Dense(1, name="output"),
    ... ])
    >>> Macs().measure(model)
    8
    >>> Macs().by_layer(model)
    {'hidden': 6, 'output': 2}
    """

    name = "macs"

    def __init__(self, max_macs=None):
        super().__init__(max_macs)
        self.max_macs = max_macs

    def measure(self, model):
        """Counts the multiply-accumulate operations of a built model.

        Args:
            model: Built `keras.Model` with known input shapes.

        Returns:
            Integer, for a batch of one.

        Raises:
            ValueError: If the model is not built, or if an input has an open
                dimension beside the batch.
        """
        return sum(self.by_layer(model).values())

    def by_layer(self, model):
        """Counts the multiply-accumulate operations of each layer.

        Args:
            model: As for `measure`.

        Returns:
            Dict from the path of each layer, `"model/layer"` in a model inside
            of another, to an integer. They add up to what `measure` gives.

        Raises:
            ValueError: As `measure`.
        """
        counts = count_layers(model)
        return {path: count.macs for path, count in counts.items()}
