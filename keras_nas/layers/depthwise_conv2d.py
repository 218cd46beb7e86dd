"""Depthwise convolution of which the kernel size can be searched."""

import keras

from keras_nas.layers.conv2d import pair
from keras_nas.layers.elastic_kernel import ElasticKernel
from keras_nas.layers.elastic_value import is_elastic, largest


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """`keras.layers.DepthwiseConv2D` of which kernel sizes share weights.

    With plain numbers, in a trial, it *is* a `keras.layers.DepthwiseConv2D`.
    While a `keras_nas.Supernet` is built, a value of `hp.Choice` or `hp.Int`
    for `kernel_size` makes one layer with the largest kernel, of which
    smaller ones are the centre. Searched channels of the inputs need no
    word here: it works on each by itself.

    Args:
        kernel_size: Integer or pair of integers, or values of
            hyperparameters; these need `padding="same"`.
        strides: Integer or pair of integers.
        padding: String, `"valid"` or `"same"`.
        **kwargs: The other arguments of `keras.layers.DepthwiseConv2D`.

    Input shape:
        4D tensor `(batch, height, width, channels)`.

    Output shape:
        4D tensor `(batch, new_height, new_width, channels *
        depth_multiplier)`.

    Raises:
        ValueError: If a searched kernel size is combined with arguments that
            do not allow for it.

    Reference:

    - [Cai et al., 2020, Once-for-All](https://arxiv.org/abs/1908.09791)

    Example:
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> DepthwiseConv2D(hp.Choice("kernel", [3, 5]), name="depthwise")
    <DepthwiseConv2D name=depthwise, built=False>
    """

    def __new__(cls, kernel_size, *args, **kwargs):
        """Returns a Keras layer where nothing is searched."""
        if not is_elastic(kernel_size):
            return keras.layers.DepthwiseConv2D(kernel_size, *args, **kwargs)
        return super().__new__(cls, kernel_size, *args, **kwargs)

    def __init__(self, kernel_size, *args, **kwargs):
        super().__init__(largest(kernel_size), *args, **kwargs)
        if self.data_format != "channels_last":
            raise ValueError(
                f"{self.name}: a searched `kernel_size` needs "
                "data_format='channels_last'. Received: "
                f"data_format={self.data_format!r}"
            )
        self.elastic_kernel = ElasticKernel(
            pair(kernel_size),
            self.strides,
            self.dilation_rate,
            self.padding,
            self.name,
        )

    def build(self, input_shape):
        """Creates the largest kernel."""
        super().build(input_shape)
        self.elastic_kernel.place(input_shape[1:3])

    def call(self, inputs):
        """Convolves with the part of the kernel in use."""
        outputs = keras.ops.depthwise_conv(
            inputs,
            self.kernel * self.elastic_kernel.mask(self.kernel.dtype),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.use_bias:
            outputs = outputs + keras.ops.cast(self.bias, outputs.dtype)
        if self.activation is not None:
            outputs = self.activation(outputs)
        return outputs

    def elastic_axes(self, inputs):
        """Says what of each weight an architecture uses.

        Args:
            inputs: Which input channels are used; `None` if all are. Some
                only with a `depth_multiplier` of 1.

        Returns:
            List of dicts, one a weight, from axes to what is used of them.
        """
        kernel = {**self.elastic_kernel.parts, -2: inputs}
        return [kernel, {-1: inputs}][: len(self.weights)]
