"""Memory that a TFLite file needs for its activations."""

from keras_nas.export.file_structure import read_structure
from keras_nas.export.interpreter import make_interpreter


def measure_peak_memory(tflite_model, *, scratch=True):
    """Measures the memory for inputs, outputs and all between, in bytes.

    This is what a device needs beside the file itself. It is the span of
    addresses that LiteRT gives to these tensors, without delegates, which
    keep copies of their own. LiteRT uses the memory of a tensor again once
    nothing reads it, so the span is much less than the sum of all tensors.
    Scratch buffers of operations count as far as they lie in that span;
    the bodies of loops and float32 copies of float16 weights do not count.

    Args:
        tflite_model: A `TFLiteModel`.
        scratch: Whether the scratch buffers of LiteRT's own kernels count. Its
            convolution copies each window of the input, which can take more
            than all tensors. XNNPACK and microcontrollers do without. If
            the file has an operation without a plain kernel, such as ELU,
            they count in any case.

    Returns:
        Number of bytes.

    Example:

    >>> import keras
    >>> from keras_nas import export
    >>> inputs = keras.Input((64, 64, 1))
    >>> outputs = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    >>> tflite_model = export.to_tflite(keras.Model(inputs, outputs))
    >>> export.measure_peak_memory(tflite_model)  # 4 bytes a float32.
    81920
    """
    interpreter = _make_interpreter(tflite_model.content, scratch)
    spans = []
    for index in read_structure(tflite_model.content).activation_indices:
        try:
            array = interpreter.tensor(index)()
        except ValueError:
            # Of a dynamic shape: it gets its memory when it is computed.
            continue
        start = array.__array_interface__["data"][0]
        spans.append((start, start + array.nbytes))
    if not spans:
        return 0
    return max(end for _, end in spans) - min(start for start, _ in spans)


def _make_interpreter(content, scratch):
    if not scratch:
        try:
            return make_interpreter(content, reference_kernels=True)
        except ValueError:
            # An operation without a plain kernel.
            pass
    return make_interpreter(content, xnnpack=False)
