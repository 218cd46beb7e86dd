"""The number of floating point operations."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.layer_counts import count_layers


class Flops(Cost):
    """Counts the floating point operations of one example.

    As TensorFlow's profiler counts them: a multiplication and an addition
    are two, functions such as `exp` and `relu` none. Counted as well is what
    the profiler leaves out: products written as `einsum`, as in attention, and
    all steps of recurrent layers.

    They stand for the time a model takes, roughly: memory traffic and the
    kernels of a device are not in them. They are counted layer by layer from
    shapes, in some ten milliseconds; layers of your own are traced, which
    takes longer.

    Args:
        max_flops: Optional integer, the most that are allowed.

    Example:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((3,)),
    ...     keras.layers.Dense(2, use_bias=False, name="hidden"),
    ...     keras.layers.Dense(1, name="output"),
    ... ])
    >>> Flops().measure(model)
    17
    >>> Flops().by_layer(model)
    {'hidden': 12, 'output': 5}
    """

    name = "flops"

    def __init__(self, max_flops=None):
        super().__init__(max_flops)
        self.max_flops = max_flops

    def measure(self, model):
        """Counts the operations of a built model.

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
        """Counts the operations of each layer.

        Args:
            model: As for `measure`.

        Returns:
            Dict from the path of each layer, `"model/layer"` in a model inside
            of another, to an integer. They add up to what `measure` gives.

        Raises:
            ValueError: As `measure`.
        """
        counts = count_layers(model)
        return {path: count.flops for path, count in counts.items()}
