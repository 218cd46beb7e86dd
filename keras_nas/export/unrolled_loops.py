"""Tracing of recurrent layers without loops."""

import contextlib

import keras

# Each step is a copy of the cell in the file.
MAX_STEPS = 256


@contextlib.contextmanager
def unrolled_loops(model):
    """Makes recurrent layers unroll their loops over time.

    TFLite cannot calibrate loops: its converter crashes on them. Only layers
    with an input of at most 256 steps are unrolled.

    Args:
        model: A Keras model.

    Yields:
        Nothing.
    """
    # As `float32_computation`, this has to reach layers inside of layers.
    layers = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.RNN)
        and not layer.unroll
        and (_num_steps(layer) or MAX_STEPS + 1) <= MAX_STEPS
    ]
    try:
        for layer in layers:
            layer.unroll = True
        yield
    finally:
        for layer in layers:
            layer.unroll = False


def _num_steps(layer):
    """Returns the length of the sequences that a layer was built for."""
    config = layer.get_build_config() or {}
    shape = config.get("input_shape") or config.get("sequences_shape")
    if shape and len(shape) > 1:
        return shape[1]
    return None
