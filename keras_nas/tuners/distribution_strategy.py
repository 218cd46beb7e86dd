"""What a `tf.distribute.Strategy` asks of a tuner and its models."""

import functools
import warnings

import tensorflow as tf


def check_strategy(strategy):
    """Raises unless `strategy` can be the strategy of a tuner.

    Args:
        strategy: The argument `distribution_strategy` of a tuner.

    Raises:
        ValueError: If it is neither `None` nor a `tf.distribute.Strategy`.

    Example:

    >>> check_strategy(None)
    >>> check_strategy("GPU:0")
    Traceback (most recent call last):
    ...
    ValueError: Invalid value received for argument `distribution_strategy`...
    """
    if strategy is None or isinstance(strategy, tf.distribute.Strategy):
        return
    raise ValueError(
        "Invalid value received for argument `distribution_strategy`. "
        "Expected a `tf.distribute.Strategy`, such as "
        "`tf.distribute.MirroredStrategy()`, or `None`. (The classes of "
        "`keras.distribution` are for the JAX backend.) Received: "
        f"distribution_strategy={strategy!r}"
    )


def adapt_to_strategy(model):
    """Switches off what Keras cannot do on the several devices of a model.

    Both speed up a training and change no result, and an error from the
    inside of TensorFlow would be all that a user sees of them.

    - `jit_compile=True`: Keras compiles the step of all replicas as one XLA
      program, and XLA knows one device only
      (https://github.com/keras-team/keras/issues/18145).
    - `steps_per_execution` above 1: the loop over the steps holds a
      condition, in which replicas cannot exchange their gradients
      (https://github.com/tensorflow/tensorflow/issues/27716).

    A `TPUStrategy` exchanges gradients in another way and compiles with XLA
    by itself, so its models stay as they are.

    Args:
        model: `keras.Model`; changed in place.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", steps_per_execution=4)
    >>> adapt_to_strategy(model)  # One device can do everything.
    >>> model.steps_per_execution
    4
    """
    if not getattr(model, "compiled", False):
        return
    strategy = model.distribute_strategy
    is_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
    if is_tpu or strategy.num_replicas_in_sync == 1:
        return
    if model.jit_compile:
        model.jit_compile = False
        _warn("jit_compile=True", 'jit_compile="auto"', strategy)
    if model.steps_per_execution > 1:
        steps = model.steps_per_execution
        model.steps_per_execution = 1
        _warn(f"steps_per_execution={steps}", "steps_per_execution=1", strategy)


def _warn(received, used, strategy):
    _warn_once(
        f"Keras cannot train with `{received}` under "
        f"{type(strategy).__name__} with {strategy.num_replicas_in_sync} "
        f"replicas. Proceeding with `{used}`."
    )


@functools.cache
def _warn_once(message):
    # Python's own "once" is forgotten whenever TensorFlow changes a filter,
    # and every trial would say it again.
    warnings.warn(message, stacklevel=4)
