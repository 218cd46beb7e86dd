"""Skip connection."""

import keras

from keras_nas.blocks.arguments import check_positive_integer
from keras_nas.blocks.block import Block


class Identity(Block):
    """Skip connection, also across a change of size.

    Use it as a candidate that lets the search leave a layer out.

    With `strides=1` it returns its input and adds no layer. With more it is
    the factorized reduction of DARTS: ReLU, then two strided 1x1 convolutions
    of half the channels, the second of which reads the pixels diagonally next
    to those of the first, then BatchNormalization. So a skip through a
    reduction cell sees twice the pixels that one strided convolution would.

    Args:
        strides: Integer, the stride along height and width.
        name: Optional string, the prefix of the names of the layers.

    Input shape:
        With `strides=1` any tensor, or nested structure of tensors. Otherwise
        a 4D tensor `(batch, height, width, channels)`.

    Output shape:
        The input shape, or 4D tensor `(batch, ceil(height / strides),
        ceil(width / strides), channels)`.

    Raises:
        ValueError: If an argument is invalid, or `strides` is above 1 and the
            input is not 4D.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)

    Example:
    >>> import keras
    >>> from keras_nas import blocks
    >>> x = keras.Input((9, 9, 16))
    >>> blocks.Identity()(x) is x
    True
    >>> blocks.Identity(strides=2)(x).shape
    (None, 5, 5, 16)
    """

    def __init__(self, strides=1, name=None):
        super().__init__(name)
        check_positive_integer("strides", strides)
        self.strides = strides

    def __call__(self, inputs):
        """Applies new layers to `inputs` and returns their outputs."""
        if self.strides == 1:
            return inputs
        self._check_images(inputs)
        channels = inputs.shape[-1]
        x = self._activate(inputs, "reduce", "relu")
        paths = [self._path(x, "reduce1", channels - channels // 2)]
        if channels > 1:
            # Shifts by a pixel and keeps the size, so that both paths have
            # the same size for odd inputs as well.
            x = keras.layers.ZeroPadding2D(
                ((0, 1), (0, 1)), name=self._named("reduce2_pad")
            )(x)
            x = keras.layers.Cropping2D(
                ((1, 0), (1, 0)), name=self._named("reduce2_crop")
            )(x)
            paths.append(self._path(x, "reduce2", channels // 2))
            x = keras.layers.Concatenate(name=self._named("reduce_concat"))(
                paths
            )
        else:
            x = paths[0]
        return self._norm(x, "reduce")

    def _path(self, x, part, filters):
        # Without padding a 1x1 window starts at the first pixel, always.
        return keras.layers.Conv2D(
            filters,
            1,
            strides=self.strides,
            padding="valid",
            use_bias=False,
            name=self._named(part),
        )(x)

    def get_config(self):
        """Returns the arguments the block was made with."""
        return {"strides": self.strides, **super().get_config()}
