"""What layers do with channels: one rule for each kind of layer.

A rule is a function of the `ChannelGraph`, the node and the channels of its
inputs. It notes the weights of the layer and returns the channels of its
output. Only layers of exactly a known class have one: what a subclass does
nobody can know.
"""

import keras
import numpy as np

layers = keras.layers


class NotUnderstoodError(Exception):
    """The channels of a layer cannot be followed."""


def rule_of(operation):
    """Returns the rule of a layer or another operation."""
    if isinstance(operation, keras.layers.Layer):
        rule = _OF_LAYERS.get(type(operation))
    elif type(operation).__module__.split(".")[0] == "keras":
        # The classes behind `keras.ops` have no public names.
        rule = _OF_OPERATIONS.get(type(operation).__name__)
    else:
        rule = None
    return rule or _not_understood


# Layers that make new channels.


def _mixing(graph, node, inputs, in_axis=-2, out_axis=-1, width="filters"):
    """Of dense layers and convolutions."""
    layer = node.operation
    channels = _only(inputs)
    _check_plain(layer)
    outputs = graph.new(getattr(layer, width))
    axes = [
        (layer.kernel, in_axis, channels, "reads"),
        (layer.kernel, out_axis, outputs, "writes"),
    ]
    if layer.use_bias:
        axes.append((layer.bias, -1, outputs, None))
    graph.connect(layer, channels, outputs, axes, width)
    return _activated(graph, layer, outputs)


def _dense(graph, node, inputs):
    return _mixing(graph, node, inputs, width="units")


def _transposed(graph, node, inputs):
    return _mixing(graph, node, inputs, in_axis=-1, out_axis=-2)


def _separable(graph, node, inputs):
    layer = node.operation
    channels = _only(inputs)
    _check_plain(layer)
    between = np.repeat(channels, layer.depth_multiplier)
    outputs = graph.new(layer.filters)
    axes = [
        (layer.depthwise_kernel, -2, channels, "reads"),
        (layer.pointwise_kernel, -2, between, None),
        (layer.pointwise_kernel, -1, outputs, "writes"),
    ]
    if layer.use_bias:
        axes.append((layer.bias, -1, outputs, None))
    graph.connect(layer, channels, outputs, axes, "filters")
    return _activated(graph, layer, outputs)


def _embedding(graph, node, inputs):
    layer = node.operation
    if len(inputs) != 1:
        raise NotUnderstoodError("takes several tensors")
    _check_plain(layer)
    outputs = graph.new(layer.output_dim)
    axes = [(layer.embeddings, -1, outputs, "writes")]
    graph.connect(layer, None, outputs, axes, "output_dim")
    return outputs


def _recurrent(graph, node, inputs):
    """Its inputs may be cut; its units depend on each other in every step."""
    layer = node.operation
    channels = _only(inputs)
    _check_plain(layer)
    halves = [layer]
    if isinstance(layer, keras.layers.Bidirectional):
        halves = [layer.forward_layer, layer.backward_layer]
        if any(type(half) not in _RECURRENT for half in halves):
            raise NotUnderstoodError("is not known to keep channels apart")
    axes = [(half.cell.kernel, -2, channels, "reads") for half in halves]
    outputs = graph.new(node.outputs[0].shape[-1])
    graph.keep(outputs, f"{type(layer).__name__} units are not cut")
    graph.connect(layer, channels, outputs, axes)
    return outputs


# Layers that hand on the channels they are given.


def _same(graph, node, inputs):
    operation = node.operation
    _check_plain(operation)
    noise_shape = getattr(operation, "noise_shape", None)
    if noise_shape is not None and noise_shape[-1] not in (None, 1):
        raise NotUnderstoodError("has a noise of fixed shape")
    for bound in ("x_min", "x_max"):  # Of `keras.ops.clip`.
        if np.size(getattr(operation, bound, 0)) != 1:
            raise NotUnderstoodError("takes an array of constants")
    return _only(inputs)


def _activation(graph, node, inputs):
    _check_activation(node.operation.activation)
    return _only(inputs)


