"""The number of floating point operations."""

import contextlib
import io

import keras
import tensorflow as tf

from keras_nas.costs.cost import Cost


class Flops(Cost):
    """Counts the floating point operations of one example.

    As TensorFlow's profiler counts them: a multiplication and an addition
    are two. They stand for the time a model takes, roughly: memory traffic
    and the kernels of a device are not in them.

    Args:
        max_flops: Optional integer, the most that are allowed.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    >>> Flops().measure(model)
    12
    """

    name = "flops"

    def __init__(self, max_flops=None):
        super().__init__(max_flops)
        self.max_flops = max_flops

    def measure(self, model):
        """Counts the operations of a built model.

        Args:
            model: Built `keras.Model` with known input shapes.

        Returns:
            Integer, for a batch of one.

        Raises:
            ValueError: If an input has an open dimension beside the batch.
        """
        shapes = [(1, *tensor.shape[1:]) for tensor in model.inputs]
        if any(None in shape for shape in shapes):
            raise ValueError(
                f"Cannot count the operations of '{model.name}': they depend "
                "on the size of its input. Expected inputs whose shapes are "
                f"known. Received: {[tuple(i.shape) for i in model.inputs]}"
            )
        inputs = [
            tf.TensorSpec(shape, tensor.dtype)
            for shape, tensor in zip(shapes, model.inputs, strict=True)
        ]

        is_sequential = isinstance(model, keras.Sequential)
        structure = model.inputs[0] if is_sequential else model.input

        def run(*values):
            packed = keras.tree.pack_sequence_as(structure, values)
            return model(packed, training=False)

        graph = tf.function(run).get_concrete_function(*inputs).graph
        profiler = tf.compat.v1.profiler
        options = profiler.ProfileOptionBuilder(
            profiler.ProfileOptionBuilder.float_operation()
        )
        options = options.with_empty_output().build()
        with contextlib.redirect_stdout(io.StringIO()):
            profile = profiler.profile(graph=graph, options=options)
        return profile.total_float_ops
