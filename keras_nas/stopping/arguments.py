"""Checks of arguments."""

import numpy as np


def check_positive_integer(name, value):
    """Raises a `ValueError` unless `value` is an integer above 0."""
    is_integer = isinstance(value, (int, np.integer))
    if not is_integer or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"positive integer. Received: {name}={value!r}"
        )
