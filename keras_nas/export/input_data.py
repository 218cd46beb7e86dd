"""Checks of arrays against the inputs that a model expects."""

import numpy as np


def describe_inputs(inputs):
    """Describes expected inputs in one phrase for error messages."""
    return ", ".join(
        f"'{details.name}' of shape {('samples', *details.shape[1:])} and "
        f"dtype {details.real_dtype}".replace("'samples'", "samples")
        for details in inputs
    )


def describe_data(data):
    """Describes received data in one phrase for error messages."""
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        dtype = getattr(data.dtype, "name", data.dtype)
        return f"array of shape {tuple(data.shape)} and dtype {dtype}"
    if isinstance(data, dict):
        items = (f"{key!r}: {describe_data(data[key])}" for key in data)
        return "dict {" + ", ".join(items) + "}"
    if isinstance(data, (list, tuple)) and 0 < len(data) <= 8:
        items = ", ".join(describe_data(item) for item in data)
        return f"{type(data).__name__} of {items}"
    if isinstance(data, (str, bytes, int, float, type(None))):
        return repr(data)
    return f"an object of type {type(data).__name__}"


def name_inputs(data, inputs, argument):
    """Gives each array the name of the input that it belongs to.

    Args:
        data: An array for one input, or a list, tuple or dict of arrays.
        inputs: List of `TensorDetails`.
        argument: Name of the argument for error messages.

    Returns:
        Dict of arrays by input name.

    Raises:
        ValueError: If the number or the names do not match.
    """
    names = [details.name for details in inputs]
    if isinstance(data, dict):
        if set(data) == set(names):
            return {name: data[name] for name in names}
    elif isinstance(data, (list, tuple)):
        if len(data) == len(names):
            return dict(zip(names, data, strict=True))
    elif len(names) == 1:
        return {names[0]: data}
    raise ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{'one array' if len(names) == 1 else f'{len(names)} arrays'}, in "
        f"order or in a dict by name: {describe_inputs(inputs)}. Received: "
        f"{describe_data(data)}"
    )


def standardize_array(array, details, argument):
    """Checks an array and casts it to the dtype of an input.

    Floating point arrays of any width and small integers, which float32
    holds exactly, pass for float32; integers of any width pass for integers
    if all values fit. All else is more likely a mistake than a wish.

    Args:
        array: Array of shape `(samples, ...)`.
        details: `TensorDetails` of the input.
        argument: Name of the argument for error messages.

    Returns:
        A NumPy array of the same shape and the dtype `details.real_dtype`.

    Raises:
        ValueError: If shape, dtype or values do not fit.
    """
    received = np.asarray(array)
    dtype = np.dtype(details.real_dtype)
    if received.shape[1:] != details.shape[1:] or received.ndim == 0:
        hint = ""
        if received.shape == details.shape[1:]:
            hint = " Add the sample axis of a single sample: `x[None]`."
        raise _invalid(array, details, argument, "shape", hint)
    if not len(received):
        raise _invalid(array, details, argument, "at least one sample")
    both_integer = _is_integer(received.dtype) and _is_integer(dtype)
    if not (
        both_integer
        or np.can_cast(received.dtype, dtype, "safe")
        or (received.dtype.kind == "f" and dtype.kind == "f")
    ):
        hint = f" If the values are right, use `.astype('{dtype}')`."
        raise _invalid(array, details, argument, "dtype", hint)
    if both_integer:
        limits = np.iinfo(dtype)
        if received.min() < limits.min or received.max() > limits.max:
            raise _invalid(
                received, details, argument, f"values that fit {dtype}"
            )
    with np.errstate(over="ignore"):
        return received.astype(dtype)


def standardize_inputs(data, inputs, argument):
    """Checks and casts the samples of all inputs.

    Args:
        data: As for `name_inputs`.
        inputs: List of `TensorDetails`.
        argument: Name of the argument for error messages.

    Returns:
        Dict of arrays of shape `(samples, ...)` by input name.

    Raises:
        ValueError: If the data do not fit the inputs or are not finite.
    """
    named = name_inputs(data, inputs, argument)
    arrays = {}
    for details in inputs:
        array = standardize_array(named[details.name], details, argument)
        check_finite(array, details, argument)
        arrays[details.name] = array
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            f"the same number of samples for each input. Received: {lengths}"
        )
    return arrays


def check_finite(array, details, argument):
    """Raises `ValueError` if an array has values that are not finite."""
    if array.dtype.kind != "f":
        return
    finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            f"finite values for input '{details.name}'. Received: NaN or "
            f"infinite values in {len(bad)} of {len(array)} samples, the "
            f"first of which is sample {bad[0]}. Leave those samples out."
        )


def _is_integer(dtype):
    return dtype.kind in "iu"


def _invalid(data, details, argument, subject, hint=""):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected "
        f"{subject if ' ' in subject else f'another {subject}'} for "
        f"{describe_inputs([details])}. Received: "
        f"{describe_data(data)}.{hint}"
    )
