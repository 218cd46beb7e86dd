"""What a function does to single channels, found out by trying it.

An activation can be any function of the user's own, so its name says too
little.
"""

import numpy as np
import tensorflow as tf

# Large numbers too: what is cut off, for one, mixes only some of them.
_SCALES = (1.0, 100.0)


def is_channelwise(function, shape):
    """Returns whether each channel of the outputs depends on that one alone.

    Args:
        function: Function of a tensor, or `None` for none.
        shape: Shape of its inputs; the last axis is that of the channels.

    Example:

    >>> import keras
    >>> is_channelwise(keras.ops.tanh, (None, 4))
    True
    >>> is_channelwise(keras.ops.softmax, (None, 4))
    False
    """
    if function is None:
        return True
    shape = _sizes(shape)
    rng = np.random.default_rng(0)
    half = shape[-1] // 2
    for scale in _SCALES:
        x, other = scale * rng.standard_normal((2, *shape))
        expected = _applied(function, x)
        for kept in (slice(None, half), slice(half, None)):
            for replaced in (other, np.zeros(shape)):
                mixed = replaced.copy()
                mixed[..., kept] = x[..., kept]
                outputs = _applied(function, mixed)
                if outputs.shape != x.shape or not np.allclose(
                    outputs[..., kept],
                    expected[..., kept],
                    rtol=1e-4,
                    atol=1e-6,
                    equal_nan=True,
                ):
                    return False
    return True


def is_finite_at_zero(function, shape):
    """Returns whether the value and the slope at 0 are finite numbers."""
    if function is None:
        return True
    zeros = tf.zeros(_sizes(shape))
    with tf.GradientTape() as tape:
        tape.watch(zeros)
        outputs = tf.cast(function(zeros), "float32")
    slope = tape.gradient(
        outputs, zeros, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return bool(np.isfinite(outputs).all() and np.isfinite(slope).all())


def keeps_zero(function, shape):
    """Returns whether the function gives 0 for 0."""
    if function is None:
        return True
    return not np.any(_applied(function, np.zeros(_sizes(shape))))


def _applied(function, x):
    return np.asarray(tf.cast(function(tf.constant(x, "float32")), "float32"))


def _sizes(shape):
    return [size or 2 for size in shape]
