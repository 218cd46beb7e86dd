"""Depthwise-separable convolution."""

from keras_nas.blocks.arguments import (
    check_activation,
    check_positive_integer,
    check_window,
)
from keras_nas.blocks.block import Block


class SeparableConvBlock(Block):
    """Depthwise and pointwise convolution, each normalized and activated.

    Use it as the cheap candidate next to `ConvBlock`: for a 3x3 window and
    many channels it takes about a ninth of the multiplications.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or pair of integers, the size of the window of
            the depthwise convolution.
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

    - [Howard et al., 2017, MobileNets](https://arxiv.org/abs/1704.04861)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((8, 8, 3))
    >>> blocks.SeparableConvBlock(16, kernel_size=5)(x).shape
    (None, 8, 8, 16)
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
        x = self._depthwise_conv(
            inputs, "depthwise", self.kernel_size, self.strides
        )
        x = self._activate(x, "depthwise", self.activation)
        x = self._conv(x, "pointwise", self.filters)
        return self._activate(x, "pointwise", self.activation)

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": self.activation,
            **super().get_config(),
        }
