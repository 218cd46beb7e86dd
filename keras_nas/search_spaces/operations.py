"""Operations of cells, in the order of DARTS: activate, convolve, normalise.

Each is a function of tensors, as the factories of a `Cell` return them.
"""

import keras

# As the blocks of keras_nas, for short trainings.
_BATCH_NORM_MOMENTUM = 0.9


def relu_conv_bn(filters, kernel_size, strides=1):
    """Returns ReLU, convolution and BatchNormalization."""

    def apply(x):
        x = keras.layers.ReLU()(x)
        x = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=False,
        )(x)
        return batch_norm(x)

    return apply


def separable_conv(filters, kernel_size, strides=1):
    """Returns two depthwise-separable convolutions."""

    def apply(x):
        x = _separable(x, filters, kernel_size, strides, 1)
        return _separable(x, filters, kernel_size, 1, 1)

    return apply


def dilated_conv(filters, kernel_size, strides=1):
    """Returns a depthwise-separable convolution with gaps in its window."""

    def apply(x):
        return _separable(x, filters, kernel_size, strides, 2)

    return apply


def batch_norm(x):
    """Applies BatchNormalization."""
    return keras.layers.BatchNormalization(momentum=_BATCH_NORM_MOMENTUM)(x)


def _separable(x, filters, kernel_size, strides, dilation_rate):
    x = keras.layers.ReLU()(x)
    # TensorFlow takes strides or dilation: so pixels are left out afterwards.
    x = keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=strides if dilation_rate == 1 else 1,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=False,
    )(x)
    if dilation_rate > 1 and strides > 1:
        x = keras.layers.MaxPooling2D(1, strides=strides, padding="same")(x)
    x = keras.layers.Conv2D(filters, 1, use_bias=False)(x)
    return batch_norm(x)
