"""From a supernet to the ordinary model of one architecture.

The model that `build(hp)` gives and the supernet are two graphs that came
from the same code. Going through both from the outputs to the inputs, in step,
finds for every layer of the one the layer of the other it inherits from.
"""

from keras_nas.graph import Graph
from keras_nas.supernet.channels import MaskChannels
from keras_nas.supernet.elastic_graph import subnet_weights
from keras_nas.supernet.switch import ChosenSum, Switch


def inherit(model, elastic_graph, options):
    """Gives an ordinary model the weights of a supernet.

    Args:
        model: `keras.Model` of the architecture, as `build(hp)` made it.
        elastic_graph: `ElasticGraph` of the supernet.
        options: Mapping from hyperparameters to numbers of options.

    Raises:
        ValueError: If the model is not what the supernet holds for that
            architecture, with the layers that differ.
    """
    for layer, (ancestor, channels) in pairs(
        model, elastic_graph, options
    ).items():
        weights = subnet_weights(ancestor, channels, options)
        shapes = [weight.shape for weight in weights]
        expected = [tuple(variable.shape) for variable in layer.weights]
        if shapes != expected:
            raise _difference(
                layer, ancestor, f"shapes of weights {expected} and {shapes}"
            )
        layer.set_weights(weights)


def pairs(model, elastic_graph, options):
    """Finds the layer of a supernet behind each layer of a model.

    Returns:
        Dict from the layers of the model that have weights to pairs: the
        layer of the supernet and the `Channels` of its inputs.
    """
    ordinary = Graph(model)
    found, seen = {}, set()
    top = _Scope(elastic_graph, {}, options)
    waiting = [
        (tensor, top, counterpart)
        for tensor, counterpart in zip(
            ordinary.outputs, elastic_graph.graph.outputs, strict=True
        )
    ]
    while waiting:
        tensor, scope, counterpart = waiting.pop()
        scope, counterpart, ancestor = scope.resolve(counterpart)
        key = id(tensor), id(scope), id(counterpart)
        if key in seen:
            continue
        seen.add(key)
        node = ordinary.producer(tensor)
        chosen = _chosen(ancestor, options)
        if chosen is not None and len(chosen) == 1:
            # Of a single edge there is no sum; it may even be an input.
            waiting.append((tensor, scope, chosen[0]))
            continue
        if ancestor is None or node is None:
            if ancestor is not node:
                raise _difference(node, ancestor, "an input of the model")
            continue
        inputs = node.inputs
        if chosen is None:
            layer, original = node.operation, ancestor.operation
            if not isinstance(original, type(layer)):
                raise _difference(layer, original, "types")
            if getattr(layer, "weights", None):
                channels = scope.elastic_graph.channels(ancestor.inputs[0])
                found[layer] = original, channels
            chosen = ancestor.inputs
        if len(chosen) != len(inputs):
            raise _difference(
                node, ancestor, f"inputs, {len(inputs)} and {len(chosen)}"
            )
        waiting.extend(
            (given, scope, other)
            for given, other in zip(inputs, chosen, strict=True)
        )
    return found


def _chosen(node, options):
    """Returns the inputs that a sum of some has; `None` for other layers."""
    operation = getattr(node, "operation", None)
    if not isinstance(operation, ChosenSum):
        return None
    return [
        given
        for given, is_chosen in zip(node.inputs, operation.chosen, strict=True)
        if is_chosen.at(options)
    ]


class _Scope:
    """A graph within the supernet, and what its inputs stand for."""

    def __init__(self, elastic_graph, inputs, options):
        self.elastic_graph = elastic_graph
        self._inputs = inputs
        self._options = options
        self._inner = {}

    def resolve(self, tensor):
        """Follows a tensor through switches, masks and bounds of graphs.

        Returns:
            The scope and the tensor where a layer stands, and its node.
        """
        scope = self
        while True:
            if id(tensor) in scope._inputs:
                scope, tensor = scope._inputs[id(tensor)]
                continue
            node = scope.elastic_graph.graph.producer(tensor)
            if node is None:
                return scope, tensor, None
            if isinstance(node.operation, MaskChannels):
                tensor = node.inputs[0]
            elif isinstance(node.operation, Switch):
                scope, tensor = scope._enter(node, tensor)
            else:
                return scope, tensor, node

    def _enter(self, node, tensor):
        """Returns where a tensor comes from within a switch."""
        number = next(i for i, t in enumerate(node.outputs) if t is tensor)
        switch = node.operation
        branch = switch.branches[switch.index.at(self._options)]
        if branch.elastic_graph is None:
            return self, node.inputs[number]
        if id(node) not in self._inner:
            outer = {
                id(inner): (self, given)
                for inner, given in zip(
                    branch.elastic_graph.graph.inputs, node.inputs, strict=True
                )
            }
            self._inner[id(node)] = _Scope(
                branch.elastic_graph, outer, self._options
            )
        inner = self._inner[id(node)]
        return inner, inner.elastic_graph.graph.outputs[number]


def _difference(layer, ancestor, what):
    def name(side):
        operation = getattr(side, "operation", side)
        if operation is None:
            return "an input"
        return f"{type(operation).__name__} {operation.name!r}"

    return ValueError(
        "The model that `build(hp)` gives for this architecture is not the "
        f"one that the supernet holds: {name(layer)} and {name(ancestor)} "
        f"differ in {what}. `build` may depend on a hyperparameter in a way "
        "that the supernet cannot see, or on something else that changes "
        "between two calls."
    )
