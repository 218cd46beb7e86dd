"""The data that `keras.Model.fit` takes, where others than `fit` read it."""

import keras
import numpy as np
import tensorflow as tf


def split_validation(x, y, sample_weight, validation_split):
    """Cuts arrays as `keras.Model.fit(validation_split=...)` does.

    Args:
        x: Array or nested structure of arrays.
        y: The same of targets, or `None`.
        sample_weight: Optional array.
        validation_split: Float between 0 and 1, the share of the examples,
            the last ones, to validate with.

    Returns:
        Two tuples `(x, y, sample_weight)`: to train and to validate with.

    Raises:
        ValueError: If the data is no arrays, or one of the two is empty.

    Example:

    >>> training, validation = split_validation(np.arange(4), None, None, 0.25)
    >>> training[0], validation[0]
    (array([0, 1, 2]), array([3]))
    """
    arrays = x, y, sample_weight
    for part in keras.tree.flatten(arrays):
        if part is not None and not hasattr(part, "shape"):
            raise ValueError(
                "Argument `validation_split` cuts arrays. Expected arrays, or "
                "`validation_data` instead. Received data of type "
                f"{type(part).__name__}"
            )
    size = int(keras.tree.flatten(x)[0].shape[0])
    first = int(np.floor(size * (1.0 - validation_split)))
    if first in (0, size):
        raise ValueError(
            "Invalid value received for argument `validation_split`. Expected "
            "a share that leaves examples to train and to validate with. "
            f"Received: validation_split={validation_split} and {size} "
            "examples"
        )

    def cut(begin, end):
        return tuple(
            None
            if part is None
            else keras.tree.map_structure(lambda a: a[begin:end], part)
            for part in arrays
        )

    return cut(0, first), cut(first, size)


def evaluate_arguments(data):
    """Returns `validation_data` as arguments of `keras.Model.evaluate`.

    Args:
        data: What `keras.Model.fit` takes as `validation_data`: a tuple of
            `x`, `y` and, optionally, `sample_weight`, or a dataset.

    Returns:
        Dict.

    Raises:
        ValueError: If the data is neither.

    Example:

    >>> evaluate_arguments(([1.0], [2.0], [0.5]))
    {'x': [1.0], 'y': [2.0], 'sample_weight': [0.5]}
    """
    if not isinstance(
        data, (tuple, list, tf.data.Dataset, keras.utils.PyDataset)
    ):
        raise ValueError(
            "Invalid value received for argument `validation_data`. Expected "
            "a tuple `(x, y)` or `(x, y, sample_weight)`, or a dataset of "
            f"such batches. Received a value of type {type(data).__name__}"
        )
    parts = keras.utils.unpack_x_y_sample_weight(data)
    named = zip(("x", "y", "sample_weight"), parts, strict=True)
    return {name: part for name, part in named if part is not None}


def calibration_inputs(x, batch_size, num_batches):
    """Returns training data as `Supernet.calibrate` takes it.

    Args:
        x: What `keras.Model.fit` takes as `x`: arrays, a `tf.data.Dataset` or
            a `keras.utils.PyDataset`. Of the last, batches are taken from the
            whole length.
        batch_size: Integer, for arrays.
        num_batches: Integer, the batches that will be used at most.

    Returns:
        Dict, arguments of `calibrate`.

    Raises:
        ValueError: If the data is of another kind.
    """
    if isinstance(x, keras.utils.PyDataset):
        # Keras shuffles the batches, so the first are as good as any only
        # where there is no end.
        total = x.num_batches
        numbers = range(num_batches)
        if total is not None:
            count = min(num_batches, total)
            numbers = np.linspace(0, total, count, endpoint=False).astype(int)
        batches = [
            keras.utils.unpack_x_y_sample_weight(x[int(number)])[0]
            for number in numbers
        ]
        # The size of the largest: a short one would count too much.
        batch_size = max(len(keras.tree.flatten(part)[0]) for part in batches)
        x = keras.tree.map_structure(
            lambda *parts: np.concatenate(parts), *batches
        )
    elif not isinstance(x, tf.data.Dataset) and not all(
        hasattr(part, "shape") for part in keras.tree.flatten(x)
    ):
        raise ValueError(
            "Statistics of BatchNormalization cannot be measured on data that "
            "is no array, or can be read once only. Expected inputs of the "
            "model as arrays, a `tf.data.Dataset` or a "
            "`keras.utils.PyDataset`. Received data of "
            f"type {type(x).__name__}"
        )
    return {"x": x, "batch_size": batch_size, "num_batches": num_batches}


