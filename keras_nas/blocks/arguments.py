"""Checks of constructor arguments that several blocks take."""

import keras

from keras_nas.layers.elastic_value import ElasticValue


def check_positive_integer(argument, value):
    """Raises unless `value` is a positive integer."""
    if not _is_positive_integer(value):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            f"positive integer. Received: {argument}={value!r}"
        )


def check_window(argument, value):
    """Raises unless `value` is a positive integer or a pair of them."""
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2
    if not all(map(_is_positive_integer, value if is_pair else [value])):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            "positive integer or a pair of positive integers. "
            f"Received: {argument}={value!r}"
        )


def check_activation(activation):
    """Raises unless `activation` is one that Keras knows, or a function."""
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "Invalid value received for argument `activation`. Expected the "
            "name of a Keras activation, a function, or `None`. "
            f"Received: activation={activation!r}"
        ) from error


def is_positive_number(value):
    """Returns whether `value` is above 0, or is searched among such."""
    if isinstance(value, ElasticValue):
        return all(map(is_positive_number, value.table.ravel().tolist()))
    is_number = isinstance(value, (int, float))
    return is_number and not isinstance(value, bool) and value > 0


def _is_positive_integer(value):
    if isinstance(value, ElasticValue):
        return all(map(_is_positive_integer, value.table.ravel().tolist()))
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return is_integer and value > 0
