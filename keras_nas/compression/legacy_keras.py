"""Import of TF-MOT and tf_keras that leaves the user's Keras alone.

TF-MOT works on tf_keras only. To get it, its import sets the environment
variable `TF_USE_LEGACY_KERAS`, by which `tf.keras` becomes Keras 2 in the whole
process and in all child processes, if nobody has used it before. Everything in
`keras_nas.compression` that needs TF-MOT or tf_keras gets them here.
"""

import functools
import os
import sys

_VARIABLE = "TF_USE_LEGACY_KERAS"


@functools.cache
def import_tfmot():
    """Imports TF-MOT and tf_keras; `tf.keras` stays, or becomes, Keras 3.

    Only if the user has asked for Keras 2 with `TF_USE_LEGACY_KERAS=1`
    before they started Python does `tf.keras` stay what it is.

    Returns:
        The modules `tensorflow_model_optimization` and `tf_keras`.
    """
    # Whoever has imported TF-MOT before us has its variable set as well.
    is_wanted = (
        _is_on(os.environ.get(_VARIABLE))
        and "tensorflow_model_optimization" not in sys.modules
    )
    before = os.environ.get(_VARIABLE) if is_wanted else None
    try:
        if not is_wanted:
            os.environ.pop(_VARIABLE, None)
            _pin_keras3()
        import tensorflow_model_optimization
        import tf_keras
    finally:
        if before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = before
    return tensorflow_model_optimization, tf_keras


def _pin_keras3():
    """Makes `tf.keras` decide for Keras 3, which it does at its first use."""
    import keras
    import tensorflow as tf

    if tf.keras.layers.Layer is not keras.layers.Layer:
        # It has decided for Keras 2, because the user imported TF-MOT first.
        # `keras._tf_keras.keras` is what `tf.keras` is with Keras 3, and has
        # no public name.
        import importlib

        tf.keras = importlib.import_module("keras._tf_keras.keras")


def _is_on(value):
    return value in ("1", "true", "True")
