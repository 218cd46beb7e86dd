"""Latency of TFLite files, measured by running them."""

import dataclasses
import statistics
import time

import keras
import numpy as np

from keras_nas.export.interpreter import make_interpreter
from keras_nas.export.model_function import ModelFunction
from keras_nas.export.tflite_model import TFLiteModel

_WARM_UP_S = 0.02
_ROUND_S = 0.03
_MIN_RUNS = 3


@dataclasses.dataclass(frozen=True)
class LatencyMeasurement:
    """Latency of one model at batch size 1.

    Args:
        latency_ms: Milliseconds for one sample: the median of the medians
            of all rounds.
        spread: Difference between the slowest and the fastest round, as a
            fraction of `latency_ms`. Differences between models that are
            smaller than this mean nothing.
        round_ms: Tuple of the median of each round in milliseconds.
    """

    latency_ms: float
    spread: float
    round_ms: tuple

    def __str__(self):
        return f"{self.latency_ms:.4g} ms ± {self.spread / 2:.0%}"


def measure_latency(models, *, num_threads=1, xnnpack=True, rounds=7):
    """Measures the latency of models by running them, in turns.

    Only models measured in one call can be compared: what else the machine
    does meanwhile then slows all of them. All models run once in each
    round, and medians drop the runs that something interrupted.

    Args:
        models: A `TFLiteModel`, or a dict of models by name. Values may
            also be Keras models, whose compiled `tf.function` is measured
            at batch size 1, and functions without arguments, which are
            measured as they are.
        num_threads: Number of CPU threads of TFLite models. One is fastest
            for most models made for phones.
        xnnpack: Whether TFLite models use the XNNPACK delegate, as phones
            do by default.
        rounds: Number of rounds. One takes about 30 ms for each model, or
            three runs if they take longer.

    Returns:
        A `LatencyMeasurement`, or a dict of those by name if `models` is a
        dict.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import keras
    >>> from keras_nas import export
    >>> inputs = keras.Input((4,))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    >>> measured = export.measure_latency(
    ...     {"keras": model, "tflite": export.to_tflite(model)}, rounds=3)
    >>> measured["tflite"].latency_ms < measured["keras"].latency_ms
    True
    """
    for name, value in (("num_threads", num_threads), ("rounds", rounds)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(
                f"Invalid value received for argument `{name}`. Expected a "
                f"positive integer. Received: {name}={value!r}"
            )
    if not isinstance(models, dict):
        measured = measure_latency(
            {"model": models},
            num_threads=num_threads,
            xnnpack=xnnpack,
            rounds=rounds,
        )
        return measured["model"]
    if not models:
        raise ValueError(
            "Invalid value received for argument `models`. Expected at "
            "least one model. Received: models={}"
        )
    runs = {
        name: make_run(model, num_threads=num_threads, xnnpack=xnnpack)
        for name, model in models.items()
    }
    counts = {name: _warm_up(run) for name, run in runs.items()}
    medians = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            medians[name].append(_median_ms(run, counts[name]))
    return {name: _summary(medians[name]) for name in models}


def make_run(model, *, num_threads=1, xnnpack=True):
    """Returns a function without arguments that runs a model once.

    `measure_latency` takes such functions, so that one file can be measured
    in several settings in turns.

    Args:
        model: A `TFLiteModel`, a Keras model, or such a function.
        num_threads: Number of CPU threads of a TFLite model.
        xnnpack: Whether a TFLite model uses the XNNPACK delegate.

    Returns:
        A function without arguments.

    Raises:
        ValueError: If `model` is nothing of that.
    """
    if isinstance(model, TFLiteModel):
        interpreter = make_interpreter(
            model.content, xnnpack=xnnpack, num_threads=num_threads
        )
        for details in interpreter.get_input_details():
            values = _sample(details["shape"], details["dtype"])
            interpreter.set_tensor(details["index"], values)
        return interpreter.invoke
    if isinstance(model, keras.Model):
        return _make_keras_run(model)
    if callable(model):
        return model
    raise ValueError(
        "Invalid value received for argument `models`. Expected a "
        "`TFLiteModel` (`TFLiteModel.load(path)` reads a file), a Keras model, "
        "a function without arguments, or a dict of those. "
        f"Received: {model!r} (of type "
        f"{type(model).__name__})"
    )


def _make_keras_run(model):
    import tensorflow as tf

    function = ModelFunction(model)
    traced = function.trace()
    tensors = {
        details.name: tf.constant(_sample(details.shape, details.dtype))
        for details in function.inputs
    }

    def run():
        # Reading a result waits for it, also on an accelerator.
        for output in traced(**tensors).values():
            output.numpy()

    return run


def _sample(shape, dtype):
    """Returns values that are valid for any input of the dtype."""
    if np.issubdtype(dtype, np.floating):
        return np.random.default_rng(0).random(shape).astype(dtype)
    # 0 is a valid token and a valid category.
    return np.zeros(shape, dtype)


def _warm_up(run):
    """Runs a model until caches are warm; returns the runs of a round."""
    runs = 0
    start = time.perf_counter()
    while runs < _MIN_RUNS or time.perf_counter() - start < _WARM_UP_S:
        run()
        runs += 1
    duration_s = (time.perf_counter() - start) / runs
    return max(_MIN_RUNS, round(_ROUND_S / duration_s))


def _median_ms(run, count):
    durations = []
    clock = time.perf_counter_ns
    for _ in range(count):
        start = clock()
        run()
        durations.append(clock() - start)
    return statistics.median(durations) / 1e6


def _summary(medians):
    latency_ms = statistics.median(medians)
    return LatencyMeasurement(
        latency_ms=latency_ms,
        spread=(max(medians) - min(medians)) / latency_ms,
        round_ms=tuple(medians),
    )
