"""Comparison of a Keras 3 model with what it was rebuilt as."""

import keras
import numpy as np

from keras_nas.export.float32_computation import float32_computation
from keras_nas.graph import functional

_NUM_SAMPLES = 2
_OPEN_SIZE = 32


def random_inputs(graph, seed=0):
    """Draws inputs that a model accepts.

    Args:
        graph: `keras_nas.graph.Graph` of the model.
        seed: Integer.

    Returns:
        List of arrays, one for each input. Open sizes are 32; what goes into
        an `Embedding`, and integers, are indices, 0 among them, because 0 may
        be masked.
    """
    rng = np.random.default_rng(seed)
    arrays = []
    for tensor in graph.inputs:
        batch, *sizes = tensor.shape
        shape = (
            batch or _NUM_SAMPLES,
            *(_OPEN_SIZE if size is None else size for size in sizes),
        )
        limit = _index_limit(graph, tensor)
        if tensor.dtype == "bool":
            array = rng.random(shape) < 0.5
        elif limit:
            array = rng.integers(limit, size=shape)
            array[..., -1:] = 0
        else:
            array = rng.normal(size=shape)
        arrays.append(array.astype(tensor.dtype))
    return arrays


def _index_limit(graph, tensor):
    """Returns how many different integers an input takes, or `None`."""
    sizes = [
        node.operation.input_dim
        for node in graph.nodes
        if isinstance(node.operation, keras.layers.Embedding)
        and any(given is tensor for given in node.inputs)
    ]
    if sizes:
        return min(sizes)
    return 2 if "int" in tensor.dtype else None


def relative_difference(expected, received, inputs, source):
    """Runs two models on the same inputs.

    Args:
        expected: Keras 3 model, with the layers of `source`.
        received: tf_keras model with the same inputs and outputs.
        inputs: List of arrays.
        source: Keras 3 model. If it has layers in mixed precision, they are
            run in float32.

    Returns:
        Float, the largest difference by the largest number in `expected`'s
        outputs. Infinity if only one of the two is finite.
    """
    with float32_computation(source):
        expected = expected(inputs, training=False)
    return _largest_difference(expected, received(inputs, training=False))


def outputs_difference(first, second, inputs):
    """Runs two Keras 3 models of the same layers on the same inputs.

    Args:
        first: Keras 3 model with a graph.
        second: Keras 3 model with the inputs and outputs of `first`.
        inputs: List of arrays.

    Returns:
        Float, as that of `relative_difference`.
    """
    return _largest_difference(
        *(
            model(
                keras.tree.pack_sequence_as(model.input, inputs),
                training=False,
            )
            for model in map(functional, (first, second))
        )
    )


def _largest_difference(expected, received):
    return max(
        (
            _difference_of(np.asarray(a), np.asarray(b))
            for a, b in zip(
                keras.tree.flatten(expected),
                keras.tree.flatten(received),
                strict=True,
            )
        ),
        default=0.0,
    )


def _difference_of(expected, received):
    if expected.shape != received.shape:
        return np.inf
    expected, received = (
        array.astype("float64") for array in (expected, received)
    )
    same = (expected == received) | (np.isnan(expected) & np.isnan(received))
    if same.all():
        return 0.0
    difference = np.abs(expected - received)[~same].max()
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    relative = difference / scale if scale else difference
    return float(relative) if np.isfinite(relative) else np.inf


def describe_difference(graph, measure, difference, tolerance, name):
    """Says which layer is the first to differ.

    Args:
        graph: `keras_nas.graph.Graph`.
        measure: Function of a list of tensors, that returns their difference.
        difference: Float, that of the outputs.
        tolerance: Float.
        name: String, the name of the model.

    Returns:
        String.
    """
    text = (
        f"Model '{name}' does not compute the same in tf_keras: on random "
        f"inputs the outputs differ by {difference:.1e}, relative to the "
        f"largest; at most tolerance={tolerance:.1e} was expected."
    )
    for node in graph.nodes:
        found = measure(node.outputs)
        if not found <= tolerance:
            operation = node.operation
            return (
                f"{text} The first layer that differs is '{operation.name}' "
                f"({type(operation).__name__}), by {found:.1e}. If that is "
                "rounding, pass a larger `tolerance`; otherwise put the layer "
                "into a custom layer, which is run as it is."
            )
    return text + " No layer differs by more on its own: pass a larger one."
