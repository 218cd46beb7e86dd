"""Convolution of which filters and kernel size can be searched."""

import keras

from keras_nas.layers.elastic_kernel import (
    ElasticKernel,
    ElasticRange,
    only_first,
)
from keras_nas.layers.elastic_value import (
    ElasticValue,
    is_elastic,
    largest,
    mark_channels,
)


class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of which widths and kernels share weights.

    With plain numbers, in a trial, it *is* a `keras.layers.Conv2D`: nothing
    of keras_nas is in the model. While a `keras_nas.Supernet` is built, a
    value of `hp.Choice` or `hp.Int` for `filters` or `kernel_size` makes one
    layer with the largest kernel, of which smaller architectures use the
    first filters and the centre.

    Args:
        filters: Integer, or a value of a hyperparameter.
        kernel_size: Integer or pair of integers, or values of
            hyperparameters; these need `padding="same"`.
        strides: Integer or pair of integers.
        padding: String, `"valid"` or `"same"`.
        **kwargs: The other arguments of `keras.layers.Conv2D`. Searched
            filters need `groups=1`.

    Input shape:
        4D tensor `(batch, height, width, channels)`.

    Output shape:
        4D tensor `(batch, new_height, new_width, filters)`.

    Raises:
        ValueError: If searched values are combined with arguments that do
            not allow for them.

    Reference:

    - [Cai et al., 2020, Once-for-All](https://arxiv.org/abs/1908.09791)
    - [Yu et al., 2019, Slimmable Neural
      Networks](https://arxiv.org/abs/1812.08928)

    Example:
    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> Conv2D(hp.Int("filters", 8, 32, step=8), 3, name="conv")
    <Conv2D name=conv, built=False>
    >>> type(_) is keras.layers.Conv2D
    True
    """

    def __new__(cls, filters, kernel_size, *args, **kwargs):
        """Returns a Keras layer where nothing is searched."""
        if not is_elastic(filters) and not is_elastic(kernel_size):
            return keras.layers.Conv2D(filters, kernel_size, *args, **kwargs)
        return super().__new__(cls, filters, kernel_size, *args, **kwargs)

    def __init__(self, filters, kernel_size, *args, **kwargs):
        super().__init__(
            largest(filters), largest(kernel_size), *args, **kwargs
        )
        if self.groups != 1 or self.data_format != "channels_last":
            raise ValueError(
                f"{self.name}: searched `filters` or `kernel_size` need "
                "groups=1 and data_format='channels_last'. Received: "
                f"groups={self.groups}, data_format={self.data_format!r}"
            )
        self.elastic_channels = (
            filters if isinstance(filters, ElasticValue) else None
        )
        if self.elastic_channels is not None:
            filters.use("width")
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

    def __call__(self, inputs, *args, **kwargs):
        """Applies the layer; what is computed of its width can be told."""
        outputs = super().__call__(inputs, *args, **kwargs)
        if isinstance(outputs, keras.KerasTensor):
            mark_channels(outputs, self.elastic_channels)
        return outputs

    def call(self, inputs):
        """Convolves with the part of the kernel in use."""
        kernel = self.kernel
        if self.elastic_kernel.is_elastic:
            kernel = kernel * self.elastic_kernel.mask(kernel.dtype)
        outputs = self.convolution_op(inputs, kernel)
        if self.use_bias:
            outputs = outputs + keras.ops.cast(self.bias, outputs.dtype)
        if self.activation is not None:
            outputs = self.activation(outputs)
        if self.elastic_channels is not None:
            outputs = only_first(self.elastic_channels, outputs)
        return outputs

    def elastic_axes(self, inputs):
        """Says what of each weight an architecture uses.

        Args:
            inputs: Which input channels are used; `None` if all are.

        Returns:
            List of dicts, one a weight, from axes to what is used of them.
        """
        outputs = self.elastic_channels
        if outputs is not None:
            outputs = ElasticRange(outputs)
        kernel = {**self.elastic_kernel.parts, -2: inputs, -1: outputs}
        return [kernel, {-1: outputs}][: len(self.weights)]


def pair(size):
    """Returns a size as a pair: of height and width."""
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)
