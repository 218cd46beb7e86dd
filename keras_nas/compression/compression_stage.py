"""What all stages of `compress` have in common."""


class CompressionStage:
    """A way to compress, and the layers it is asked for.

    Args:
        asked: What a layer is to have, such as a share of zeros, or a dict of
            that by name of layer, for layers that are to be treated.
        skip: Names of layers to leave alone.
    """

    def __init__(self, asked, skip=()):
        self.asked = asked
        self.skip = frozenset(skip)

    @property
    def names(self):
        """Set of the names of layers that the caller has given."""
        chosen = self.asked if isinstance(self.asked, dict) else ()
        return self.skip | set(chosen)

    def value_of(self, name):
        """Returns what a layer is to have.

        Args:
            name: String, its name.

        Returns:
            As in `asked`; `None` if it is not to be treated.
        """
        if name in self.skip:
            return None
        if isinstance(self.asked, dict):
            return self.asked.get(name)
        return self.asked


def is_kernel(weight):
    """Returns whether a weight is more than a number for each channel.

    Biases of some layers have two axes.

    Args:
        weight: Variable of Keras 3 or tf_keras.
    """
    return len(weight.shape) > 1 and "bias" not in weight.name


def describe_unknown(layer, verb):
    """Says that TF-MOT does not know a kind of layer.

    Args:
        layer: tf_keras layer.
        verb: String, what it does not do.

    Returns:
        String, empty if there is nothing in the layer to treat.
    """
    if not any(len(weight.shape) > 1 for weight in layer.weights):
        return ""
    return f"TF-MOT does not {verb} {type(layer).__name__}"
