"""The operations of a model, with the paths of their layers."""

import collections
import contextlib

import keras

from keras_nas.graph import Graph, functional, has_graph


def read_operations(model):
    """Reads what a model computes for one example.

    Args:
        model: Built `keras.Model` with a graph.

    Returns:
        `Graph` at batch size 1, so that all shapes are known, and a dict from
        the identity of each operation in it to its path: the names of
        the models that it is inside of, and its own, with slashes between.

    Raises:
        ValueError: If an input has an open dimension beside the batch, or if
            the model has no graph.
    """
    check_shapes(model, model.inputs if has_graph(model) else [])
    inputs = keras.tree.map_structure(
        # Models of the user hold the layers, and not these inputs.
        # Keras compares their names with the keys of a dict.
        lambda tensor: keras.Input(
            batch_shape=(1, *tensor.shape[1:]),
            dtype=tensor.dtype,
            name=tensor.name,
        ),
        functional(model).input,
    )
    paths = {id(operation): path for path, operation in _paths(model)}
    with _unique_names(model):
        return Graph(model, inputs=inputs), paths


def check_shapes(model, inputs):
    """Checks that the sizes of all inputs are known.

    Args:
        model: `keras.Model`, to name it.
        inputs: Iterable of tensors, batch first.

    Raises:
        ValueError: If one has an open dimension beside the batch.
    """
    if any(None in tensor.shape[1:] for tensor in inputs):
        raise ValueError(
            f"Cannot count the operations of '{model.name}': they depend "
            "on the size of its input. Expected inputs whose shapes are "
            f"known. Received: {[tuple(i.shape) for i in inputs]}"
        )


def _paths(model, prefix=""):
    for operation in functional(model).operations:
        path = prefix + operation.name
        if has_graph(operation):
            yield from _paths(operation, f"{path}/")
        else:
            yield path, operation


@contextlib.contextmanager
def _unique_names(model):
    """Renames operations of one name meanwhile.

    Two models inside of a third may well have layers of one name, but Keras
    refuses them in one graph.
    """
    operations = {id(o): (path, o) for path, o in _paths(model)}.values()
    counts = collections.Counter(o.name for _, o in operations)
    names = [(o, o.name) for _, o in operations if counts[o.name] > 1]
    try:
        for path, operation in operations:
            if counts[operation.name] > 1:
                operation.name = path.replace("/", ".")
        yield
    finally:
        for operation, name in names:
            operation.name = name
