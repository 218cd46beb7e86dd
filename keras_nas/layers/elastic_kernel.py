"""Parts of a kernel: what the smaller of several architectures uses."""

import numpy as np
import tensorflow as tf

from keras_nas.layers.elastic_value import ElasticValue


class ElasticKernel:
    """The window of a convolution of which the size is elastic.

    All sizes share one kernel, the largest. A smaller one is that part of it
    which reads the same pixels as a convolution of its own would with
    `padding="same"`: the centre, or beside it where strides do not divide.

    Args:
        kernel_size: Pair of integers or `ElasticValue`s.
        strides: Pair of integers.
        dilation_rate: Pair of integers.
        padding: String; only `"same"` keeps the shape of the output.
        owner: String, the name of the layer, for errors.
    """

    def __init__(self, kernel_size, strides, dilation_rate, padding, owner):
        self.sizes = kernel_size
        self._strides = strides
        self._dilation = dilation_rate
        self._owner = owner
        self.starts = (0, 0)
        for size in kernel_size:
            if isinstance(size, ElasticValue):
                size.use("kernel")
        if padding != "same" and self.is_elastic:
            raise ValueError(
                "Invalid value received for argument `padding`. Expected "
                "'same' for a `kernel_size` that is searched, because the "
                "output shape must not depend on it. "
                f"Received: padding={padding!r} for {owner}"
            )

    @property
    def is_elastic(self):
        """Whether any of the sizes is."""
        return any(isinstance(size, ElasticValue) for size in self.sizes)

    def place(self, image_size):
        """Finds where smaller kernels lie in the largest.

        Args:
            image_size: Pair of integers or `None`, height and width of the
                inputs.
        """
        self.starts = tuple(map(self._start, (0, 1), image_size))

    def _start(self, axis, pixels):
        size = self.sizes[axis]
        if not isinstance(size, ElasticValue):
            return 0
        stride, rate = self._strides[axis], self._dilation[axis]
        if stride > 1 and pixels is None:
            raise ValueError(
                f"{self._owner} has a searched `kernel_size` and strides, and "
                "needs inputs of a known height and width. Received inputs "
                "of shape (batch, None, None, channels)"
            )

        def padding_before(size):
            reach = (size - 1) * rate + 1
            if stride == 1:
                return (reach - 1) // 2
            outputs = -(-pixels // stride)
            return max((outputs - 1) * stride + reach - pixels, 0) // 2

        whole = padding_before(size.largest)
        shifts = size.map(lambda part: whole - padding_before(part))
        if (shifts.table % rate).any():
            raise ValueError(
                f"{self._owner} cannot search its `kernel_size` with "
                f"dilation_rate={self._dilation} and strides="
                f"{self._strides}: the kernels do not lie in one another."
            )
        return (shifts // rate).follow()

    def mask(self, dtype):
        """Returns 1 for what the running architecture uses, else 0.

        Returns:
            Tensor of shape `(height, width, 1, 1)`.
        """
        rows, columns = (
            _between(size, start, dtype)
            for size, start in zip(self.sizes, self.starts, strict=True)
        )
        return rows[:, None, None, None] * columns[None, :, None, None]

    def cut(self, kernel, options):
        """Returns the part of a kernel that one architecture uses.

        Args:
            kernel: Array of shape `(height, width, ...)`.
            options: Mapping from hyperparameters to numbers of options.
        """
        for axis in (0, 1):
            size, start = (
                value.at(options) if isinstance(value, ElasticValue) else value
                for value in (self.sizes[axis], self.starts[axis])
            )
            kernel = np.take(kernel, range(start, start + size), axis)
        return kernel


def _between(size, start, dtype):
    if not isinstance(size, ElasticValue):
        return tf.ones([size], dtype)
    places = tf.range(size.largest)
    first = start.current()
    inside = (places >= first) & (places < first + size.current())
    return tf.cast(inside, dtype)


def only_first(count, tensor):
    """Returns a tensor with zeros in all channels but the first.

    Args:
        count: `ElasticValue`, how many channels keep their value.
        tensor: Tensor of as many channels as the largest count.
    """
    is_used = tf.range(count.largest) < count.current()
    # Not a product: 0 times what is not finite would not be 0.
    return tf.where(is_used, tensor, tf.zeros([], tensor.dtype))
