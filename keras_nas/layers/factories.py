"""Factories: what makes a fresh layer for every model of a search."""

import inspect

import keras


def check_factories(argument, factories, **arguments):
    """Raises unless `factories` maps names to functions that make layers.

    Args:
        argument: String, the argument of the primitive, for the error.
        factories: What the user gave.
        **arguments: The arguments every factory will be called with.
    """
    if not isinstance(factories, dict) or not factories:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            "non-empty dict that maps names to functions that make a layer, "
            "such as `{'conv': lambda: keras.layers.Conv2D(8, 3)}`. "
            f"Received: {argument}={factories!r}"
        )
    for key, factory in factories.items():
        if not isinstance(key, str) or not key:
            raise ValueError(
                f"Invalid value received for argument `{argument}`. Expected "
                "keys that are non-empty strings, because they become the "
                "values of a hyperparameter. "
                f"Received: key {key!r} (of type {type(key).__name__})"
            )
        check_factory(f"{argument}[{key!r}]", factory, **arguments)


def check_factory(argument, factory, *positional, **arguments):
    """Raises unless `factory` can be called with the given arguments."""
    if isinstance(factory, keras.Operation):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            "function that makes a layer, because every model of the search "
            "needs a layer of its own. Write "
            f"`lambda: keras.layers.{type(factory).__name__}(...)`. "
            f"Received the layer: {factory!r}"
        )
    if positional:
        expected = "one argument, the name of the block"
    elif arguments:
        expected = f"the argument {', '.join(map('`{}`'.format, arguments))}"
    else:
        expected = "no arguments"
    message = (
        f"Invalid value received for argument `{argument}`. Expected a "
        f"function or class that is called with {expected}, and returns a "
        "layer or a block. Write "
        f"`lambda{_parameters(positional, arguments)}: ...`. "
        f"Received: {factory!r} (of type {type(factory).__name__})"
    )
    if not callable(factory):
        raise ValueError(message)
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return  # Some builtins have no signature; the call will tell.
    try:
        signature.bind(*positional, **arguments)
    except TypeError as error:
        raise ValueError(message) from error


def call_factory(argument, factory, *positional, **arguments):
    """Returns the layer that `factory` makes; raises if it is not one."""
    layer = factory(*positional, **arguments)
    if not callable(layer) or inspect.isclass(layer):
        remedy = " Did you forget `()`?" if inspect.isclass(layer) else ""
        raise ValueError(
            f"`{argument}` returned something that is not a layer.{remedy} "
            "Expected a layer, a block, or another callable that takes a "
            f"tensor. Received: {layer!r} (of type {type(layer).__name__})"
        )
    return layer


def _parameters(positional, arguments):
    if positional:
        return " name"
    return "".join(f" {argument}=1" for argument in arguments)
