"""Tracing of mixed precision models in float32."""

import contextlib

from keras_nas.export.flat_layers import flat_layers


@contextlib.contextmanager
def float32_computation(model):
    """Makes the layers of a mixed precision model compute in float32.

    Mixed precision is for training on GPU and TPU: the weights are float32
    already, and TFLite lacks float16 kernels for most operations. The
    policies are put back at the end.

    Args:
        model: A Keras model.

    Yields:
        Nothing.
    """
    changed = []
    try:
        for layer in flat_layers(model):
            policy = layer.dtype_policy
            if (
                policy.quantization_mode is None
                and policy.variable_dtype == "float32"
                and policy.compute_dtype in ("float16", "bfloat16")
            ):
                changed.append((layer, policy))
                layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in changed:
            layer.dtype_policy = policy
