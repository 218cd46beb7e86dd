"""The script that the converter's child process runs.

It is started by its path and imports nothing of keras_nas, so that the child
loads TensorFlow only. It reads one request in JSON a line on the standard
input and answers each with one line on the standard output:

    {"saved_model": folder, "quantize": null, "calibration": null,
     "output": file}

    {"error": null} or {"error": "what the converter said"}

It ends when the input is closed, or after a while without requests, since it
holds several hundred megabytes.
"""

import itertools
import json
import os
import queue
import signal
import sys
import threading
import traceback

IDLE_SECONDS = 30
# How much smaller a scale is than the one before in a working network.
_SMALLEST_DROP = 0.01


def main():
    """Answers requests until there are no more."""
    # The answers get a descriptor of their own: the converter prints on the
    # standard output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # An interrupt from the keyboard reaches the whole process group; the
    # parent decides what becomes of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests = queue.Queue()
    threading.Thread(
        target=_read_requests, args=(requests,), daemon=True
    ).start()
    # Imported while the parent still traces its model.
    import tensorflow  # noqa: F401

    while True:
        try:
            line = requests.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            break
        if not line:
            break
        error = None
        try:
            convert(**json.loads(line))
        except Exception as exception:
            traceback.print_exc()
            error = f"{type(exception).__name__}: {exception}"
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()
    # TensorFlow's threads are not waited for.
    sys.stderr.flush()
    os._exit(0)


def convert(saved_model, quantize, calibration, output):
    """Converts one SavedModel and runs the result once.

    Args:
        saved_model: Folder of the SavedModel.
        quantize: As in `keras_nas.export.to_tflite`.
        calibration: An `.npz` file with samples by input name, or `None`.
        output: Path of the file to write.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize not in (None, "int4"):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize in ("int8", "int8_io"):
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8
        ]
        converter.representative_dataset = _Samples(calibration)
    if quantize == "int8_io":
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    content = converter.convert()
    if quantize == "int4":
        content = _with_int4_weights(content)
    _run(content)
    with open(output, "wb") as file:
        file.write(content)


def _with_int4_weights(content):
    """Stores weights in int4 where kernels take them, or else in int8.

    The quantizer leaves the tables of embeddings alone.

    Among the ways to choose the scales, OCTAV (Sakr et al., 2022), which
    clips outliers, lost the least accuracy for the same size.
    """
    from ai_edge_quantizer import Quantizer, recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName

    # The last rule that fits an operation counts.
    rules = recipe.dynamic_wi8_afp32()
    for name in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        rules += recipe.dynamic_wi4c_afp32(
            operation_name=name, algorithm_key=AlgorithmName.OCTAV
        )
    quantizer = Quantizer(content, rules)
    result = quantizer.quantize(
        enable_progress_bar=False, enable_progress_report=False
    )
    return bytes(result.quantized_model)


class _Samples:
    """Gives the converter samples of batch size 1, as often as it asks."""

    def __init__(self, path):
        import numpy as np

        with np.load(path) as arrays:
            self.arrays = dict(arrays)

    def __call__(self):
        count = len(next(iter(self.arrays.values())))
        for i in range(count):
            yield {name: a[i : i + 1] for name, a in self.arrays.items()}


def _run(content):
    """Runs a file with and without the delegate that phones use.

    Done here because a broken file can end the process that runs it.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    for resolver in (
        OpResolverType.AUTO,
        OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    ):
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=resolver,
            num_threads=1,
        )
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:
            if vanishing := _vanishing_tensor(content):
                raise RuntimeError(vanishing) from error
            raise
        for details in interpreter.get_input_details():
            interpreter.set_tensor(
                details["index"], np.zeros(details["shape"], details["dtype"])
            )
        interpreter.invoke()


def _vanishing_tensor(content):
    """Says where a network fades to nothing, if it does.

    XNNPACK takes a convolution if the product of the scales of its inputs and
    weights is less than 256 times the scale of its outputs. What gave nothing
    but zeros while it was calibrated, or nearly, has a far smaller one.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_op_resolver_type=(
            OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    )
    # In the order of the network.
    scales = [
        (details["name"].split(";")[0], float(details["quantization"][0]))
        for details in interpreter.get_tensor_details()
        if details["dtype"].__name__ == "int8"
        and details["quantization"][0]
        and not _is_constant(interpreter, details["index"])
    ]
    drops = [
        (scale / before, name, scale)
        for (_, before), (name, scale) in itertools.pairwise(scales)
    ]
    drop, name, scale = min(drops, default=(1.0, "", 0.0))
    if drop > _SMALLEST_DROP:
        return None
    return (
        f"the tensor '{name}' stayed within {255 * scale:.1e} for all the data "
        "that int8 was calibrated with: there is no scale for values so much "
        "smaller than those they come from. Expected representative data on "
        "which every layer gives something: scaled as for the training, and a "
        "model whose layers are alive. A ReLU that is never positive, or a "
        "BatchNormalization that has learnt no statistics yet, gives zeros "
        "alone."
    )


def _is_constant(interpreter, index):
    """Whether a tensor has values before any memory is allocated."""
    try:
        interpreter.get_tensor(index)
    except ValueError:
        return False
    return True


def _read_requests(requests):
    for line in sys.stdin:
        requests.put(line)
    requests.put("")


if __name__ == "__main__":
    main()
