"""What all stages of `compress` have in common."""

import contextlib


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

    def waiting(self, callbacks, num_epochs):
        """Keeps callbacks from ending the training while it is under way.

        Args:
            callbacks: List of Keras 3 callbacks.
            num_epochs: Integer.

        Returns:
            Context manager for the training.
        """
        del callbacks, num_epochs
        return contextlib.nullcontext()

    def is_named(self, name):
        """Returns whether the caller has asked for a layer by its name.

        Args:
            name: String, its name.
        """
        return isinstance(self.asked, dict) and self.value_of(name) is not None

    def shortfall(self, name, kernels):
        """Says what a layer lacks of what it could have had.

        Args:
            name: String, its name.
            kernels: List of arrays, its kernels as far as they are treated.

        Returns:
            String, or `None` if it lacks nothing.
        """
        del name, kernels

    def remark(self, name, kernels):
        """Says why a layer cannot have all that was asked.

        Args:
            name: String, its name.
            kernels: As for `shortfall`.

        Returns:
            String, or `None` if it can.
        """
        del name, kernels

    def value_of(self, name):
        """Returns what a layer is to have.

        Args:
            name: String, its name.

        Returns:
            As in `asked`; `None` if it is not to be treated.
        """
        if name in self.skip:
            return None
        asked = self.asked
        if isinstance(asked, dict):
            asked = asked.get(name)
        return asked or None


def is_kernel(weight):
    """Returns whether a weight is more than a number for each channel.

    Biases of some layers have two axes.

    Args:
        weight: Variable of Keras 3 or tf_keras.
    """
    # The names of tf_keras start with that of the layer.
    name = weight.name.split("/")[-1]
    return len(weight.shape) > 1 and "bias" not in name


def treated_kernels(layer):
    """Returns the kernels of a layer that are pruned and clustered.

    Args:
        layer: Keras 3 layer that is.

    Returns:
        List of variables: all but the depthwise kernels, which hold few
        weights.
    """
    return [
        weight
        for weight in layer.weights
        if is_kernel(weight) and "depthwise" not in weight.name
    ]


def describe_unknown(layer, source, verb):
    """Says that TF-MOT does not know a kind of layer.

    Args:
        layer: tf_keras layer.
        source: The Keras 3 layer behind it.
        verb: String, what it does not do.

    Returns:
        String, empty if there is nothing in the layer to treat.
    """
    if not any(len(weight.shape) > 1 for weight in layer.weights):
        return ""
    return f"TF-MOT does not {verb} {type(source).__name__}"
