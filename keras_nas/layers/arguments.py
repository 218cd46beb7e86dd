"""Checks of constructor arguments that several primitives take."""

import keras_tuner


def check_hyperparameters(hp):
    """Raises unless `hp` is a `keras_tuner.HyperParameters`."""
    if not isinstance(hp, keras_tuner.HyperParameters):
        raise ValueError(
            "Invalid value received for argument `hp`. Expected the "
            "`keras_tuner.HyperParameters` that `build(hp)` receives. "
            f"Received: hp={hp!r} (of type {type(hp).__name__})"
        )


def check_name(name):
    """Raises unless `name` is a non-empty string."""
    if not isinstance(name, str) or not name:
        raise ValueError(
            "Invalid value received for argument `name`. Expected a "
            f"non-empty string. Received: name={name!r}"
        )


def check_integer(argument, value, minimum):
    """Raises unless `value` is an integer that is at least `minimum`."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < minimum:
        kind = (
            "a positive integer" if minimum == 1 else "a non-negative integer"
        )
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            f"{kind}. Received: {argument}={value!r}"
        )


def check_option(argument, value, options):
    """Raises unless `value` is one of `options`."""
    if value not in options:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected one "
            f"of {', '.join(map(repr, options))}. "
            f"Received: {argument}={value!r}"
        )
