"""The operations of a model as its TFLite file will have them."""

import collections
import dataclasses
import math

import keras

from keras_nas.costs.operations import read_operations

# Bytes of one number in memory while it is computed with, and in the file.
_ACTIVATION_BYTES = {"int8": 1, "int8_io": 1}
_WEIGHT_BYTES = {
    "float16": 2,
    "dynamic": 1,
    "int8": 1,
    "int8_io": 1,
    "int4": 0.5,
}


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """What is computed by one operation and read by others."""

    elements: int
    is_float: bool


@dataclasses.dataclass
class _Operation:
    inputs: list
    outputs: list
    weights: int = 0
    in_place: bool = False


class FusedGraph:
    """What a TFLite file of a model will run, known before any conversion.

    The converter folds batch normalisation and ReLU into the convolution
    before them, and layers that only change the shape cost nothing. Layers
    of several steps that are not known here count as one.

    Args:
        model: Built functional or `Sequential` model.

    Raises:
        ValueError: If the model has no graph, or if an input has an open
            dimension beside the batch.
    """

    def __init__(self, model):
        graph, _ = read_operations(model)
        self._tensors = []
        self._operations = []
        # The identity of each Keras tensor -> index of what holds its values.
        self._index = {}
        self._producers = {}
        # The identity of each Keras tensor -> the nodes that read it; `None`
        # stands for the user of the model.
        self._readers = collections.defaultdict(list)
        for tensor in graph.outputs:
            self._readers[id(tensor)].append(None)
        for node in graph.nodes:
            for tensor in node.inputs:
                self._readers[id(tensor)].append(node)
        self._inputs = [self._new(tensor) for tensor in graph.inputs]
        for tensor, index in zip(graph.inputs, self._inputs, strict=True):
            self._index[id(tensor)] = index
        for node in graph.nodes:
            self._add(node)
        self._outputs = [self._index[id(tensor)] for tensor in graph.outputs]

    def peak_bytes(self, quantize):
        """Finds the most memory that activations take at one time.

        Args:
            quantize: As for `export.to_tflite`.

        Returns:
            Integer, bytes, with every tensor at the best place in memory.
        """
        tensors, operations, inputs, outputs = self._quantized(quantize)
        last = {}
        for i, operation in enumerate(operations):
            for tensor in [*operation.inputs, *operation.outputs]:
                last[tensor] = i
        readers = collections.Counter(t for o in operations for t in o.inputs)
        # LiteRT never overwrites inputs.
        for tensor in [*inputs, *outputs]:
            last[tensor] = len(operations)
        alive = set(inputs)
        peak = sum(tensors[i] for i in alive)
        for i, operation in enumerate(operations):
            alive.update(operation.outputs)
            needed = sum(tensors[tensor] for tensor in alive)
            (output, *others) = operation.outputs
            if operation.in_place and not others and output not in outputs:
                # Nor what another operation has read before.
                over = [
                    t
                    for t in operation.inputs
                    if last[t] == i and readers[t] == 1
                ]
                if any(tensors[t] == tensors[output] for t in over):
                    needed -= tensors[output]
            peak = max(peak, needed)
            alive = {tensor for tensor in alive if last[tensor] > i}
        return peak

    def traffic_bytes(self, quantize):
        """Adds up what all operations read and write.

        Args:
            quantize: As for `export.to_tflite`.

        Returns:
            Number of bytes: each operation reads its inputs and its weights
            once and writes its outputs once, and no cache keeps anything from
            one operation to the next.
        """
        tensors, operations, _, _ = self._quantized(quantize)
        weight_bytes = _WEIGHT_BYTES.get(quantize, 4)
        return sum(
            sum(tensors[i] for i in [*operation.inputs, *operation.outputs])
            + operation.weights * weight_bytes
            for operation in operations
        )

    def _quantized(self, quantize):
        """Returns bytes of tensors, operations, inputs and outputs."""
        number = _ACTIVATION_BYTES.get(quantize, 4)
        sizes = [
            t.elements * (number if t.is_float else 4) for t in self._tensors
        ]
        operations = list(self._operations)
        inputs, outputs = list(self._inputs), list(self._outputs)
        if quantize == "int8":
            # From float32 inputs, and to float32 outputs.
            for i, tensor in enumerate(inputs):
                if self._tensors[tensor].is_float:
                    inputs[i] = len(sizes)
                    sizes.append(4 * self._tensors[tensor].elements)
                    operations.insert(0, _Operation([inputs[i]], [tensor]))
            for i, tensor in enumerate(outputs):
                if self._tensors[tensor].is_float:
                    outputs[i] = len(sizes)
                    sizes.append(4 * self._tensors[tensor].elements)
                    operations.append(_Operation([tensor], [outputs[i]]))
        return sizes, operations, inputs, outputs

    def _new(self, tensor):
        self._tensors.append(
            _Tensor(math.prod(tensor.shape), "float" in tensor.dtype)
        )
        return len(self._tensors) - 1

    def _add(self, node):
        layer = node.operation
        inputs = list(dict.fromkeys(self._index[id(t)] for t in node.inputs))
        if _is_free(layer) or self._is_folded(layer, node):
            (before, *_), (after, *_) = node.inputs, node.outputs
            self._index[id(after)] = inputs[0]
            # Nothing is folded across a ReLU, or if others need what is there.
            if not _is_relu(layer) and len(self._readers[id(before)]) == 1:
                self._producers[id(after)] = self._producers.get(id(before))
            return
        weights = 0
        if isinstance(layer, keras.layers.Layer):
            weights = layer.count_params()
        in_place = _is(layer, _IN_PLACE)
        outputs = [self._new(tensor) for tensor in node.outputs]
        for elements in _elements_between(layer, node.outputs[0]):
            between = len(self._tensors)
            self._tensors.append(_Tensor(elements, True))
            self._operations.append(
                _Operation(inputs, [between], weights, in_place)
            )
            inputs, weights = [between], 0
        self._operations.append(_Operation(inputs, outputs, weights, in_place))
        for tensor, index in zip(node.outputs, outputs, strict=True):
            self._index[id(tensor)] = index
            self._producers[id(tensor)] = layer

    def _is_folded(self, layer, node):
        """Whether a layer becomes a part of the operation before it."""
        (before, *others) = node.inputs or [None]
        producer = self._producers.get(id(before))
        if isinstance(layer, keras.layers.ZeroPadding2D):
            (reader, *others) = self._readers[id(node.outputs[0])]
            return (
                not others and reader is not None and _pads_same(node, reader)
            )
        if others or len(self._readers[id(before)]) != 1 or producer is None:
            return False
        if isinstance(layer, keras.layers.BatchNormalization):
            return (
                isinstance(producer, _WITH_WEIGHTS)
                and producer.activation is keras.activations.linear
            )
        return _is_relu(layer) and _is(producer, _FUSES_RELU)


