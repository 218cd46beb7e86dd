"""What all blocks share."""

import keras

from keras_nas import layers
from keras_nas.layers.elastic_value import channels_of, mark_channels

# Searched models train for few steps. With Keras's 0.99 the moving statistics
# of a short training still remember their initial values.
_BATCH_NORM_MOMENTUM = 0.9


class Block:
    """A group of ordinary Keras layers, applied by a call.

    A block is not a layer: every call adds layers of its own to the model,
    and the model knows nothing of the block.

    Args:
        name: Optional string, the prefix of the names of the layers. Without
            it they get the names that Keras gives.
    """

    def __init__(self, name=None):
        if name is not None and (not isinstance(name, str) or not name):
            raise ValueError(
                "Invalid value received for argument `name`. Expected a "
                f"non-empty string or `None`. Received: name={name!r}"
            )
        self.name = name

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        raise NotImplementedError

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        """Makes a block from what `get_config` returned."""
        return cls(**config)

    def __repr__(self):
        config = self.get_config()
        name = config.pop("name")
        arguments = [f"{key}={value!r}" for key, value in config.items()]
        if name is not None:
            arguments.append(f"name={name!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    def _check_images(self, inputs):
        """Raises unless `inputs` is a batch of images, channels last."""
        shape = getattr(inputs, "shape", None)
        if shape is None or len(shape) != 4 or shape[-1] is None:
            received = type(inputs).__name__ if shape is None else tuple(shape)
            raise ValueError(
                f"{self!r} must be called on a 4D tensor of shape (batch, "
                "height, width, channels) with a known number of channels. "
                f"Received inputs of: {received}"
            )
        if keras.config.image_data_format() != "channels_last":
            raise ValueError(
                f"{self!r} takes images with channels last, as TFLite does. "
                "Call `keras.config.set_image_data_format('channels_last')`."
            )

    def _named(self, part):
        """Returns the name of the layer that does `part` of the work."""
        return None if self.name is None else f"{self.name}_{part}"

    def _conv(self, x, part, filters, kernel_size=1, strides=1):
        """Convolution and BatchNormalization."""
        x = layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            name=self._named(part),
        )(x)
        return mark_channels(self._norm(x, part), filters)

    def _depthwise_conv(self, x, part, kernel_size, strides):
        """Depthwise convolution and BatchNormalization."""
        channels = channels_of(x)
        x = layers.DepthwiseConv2D(
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
            name=self._named(part),
        )(x)
        return mark_channels(self._norm(x, part), channels)

    def _norm(self, x, part):
        return keras.layers.BatchNormalization(
            momentum=_BATCH_NORM_MOMENTUM, name=self._named(f"{part}_bn")
        )(x)

    def _activate(self, x, part, activation):
        return mark_channels(
            self._activated(x, part, activation), channels_of(x)
        )

    def _activated(self, x, part, activation):
        name = self._named(f"{part}_activation")
        # The ReLU layer is what TF-MOT quantizes and every converter fuses.
        if activation == "relu":
            return keras.layers.ReLU(name=name)(x)
        if activation == "relu6":
            return keras.layers.ReLU(max_value=6.0, name=name)(x)
        if activation is None:
            return x
        return keras.layers.Activation(activation, name=name)(x)
