"""A searched directed acyclic graph of operations."""

import functools

from keras_nas.layers.arguments import check_integer, check_option
from keras_nas.layers.combining import combine
from keras_nas.layers.decision import Decision
from keras_nas.layers.factories import check_factories
from keras_nas.layers.layer_choice import LayerChoice
from keras_nas.layers.primitive import Primitive
from keras_nas.layers.signatures import agree, describe, like, signature
from keras_nas.layers.subsets import members, subsets


class Cell(Primitive):
    """Cell whose graph of operations is searched.

    A cell is a directed acyclic graph. Its nodes are in order, and each reads
    some of the cell inputs and earlier nodes, every one through an operation
    of its own; the value of a node is the sum. Use it to search for a motif
    that is then stacked: cells of the same name share their architecture and
    have separate weights.

    The sources of a node are numbered: first the cell inputs, then the nodes.
    Node `i` registers

    - `f"{name}_node{i}_inputs"`, an `hp.Choice` of subsets of the sources,
      such as `"0+2"`, where it has more sources than it reads;
    - `f"{name}_node{i}_op{j}"`, an `hp.Choice` of the operation on the edge
      from source `j`, active where `j` is among the chosen sources.

    Args:
        hp: The `keras_tuner.HyperParameters` that `build(hp)` receives.
        name: String, the prefix of the hyperparameters' names.
        num_nodes: Integer, the number of nodes.
        operations: Dict from names to factories, as the candidates of
            `LayerChoice`. Operations must keep the shape of their input, or
            reduce it by `strides`.
        inputs_per_node: Integer, how many distinct sources a node reads, or
            all of them where there are fewer. `None` for all of them, always:
            the connections are then not searched, as in NAS-Bench-201.
        output: String, how the nodes give the output: `"concat"` (along the
            last axis), `"sum"`, `"mean"`, or `"last"` for the last node.
        strides: Integer. Above 1 the cell is a reduction cell: factories are
            called with `strides=strides` on edges from cell inputs and with
            `strides=1` on the others. With 1 they are called without.

    Input shape:
        A tensor, or a list of tensors that agree in shape and dtype.

    Output shape:
        The shape of an input, reduced by `strides`, with `output="concat"`
        its last axis times `num_nodes`.

    Raises:
        ValueError: If an argument is invalid, or inputs or operations
            disagree in shape or dtype.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)
    - [Dong and Yang, 2020, NAS-Bench-201](https://arxiv.org/abs/2001.00326)

    Example:
    >>> import keras, keras_tuner
    >>> from keras_nas import blocks, layers
    >>> hp = keras_tuner.HyperParameters()
    >>> x = keras.Input((8, 8, 4))
    >>> cell = layers.Cell(hp, "normal", num_nodes=2, inputs_per_node=1,
    ...     operations={
    ...         "conv": lambda: blocks.ConvBlock(4, kernel_size=3),
    ...         "identity": blocks.Identity,
    ...     })
    >>> cell(x).shape
    (None, 8, 8, 8)
    >>> for parameter in hp.space:
    ...     print(parameter.name, parameter.values)
    normal_node0_op0 ['conv', 'identity']
    normal_node1_inputs ['0', '1']
    normal_node1_op0 ['conv', 'identity']
    normal_node1_op1 ['conv', 'identity']
    """

    def __init__(
        self,
        hp,
        name,
        num_nodes,
        operations,
        inputs_per_node=2,
        output="concat",
        strides=1,
    ):
        super().__init__(hp, name)
        check_integer("num_nodes", num_nodes, minimum=1)
        if inputs_per_node is not None:
            check_integer("inputs_per_node", inputs_per_node, minimum=1)
        check_option("output", output, ("concat", "sum", "mean", "last"))
        check_integer("strides", strides, minimum=1)
        if strides == 1:
            check_factories("operations", operations)
        else:
            check_factories("operations", operations, strides=strides)
        self.num_nodes = num_nodes
        self.operations = dict(operations)
        self.inputs_per_node = inputs_per_node
        self.output = output
        self.strides = strides

    def _build_selected(self, inputs):
        return self.build_nodes(inputs, self._build_node)

    def build_nodes(self, inputs, build_node):
        """Builds one node behind the other; returns the output of the cell.

        Args:
            inputs: A tensor or a list of tensors.
            build_node: Function `build_node(node, sources, num_inputs)` that
                returns the value of a node, given what it can read.
        """
        sources = self._check_inputs(inputs)
        num_inputs = len(sources)
        for node in range(self.num_nodes):
            sources.append(build_node(node, sources, num_inputs))
        if self.output == "last":
            return sources[-1]
        return combine(sources[num_inputs:], self.output)

    def _build_node(self, node, sources, num_inputs):
        count = len(sources)
        if self.inputs_per_node is None or count <= self.inputs_per_node:
            return self.sum_edges(
                node,
                {
                    index: self.edge(node, index, num_inputs)(source)
                    for index, source in enumerate(sources)
                },
            )

        name = f"{self.name}_node{node}_inputs"
        options = subsets(repr(self), count, self.inputs_per_node)
        decision = Decision(
            self.hp, name, repr(self), lambda: self.hp.Choice(name, options)
        )
        if decision.value not in options:
            raise ValueError(
                f"Node {node} of {self!r} has the sources {decision.value!r}, "
                f"which are not among {options}. Cells of the same name must "
                "have the same nodes and the same number of inputs."
            )

        def apply(index, source):
            choosing = [value for value in options if index in members(value)]
            with decision.scope(choosing):
                return self.edge(node, index, num_inputs)(source)

        chosen = members(decision.value)
        edges = {index: apply(index, sources[index]) for index in chosen}
        others = {}
        if decision.is_discovered:
            for index in sorted(set(range(count)) - set(chosen)):
                value = next(v for v in options if index in members(v))
                with decision.explore(value):
                    others[index] = apply(index, like(sources[index]))
        self._check_edges(node, edges | others)
        return combine(list(edges.values()), "sum")

    def edge(self, node, index, num_inputs):
        """Returns the choice of the operation between a source and a node.

        Args:
            node: Integer, the number of the node.
            index: Integer, the number of the source.
            num_inputs: Integer, how many sources are inputs of the cell.
        """
        operations = self.operations
        if self.strides != 1:
            strides = self.strides if index < num_inputs else 1
            operations = {
                key: functools.partial(factory, strides=strides)
                for key, factory in operations.items()
            }
        return LayerChoice(
            self.hp, f"{self.name}_node{node}_op{index}", operations
        )

    def _check_inputs(self, inputs):
        is_list = isinstance(inputs, (list, tuple))
        sources = list(inputs) if is_list else [inputs]
        if not sources:
            raise ValueError(
                f"{self!r} must be called on a tensor or a non-empty list of "
                f"tensors. Received: inputs={inputs!r}"
            )
        signatures = {i: signature(source) for i, source in enumerate(sources)}
        if not agree(signatures.values()):
            raise ValueError(
                f"The inputs of {self!r} must agree in shape and dtype, so "
                "that every node can read any of them. Bring them to one "
                "shape first, for example with "
                "`keras_nas.blocks.ConvBlock(filters, kernel_size=1)` on "
                "each, strided on the larger one. Received inputs of:\n"
                f"{describe(signatures)}"
            )
        return sources

    def sum_edges(self, node, edges):
        """Returns the value of a node: the sum of its edges.

        Args:
            node: Integer, the number of the node.
            edges: Dict from the numbers of the sources to tensors.
        """
        self._check_edges(node, edges)
        return combine(list(edges.values()), "sum")

    def _check_edges(self, node, edges):
        signatures = {
            f"{self.name}_node{node}_op{index}": signature(tensor)
            for index, tensor in edges.items()
        }
        if not agree(signatures.values()):
            raise ValueError(
                f"The edges into node {node} of {self!r} must agree in shape "
                "and dtype, because the node is their sum. Operations must "
                "keep the shape of their input, except for `strides` (this "
                f"cell has strides={self.strides}). Received edges of:\n"
                f"{describe(signatures)}"
            )
