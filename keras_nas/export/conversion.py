"""Conversion of Keras models to TFLite files."""

import contextlib
import errno
import importlib.util
import os
import re
import tempfile
import warnings

import numpy as np
from absl import logging as absl_logging

from keras_nas.export.conversion_error import ConversionError
from keras_nas.export.converter_process import (
    ConverterDiedError,
    request_conversion,
    start_converter,
)
from keras_nas.export.file_structure import order_inputs_and_outputs
from keras_nas.export.model_function import ModelFunction
from keras_nas.export.representative_data import calibration_samples
from keras_nas.export.tflite_model import TFLiteModel
from keras_nas.export.unrolled_loops import MAX_STEPS

_QUANTIZE = ("float32", "float16", "dynamic", "int4", "int8", "int8_io")
# Those that need representative data.
CALIBRATED = ("int8", "int8_io")

# How the converter names what TFLite lacks.
_MISSING_OPERATIONS = re.compile(
    r"^(?:TF Select|Custom|Flex) ops: (.+)$", re.MULTILINE
)
_NO_ROOM = re.compile(
    "No space left on device|File too large|Disk quota exceeded"
)
_MISSING_OPERATION = re.compile(
    r"'tf\.(\w+)' op is neither a custom op nor a flex op"
)


def to_tflite(model, quantize=None, representative_data=None, *, timeout_s=600):
    """Converts a Keras model to a TFLite file that runs on any phone.

    The file takes one sample a call and uses TFLite's builtin operations
    only, so that no runtime needs more than LiteRT. It ran once, with and
    without the XNNPACK delegate, before it is returned. Whether it computes
    what the model computes is for `verify` to say.

    The converter runs in a child process: it crashes on some models, and
    then an error is raised here instead. Mixed precision models are
    converted as float32, and their inputs are float32.

    For int8, recurrent layers are unrolled, since TFLite cannot calibrate
    loops: each step is a copy of the cell in the file, so that of a long
    sequence is larger than in float32.

    An operation without an int8 kernel stays in floating point in an int8
    file, between conversions of its inputs and outputs. A warning names it,
    and `TFLiteModel.float_operations` lists all of them.

    Args:
        model: A built Keras model: Sequential, functional or subclassed,
            with any number of inputs and outputs of fixed shape. Inputs of
            a subclassed model are taken to be float32; wrap it in a
            functional model if they are not.
        quantize: What to store in fewer bits.
            `None` or `"float32"` keeps float32.
            `"float16"` halves the weights; computation stays in float32.
            `"dynamic"` stores weights of 1024 values and more in int8 and
            computes with them in int8, without any data.
            `"int4"` stores the weights of dense and convolution layers in
            int4 and those of depthwise ones in int8, which gives the
            smallest file of networks of these; embeddings stay in float32.
            It needs `pip install keras-nas[int4]`. Convolutions with int4
            weights have no fast kernels in XNNPACK yet.
            `"int8"` computes in int8 throughout, with float32 inputs and
            outputs: the fastest and smallest on phones.
            `"int8_io"` is `"int8"` with int8 inputs and outputs as well, for
            microcontrollers and accelerators.
        representative_data: Samples of the inputs, needed with `"int8"` and
            `"int8_io"` and ignored otherwise. An array of shape
            `(samples, ...)`, a list, tuple or dict by input name of those,
            a `tf.data.Dataset`, or an iterable (or a function that returns
            one). An element of a dataset or an iterable is a batch or a
            single sample; of a tuple `(x, y)` or `(x, y, sample_weight)`
            only `x` is used. Up to 200 samples are used: evenly spaced ones
            of arrays, the first ones of iterables. Floating point numbers
            and integers up to 16 bits pass for float32. Scale the samples
            as for training.
        timeout_s: Seconds after which the converter is stopped.

    Returns:
        A `TFLiteModel` with the inputs and outputs in the order of `model`.

    Raises:
        ValueError: If an argument is invalid, before anything is converted.
        ImportError: If `"int4"` is asked for and its extra is missing.
        ConversionError: If the model needs operations that TFLite lacks, or
            if the converter fails, crashes or takes too long.
        OSError: If there is no room for temporary files.

    Example:

    >>> import keras
    >>> from keras_nas import export
    >>> inputs = keras.Input((4,), name="x")
    >>> outputs = keras.layers.Dense(2, name="y")(inputs)
    >>> model = keras.Model(inputs, outputs)
    >>> tflite_model = export.to_tflite(model)
    >>> tflite_model.operations
    ('FULLY_CONNECTED',)
    >>> tflite_model.predict([[1.0, 2.0, 3.0, 4.0]]).shape
    (1, 2)
    """
    check_quantize(quantize)
    if quantize == "float32":
        quantize = None
    if not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise ValueError(
            "Invalid value received for argument `timeout_s`. Expected a "
            f"positive number of seconds. Received: timeout_s={timeout_s!r}"
        )
    function = ModelFunction(model)
    samples = None
    if quantize in CALIBRATED:
        samples = calibration_samples(representative_data, function.inputs)
    start_converter()
    traced = function.trace(without_loops=quantize in CALIBRATED)
    with tempfile.TemporaryDirectory(prefix="keras_nas_export_") as folder:
        saved_model = os.path.join(folder, "saved_model")
        calibration = None
        with _explained_lack_of_room(folder):
            _save(traced, function, saved_model)
            if samples is not None:
                calibration = os.path.join(folder, "calibration.npz")
                np.savez(calibration, **samples)
        output = os.path.join(folder, "model.tflite")
        request = {
            "saved_model": saved_model,
            "quantize": quantize,
            "calibration": calibration,
            "output": output,
        }
        try:
            error, log = request_conversion(request, timeout_s)
        except ConverterDiedError as died:
            raise _death(died, model, traced, quantize) from None
        if error is not None:
            if _NO_ROOM.search(error):
                raise _no_room(folder, error)
            raise _failure(error, log, model, quantize)
        with open(output, "rb") as file:
            content = file.read()
    content = order_inputs_and_outputs(
        content,
        [details.name for details in function.inputs],
        list(traced.structured_outputs),
    )
    tflite_model = TFLiteModel(content)
    _check_operations(tflite_model, model, quantize)
    return tflite_model


