"""Counting by tracing: for layers that no rule is known of."""

import collections
import contextlib
import math
import warnings

import keras

from keras_nas.costs.operation_count import OperationCount
from keras_nas.export.unrolled_loops import unrolled_loops

# Operations for each number of the output, as TensorFlow's profiler has them.
# What is not here moves data, or is a function such as `Exp` that the profiler
# does not count either.
_PER_OUTPUT = {
    "Add": 1,
    "AddV2": 1,
    "Sub": 1,
    "Mul": 1,
    "RealDiv": 1,
    "Maximum": 1,
    "Minimum": 1,
    "Pow": 1,
    "Reciprocal": 1,
    "Square": 1,
    "Rsqrt": 2,
    "Log": 1,
    "Neg": 1,
    "Softmax": 5,
    "BiasAdd": 1,
    "SquaredDifference": 2,
    "Greater": 1,
    "GreaterEqual": 1,
    "Less": 1,
    "LessEqual": 1,
    "Equal": 1,
    "NotEqual": 1,
}
_BODIES = (
    "Case",
    "If",
    "PartitionedCall",
    "StatefulPartitionedCall",
    "StatelessIf",
    "StatelessWhile",
    "While",
)


def count_traced(function, structure, model=None):
    """Counts what a function of tensors computes.

    Args:
        function: Function, called with what `structure` holds.
        structure: Nested structure of anything; of each `KerasTensor` in it,
            the function gets a tensor of its shape, at batch size 1.
        model: Optional `keras.Model` or layer. Recurrent layers in it are
            unrolled, so that each step counts.

    Returns:
        Dict from the name scopes of operations, which are the names of layers
        with slashes between, to an `OperationCount`.
    """
    import tensorflow as tf

    flat = keras.tree.flatten(structure)
    places = [
        i
        for i, value in enumerate(flat)
        if isinstance(value, keras.KerasTensor)
    ]
    specs = [
        tf.TensorSpec((1, *flat[i].shape[1:]), flat[i].dtype) for i in places
    ]

    @tf.function(autograph=False)
    def run(*tensors):
        values = list(flat)
        for i, tensor in zip(places, tensors, strict=True):
            values[i] = tensor
        function(keras.tree.pack_sequence_as(structure, values))

    no_loops = contextlib.nullcontext()
    if isinstance(model, keras.Model):
        no_loops = unrolled_loops(model)
    with no_loops, _inlined_functions():
        graph = run.get_concrete_function(*specs).graph
    counts = collections.defaultdict(OperationCount)
    for operation in graph.get_operations():
        count = _count(operation)
        if count.flops:
            counts[operation.name.rpartition("/")[0]] += count
    return dict(counts)


@contextlib.contextmanager
def _inlined_functions():
    """Traces the operations of functions inside, and not a call of them.

    Keras compiles some layers, such as convolutions in groups.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _count(operation):
    kind = operation.type
    if kind in _PER_OUTPUT:
        return OperationCount(0, _PER_OUTPUT[kind] * _elements(operation))
    if kind in _RULES:
        return _RULES[kind](operation)
    if kind in _BODIES:
        warnings.warn(
            f"What the loop, branch or function '{operation.name}' "
            "computes is not counted: how often it runs is not known.",
            stacklevel=2,
        )
    return OperationCount()


def _elements(operation):
    """Numbers in the output."""
    return math.prod(operation.outputs[0].shape)


def _shape(operation, i):
    return tuple(operation.inputs[i].shape)


def _convolution(operation):
    *window, depth, _ = _shape(operation, 1)
    return OperationCount.of_macs(
        _elements(operation) * math.prod(window) * depth
    )


def _depthwise_convolution(operation):
    window = _shape(operation, 1)[:-2]
    return OperationCount.of_macs(_elements(operation) * math.prod(window))


def _transposed_convolution(operation):
    # Each position of the input is multiplied by the whole kernel.
    places = math.prod(_shape(operation, 2)[:-1])
    return OperationCount.of_macs(places * math.prod(_shape(operation, 1)))


def _matrix_product(operation):
    *_, rows, columns = _shape(operation, 0)
    transposed = "transpose_a" if operation.type == "MatMul" else "adj_x"
    inner = rows if operation.get_attr(transposed) else columns
    return OperationCount.of_macs(_elements(operation) * inner)


def _einsum(operation):
    equation = operation.get_attr("equation").decode()
    labels, _, results = equation.replace("...", "").partition("->")
    terms = labels.split(",")
    if len(terms) != 2:
        return OperationCount()
    sizes = {}
    for i, term in enumerate(terms):
        # From the right, past an ellipsis in front.
        given = _shape(operation, i)[-len(term) :] if term else ()
        sizes.update(zip(term, given, strict=True))
    inner = math.prod(
        size for label, size in sizes.items() if label not in results
    )
    return OperationCount.of_macs(_elements(operation) * inner)


def _pooling(operation):
    window = math.prod(operation.get_attr("ksize"))
    return OperationCount(0, _elements(operation) * window)


def _reduction(operation):
    return OperationCount(
        0, math.prod(_shape(operation, 0)) - _elements(operation)
    )


def _mean(operation):
    return OperationCount(0, math.prod(_shape(operation, 0)))


def _sum_of_many(operation):
    terms = len(operation.inputs)
    return OperationCount(0, (terms - 1) * _elements(operation))


_RULES = {
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise_convolution,
    "Conv2DBackpropInput": _transposed_convolution,
    "Conv3DBackpropInputV2": _transposed_convolution,
    "MatMul": _matrix_product,
    "BatchMatMul": _matrix_product,
    "BatchMatMulV2": _matrix_product,
    "BatchMatMulV3": _matrix_product,
    "Einsum": _einsum,
    "AvgPool": _pooling,
    "AvgPool3D": _pooling,
    "MaxPool": _pooling,
    "MaxPool3D": _pooling,
    "Mean": _mean,
    "Sum": _reduction,
    "ArgMax": _reduction,
    "ArgMin": _reduction,
    "AddN": _sum_of_many,
}