def _pads_same(padding, convolution):
    """Whether a padding and a convolution are one with `padding="same"`."""
    layer = convolution.operation
    if not isinstance(layer, _CONVOLUTIONS_2D) or layer.padding != "valid":
        return False
    given = []
    for size, window, stride, dilation in zip(
        padding.inputs[0].shape[1:3],
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
        strict=True,
    ):
        span = dilation * (window - 1) + 1
        total = max((math.ceil(size / stride) - 1) * stride + span - size, 0)
        given.append((total // 2, total - total // 2))
    return given == [tuple(pair) for pair in padding.operation.padding]


_CONVOLUTIONS_2D = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)

_WITH_WEIGHTS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)
_FUSES_RELU = (
    *_WITH_WEIGHTS,
    keras.layers.Add,
    keras.layers.AveragePooling2D,
    keras.layers.BatchNormalization,
    keras.layers.MaxPooling2D,
    keras.layers.Multiply,
    keras.layers.Subtract,
)
_FREE = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.Reshape,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
# LiteRT writes their results over an input that nothing else reads.
_IN_PLACE = (
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Multiply,
    keras.layers.Softmax,
    keras.layers.Subtract,
)
# Operations that are no layers, by the name of their class: the layer.
_NAMES_OF_OPS = {
    "ExpandDims": "Reshape",
    "Relu": "ReLU",
    "Relu6": "ReLU",
    "Squeeze": "Reshape",
    "TrueDivide": "Multiply",
}
# Part of the operation before, as far as TFLite is concerned.
_RELUS = (keras.activations.relu, keras.activations.relu6)


def _is(operation, layers):
    """Whether it is one of some layers, or does the same in `keras.ops`."""
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, layers)
    name = _NAMES_OF_OPS.get(type(operation).__name__, type(operation).__name__)
    return name in (layer.__name__ for layer in layers)


def _is_free(operation):
    return _is(operation, _FREE) or (
        isinstance(operation, keras.layers.Activation)
        and operation.activation is keras.activations.linear
    )


def _is_relu(operation):
    if isinstance(operation, keras.layers.Activation):
        return operation.activation in _RELUS
    if not isinstance(operation, keras.layers.ReLU):
        return _is(operation, (keras.layers.ReLU,))
    return (
        operation.max_value in (None, 6)
        and not operation.negative_slope
        and not operation.threshold
    )


def _elements_between(layer, output):
    """Numbers in each tensor that a layer makes before its output."""
    size = math.prod(output.shape)
    between = []
    if isinstance(layer, keras.layers.BatchNormalization):
        # One that is not folded: a multiplication and an addition.
        between.append(size)
    if isinstance(
        layer, (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
    ):
        channels = math.prod(layer.depthwise_kernel.shape[-2:])
        between.append(size // layer.filters * channels)
    activation = getattr(layer, "activation", None)
    fused = (None, keras.activations.linear, *_RELUS)
    if isinstance(layer, _WITH_WEIGHTS) and activation not in fused:
        between.append(size)
    return between
