"""Follows searched widths through the layers between elastic ones.

A layer of a searched width gives zeros in the channels that an architecture
does not have. This finds out what the layers behind it make of them, puts
zeros there again where a layer would mix something else into the others, and
refuses what it does not understand: nothing is ever silently wrong.
"""

import keras
import numpy as np

from keras_nas.graph import Graph, functional, tensors_in
from keras_nas.layers.elastic_value import SharingError
from keras_nas.supernet import channels as channels_
from keras_nas.supernet.channelwise import (
    is_channelwise,
    is_finite_at_zero,
    keeps_zero,
)
from keras_nas.supernet.switch import Branch, ChosenSum, Switch

# What works on each number by itself, layer or operation of `keras.ops`.
_ELEMENTWISE = {
    *("Activation", "ReLU", "LeakyReLU", "ELU", "Identity", "Rescaling"),
    *("Relu", "Relu6", "Silu", "HardSilu", "Gelu", "Tanh", "Elu", "Selu"),
    *("Sigmoid", "HardSigmoid", "LeakyRelu", "Softplus", "Softsign", "Mish"),
    *("Celu", "Exp", "Log", "Abs", "Absolute", "Negative", "Square", "Sqrt"),
    *("HardTanh", "ZerosLike", "OnesLike", "Cast", "Clip"),
}

# What works on each channel by itself, and gives 0 for 0.
_CHANNELWISE = {
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *(
        f"{kind}Pooling{rank}D"
        for kind in ("Max", "Average", "GlobalMax", "GlobalAverage")
        for rank in (1, 2, 3)
    ),
    *(
        f"{kind}{rank}D"
        for kind in ("ZeroPadding", "Cropping", "UpSampling")
        for rank in (1, 2, 3)
    ),
}

# The same for several inputs of the same channels.
_MERGING = {"Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average"}

# What mixes channels. Its inputs have to be zero where not used.
_MIXING = {"Dense", "Conv1D", "Conv2D", "Conv3D"}
_SEPARABLE = {"SeparableConv1D", "SeparableConv2D"}
_DEPTHWISE = {"DepthwiseConv1D", "DepthwiseConv2D"}


class ElasticGraph:
    """A graph of which the searched channels are known.

    Args:
        model: Functional `keras.Model` as the realisations built it.
        input_channels: Optional list of `Channels` or `None`, one an input.

    Attributes:
        graph: `keras_nas.graph.Graph`. Its switches hold `Branch`es with an
            `elastic_graph` each.
        model: `keras.Model` to run.

    Raises:
        SharingError: If a layer stands behind a searched width that it
            cannot be told of.
    """

    def __init__(self, model, input_channels=None):
        self._channels = {}
        self._tensors = []  # Keeps them alive, as ids tell them apart.
        model = functional(model)
        inputs = keras.tree.map_structure(
            lambda tensor: keras.Input(
                batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
            ),
            model.input,
        )
        given = input_channels or [None] * len(tensors_in(inputs))
        for tensor, channels in zip(tensors_in(inputs), given, strict=True):
            self._note(tensor, channels)
        self.graph = Graph(model, self._apply, inputs)
        self.model = self.graph.model

    def channels(self, tensor):
        """Returns the `Channels` of a tensor; `None` if all are used."""
        return self._channels.get(id(tensor))

    @property
    def output_channels(self):
        """List of the `Channels`, or `None`, of each output."""
        return [self.channels(tensor) for tensor in self.graph.outputs]

    def _apply(self, graph, operation, args, kwargs):
        given = tensors_in((args, kwargs))
        known = [self.channels(tensor) for tensor in given]
        if isinstance(operation, Switch):
            return self._switch(graph, operation, args, known)
        if any(known) and _mixes(operation):
            args = keras.tree.map_structure(
                lambda tensor: self._with_zeros(graph, tensor), args
            )
            known = [self.channels(tensor) for tensor in tensors_in(args)]
        outputs = operation(*args, **kwargs)
        graph.add(operation, args, kwargs, outputs)
        result = getattr(operation, "elastic_channels", None)
        if result is not None:
            result = channels_.first(result)
            _check_function(operation, operation.activation, outputs, [result])
        elif any(known):
            result = _propagate(operation, given, known, outputs)
        for tensor in tensors_in(outputs):
            self._note(tensor, result)
        return outputs

    def _note(self, tensor, channels):
        if channels is not None:
            self._tensors.append(tensor)
            self._channels[id(tensor)] = channels

    def _with_zeros(self, graph, tensor):
        channels = self.channels(tensor)
        if channels is None or channels.are_zero:
            return tensor
        mask = channels_.MaskChannels(channels)
        outputs = mask(tensor)
        graph.add(mask, (tensor,), {}, outputs)
        self._note(outputs, channels.with_zeros(True))
        return outputs

    def _switch(self, graph, switch, args, known):
        branches, results = [], []
        for branch in switch.branches:
            if branch.model is None:
                branches.append(branch)
                if branch.zeros is None:  # Zeros agree with anything.
                    results.append(known)
                continue
            inner = ElasticGraph(branch.model, known)
            branches.append(Branch(inner.model, branch.zeros, inner))
            results.append(inner.output_channels)
        switch = Switch(branches, switch.index)
        outputs = switch(*args)
        graph.add(switch, args, {}, outputs)
        channels = _agreed(switch.index, results)
        for tensor, result in zip(tensors_in(outputs), channels, strict=True):
            self._note(tensor, result)
        return outputs


