"""Class numbers for which a model has no output."""

import keras
import numpy as np

from keras_nas.compile_arguments import compile_arguments
from keras_nas.graph import has_graph

_CLASSES = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.metrics.SparseCategoricalCrossentropy,
)
_NAMES = ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy")


def check_class_numbers(model, y, argument):
    """Checks targets whose loss or metric is sparse categorical crossentropy.

    On a number beyond the outputs TensorFlow stops in the middle of a training
    with an error of its own, and on a GPU the loss becomes NaN. Of all other
    losses and metrics nothing is known, and nothing checked.

    Args:
        model: Keras 3 model.
        y: Targets as for `fit`, arrays in the structure of the outputs.
        argument: Name of the argument that they come from, for the message.

    Raises:
        ValueError: If a class number is negative or too large.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(3, name="scores")], name="m")
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> check_class_numbers(model, np.array([0, 2]), "y")
    >>> check_class_numbers(model, np.array([1, 3]), "y")
    Traceback (most recent call last):
    ...
    ValueError: Invalid value received for argument `y`. Expected class numbers
    from 0 to 2, because output 'scores' of model 'm' has 3 classes and is
    compiled with sparse categorical crossentropy. Received: numbers from 1
    to 3. Number the classes from 0, or give the output as many as there are.
    """
    if y is None or not has_graph(model) or not model.compiled:
        return
    arguments = compile_arguments(model)
    outputs = _outputs(model)
    for index, (name, tensor) in enumerate(outputs):
        place = (name, index, len(outputs))
        found = [_part(arguments.get("loss"), *place, True)]
        for key in ("metrics", "weighted_metrics"):
            part = _part(arguments.get(key), *place, len(outputs) == 1)
            found += part if isinstance(part, (list, tuple)) else [part]
        for function in filter(_is_sparse_crossentropy, found):
            _check(
                _part(y, *place, len(outputs) == 1),
                function,
                tensor.shape,
                f"output '{name}' of model '{model.name}'",
                argument,
            )


def _outputs(model):
    """Returns the names and tensors of the outputs."""
    if isinstance(model, keras.Sequential):
        return [(model.layers[-1].name, model.outputs[0])]
    if isinstance(model.output, dict):
        indices = keras.tree.pack_sequence_as(
            model.output, list(range(len(model.outputs)))
        )
        if any(keras.tree.is_nested(part) for part in indices.values()):
            return []  # Which loss and targets are for which does not show.
        # Lists of losses and targets are in the order in which Keras flattens
        # the dict: by key.
        order = sorted(indices, key=indices.get)
        return [(name, model.output[name]) for name in order]
    return list(zip(model.output_names, model.outputs, strict=True))


def _part(structure, name, index, count, is_for_all):
    """Returns what is for one output, or `None` if that does not show."""
    if isinstance(structure, dict):
        return structure.get(name)
    if isinstance(structure, (list, tuple)) and len(structure) == count:
        return structure[index]
    return structure if is_for_all else None


def _is_sparse_crossentropy(function):
    return (
        (isinstance(function, str) and function in _NAMES)
        or function is keras.losses.sparse_categorical_crossentropy
        # One that is derived from them may allow more.
        or type(function) in _CLASSES
    )


def _check(y, function, shape, output, argument):
    config = function.get_config() if type(function) in _CLASSES else {}
    count = shape[config.get("axis", -1)]
    if count is None or not hasattr(y, "dtype"):
        return
    numbers = np.asarray(keras.ops.convert_to_numpy(y))
    ignored = config.get("ignore_class")
    if ignored is not None:
        numbers = numbers[numbers != ignored]
    if numbers.dtype.kind not in "iuf" or not numbers.size:
        return
    least, largest = numbers.min(), numbers.max()
    if least >= 0 and largest < count:
        return
    received = f"numbers from {least:g} to {largest:g}"
    if np.isnan(least):
        received = f"NaN in {np.isnan(numbers).sum()} of {numbers.size}"
    raise ValueError(
        f"Invalid value received for argument `{argument}`. Expected class "
        f"numbers from 0 to {count - 1}, because {output} has {count} classes "
        "and is compiled with sparse categorical crossentropy. Received: "
        f"{received}. Number the classes from 0, or give the output as many "
        "as there are."
    )