def calibration_batches(model_inputs, x, batch_size, num_batches):
    """Returns batches of inputs to measure statistics on.

    Args:
        model_inputs: List of `KerasTensor`, the inputs of the model.
        x: Array or nested structure of arrays, or `tf.data.Dataset` of
            batches.
        batch_size: Integer, for arrays.
        num_batches: Integer, the batches at most.

    Returns:
        Iterable of inputs.

    Raises:
        ValueError: If the data does not fit the inputs of the model.

    Example:

    >>> inputs = [keras.Input((3,))]
    >>> batches = calibration_batches(inputs, np.ones((5, 3)), 2, 8)
    >>> [batch.shape[0] for batch in batches]
    [2, 2]
    """
    if isinstance(x, tf.data.Dataset):
        spec = x.element_spec
        spec = spec[0] if isinstance(spec, tuple) else spec
        if x.cardinality() == 0:
            raise _no_data(x)
        _check_inputs(model_inputs, spec, "a dataset of ")
        return (
            batch[0] if isinstance(batch, tuple) else batch
            for batch in x.take(num_batches)
        )
    _check_inputs(model_inputs, x)
    size = len(keras.tree.flatten(x)[0])
    if not size:
        raise _no_data(x)
    # Full batches only: others would be traced, and count too much.
    count = min(num_batches, max(1, size // batch_size))
    # Data may be sorted. The same examples for every architecture.
    order = np.random.default_rng(0).permutation(size)
    return (
        keras.tree.map_structure(
            lambda part, i=i: tf.convert_to_tensor(
                np.asarray(part)[order[i::count][:batch_size]]
            ),
            x,
        )
        for i in range(count)
    )


def _no_data(x):
    return ValueError(
        "Statistics of BatchNormalization cannot be measured on no data. "
        f"Expected at least one example. Received: x={x!r}"
    )


def _check_inputs(model_inputs, data, kind=""):
    """Raises a `ValueError` unless data is what a model takes.

    Args:
        model_inputs: List of `KerasTensor`.
        data: Nested structure of what has a shape.
        kind: String, what holds the data.
    """
    if isinstance(data, dict):
        return  # Keras knows which is which.
    expected = [tuple(tensor.shape) for tensor in model_inputs]
    parts = keras.tree.flatten(data)
    shapes = [
        None if getattr(part.shape, "rank", 0) is None else tuple(part.shape)
        for part in parts
    ]
    if len(shapes) != len(expected):
        remedy = "Give the inputs alone, without targets: `x`, not `(x, y)`."
    elif all(map(_fits, shapes, expected)):
        return
    elif kind and all(
        shape is not None and len(shape) == len(wanted) - 1
        for shape, wanted in zip(shapes, expected, strict=True)
    ):
        remedy = "Batch the dataset: `dataset.batch(128)`."
    else:
        remedy = "Give the inputs that the model was made for."
    raise ValueError(
        "Statistics of BatchNormalization cannot be measured on this data. "
        f"Expected {kind}inputs of the shapes {expected}. Received shapes: "
        f"{shapes}. {remedy}"
    )


def _fits(shape, expected):
    """Returns whether data of a shape may be an input of a model."""
    if shape is None:
        return True
    if len(shape) != len(expected):
        # Keras adds, or takes off, a last dimension of 1.
        longer = max(shape, expected, key=len)
        shorter = min(shape, expected, key=len)
        return len(longer) == len(shorter) + 1 and longer[-1] == 1
    return all(
        size == wanted or None in (size, wanted)
        for size, wanted in zip(shape[1:], expected[1:], strict=True)
    )
