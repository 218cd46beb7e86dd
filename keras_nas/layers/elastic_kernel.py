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
        mask = tf.ones([1, 1, 1, 1], dtype)
        for axis, window in self.parts.items():
            shape = [1, 1, 1, 1]
            shape[axis] = -1
            inside = window.contains(ElasticValue.current)
            mask *= tf.reshape(tf.cast(inside, dtype), shape)
        return mask

    @property
    def parts(self):
        """Dict from the axes that are searched to the `ElasticRange` used."""
        return {
            axis: ElasticRange(size, start)
            for axis, (size, start) in enumerate(
                zip(self.sizes, self.starts, strict=True)
            )
            if isinstance(size, ElasticValue)
        }


class ElasticRange:
    """The part of an axis of a weight that an architecture uses.

    Args:
        size: `ElasticValue`, how many places are used.
        start: `ElasticValue`, the first of them, or 0.
    """

    def __init__(self, size, start=0):
        self.size = size
        self.start = start

    def used(self, options):
        """Returns the numbers of the places of one architecture.

        Args:
            options: Mapping from hyperparameters to numbers of options.
        """
        start = self.start
        if isinstance(start, ElasticValue):
            start = start.at(options)
        return np.arange(start, start + self.size.at(options))

    def contains(self, current):
        """Returns for each place whether it is used.

        Args:
            current: Function that gives the value of an `ElasticValue`, in
                one architecture or, with an axis for these, in several.

        Returns:
            Boolean tensor of shape `(..., places)`.
        """
        places = tf.range(self.size.largest)
        size, start = current(self.size)[..., None], self.start
        if isinstance(start, ElasticValue):
            start = current(start)[..., None]
        return (places >= start) & (places < start + size)

    def is_same(self, other):
        """Returns whether another part is this one in every architecture."""
        if not isinstance(other, ElasticRange):
            return False
        if not isinstance(self.start, ElasticValue):
            is_same_start = self.start is other.start
        else:
            is_same_start = self.start.is_same(other.start)
        return is_same_start and self.size.is_same(other.size)


def only_first(count, tensor):
    """Returns a tensor with zeros in all channels but the first.

    Args:
        count: `ElasticValue`, how many channels keep their value.
        tensor: Tensor of as many channels as the largest count.
    """
    is_used = tf.range(count.largest) < count.current()
    # Not a product: 0 times what is not finite would not be 0.
    return tf.where(is_used, tensor, tf.zeros([], tensor.dtype))
