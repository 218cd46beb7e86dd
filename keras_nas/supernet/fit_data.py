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

    Example:

    >>> evaluate_arguments(([1.0], [2.0], [0.5]))
    {'x': [1.0], 'y': [2.0], 'sample_weight': [0.5]}
    """
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
            "Statistics of BatchNormalization cannot be measured on this "
            "data, which can be read once only. Expected arrays, a "
            "`tf.data.Dataset` or a `keras.utils.PyDataset`. Received data of "
            f"type {type(x).__name__}"
        )
    return {"x": x, "batch_size": batch_size, "num_batches": num_batches}