def _depthwise(graph, node, inputs):
    layer = node.operation
    channels = _only(inputs)
    _check_plain(layer)
    outputs = np.repeat(channels, layer.depth_multiplier)
    axes = [(layer.kernel, -2, channels, None)]
    if layer.use_bias:
        axes.append((layer.bias, -1, outputs, None))
    graph.connect(layer, channels, outputs, axes)
    return _activated(graph, layer, outputs)


def _batch_normalization(graph, node, inputs):
    layer = node.operation
    channels = _only(inputs)
    if layer.axis not in (-1, _rank(node) - 1):
        raise NotUnderstoodError("normalizes another axis than the last")
    axes = [
        (layer.moving_mean, -1, channels, None),
        (layer.moving_variance, -1, channels, None),
    ]
    if layer.scale:
        axes.append((layer.gamma, -1, channels, "scales"))
    if layer.center:
        axes.append((layer.beta, -1, channels, None))
    graph.connect(layer, channels, channels, axes)
    return channels


def _prelu(graph, node, inputs):
    layer = node.operation
    channels = _only(inputs)
    axes = []
    if layer.alpha.shape[-1] == len(channels):
        axes.append((layer.alpha, -1, channels, None))
    graph.connect(layer, channels, channels, axes)
    return channels


def _rescaling(graph, node, inputs):
    layer = node.operation
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        raise NotUnderstoodError("has a number for each channel")
    return _only(inputs)


def _merging(graph, node, inputs):
    """Of layers that combine inputs place by place."""
    if not isinstance(node.operation, keras.layers.Layer):
        for value in node.args + tuple(node.kwargs.values()):
            # A number, or an array that has one for each channel?
            is_tensor = isinstance(value, keras.KerasTensor)
            if not is_tensor and np.size(value) != 1:
                raise NotUnderstoodError("takes an array of constants")
    _check_known(inputs)
    size = node.outputs[0].shape[-1]
    wide = [channels for channels in inputs if len(channels) != 1]
    # A single channel may be spread over all of the others.
    first, *others = wide or inputs
    for channels in others:
        graph.tie(first, channels)
    if len(first) != size:
        raise NotUnderstoodError("combines different numbers of channels")
    return first


def _concatenate(graph, node, inputs):
    _check_known(inputs)
    rank = _rank(node)
    if node.operation.axis in (-1, rank - 1):
        return np.concatenate(inputs)
    for channels in inputs[1:]:
        graph.tie(inputs[0], channels)
    return inputs[0]


def _reshape(graph, node, inputs):
    """Of layers that keep the numbers in order."""
    layer = node.operation
    channels = _only(inputs)
    _check_plain(layer)
    before, after = node.inputs[0].shape[1:], node.outputs[0].shape[1:]
    if after[-1] == before[-1]:
        outputs = channels
    elif None in before + after:
        raise NotUnderstoodError("reshapes to a size that is not known")
    else:
        rows = np.broadcast_to(channels, before).reshape(-1, after[-1])
        if (rows != rows[0]).any():
            raise NotUnderstoodError("spreads channels over other axes")
        outputs = rows[0]
    if isinstance(layer, keras.layers.Reshape):
        graph.connect(layer, channels, outputs, [], "target_shape")
    return outputs


def _permute(graph, node, inputs):
    dims = node.operation.dims
    if dims[-1] != len(dims):
        raise NotUnderstoodError("moves channels to another axis")
    return _only(inputs)


def _reduction(graph, node, inputs):
    axis, rank = node.operation.axis, _rank(node)
    if axis is None or any(a in (-1, rank - 1) for a in np.ravel(axis)):
        raise NotUnderstoodError("combines all channels")
    return _only(inputs)


def _not_understood(graph, node, inputs):
    raise NotUnderstoodError("is not known to keep channels apart")


# What rules have in common.


def _only(inputs):
    if len(inputs) != 1:
        raise NotUnderstoodError("takes several tensors")
    _check_known(inputs)
    return inputs[0]


def _check_known(inputs):
    if any(channels is None for channels in inputs):
        raise NotUnderstoodError("takes a tensor without channels")


def _rank(node):
    return len(node.inputs[0].shape)


