"""Samples that show the converter which values a model meets."""

import numpy as np

from keras_nas.export.input_data import (
    check_finite,
    describe_data,
    describe_inputs,
    name_inputs,
    standardize_array,
)

# The ranges of activations settle after some dozens of samples.
MAX_SAMPLES = 200

_ARGUMENT = "representative_data"


def calibration_samples(data, inputs, max_samples=MAX_SAMPLES):
    """Draws the samples that int8 conversion is calibrated with.

    Args:
        data: As the argument `representative_data` of `to_tflite`.
        inputs: List of `TensorDetails` of the model's inputs.
        max_samples: Most samples to use. Of arrays, so many evenly spaced
            ones are taken, since they may be sorted by class; of iterables
            the first ones.

    Returns:
        Dict of arrays of shape `(samples, ...)` by input name.

    Raises:
        ValueError: If the data do not fit the inputs, are not finite, or
            are missing.
    """
    if data is None:
        raise ValueError(
            f"Argument `{_ARGUMENT}` is required with int8 quantization: "
            "the converter runs the model on real samples to find the range "
            "of each tensor. Pass some of the training inputs, such as "
            f"`{_ARGUMENT}=x_train[:200]`. Expected: "
            f"{describe_inputs(inputs)}. Received: {_ARGUMENT}=None"
        )
    if _are_arrays(data, inputs):
        arrays = {}
        named = name_inputs(data, inputs, _ARGUMENT)
        for details in inputs:
            array = _as_array(named[details.name])
            if array.ndim and len(array) > max_samples:
                # All of it is not cast, which may be gigabytes.
                chosen = np.linspace(0, len(array) - 1, max_samples)
                array = array[np.round(chosen).astype(int)]
            arrays[details.name] = standardize_array(array, details, _ARGUMENT)
        lengths = {name: len(named[name]) for name in named}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"Invalid value received for argument `{_ARGUMENT}`. "
                "Expected the same number of samples for each input. "
                f"Received: {lengths}"
            )
    else:
        arrays = _samples_of_iterable(data, inputs, max_samples)
    for details in inputs:
        check_finite(arrays[details.name], details, _ARGUMENT)
    return arrays


def _are_arrays(data, inputs):
    """Whether `data` holds all samples of each input in one array."""
    if isinstance(data, dict) or hasattr(data, "shape"):
        return True
    if isinstance(data, (list, tuple)) and len(data) == len(inputs):
        # One item for each input; otherwise items are samples or batches.
        return all(
            np.ndim(item) == len(details.shape)
            for item, details in zip(data, inputs, strict=True)
        )
    return False


def _samples_of_iterable(data, inputs, max_samples):
    if callable(data):
        # As TFLite's own `representative_dataset` is given.
        data = data()
    if isinstance(data, (str, bytes)) or not hasattr(data, "__iter__"):
        raise _not_understood(data, inputs)
    parts = {details.name: [] for details in inputs}
    count = 0
    for element in data:
        named = name_inputs(_inputs_of(element, inputs), inputs, _ARGUMENT)
        lengths = set()
        for details in inputs:
            array = _as_array(named[details.name])
            if array.ndim == len(details.shape) - 1:
                array = array[None]
            array = standardize_array(array, details, _ARGUMENT)
            parts[details.name].append(array[: max_samples - count])
            lengths.add(len(array))
        if len(lengths) > 1:
            raise ValueError(
                f"Invalid value received for argument `{_ARGUMENT}`. "
                "Expected the same number of samples for each input. "
                f"Received: {describe_data(element)}"
            )
        count += lengths.pop()
        if count >= max_samples:
            break
    if not count:
        raise ValueError(
            f"Invalid value received for argument `{_ARGUMENT}`. Expected "
            f"at least one sample of {describe_inputs(inputs)}. Received: "
            f"{describe_data(data)}, which gave none. A generator can be "
            "read only once: make a new one."
        )
    return {name: np.concatenate(parts[name]) for name in parts}


def _inputs_of(element, inputs):
    """Drops the targets of an element of a training dataset."""
    if not isinstance(element, tuple):
        return element
    is_inputs = len(element) == len(inputs) and not isinstance(
        element[0], (dict, list, tuple)
    )
    if len(inputs) > 1 and is_inputs:
        return element
    # `(x, y)` and `(x, y, sample_weight)`, as `fit` takes them.
    return element[0] if element else element


def _as_array(values):
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"Invalid value received for argument `{_ARGUMENT}`. Expected "
            "arrays whose samples have the same shape. Received: "
            f"{describe_data(values)} and the error: {error}"
        ) from error


def _not_understood(data, inputs):
    return ValueError(
        f"Invalid value received for argument `{_ARGUMENT}`. Expected an "
        "array, a list or dict of arrays, a `tf.data.Dataset` or an "
        f"iterable of samples or batches of {describe_inputs(inputs)}. "
        f"Received: {describe_data(data)}"
    )
