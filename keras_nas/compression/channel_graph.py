"""Which channels of a model have to be cut together."""

import dataclasses
from typing import Any

import numpy as np

from keras_nas.compression.channel_rules import NotUnderstoodError, rule_of
from keras_nas.graph import Graph


@dataclasses.dataclass(frozen=True)
class ChannelAxis:
    """An axis of a weight along which channels are counted.

    Attributes:
        layer: The Keras layer.
        variable: The `keras.Variable`.
        axis: Integer.
        channels: Integer array, the channel at each place of the axis.
        role: What the layer does with the channels: `"writes"` if it makes
            them of others, `"reads"` if it makes others of them, `"scales"`
            if it multiplies each by a number; `None` for the rest.
    """

    layer: Any
    variable: Any
    axis: int
    channels: np.ndarray
    role: str | None


class ChannelGraph:
    """The channels of a model, and what holds them together.

    A channel is what can be cut: one number, or one map of numbers, of each
    tensor that has it. A convolution makes new channels, an activation hands
    on those it is given, an addition makes each channel of one input the same
    as that of the other, and concatenation puts them side by side. So every
    tensor has an array of channels for its last axis, and every weight has
    one for each axis that follows such an axis.

    What an operation not known here does to channels is anyone's guess.
    Those that enter and leave it are never cut; nor are the inputs and
    outputs of the model.

    Args:
        model: `keras.Model` with a graph.

    Attributes:
        axes: List of `ChannelAxis`.
        widths: Dict from layers whose configuration says how many channels
            they give to pairs: the argument and the channels.

    Example:

    >>> import keras
    >>> inputs = keras.Input((4,))
    >>> x = keras.layers.Dense(3, name="hidden")(inputs)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> [group.names for group in ChannelGraph(model).groups()]
    [('hidden',)]
    """

    def __init__(self, model):
        self.axes = []
        self.widths = {}
        self._parents = []
        self._kept = []  # Pairs: channels that are never cut, and why.
        self._of_tensor = {}
        self._of_layer = {}
        self._not_understood = {}
        graph = Graph(model)
        # The tensors have to live as long as their ids are used.
        for tensor in graph.inputs:
            self._put(tensor, self._unknown(tensor, "an input of the model"))
        for node in graph.nodes:
            self._add(node)
        self._tie_calls(graph)
        outputs = [self._of_tensor[id(tensor)] for tensor in graph.outputs]
        # First, as the plainest of reasons.
        self._kept[:0] = [
            (channels, "an output of the model")
            for channels in outputs
            if channels is not None
        ]
        self._resolve()

    # What rules call.

    def new(self, size):
        """Returns new channels."""
        start = len(self._parents)
        self._parents.extend(range(start, start + size))
        return np.arange(start, start + size)

    def tie(self, channels, others):
        """Makes each channel the same as its counterpart."""
        if len(channels) != len(others):
            raise NotUnderstoodError("combines different numbers of channels")
        for one, other in zip(channels, others, strict=True):
            one, other = self._root(one), self._root(other)
            self._parents[max(one, other)] = min(one, other)

    def keep(self, channels, reason):
        """Says that channels are never cut, and why."""
        if channels is not None:
            self._kept.append((channels, reason))

    def connect(self, layer, inputs, outputs, axes, width=None):
        """Notes a layer with weights; one that is used twice has one set.

        Args:
            layer: The Keras layer.
            inputs: The channels it is given, or `None` if it has none.
            outputs: The channels it gives.
            axes: List of tuples: variable, axis, channels, role.
            width: Optional name of the argument of the layer that says how
                many channels it gives.
        """
        known = self._of_layer.get(layer)
        if known is not None:
            for channels, others in zip(known, (inputs, outputs), strict=True):
                if channels is not None:
                    self.tie(channels, others)
            return
        self._of_layer[layer] = inputs, outputs
        self.axes.extend(ChannelAxis(layer, *axis) for axis in axes)
        if width is not None:
            self.widths[layer] = width, outputs

    # What is known when all nodes are read.

    def groups(self):
        """Returns the groups of channels that compete with each other.

        Returns:
            List of each `ChannelGroup`: channels that the same layers give.
            Those that are never cut are in none.
        """
        writers = {}
        for axis in self.axes:
            if axis.role == "writes":
                for channel in np.unique(axis.channels):
                    writers.setdefault(int(channel), []).append(axis.layer)
        members = {}
        for channel, layers in writers.items():
            if channel not in self.reasons:
                # In the order of the model, which is that of `axes`.
                members.setdefault(tuple(layers), []).append(channel)
        return [
            ChannelGroup(layers, np.array(channels))
            for layers, channels in members.items()
        ]

    def _resolve(self):
        """Replaces all channels by the first of those tied to each."""
        roots = np.array(
            [self._root(channel) for channel in range(len(self._parents))],
            dtype=int,
        )
        self.axes = [
            dataclasses.replace(axis, channels=roots[axis.channels])
            for axis in self.axes
        ]
        self.widths = {
            layer: (argument, roots[channels])
            for layer, (argument, channels) in self.widths.items()
        }
        #: Dict from channels that are never cut to the reason.
        self.reasons = {}
        for channels, reason in self._kept:
            for channel in np.unique(roots[channels]):
                self.reasons.setdefault(int(channel), reason)

    def _root(self, channel):
        parents = self._parents
        while parents[channel] != channel:
            parents[channel] = parents[parents[channel]]
            channel = parents[channel]
        return channel

    def _add(self, node):
        inputs = [self._of_tensor[id(tensor)] for tensor in node.inputs]
        operation = node.operation
        try:
            if operation in self._not_understood:
                raise NotUnderstoodError(self._not_understood[operation])
            if len(node.outputs) != 1:
                raise NotUnderstoodError("gives several tensors")
            (tensor,) = node.outputs
            outputs = rule_of(operation)(self, node, inputs)
            if len(tensor.shape) < 2 or len(outputs) != tensor.shape[-1]:
                raise NotUnderstoodError("changes the number of channels")
            self._put(tensor, outputs)
        except NotUnderstoodError as error:
            self._refuse(node, inputs, str(error))

    def _tie_calls(self, graph):
        """Lets a model inside have the same inputs in every call."""
        first = {}
        for model, tensors in graph.calls:
            given = [self._of_tensor[id(tensor)] for tensor in tensors]
            pairs = zip(first.setdefault(model, given), given, strict=True)
            for channels, others in pairs:
                if channels is not None and others is not None:
                    self.tie(channels, others)

    def _refuse(self, node, inputs, what):
        """Keeps all channels that an operation has to do with."""
        operation = node.operation
        self._not_understood[operation] = what
        reason = f"{type(operation).__name__} {operation.name!r} {what}"
        for channels in (*inputs, *self._of_layer.get(operation, ())):
            self.keep(channels, reason)
        for tensor in node.outputs:
            self._put(tensor, self._unknown(tensor, reason))

    def _unknown(self, tensor, reason):
        """Returns channels that are never cut, or `None` if there are none."""
        if len(tensor.shape) < 2 or tensor.shape[-1] is None:
            return None
        channels = self.new(tensor.shape[-1])
        self.keep(channels, reason)
        return channels

    def _put(self, tensor, channels):
        self._of_tensor[id(tensor)] = channels


@dataclasses.dataclass(frozen=True)
class ChannelGroup:
    """Channels that the same layers give, so that they can be compared.

    Attributes:
        layers: Tuple of the layers that give each of the channels. If there
            are several, their outputs are added or multiplied.
        channels: Integer array.
    """

    layers: tuple
    channels: np.ndarray

    @property
    def names(self):
        """Tuple of the names of the layers."""
        return tuple(layer.name for layer in self.layers)
