"""BatchNormalization, for models that are read beside our other layers."""

import keras


class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization`, also behind a searched width.

    It always *is* the layer of Keras: that normalizes each channel by itself,
    so it needs to know nothing of the channels that an architecture leaves
    out. It stands here so that a model can take all its layers from one
    place.

    Args:
        *args: Arguments of `keras.layers.BatchNormalization`.
        **kwargs: The same.

    Example:
    >>> type(BatchNormalization()) is keras.layers.BatchNormalization
    True
    """

    def __new__(cls, *args, **kwargs):
        """Returns the layer of Keras."""
        return keras.layers.BatchNormalization(*args, **kwargs)
