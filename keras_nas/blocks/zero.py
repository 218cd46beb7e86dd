"""No connection."""

import keras

from keras_nas.blocks.arguments import check_positive_integer
from keras_nas.blocks.block import Block


class Zero(Block):
    """No connection: zeros in the shape of the input.

    Use it as an operation of a `keras_nas.layers.Cell` that lets the search
    remove an edge.

    The zeros are `keras.ops.zeros_like`: they are zero whatever the input
    holds, NaN included, no gradient flows through them, the model loads
    without `keras_nas`, and the TFLite converter removes them together with
    the addition they enter.

    Args:
        strides: Integer, the stride along height and width.
        name: Optional string, the prefix of the names of the layers. The
            operation `zeros_like` itself gets the name that Keras gives.

    Input shape:
        With `strides=1` any tensor. Otherwise a 4D tensor
        `(batch, height, width, channels)`.

    Output shape:
        The input shape, or 4D tensor `(batch, ceil(height / strides),
        ceil(width / strides), channels)`.

    Raises:
        ValueError: If an argument is invalid, or `strides` is above 1 and the
            input is not 4D.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)

    Example:
    >>> import keras, numpy as np
    >>> from keras_nas import blocks
    >>> blocks.Zero(strides=2)(keras.Input((9, 9, 16))).shape
    (None, 5, 5, 16)
    >>> float(blocks.Zero()(np.full((1, 2), np.nan)).numpy().sum())
    0.0
    """

    def __init__(self, strides=1, name=None):
        super().__init__(name)
        check_positive_integer("strides", strides)
        self.strides = strides

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        if self.strides == 1:
            return keras.ops.zeros_like(inputs)
        self._check_images(inputs)
        x = keras.layers.MaxPooling2D(
            1, strides=self.strides, padding="same", name=self._named("pool")
        )(inputs)
        return keras.ops.zeros_like(x)

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {"strides": self.strides, **super().get_config()}
