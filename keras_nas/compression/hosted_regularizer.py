"""A tf_keras regularizer that calls a Keras 3 regularizer."""

import functools
import itertools
import weakref

from keras_nas.compression.legacy_keras import import_tfmot

# TF-MOT copies layers by way of their configuration, in which a regularizer
# stands as a number. Held by the regularizers of tf_keras, so that they go
# together.
_HELD = weakref.WeakValueDictionary()
_KEYS = itertools.count()


def host_regularizer(regularizer):
    """Makes a tf_keras regularizer that adds what one of Keras 3 adds.

    Args:
        regularizer: Regularizer of Keras 3 for weights, or a function.
    """
    held = _Held(regularizer)
    key = next(_KEYS)
    _HELD[key] = held
    return _regularizer_class()(key)


@functools.cache
def _regularizer_class():
    import tensorflow as tf

    _, tf_keras = import_tfmot()

    @tf_keras.utils.register_keras_serializable("keras_nas")
    class HostedRegularizer(tf_keras.regularizers.Regularizer):
        """Calls a regularizer of Keras 3.

        Args:
            key: Integer, by which it is found.
        """

        def __init__(self, key):
            self.key = key
            self._held = _HELD[key]

        def __call__(self, x):
            return self._held.regularizer(tf.convert_to_tensor(x))

        def get_config(self):
            return {"key": self.key}

    return HostedRegularizer


class _Held:
    def __init__(self, regularizer):
        self.regularizer = regularizer
