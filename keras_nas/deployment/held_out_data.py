"""Which samples a deployed model is tested on, and which it may learn from."""

import dataclasses
import warnings

import keras
import numpy as np

from keras_nas.export.input_data import describe_data, standardize_inputs

# Every fifth sample, and not the last fifth: data are often sorted.
_HELD_OUT_STEP = 5


@dataclasses.dataclass(frozen=True)
class HeldOutData:
    """Samples to test on, kept apart from those to calibrate and train with.

    Args:
        x: Dict of the inputs to test on by input name.
        y: Targets of those, in the structure that the model takes, or
            `None`.
        x_train: The other inputs, in the structure that was given.
        y_train: Targets of those, or `None`.
        validation_data: `(x, y)` to test on, in the structure that was
            given.
        source: Where the samples to test on come from, as a phrase.
        sample_weight: Weights of `x_train` for fine-tuning, or `None`.
    """

    x: dict
    y: object
    x_train: object
    y_train: object
    validation_data: tuple
    source: str
    sample_weight: object = None

    @property
    def samples(self):
        """Number of samples to test on."""
        return len(next(iter(self.x.values())))


def hold_out(x, y, validation_data, inputs, sample_weight=None):
    """Splits data into those to test on and those to learn from.

    Args:
        x: Inputs, or a `tf.data.Dataset` or `keras.utils.PyDataset` of
            `(x, y)` or `(x, y, sample_weight)`.
        y: Targets or `None`.
        validation_data: `(x, y)`, such a dataset, or `None` for every fifth
            sample of `x`.
        inputs: List of `TensorDetails` of the model's inputs.
        sample_weight: Optional weights of the samples of `x`.

    Returns:
        `HeldOutData`.

    Raises:
        ValueError: If the data do not fit the model or each other.
    """
    x, y, weights = _read(x, y, "x", inputs)
    if sample_weight is not None:
        weights = _as_arrays(sample_weight)
    standardized = standardize_inputs(x, inputs, "x")
    count = len(next(iter(standardized.values())))
    _check_targets(y, count, "y")
    _check_targets(weights, count, "sample_weight")
    if validation_data is not None:
        x_test, y_test, _ = _pair(validation_data, inputs)
        tested = standardize_inputs(x_test, inputs, "validation_data")
        _check_targets(
            y_test, len(next(iter(tested.values()))), "validation_data"
        )
        return HeldOutData(
            tested, y_test, x, y, (x_test, y_test), "validation_data", weights
        )
    if count < _HELD_OUT_STEP:
        raise ValueError(
            f"Expected `validation_data`, or at least {_HELD_OUT_STEP} "
            f"samples, of which every fifth is held out. Received: {count} "
            "samples and validation_data=None"
        )
    warnings.warn(
        "There is no `validation_data`, so every fifth sample of `x` is "
        "held out for the measured accuracy. If the model was trained on "
        "them, the accuracy is higher than it will be on new data; the drop "
        "from the model to its files is still right.",
        stacklevel=3,
    )
    is_test = np.arange(count) % _HELD_OUT_STEP == _HELD_OUT_STEP - 1
    x_test, y_test = _select(x, is_test), _select(y, is_test)
    return HeldOutData(
        {name: array[is_test] for name, array in standardized.items()},
        y_test,
        _select(x, ~is_test),
        _select(y, ~is_test),
        (x_test, y_test),
        "every fifth sample of x",
        _select(weights, ~is_test),
    )


def _pair(validation_data, inputs):
    if _is_dataset(validation_data):
        return _read(validation_data, None, "validation_data", inputs)
    if not isinstance(validation_data, (tuple, list)) or (
        len(validation_data) != 2
    ):
        raise ValueError(
            "Invalid value received for argument `validation_data`. Expected "
            "a tuple `(x, y)` or a dataset. Received: "
            f"{describe_data(validation_data)}"
        )
    return _read(*validation_data, "validation_data", inputs)


def _is_dataset(data):
    return hasattr(data, "element_spec") or isinstance(
        data, keras.utils.PyDataset
    )


def _read(x, y, argument, inputs):
    """Turns what holds data into arrays: inputs, targets and weights."""
    if _is_dataset(x):
        if y is not None:
            raise ValueError(
                "Argument `y` must be left out if `x` is a dataset, which "
                f"gives both. Received: y={describe_data(y)}"
            )
        return _read_dataset(x, argument, inputs)
    if x is None or isinstance(x, (str, bytes)) or hasattr(x, "__next__"):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected "
            "arrays of inputs, a `tf.data.Dataset` or a "
            f"`keras.utils.PyDataset`. Received: {describe_data(x)}"
        )
    return _as_arrays(x), _as_arrays(y), None


def _as_arrays(data):
    """Turns lists of numbers into an array, but not a list of arrays."""
    if isinstance(data, dict):
        return {name: np.asarray(array) for name, array in data.items()}
    if isinstance(data, (list, tuple)) and data and hasattr(data[0], "shape"):
        return type(data)(np.asarray(array) for array in data)
    return None if data is None else np.asarray(data)


def _read_dataset(dataset, argument, inputs):
    if isinstance(dataset, keras.utils.PyDataset):
        count = dataset.num_batches
        elements = [dataset[i] for i in range(count or 0)]
        is_endless = count is None
    else:
        is_endless = dataset.cardinality() == -1
        elements = _batches(dataset, argument, inputs, is_endless)
    if is_endless:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            "dataset that ends. Received: an infinite one; use "
            "`.take(batches)` of `tf.data.Dataset`."
        )
    if not elements:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            "dataset with samples. Received: an empty one"
        )
    if not _is_pair(elements[0]):
        raise _no_pairs(argument, describe_data(elements[0]))
    x, y, weights = keras.utils.unpack_x_y_sample_weight(
        keras.tree.map_structure(
            lambda *parts: np.concatenate(parts), *map(tuple, elements)
        )
    )
    return x, y, weights


def _batches(dataset, argument, inputs, is_endless):
    spec = dataset.element_spec
    if not _is_pair(spec):
        raise _no_pairs(argument, spec)
    if is_endless:
        return []
    rank = len(keras.tree.flatten(spec[0])[0].shape)
    if rank < len(inputs[0].shape):
        dataset = dataset.batch(256)
    return list(dataset.as_numpy_iterator())


def _is_pair(element):
    return isinstance(element, tuple) and len(element) in (2, 3)


def _no_pairs(argument, received):
    return ValueError(
        f"Invalid value received for argument `{argument}`. Expected a dataset "
        "of tuples `(x, y)` or `(x, y, sample_weight)`. Received: elements "
        f"{received}"
    )


def _check_targets(y, count, argument):
    for array in keras.tree.flatten(y) if y is not None else ():
        if np.ndim(array) == 0 or len(array) != count:
            raise ValueError(
                f"Invalid value received for argument `{argument}`. Expected "
                f"as many entries as there are samples, {count}. Received: "
                f"{describe_data(array)}"
            )


def _select(data, mask):
    if data is None:
        return None
    return keras.tree.map_structure(lambda array: array[mask], data)