def check_quantize(quantize):
    """Checks that files of a kind can be made, before any work is done.

    Args:
        quantize: As for `to_tflite`.

    Raises:
        ValueError: If there is no such kind.
        ImportError: If it needs a package that is not installed.
    """
    if quantize is not None and quantize not in _QUANTIZE:
        raise ValueError(
            "Invalid value received for argument `quantize`. Expected one "
            f"of {', '.join(map(repr, _QUANTIZE))}; None is the same as "
            f"'float32'. Received: quantize={quantize!r}"
        )
    is_installed = importlib.util.find_spec("ai_edge_quantizer") is not None
    if quantize == "int4" and not is_installed:
        raise ImportError(
            "quantize='int4' needs the package `ai-edge-quantizer`, which is "
            "not installed. Run `pip install keras-nas[int4]`."
        )


def _save(traced, function, folder):
    """Writes a SavedModel, from which the child can convert.

    A `.keras` file would not do: the child knows no custom layers.
    """
    import tensorflow as tf

    # The variables belong to a module of their own: with the Keras model
    # itself they would not become constants of the file.
    module = tf.Module()
    module.variables_of_model = function.variables
    module.function = traced
    with _quiet(tf.get_logger()):
        tf.saved_model.save(module, folder, signatures=traced)


@contextlib.contextmanager
def _explained_lack_of_room(folder):
    """Says which disk is full, which is not the one that a user thinks of."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        raise _no_room(folder, str(error)) from error


def _no_room(folder, reason):
    found = _NO_ROOM.search(reason)
    return OSError(
        errno.ENOSPC,
        "Conversion needs room for temporary files, about three times that "
        f"of the weights: {found.group() if found else _tail(reason, 300)}. "
        "Nothing was written; name a folder with more room in the "
        "environment variable TMPDIR. Received",
        os.path.dirname(folder),
    )


@contextlib.contextmanager
def _quiet(logger):
    """Silences the news of a SavedModel that the user never asked for."""
    level, verbosity = logger.level, absl_logging.get_verbosity()
    logger.setLevel("WARNING")
    absl_logging.set_verbosity(absl_logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
        absl_logging.set_verbosity(verbosity)


def _check_operations(tflite_model, model, quantize):
    missing = sorted(set(tflite_model.custom_operations))
    if missing:
        raise _missing_operations(missing, model, log="")
    islands = sorted(set(tflite_model.float_operations))
    if quantize in CALIBRATED and islands:
        warnings.warn(
            f"The int8 file of model '{model.name}' computes these "
            f"operations in floating point, because TFLite could not "
            f"quantize them: {', '.join(islands)}. It runs on phones, but "
            "not on hardware that knows integers only.",
            stacklevel=3,
        )


def _failure(error, log, model, quantize):
    text = f"{error}\n{log}"
    missing = {
        name.strip()
        for names in _MISSING_OPERATIONS.findall(text)
        for name in names.split(",")
    }
    missing.update(_MISSING_OPERATION.findall(text))
    if missing:
        return _missing_operations(sorted(missing), model, log)
    return ConversionError(
        f"The TFLite converter failed on model '{model.name}' with "
        f"quantize={quantize!r}. It said:\n{_tail(error)}",
        log=log,
    )


def _missing_operations(operations, model, log):
    return ConversionError(
        f"Model '{model.name}' needs operations that TFLite does not have: "
        f"{', '.join(operations)}. A file with them would not run on a "
        "phone. Replace the layers that use them, or convert the part of "
        "the model without them.",
        operations=operations,
        log=log,
    )


def _death(died, model, traced, quantize):
    remedy = ""
    if "timeout_s" in died.cause:
        remedy = " Pass a larger `timeout_s`."
    elif quantize in CALIBRATED and _has_loop(traced):
        remedy = (
            " The model has a loop, as recurrent layers do, and TFLite "
            "cannot calibrate loops. Those of sequences of a known length up "
            f"to {MAX_STEPS} are unrolled for that: give `keras.Input` the "
            "length, build the layers with `unroll=True`, or use "
            "quantize='dynamic'."
        )
    log = f" It printed:\n{_tail(died.log)}" if died.log.strip() else ""
    return ConversionError(
        f"The TFLite converter {died.cause} while it converted model "
        f"'{model.name}' with quantize={quantize!r}. Nothing was written."
        f"{remedy}{log}",
        log=died.log,
    )


def _has_loop(traced):
    graph = traced.graph.as_graph_def()
    nodes = [*graph.node]
    for function in graph.library.function:
        nodes.extend(function.node_def)
    return any(node.op in ("While", "StatelessWhile") for node in nodes)


def _tail(text, limit=2000):
    text = text.strip()
    return text if len(text) <= limit else f"...{text[-limit:]}"