def elastic_axes(layer, channels):
    """Says what of each weight of a layer an architecture uses.

    Args:
        layer: Keras layer of a supernet.
        channels: `Channels` of its inputs, or `None` if all are used.

    Returns:
        List of dicts, one a weight, from axes to the `Channels` or
        `ElasticRange` that is used of them; axes not there are used whole.
    """
    elastic = getattr(layer, "elastic_axes", None)
    kind = type(layer).__name__
    if elastic is not None:
        axes = elastic(channels)
    elif kind in _MIXING:
        axes = [{-2: channels}]
    elif kind in _SEPARABLE:
        axes = [{-2: channels}, {-2: channels}]
    elif kind in _DEPTHWISE:
        axes = [{-2: channels}, {-1: channels}]
    else:
        axes = [{-1: channels} for _ in layer.weights]
    axes = [
        {axis: part for axis, part in each.items() if part is not None}
        for each in axes
    ]
    # A layer may have a bias beside, or none.
    return [*axes, *({} for _ in layer.weights)][: len(layer.weights)]


def subnet_weights(layer, channels, options):
    """Returns the weights of a layer in one architecture.

    Args:
        layer: Keras layer of a supernet.
        channels: `Channels` of its inputs, or `None` if all are used.
        options: Mapping from hyperparameters to numbers of options.

    Returns:
        List of arrays, those of an ordinary layer.
    """
    weights = []
    for weight, axes in zip(
        layer.get_weights(), elastic_axes(layer, channels), strict=True
    ):
        for axis, part in axes.items():
            weight = np.take(weight, part.used(options), axis)
        weights.append(weight)
    return weights


def _mixes(operation):
    return type(operation).__name__ in _MIXING | _SEPARABLE


