"""Compares what two models of one architecture compute."""

import keras
import numpy as np

from keras_nas.graph import functional

# For dimensions that a model leaves open; of the batch there are two.
_SIZE = 32

# Of the largest number of the outputs. Half precision knows three digits.
_TOLERANCE = 1e-3
_TOLERANCE_OF_HALF = 5e-2


def check_same_outputs(model, subnet, values):
    """Raises if two models differ in what they predict of random inputs.

    What cannot be compared passes: models that take no random numbers, as
    those of strings, and those that draw random numbers themselves.

    Args:
        model: `keras.Model` that `build(hp)` gives.
        subnet: Function of inputs, the same in the supernet.
        values: Dict of hyperparameter values, for the error.

    Raises:
        ValueError: If they differ.
    """
    inputs = _random_inputs(model)
    if inputs is None:
        return
    try:
        expected, again = (_flat(model(inputs, training=False)) for _ in "ab")
    except Exception:  # It wants other inputs, whatever the reason.
        return
    found = _flat(subnet(inputs))
    is_half = any(
        keras.backend.standardize_dtype(layer.compute_dtype).endswith("16")
        for layer in model.layers
    )
    tolerance = _TOLERANCE_OF_HALF if is_half else _TOLERANCE
    for one, same, other in zip(expected, again, found, strict=True):
        allowed = tolerance * np.max(np.abs(one), initial=1e-3)
        differs = not np.allclose(one, other, 0.0, allowed, equal_nan=True)
        if differs and np.array_equal(one, same, equal_nan=True):
            raise ValueError(
                f"For the architecture {values} the model that `build(hp)` "
                "gives predicts something else than the supernet with the "
                f"same weights: {np.abs(one - other).max():.2g} apart at most. "
                "`build` may depend on a hyperparameter in a way that the "
                "supernet cannot see, such as `hp.values`, or on something "
                "else that changes between two calls; or a layer mixes "
                "searched channels in a way that the supernet does not know."
            )


def _random_inputs(model):
    rng = np.random.default_rng(0)
    inputs = functional(model).input
    dtypes = [
        keras.backend.standardize_dtype(tensor.dtype)
        for tensor in keras.tree.flatten(inputs)
    ]
    if "string" in dtypes:
        return None

    def draw(tensor):
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        batch_size, *sizes = tensor.shape
        shape = [batch_size or 2, *(size or _SIZE for size in sizes)]
        if "float" in dtype:
            numbers = rng.standard_normal(shape)
        else:  # Few, as they may number what an embedding knows.
            numbers = rng.integers(0, 2, shape)
        return keras.ops.convert_to_tensor(numbers, dtype)

    return keras.tree.map_structure(draw, inputs)


def _flat(outputs):
    return [
        keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
        for tensor in keras.tree.flatten(outputs)
    ]
