"""Cuts a model into the pieces that a latency table has entries for."""

import hashlib
import json

import keras

from keras_nas.graph import Graph

# Layers that the converter folds into the one before them, or that cost
# nothing: a piece never begins with one.
_FUSED = (
    keras.layers.Activation,
    keras.layers.ActivityRegularization,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Reshape,
    keras.layers.Softmax,
    keras.layers.ZeroPadding2D,
)
# What does not change how long a layer takes.
_IRRELEVANT = {
    "name",
    "trainable",
    "dtype",
    "seed",
    "momentum",
    "epsilon",
    "build_config",
    "build_from_config",
    "registered_name",
    "module",
}
_IRRELEVANT_ENDS = ("_initializer", "_regularizer", "_constraint")


class Segment:
    """A piece of a model between two places where one tensor flows.

    Layers that are fused with one another, and all that a shortcut passes by,
    are in one piece. So the time of a model is nearly the sum of the times of
    its pieces.

    Args:
        nodes: List of `keras_nas.graph.Node`.
        inputs: List of the tensors that come in.
        outputs: List of the tensors that go out.

    Attributes:
        key: String, the same for pieces that take the same time, whatever
            their weights, in whatever process.
        description: String, for people.
    """

    def __init__(self, nodes, inputs, outputs):
        self.nodes = nodes
        self.inputs = inputs
        self.outputs = outputs
        content = json.dumps(self._structure(), sort_keys=True, default=_text)
        self.key = hashlib.sha256(content.encode()).hexdigest()[:16]
        names = [type(node.operation).__name__ for node in nodes]
        shapes = ", ".join(str(tuple(t.shape[1:])) for t in inputs)
        self.description = f"{' '.join(names)} of {shapes}"

    def model(self):
        """Returns the piece as a `keras.Model` of the same layers."""
        return keras.Model(self.inputs, self.outputs)

    def _structure(self):
        numbers = {id(tensor): i for i, tensor in enumerate(self.inputs)}
        structure = [[list(t.shape[1:]), str(t.dtype)] for t in self.inputs]

        def encoded(value):
            if isinstance(value, keras.KerasTensor):
                return f"tensor {numbers[id(value)]}"
            return value

        for node in self.nodes:
            arguments = keras.tree.map_structure(
                encoded, (list(node.args), node.kwargs)
            )
            structure.append([_described(node.operation), arguments])
            for tensor in node.outputs:
                numbers.setdefault(id(tensor), len(numbers))
        structure.append([numbers[id(tensor)] for tensor in self.outputs])
        return structure


def cut(model):
    """Cuts a model into segments.

    Args:
        model: Built functional or `Sequential` `keras.Model`.

    Returns:
        List of `Segment`, in the order in which they run.

    Raises:
        ValueError: If the model has no graph of layers.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3),
    ...     keras.layers.ReLU(), keras.layers.GlobalAveragePooling2D(),
    ...     keras.layers.Dense(2)])
    >>> for segment in cut(model): print(segment.description)
    Conv2D ReLU of (8, 8, 3)
    GlobalAveragePooling2D of (6, 6, 4)
    Dense of (4,)
    """
    graph = Graph(model)
    last_use = {}
    for position, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            last_use[id(tensor)] = position
    for tensor in graph.outputs:
        last_use[id(tensor)] = len(graph.nodes)
    segments, begun, inputs = [], [], list(graph.inputs)
    alive = {id(tensor): tensor for tensor in inputs}
    for position, node in enumerate(graph.nodes):
        if begun and len(alive) == 1 and not isinstance(node.operation, _FUSED):
            through = list(alive.values())
            segments.append(Segment(begun, inputs, through))
            begun, inputs = [], through
        begun.append(node)
        alive |= {id(tensor): tensor for tensor in node.outputs}
        alive = {
            k: t for k, t in alive.items() if last_use.get(k, -1) > position
        }
    if begun:
        segments.append(Segment(begun, inputs, list(graph.outputs)))
    return segments


def _described(operation):
    """Describes an operation by what decides its time."""
    kind = f"{type(operation).__module__}.{type(operation).__qualname__}"
    try:
        config = operation.get_config()
    except Exception:  # Layers of users need not have one.
        # Keras's own, such as the path of the layer, differs among networks.
        own = vars(keras.layers.Layer())
        config = {
            k: v
            for k, v in vars(operation).items()
            if _is_plain(v) and not (k.startswith("_") and k in own)
        }
    return [kind, _relevant(config)]


def _relevant(config):
    if isinstance(config, dict):
        return {
            key: _relevant(value)
            for key, value in config.items()
            if key not in _IRRELEVANT and not key.endswith(_IRRELEVANT_ENDS)
        }
    if isinstance(config, (list, tuple)):
        return [_relevant(value) for value in config]
    return config


def _text(value):
    """Describes what JSON cannot hold, the same in every process."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        # Not the numbers: they take the same time.
        return f"array {tuple(value.shape)} {value.dtype}"
    return getattr(value, "__qualname__", None) or str(value)


def _is_plain(value):
    return isinstance(value, (bool, int, float, str, tuple))