def _check_plain(layer):
    if getattr(layer, "data_format", None) == "channels_first":
        raise NotUnderstoodError("has the channels on the first axis")
    if getattr(layer, "groups", 1) != 1:
        raise NotUnderstoodError("has groups of channels")
    if getattr(layer, "lora_enabled", False):
        raise NotUnderstoodError("has LoRA weights")
    if getattr(layer, "quantization_mode", None) is not None:
        raise NotUnderstoodError("is quantized")


def _activated(graph, layer, channels):
    """Returns what the activation of a layer with weights gives."""
    try:
        _check_activation(layer.activation)
    except NotUnderstoodError as error:
        # The layer is understood: its inputs may be cut.
        reason = f"{type(layer).__name__} {layer.name!r} {error}"
        graph.keep(channels, reason)
    return channels


def _check_activation(function):
    if function is None:
        return
    name = getattr(function, "__name__", type(function).__name__)
    origin = getattr(function, "__module__", "").split(".")[0]
    known = isinstance(function, keras.layers.Layer)
    if known:
        known = _OF_LAYERS.get(type(function)) is _same
    elif origin in ("keras", "tensorflow"):
        known = name in _ACTIVATIONS
    if not known:
        raise NotUnderstoodError(
            f"has the activation `{name}`, which may combine channels"
        )


_ACTIVATIONS = {
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid"),
    *("hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear"),
    *("log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid", "silu"),
    *("soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid"),
    *("squareplus", "swish", "tanh", "tanh_shrink", "threshold"),
}

_RECURRENT = {
    layers.GRU: _recurrent,
    layers.LSTM: _recurrent,
    layers.SimpleRNN: _recurrent,
}

_OF_LAYERS = {
    layers.Activation: _activation,
    layers.BatchNormalization: _batch_normalization,
    layers.Bidirectional: _recurrent,
    layers.Concatenate: _concatenate,
    layers.Dense: _dense,
    layers.Embedding: _embedding,
    layers.Flatten: _reshape,
    layers.PReLU: _prelu,
    layers.Permute: _permute,
    layers.Rescaling: _rescaling,
    layers.Reshape: _reshape,
    **dict.fromkeys(
        (layers.Conv1D, layers.Conv2D, layers.Conv3D),
        _mixing,
    ),
    **dict.fromkeys(
        (
            layers.Conv1DTranspose,
            layers.Conv2DTranspose,
            layers.Conv3DTranspose,
        ),
        _transposed,
    ),
    **dict.fromkeys(
        (layers.SeparableConv1D, layers.SeparableConv2D), _separable
    ),
    **dict.fromkeys(
        (layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise
    ),
    **_RECURRENT,
    **dict.fromkeys(
        (
            layers.Add,
            layers.Average,
            layers.Maximum,
            layers.Minimum,
            layers.Multiply,
            layers.Subtract,
        ),
        _merging,
    ),
    **dict.fromkeys(
        (
            *(layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Identity),
            *(layers.Dropout, layers.GaussianDropout, layers.GaussianNoise),
            *(layers.AlphaDropout, layers.ActivityRegularization),
            *(layers.SpatialDropout1D, layers.SpatialDropout2D),
            *(layers.SpatialDropout3D, layers.RepeatVector),
            *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
            *(layers.AveragePooling1D, layers.AveragePooling2D),
            *(layers.AveragePooling3D, layers.GlobalAveragePooling1D),
            *(layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
            *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
            *(layers.GlobalMaxPooling3D, layers.Resizing),
            *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
            *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
            *(layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D),
        ),
        _same,
    ),
}

_OF_OPERATIONS = {
    "Concatenate": _concatenate,
    **dict.fromkeys(
        (
            *("Abs", "Absolute", "Cast", "Celu", "Clip", "Elu", "Exp", "Gelu"),
            *("HardSigmoid", "HardSilu", "HardTanh", "LeakyRelu", "Log"),
            *("Mish", "Negative", "Relu", "Relu6", "Selu", "Sigmoid", "Silu"),
            *("Softplus", "Softsign", "Sqrt", "Square", "Tanh"),
        ),
        _same,
    ),
    **dict.fromkeys(
        (
            *("Add", "Divide", "Maximum", "Minimum", "Multiply", "Subtract"),
            "TrueDivide",
        ),
        _merging,
    ),
    **dict.fromkeys(("Max", "Mean", "Min", "Sum"), _reduction),
}
