"""Inverted bottleneck of MobileNetV2 and V3."""

import keras

from keras_nas import layers
from keras_nas.blocks.arguments import (
    check_activation,
    check_positive_integer,
    check_window,
    is_positive_number,
)
from keras_nas.blocks.block import Block
from keras_nas.layers.elastic_value import (
    ElasticValue,
    SharingError,
    channels_of,
    has_shortcut,
    mark_channels,
)


class InvertedBottleneck(Block):
    """Inverted bottleneck: expand, depthwise convolution, project.

    Use it for models that run on phones and microcontrollers; kernel size and
    expansion are what hardware-aware searches vary. A 1x1 convolution expands
    the channels, a depthwise convolution filters them, and a 1x1 convolution
    without activation projects them to `filters`. Where the output has the
    shape of the input, the input is added.

    Args:
        filters: Integer, the number of output channels.
        kernel_size: Integer or pair of integers, the size of the window of
            the depthwise convolution.
        expansion: Positive number, how many times the channels are expanded.
            With 1 there is no expanding convolution.
        strides: Integer, the stride of the depthwise convolution.
        squeeze_excite: Number above 0 and up to 1, the channels in the
            squeeze as a part of the expanded ones (MobileNetV3 takes 0.25).
            `None` for no squeeze-and-excitation.
        activation: Name of a Keras activation, a function, or `None`.
            `"relu6"` as in MobileNetV2 and `"hard_swish"` as in V3 are both
            cheap in TFLite.
        name: Optional string, the prefix of the names of the layers.

    Input shape:
        4D tensor `(batch, height, width, channels)`.

    Output shape:
        4D tensor `(batch, ceil(height / strides), ceil(width / strides),
        filters)`.

    Raises:
        ValueError: If an argument is invalid or the input is not 4D.

    Reference:

    - [Sandler et al., 2018, MobileNetV2](https://arxiv.org/abs/1801.04381)
    - [Howard et al., 2019, MobileNetV3](https://arxiv.org/abs/1905.02244)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((8, 8, 16))
    >>> block = blocks.InvertedBottleneck(24, kernel_size=5, strides=2)
    >>> block(x).shape
    (None, 4, 4, 24)
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        expansion=6,
        strides=1,
        squeeze_excite=None,
        activation="relu6",
        name=None,
    ):
        super().__init__(name)
        check_positive_integer("filters", filters)
        check_window("kernel_size", kernel_size)
        if not is_positive_number(expansion):
            raise ValueError(
                "Invalid value received for argument `expansion`. Expected a "
                f"positive number. Received: expansion={expansion!r}"
            )
        check_positive_integer("strides", strides)
        if squeeze_excite is not None and not (
            is_positive_number(squeeze_excite) and squeeze_excite <= 1
        ):
            raise ValueError(
                "Invalid value received for argument `squeeze_excite`. "
                "Expected `None` or a number above 0 and up to 1. "
                f"Received: squeeze_excite={squeeze_excite!r}"
            )
        check_activation(activation)
        self.filters = filters
        self.kernel_size = kernel_size
        self.expansion = expansion
        self.strides = strides
        self.squeeze_excite = squeeze_excite
        self.activation = activation

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        self._check_images(inputs)
        x = inputs
        channels = channels_of(inputs)
        if self._expands():
            channels = _scaled(channels, self.expansion)
            x = self._conv(x, "expand", channels)
            x = self._activate(x, "expand", self.activation)
        x = self._depthwise_conv(x, "depthwise", self.kernel_size, self.strides)
        x = self._activate(x, "depthwise", self.activation)
        if self.squeeze_excite is not None:
            x = self._squeeze_and_excite(x, channels)
        x = self._conv(x, "project", self.filters)
        if self.strides == 1 and has_shortcut(
            self, channels_of(inputs), self.filters
        ):
            x = keras.layers.Add(name=self._named("add"))([inputs, x])
        return mark_channels(x, self.filters)

    def _expands(self):
        """Whether there is an expanding convolution."""
        if not isinstance(self.expansion, ElasticValue):
            return self.expansion != 1
        if 1 in self.expansion.table:
            raise SharingError(
                f"{self.expansion!r} is 1 or more in {type(self).__name__}. "
                "With 1 there is no expanding convolution, so the layers "
                "cannot be shared. Leave 1 out, or make blocks with and "
                "without expansion the candidates of a `LayerChoice`."
            )
        return True

    def _squeeze_and_excite(self, x, channels):
        """Scales each channel by a function of all channels' means."""
        squeezed = _scaled(channels, self.squeeze_excite)
        scale = keras.layers.GlobalAveragePooling2D(
            keepdims=True, name=self._named("squeeze_pool")
        )(x)
        scale = layers.Conv2D(squeezed, 1, name=self._named("squeeze"))(scale)
        scale = self._activate(scale, "squeeze", "relu")
        scale = layers.Conv2D(channels, 1, name=self._named("excite"))(scale)
        # As in MobileNetV3: exact in integers, unlike the sigmoid.
        scale = self._activate(scale, "excite", "hard_sigmoid")
        return keras.layers.Multiply(name=self._named("scale"))([x, scale])

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "expansion": self.expansion,
            "strides": self.strides,
            "squeeze_excite": self.squeeze_excite,
            "activation": self.activation,
            **super().get_config(),
        }


def _scaled(channels, factor):
    """Returns a number of channels times a factor, one or both searched."""
    scaled = channels * factor
    if isinstance(scaled, ElasticValue):
        return scaled.map(_whole)
    return _whole(scaled)


def _whole(number):
    return max(1, round(number))
