"""Residual block of two convolutions."""

import keras

from keras_nas.blocks.arguments import (
    check_activation,
    check_positive_integer,
    check_window,
)
from keras_nas.blocks.block import Block
from keras_nas.layers.elastic_value import (
    channels_of,
    has_shortcut,
    mark_channels,
)


class ResidualBlock(Block):
    """Two convolutions and a shortcut around them.

    Use it for deep stacks of plain convolutions. Where `strides` or the
    number of channels change the shape, the shortcut is a strided 1x1
    convolution; elsewhere it is the input itself.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or pair of integers, the size of both windows.
        strides: Integer, the stride of the first convolution.
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

    - [He et al., 2015](https://arxiv.org/abs/1512.03385)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((8, 8, 16))
    >>> blocks.ResidualBlock(32, strides=2)(x).shape
    (None, 4, 4, 32)
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
            inputs, "conv1", self.filters, self.kernel_size, self.strides
        )
        x = self._activate(x, "conv1", self.activation)
        x = self._conv(x, "conv2", self.filters, self.kernel_size)
        shortcut = inputs
        if self.strides != 1 or not has_shortcut(
            self, channels_of(inputs), self.filters
        ):
            shortcut = self._conv(
                inputs, "shortcut", self.filters, strides=self.strides
            )
        x = keras.layers.Add(name=self._named("add"))([shortcut, x])
        x = mark_channels(x, self.filters)
        return self._activate(x, "add", self.activation)

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "activation": self.activation,
            **super().get_config(),
        }
