"""Memory that a TFLite file needs for its activations."""

from keras_nas.export.file_structure import read_structure
from keras_nas.export.interpreter import make_interpreter
from keras_nas.export.tflite_model import TFLiteModel

_CONTROL_FLOW = {"CALL_ONCE", "IF", "STABLEHLO_WHILE", "WHILE"}


def measure_peak_memory(tflite_model, *, scratch=True):
    """Measures the memory for inputs, outputs and all between, in bytes.

    This is what a device needs beside the file itself. It is the span of
    addresses that LiteRT gives to these tensors, without delegates, which
    keep copies of their own. LiteRT uses the memory of a tensor again once
    nothing reads it, so the span is much less than the sum of all tensors.
    Scratch buffers of operations count as far as they lie in that span;
    float32 copies of float16 weights do not count, and of a loop, as in an
    LSTM in float32, neither its body nor what it gives.

    Args:
        tflite_model: A `TFLiteModel`.
        scratch: Whether the scratch buffers of LiteRT's own kernels count. Its
            convolution copies each window of the input, which can take more
            than all tensors. XNNPACK and microcontrollers do without. If
            the file has an operation without a plain kernel, such as ELU,
            they count in any case.

    Returns:
        Number of bytes.

    Raises:
        ValueError: If `tflite_model` is no `TFLiteModel`.

    Example:

    >>> import keras
    >>> from keras_nas import export
    >>> inputs = keras.Input((64, 64, 1))
    >>> outputs = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    >>> tflite_model = export.to_tflite(keras.Model(inputs, outputs))
    >>> export.measure_peak_memory(tflite_model)  # 4 bytes a float32.
    81920
    """
    if not isinstance(tflite_model, TFLiteModel):
        raise ValueError(
            "Invalid value received for argument `tflite_model`. Expected a "
            "`TFLiteModel`; `TFLiteModel.load(path)` reads that of a file. "
            f"Received: {tflite_model!r} (of type "
            f"{type(tflite_model).__name__})"
        )
    interpreter = _make_interpreter(tflite_model.content, scratch)
    structure = read_structure(tflite_model.content)
    spans = []
    for index in structure.activation_indices:
        try:
            array = interpreter.tensor(index)()
        except ValueError:
            # Of a dynamic shape: it gets its memory when it is computed.
            continue
        start = array.__array_interface__["data"][0]
        spans.append((start, start + array.nbytes))
    if not spans:
        return 0
    if _CONTROL_FLOW.isdisjoint(structure.operations):
        return max(end for _, end in spans) - min(start for start, _ in spans)
    return _sum_of_blocks(spans)


def _sum_of_blocks(spans):
    """Adds up the memory of tensors that are not all in one place.

    What a loop gives lies elsewhere, as far from the rest as the process
    happens to put it.
    """
    room = sum(end - start for start, end in spans)
    total, begin, last = 0, None, None
    for start, end in sorted(spans):
        if last is not None and start - last > room:
            total += last - begin
            begin = None
        begin = start if begin is None else begin
        last = end if last is None or begin == start else max(last, end)
    return total + last - begin


def _make_interpreter(content, scratch):
    if not scratch:
        try:
            return make_interpreter(content, reference_kernels=True)
        except ValueError:
            # An operation without a plain kernel.
            pass
    return make_interpreter(content, xnnpack=False)
