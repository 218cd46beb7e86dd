"""Hides advice of TensorFlow that no search can follow."""

import contextlib

import tensorflow as tf

_WORDS = "triggered tf.function retracing"


@contextlib.contextmanager
def retracing_advice_hidden():
    """Keeps back TensorFlow's warnings of retracing in the body.

    TensorFlow counts how often a function of one name is traced, and advises
    to make it once, outside of the loop. A search builds a model for every
    trial, and `fit`, `evaluate` and `predict` of each are traced once. The
    warning would come after some trials, between their lines, and there is
    nothing that its reader could do.

    Example:

    >>> with retracing_advice_hidden():
    ...     tf.get_logger().warning("6 calls triggered tf.function retracing.")
    """
    logger = tf.get_logger()
    logger.addFilter(_is_no_advice)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_advice)


def _is_no_advice(record):
    return _WORDS not in record.getMessage()