def _propagate(operation, inputs, channels, outputs):
    """Returns the `Channels` of what an operation gives."""
    kind = type(operation).__name__
    if kind in _MIXING or kind in _SEPARABLE:
        _check_plain(operation, channels)
        return None
    if kind in _DEPTHWISE:
        _check_plain(operation, channels)
        function = operation.activation
        _check_function(operation, function, outputs, channels)
        is_zero = not operation.use_bias and keeps_zero(function, outputs.shape)
        return channels[0].with_zeros(channels[0].are_zero and is_zero)
    if kind in _CHANNELWISE:
        return channels[0]
    if kind == "BatchNormalization" and operation.axis in (-1, _last(inputs)):
        return channels[0].with_zeros(False)
    if kind in _ELEMENTWISE and len(inputs) == 1:
        _check_function(operation, operation, outputs, channels)
        is_zero = channels[0].are_zero and keeps_zero(operation, outputs.shape)
        return channels[0].with_zeros(is_zero)
    if kind in _MERGING or isinstance(operation, ChosenSum):
        return _merged(operation, inputs, channels)
    if kind == "Concatenate" and operation.axis in (-1, _last(inputs)):
        return channels_.concatenated(
            [
                known or channels_.everything(tensor.shape[-1])
                for known, tensor in zip(channels, inputs, strict=True)
            ]
        )
    if kind in ("Flatten", "Reshape"):
        before, after = inputs[0].shape[-1], outputs.shape[-1]
        if after == before:
            return channels[0]
        if len(outputs.shape) == 2 and after and after % before == 0:
            return channels[0].repeated(after // before)
    raise _refusal(operation, channels)


def _merged(operation, inputs, channels):
    """Of inputs that are added, multiplied and so on."""
    size = max(tensor.shape[-1] for tensor in inputs)
    wide = [
        known
        for known, tensor in zip(channels, inputs, strict=True)
        if tensor.shape[-1] == size
    ]
    known = next(filter(None, wide))
    if not all(known.is_same(other) for other in wide):
        raise SharingError(
            f"{_described(operation)} combines tensors whose searched widths "
            "may differ: those of the "
            f"{_names(channels)}. Use one hyperparameter for all of them, or "
            "bring them to one width with a layer in between."
        )
    all_zero = [_is_zero(known) for known in channels]
    if type(operation).__name__ == "Multiply":
        return known.with_zeros(any(all_zero))
    # A number instead of a tensor, as in `x + 1`.
    is_whole = len(inputs) > 1 or len(wide) != 1
    return known.with_zeros(all(all_zero) and is_whole)


def _is_zero(channels):
    """Returns whether the channels not used are zero."""
    return channels is not None and channels.are_zero


def _agreed(index, results):
    """Returns what all branches of a switch say of the channels."""
    firsts, *others = results
    for other in others:
        for one, another in zip(firsts, other, strict=True):
            same = one is another or (one is not None and one.is_same(another))
            if not same:
                raise SharingError(
                    f"The candidates of {index!r} give different widths: "
                    f"{_width(one)} and {_width(another)}. They have to "
                    "agree in every architecture: let each end with a layer "
                    "of the same width."
                )
    return [
        column[0]
        and column[0].with_zeros(all(known.are_zero for known in column))
        for column in zip(*results, strict=True)
    ]


def _width(channels):
    if channels is None:
        return "a fixed one"
    return f"one that depends on {_names([channels])}"


def _check_plain(operation, channels):
    """Raises if a convolution groups channels in ways we cannot follow."""
    is_plain = (
        getattr(operation, "groups", 1) == 1
        and getattr(operation, "depth_multiplier", 1) == 1
        and getattr(operation, "data_format", "channels_last")
        == "channels_last"
    )
    if not is_plain:
        raise _refusal(operation, channels)


def _check_function(operation, function, tensor, channels):
    """Raises if what is applied to a searched width mixes its channels.

    Args:
        operation: Layer or operation that applies it, for the error.
        function: Function of a tensor, or `None`.
        tensor: `KerasTensor` that looks like what it is applied to.
        channels: List of `Channels`, for the error.
    """
    if not is_channelwise(function, tensor.shape):
        raise SharingError(
            f"{_described(operation)} applies a function that mixes channels, "
            f"as softmax does, to a width that is the {_names(channels)}: an "
            "architecture with fewer channels would get other values. Use an "
            "activation that works on each number by itself, or apply this "
            "one behind a layer of fixed width, or fix the width: "
            "`Supernet(build, fixed={...})`."
        )
    if not is_finite_at_zero(function, tensor.shape):
        raise SharingError(
            f"{_described(operation)} applies a function that has no finite "
            f"value and slope at 0 to a width that is the {_names(channels)}: "
            "channels that an architecture does not have are 0 there. Use "
            "another function, such as `log(1 + x)`, or fix the width: "
            "`Supernet(build, fixed={...})`."
        )


def _last(tensors):
    return len(tensors[0].shape) - 1


def _names(channels):
    names = [name for known in channels if known for name in known.names]
    listed = " and ".join(map(repr, dict.fromkeys(names)))
    return f"hyperparameter {listed}"


def _described(operation):
    return f"{type(operation).__name__} {operation.name!r}"


def _refusal(operation, channels):
    return SharingError(
        f"{_described(operation)} stands behind a layer of which the width is "
        f"the {_names(channels)}, and a supernet cannot tell what it does to "
        "the channels that an architecture does not have. Put a `Conv2D`, "
        "`Dense` or another layer of fixed width in between, use layers that "
        "work on each channel or mix all of them, or fix the width: "
        "`Supernet(build, fixed={...})`."
    )
