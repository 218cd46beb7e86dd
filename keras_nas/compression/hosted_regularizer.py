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


def host_regularizer(regularizer, of_activity=False):
    """Makes a tf_keras regularizer that adds what one of Keras 3 adds.

    Args:
        regularizer: Regularizer of Keras 3, or a function.
        of_activity: Boolean, whether it is for outputs. What these add tf_keras
            divides by the size of the batch, and Keras 3 does not.
    """
    held = _Held(regularizer)
    key = next(_KEYS)
    _HELD[key] = held
    return _regularizer_class()(key, of_activity)


@functools.cache
def _regularizer_class():
    import tensorflow as tf

    _, tf_keras = import_tfmot()

    @tf_keras.utils.register_keras_serializable("keras_nas")
    class HostedRegularizer(tf_keras.regularizers.Regularizer):
        """Calls a regularizer of Keras 3.

        Args:
            key: Integer, by which it is found.
            of_activity: As for `host_regularizer`.
        """

        def __init__(self, key, of_activity):
            self.key = key
            self.of_activity = of_activity
            self._held = _HELD[key]

        def __call__(self, x):
            x = tf.convert_to_tensor(x)
            value = self._held.regularizer(x)
            if self.of_activity:
                value *= tf.cast(tf.shape(x)[0], value.dtype)
            return value

        def get_config(self):
            return {"key": self.key, "of_activity": self.of_activity}

    return HostedRegularizer


class _Held:
    def __init__(self, regularizer):
        self.regularizer = regularizer
