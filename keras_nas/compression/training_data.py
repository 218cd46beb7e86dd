"""Checks of training data before hours are spent on a part of them."""

import keras

from keras_nas.compression.class_numbers import check_class_numbers
from keras_nas.export.input_data import describe_data
from keras_nas.graph import functional


def check_training_data(model, x, y, fit_arguments, num_trainings):
    """Checks that `fit` can be called with some data.

    What a `tf.data.Dataset` or a `keras.utils.PyDataset` gives is checked
    too. Generators would lose what is read of them, so they are not.

    Args:
        model: Compiled Keras 3 model with a graph.
        x: As for `fit`.
        y: As for `fit`.
        fit_arguments: Dict of further arguments of `fit`.
        num_trainings: Integer, how many times `fit` will be called.

    Raises:
        ValueError: If the data do not fit the model, or each other, or cannot
            be read so many times.
    """
    if not num_trainings:
        return
    if x is None:
        raise ValueError(
            "Invalid value received for argument `x`. Expected data to train "
            "on, as for `fit`. Received: x=None"
        )
    validation_data = fit_arguments.get("validation_data")
    for name, data in (("x", x), ("validation_data", validation_data)):
        if num_trainings > 1 and hasattr(data, "__next__"):
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected data "
                f"that can be read {num_trainings} times, once for each stage: "
                "arrays, a `tf.data.Dataset` or a `keras.utils.PyDataset`; or "
                "call `compress` for one stage at a time. Received: "
                f"{name}={type(data).__name__}, which is at its end after the "
                "first"
            )
    _check(model, x, y, fit_arguments.get("sample_weight"), "x", "y")
    if validation_data is None:
        return
    argument = "validation_data"
    if not isinstance(validation_data, (tuple, list)):
        _check(model, validation_data, None, None, argument, argument)
    elif len(validation_data) in (2, 3):
        x, y, *weights = validation_data
        weights = weights[0] if weights else None
        _check(model, x, y, weights, argument, argument)
    else:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            "`(x, y)`, `(x, y, sample_weight)` or a dataset. Received: "
            f"{describe_data(validation_data)}"
        )


def _check(model, x, y, weights, x_argument, y_argument):
    is_dataset = True
    is_known = not hasattr(x, "element_spec")
    if not is_known:
        element = x.element_spec
    elif isinstance(x, keras.utils.PyDataset):
        element = x[0]
    elif hasattr(x, "__next__") or not _is_structure(x):
        return  # Keras knows more kinds of data, and says what is wrong.
    else:
        is_dataset = False
    if is_dataset:
        if y is not None:
            raise ValueError(
                f"Argument `{y_argument}` must be left out if `{x_argument}` "
                f"gives inputs and targets. Received: y={describe_data(y)}"
            )
        x, y, weights = keras.utils.unpack_x_y_sample_weight(element)
    pairs = _inputs_and_tensors(model, x, x_argument)
    for array, tensor in pairs:
        if not _fits(array.shape, tensor.shape):
            raise ValueError(
                f"Invalid value received for argument `{x_argument}`. Expected "
                f"arrays of shape {_shape(tensor)} for input '{tensor.name}' "
                f"of model '{model.name}'. Received: shape {tuple(array.shape)}"
            )
    if y is None and getattr(model, "loss", None) is not None:
        raise ValueError(
            f"Invalid value received for argument `{y_argument}`. Expected "
            f"targets, because model '{model.name}' was compiled with a loss. "
            f"Received: none in {y_argument}"
        )
    if is_known:  # Of a `tf.data.Dataset` only the shapes are.
        check_class_numbers(model, y, y_argument)
    if not is_dataset:
        arrays = [array for array, _ in pairs]
        _check_lengths(arrays, y, weights, x_argument, y_argument)


def _is_structure(x):
    return hasattr(x, "shape") or isinstance(x, (dict, list, tuple))


def _inputs_and_tensors(model, x, argument):
    """Returns pairs of an array and the input of the model that it is for."""
    source = functional(model)
    structure = source.input
    if isinstance(x, dict):
        tensors = (
            structure
            if isinstance(structure, dict)
            else {tensor.name: tensor for tensor in source.inputs}
        )
        names = list(tensors)
        arrays = [x.get(name) for name in names]
        tensors = [tensors[name] for name in names]
        fits = set(names) <= set(x)
    else:
        arrays = keras.tree.flatten(x)
        tensors = keras.tree.flatten(structure)
        names = [tensor.name for tensor in tensors]
        fits = len(arrays) == len(tensors)
    if not fits or not all(hasattr(array, "shape") for array in arrays):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            f"{'one array' if len(names) == 1 else f'{len(names)} arrays'}, in "
            f"order or in a dict by name, for the inputs {names} of model "
            f"'{model.name}'. Received: {describe_data(x)}"
        )
    return list(zip(arrays, tensors, strict=True))


def _fits(received, expected):
    if getattr(received, "rank", 0) is None:
        return True  # A dataset of unknown shapes.
    received, expected = tuple(received)[1:], tuple(expected)[1:]
    # As Keras does, with an axis of one channel more or less.
    return any(
        len(shape) == len(expected)
        and all(
            None in (a, b) or a == b
            for a, b in zip(shape, expected, strict=True)
        )
        for shape in (
            received,
            (*received, 1),
            received[:-1] if received[-1:] == (1,) else received,
        )
    )


def _shape(tensor):
    sizes = (str(size or "any") for size in tensor.shape[1:])
    return f"({', '.join(['samples', *sizes])})"


def _check_lengths(arrays, y, weights, x_argument, y_argument):
    count = arrays[0].shape[0]
    for name, data in (
        (x_argument, arrays),
        (y_argument, y),
        ("sample_weight", weights),
    ):
        for array in keras.tree.flatten(data) if data is not None else ():
            shape = getattr(array, "shape", None)
            if array is not None and (not shape or shape[0] != count):
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"arrays with an entry for each of the {count} samples of "
                    f"`{x_argument}`. Received: {describe_data(array)}"
                )
