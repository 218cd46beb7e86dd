"""Pooling as an operation of a cell."""

import keras

from keras_nas.blocks.arguments import check_positive_integer, check_window
from keras_nas.blocks.block import Block


class PoolingBlock(Block):
    """Pooling that keeps the size of its input, or reduces it by `strides`.

    Use it as an operation of a `keras_nas.layers.Cell`.

    Args:
        pooling: String, `"max"` or `"average"`. The average leaves the
            padding out.
        pool_size: Integer or pair of integers, the size of the window.
        strides: Integer, the stride along height and width.
        batch_normalization: Boolean, whether to normalize the output, as
            DARTS does so that operations enter a node at one scale.
        name: Optional string, the prefix of the names of the layers.

    Input shape:
        4D tensor `(batch, height, width, channels)`.

    Output shape:
        4D tensor `(batch, ceil(height / strides), ceil(width / strides),
        channels)`.

    Raises:
        ValueError: If an argument is invalid or the input is not 4D.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((8, 8, 16))
    >>> blocks.PoolingBlock("average", pool_size=3)(x).shape
    (None, 8, 8, 16)
    """

    def __init__(
        self,
        pooling="max",
        pool_size=3,
        strides=1,
        batch_normalization=False,
        name=None,
    ):
        super().__init__(name)
        if pooling not in ("max", "average"):
            raise ValueError(
                "Invalid value received for argument `pooling`. Expected one "
                f"of 'max', 'average'. Received: pooling={pooling!r}"
            )
        check_window("pool_size", pool_size)
        check_positive_integer("strides", strides)
        if not isinstance(batch_normalization, bool):
            raise ValueError(
                "Invalid value received for argument `batch_normalization`. "
                "Expected a boolean. "
                f"Received: batch_normalization={batch_normalization!r}"
            )
        self.pooling = pooling
        self.pool_size = pool_size
        self.strides = strides
        self.batch_normalization = batch_normalization

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        self._check_images(inputs)
        if self.pooling == "max":
            layer = keras.layers.MaxPooling2D
        else:
            layer = keras.layers.AveragePooling2D
        x = layer(
            self.pool_size,
            strides=self.strides,
            padding="same",
            name=self._named("pool"),
        )(inputs)
        return self._norm(x, "pool") if self.batch_normalization else x

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {
            "pooling": self.pooling,
            "pool_size": self.pool_size,
            "strides": self.strides,
            "batch_normalization": self.batch_normalization,
            **super().get_config(),
        }
