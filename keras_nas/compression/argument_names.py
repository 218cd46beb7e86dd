"""Misspelt arguments, found before any work."""

import difflib
import inspect

import keras

# The model and the data, which all functions take by position.
_DATA = {"model", "x", "y", "self"}
_OF_FIT = tuple(inspect.signature(keras.Model.fit).parameters)


def check_argument_names(arguments, function, known=()):
    """Raises a `TypeError` if an argument is for nothing.

    Args:
        arguments: The names that were given beside those of the function's
            own, for `compress` or for `keras.Model.fit`.
        function: String, the name of the function, for the message.
        known: Further names that it takes.

    Example:

    >>> check_argument_names(["epoch"], "compress")
    Traceback (most recent call last):
    ...
    TypeError: compress() has no argument 'epoch'. Did you mean 'epochs'?
    """
    from keras_nas.compression.compress import compress

    own = inspect.signature(compress).parameters
    names = {*known, *own, *_OF_FIT} - _DATA - {"fit_arguments"}
    for name in arguments:
        if name not in names:
            near = difflib.get_close_matches(name, sorted(names), 1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise TypeError(f"{function}() has no argument '{name}'.{hint}")
