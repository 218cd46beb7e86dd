"""The TFLite file of a model, made once for all costs that are read off it.

A conversion takes seconds, and the size, the latency and the peak memory of one
candidate are asked for one after the other, by costs that do not know of each
other. So files are kept as long as the model is: the cache holds no reference
to it, and a search that drops a model drops its files.
"""

import contextlib
import warnings
import weakref

import numpy as np

from keras_nas.export import to_tflite
from keras_nas.export.conversion import CALIBRATED, check_quantize
from keras_nas.export.model_function import ModelFunction

_NUM_SAMPLES = 4

_files = weakref.WeakKeyDictionary()


def tflite_file(model, quantize, representative_data=None):
    """Converts a model to a TFLite file, or returns the one made before.

    It is for size, latency and memory, which do not depend on the values of
    weights: that of a model is not made again after training. Before training,
    weights that are all equal are made different for the time of the
    conversion, since the converter leaves out a multiplication by ones and an
    addition of zeros, as a new batch normalisation is.

    Args:
        model: Built `keras.Model`.
        quantize: As `check_quantization` returns it.
        representative_data: As for `export.to_tflite`. Without it, int8 files
            are calibrated with random numbers from 0 to 1, and with zeros for
            integer inputs: what they compute is then wrong, and
            their size, latency and memory are as with real data.

    Returns:
        `export.TFLiteModel`.

    Raises:
        ValueError: If the model is not built, or if an input has an open
            dimension beside the batch.
        ConversionError: If TFLite cannot express the model.
    """
    # Here, so that errors on models come before any work.
    inputs = ModelFunction(model).inputs
    files = _files.setdefault(model, {})
    # A `Sequential` can grow.
    key = (quantize, tuple(tuple(v.shape) for v in model.variables))
    data, file = files.get(key, (None, None))
    is_of_other_data = representative_data is not None and (
        data is not representative_data
    )
    if file is None or is_of_other_data:
        if representative_data is None and quantize in CALIBRATED:
            samples = _random_samples(inputs)
        else:
            samples = representative_data
        with _as_if_trained(model), warnings.catch_warnings():
            # Of each candidate of a search it would be noise.
            warnings.filterwarnings("ignore", "The int8 file of model")
            file = to_tflite(model, quantize, samples)
        files[key] = (representative_data, file)
    return file


def check_quantization(quantize):
    """Checks the argument `quantize` of a cost.

    Args:
        quantize: As for `export.to_tflite`.

    Returns:
        String; `"float32"` for `None`.

    Raises:
        ValueError: If there is no such kind of file.
        ImportError: If it needs a package that is not installed.
    """
    check_quantize(quantize)
    return quantize or "float32"


def metric_name(name, quantize, *words):
    """Names the metric of a cost so that no two of one search are the same.

    Args:
        name: String, the name with default settings.
        quantize: String, in front of the name unless it is `"int8"`.
        *words: What else differs from the defaults.

    Returns:
        String.
    """
    kind = [] if quantize == "int8" else [quantize]
    return "_".join([*kind, *words, name])


@contextlib.contextmanager
def _as_if_trained(model):
    """Gives weights that are all equal some other values meanwhile."""
    rng = np.random.default_rng(0)
    before = []
    try:
        for variable in model.variables:
            if "float" not in str(variable.dtype):
                continue
            value = np.asarray(variable)
            if value.size and (value == value.flat[0]).all():
                before.append((variable, value))
                # Variances stay positive.
                noise = 0.01 * (1.0 + rng.random(value.shape))
                variable.assign((value + noise).astype(value.dtype))
        yield
    finally:
        for variable, value in before:
            variable.assign(value)


def _random_samples(inputs):
    rng = np.random.default_rng(0)
    return {
        details.name: rng.random((_NUM_SAMPLES, *details.shape[1:])).astype(
            details.dtype
        )
        if np.issubdtype(details.dtype, np.floating)
        # 0 is a valid token and a valid category.
        else np.zeros((_NUM_SAMPLES, *details.shape[1:]), details.dtype)
        for details in inputs
    }
