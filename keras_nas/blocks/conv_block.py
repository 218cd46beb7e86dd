"""Convolution, normalization, activation."""

from keras_nas.blocks.arguments import (
    check_activation,
    check_positive_integer,
    check_window,
)
from keras_nas.blocks.block import Block


class ConvBlock(Block):
    """Convolution, BatchNormalization, activation.

    Use it as the plain candidate of a choice, as a stem, and with
    `kernel_size=1` to bring the inputs of a `keras_nas.layers.Cell` to one
    number of channels.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or pair of integers, the size of the window.
        strides: Integer, the stride along height and width.
        activation: Name of a Keras activation, a function, or `None`.
        name: Optional string, the prefix of the names of the layers.

    Input shape:
        4D tensor `(batch, height, width, channels)`.

    Output shape:
        4D tensor `(batch, ceil(height / strides), ceil(width / strides),
        filters)`.

    Raises:
        ValueError: If an argument is invalid or the input is not 4D.

    Reference:

    - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((8, 8, 3))
    >>> blocks.ConvBlock(16, kernel_size=3, strides=2)(x).shape
    (None, 4, 4, 16)
    """

    def __init__(
        self, filters, kernel_size=3, strides=1, activation="relu", name=None
    ):
        super().__init__(name)
        check_positive_integer("filters", filters)
        check_window("kernel_size", kernel_size)
        check_positive_integer("strides", strides)
        check_activation(activation)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.activation = activation

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        self._check_images(inputs)
        x = self._conv(
            inputs, "conv", self.filters, self.kernel_size, self.strides
        )
        return self._activate(x, "conv", self.activation)

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": self.activation,
            **super().get_config(),
        }
