"""The graph of a Keras model as data: what computes what from what."""

import dataclasses
from typing import Any

import keras


@dataclasses.dataclass(eq=False)
class Node:
    """One call of an operation.

    Attributes:
        operation: The layer, or other `keras.Operation`.
        args: Tuple, its positional arguments.
        kwargs: Dict, its other arguments.
        outputs: List of the tensors (`KerasTensor`) it gives.
    """

    operation: Any
    args: tuple
    kwargs: dict
    outputs: list

    @property
    def inputs(self):
        """The tensors among the arguments, in order."""
        return tensors_in((self.args, self.kwargs))


class Graph:
    """What a functional model computes, models inside of it included.

    To read it, every operation is applied once more to symbolic inputs: that
    is the public way to learn the graph of a model. So it can be changed on
    the way.

    Args:
        model: `keras.Model` with a graph: functional or `Sequential`.
        apply: Optional function `apply(graph, operation, args, kwargs)` that
            applies an operation, gives `graph.add` what it did, and returns
            the outputs.
        inputs: Optional structure of what `keras.Input` gives, to
            apply it to.

    Attributes:
        model: Functional `keras.Model` of the same layers, without models
            inside.
        nodes: List of each `Node`. A node stands behind those that it needs.
        calls: List of pairs, a model inside and the tensors it was given,
            one for each call of it.

    Raises:
        ValueError: If the model has no graph.

    Example:

    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> [type(node.operation).__name__ for node in Graph(model).nodes]
    ['Dense']
    """

    def __init__(self, model, apply=None, inputs=None):
        self.nodes = []
        self.calls = []
        self._producers = {}
        self._apply = apply or _apply
        self.model = keras.models.clone_model(
            functional(model),
            input_tensors=inputs,
            clone_function=lambda layer: layer,
            call_function=self._call,
        )

    @property
    def inputs(self):
        """List of the tensors."""
        return self.model.inputs

    @property
    def outputs(self):
        """List of the tensors."""
        return self.model.outputs

    def add(self, operation, args, kwargs, outputs):
        """Records what an operation has given."""
        node = Node(operation, args, kwargs, tensors_in(outputs))
        self.nodes.append(node)
        for tensor in node.outputs:
            # Some operations give back what they are given.
            if not any(tensor is given for given in node.inputs):
                self._producers[id(tensor)] = node

    def producer(self, tensor):
        """Returns the `Node` that gives a tensor; for an input `None`."""
        return self._producers.get(id(tensor))

    def _call(self, operation, *args, **kwargs):
        if not has_graph(operation):
            return self._apply(self, operation, args, kwargs)
        inner = Graph(operation)
        given = tensors_in((args, kwargs))
        new = {
            id(old): tensor
            for old, tensor in zip(inner.inputs, given, strict=True)
        }

        def renew(tensor):
            return new.get(id(tensor), tensor)

        for node in inner.nodes:
            inner_args, inner_kwargs = keras.tree.map_structure(
                renew, (node.args, node.kwargs)
            )
            outputs = self._call(node.operation, *inner_args, **inner_kwargs)
            for old, tensor in zip(
                node.outputs, tensors_in(outputs), strict=True
            ):
                new[id(old)] = tensor
        self.calls.append((operation, given))
        self.calls.extend(
            (model, [renew(tensor) for tensor in tensors])
            for model, tensors in inner.calls
        )
        return keras.tree.map_structure(renew, inner.model.output)


def has_graph(model):
    """Returns whether the graph of a model can be read."""
    if isinstance(model, keras.Sequential):
        return model.built and model.inputs is not None
    # Subclassed models do not know the tensors they were made of.
    return isinstance(model, keras.Model) and bool(
        getattr(model, "operations", None)
    )


def tensors_in(structure):
    """Returns the tensors of a nested structure, in order."""
    return [
        tensor
        for tensor in keras.tree.flatten(structure)
        if isinstance(tensor, keras.KerasTensor)
    ]


def functional(model):
    """Returns a model as a functional one of the same layers, not compiled.

    Raises:
        ValueError: If the model has no graph.
    """
    if not has_graph(model):
        raise ValueError(
            "Expected a functional model, or a `Sequential` one of known input "
            "shape, because its graph of layers has to be read. Received: "
            f"{model!r} (of type {type(model).__name__})"
        )
    if isinstance(model, keras.Sequential):
        # `model.output` would be what the model as a layer has given.
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if getattr(model, "compiled", False):
        # `clone_model` would compile again, which fails on losses and metrics
        # that are functions of the user's own.
        return keras.Model(model.input, model.output, name=model.name)
    return model


def _apply(graph, operation, args, kwargs):
    outputs = operation(*args, **kwargs)
    graph.add(operation, args, kwargs, outputs)
    return outputs
