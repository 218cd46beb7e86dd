"""The one call from a Keras model to files for a phone."""

import dataclasses
import inspect
import math
import numbers
import warnings

import keras

from keras_nas import compression, export
from keras_nas.compression.argument_names import check_argument_names
from keras_nas.compression.class_numbers import check_class_numbers
from keras_nas.compression.stages import make_stages
from keras_nas.deployment.deployment import Calibration, Deployment
from keras_nas.deployment.file_description import FileDescription
from keras_nas.deployment.held_out_data import hold_out
from keras_nas.deployment.limits import DeploymentError, Limits
from keras_nas.deployment.metric import make_metric
from keras_nas.deployment.variant import Variant
from keras_nas.export.conversion import CALIBRATED, check_quantize
from keras_nas.export.float_weights import check_float_weights
from keras_nas.export.latency import make_run
from keras_nas.export.model_function import ModelFunction
from keras_nas.export.representative_data import calibration_samples

# Enough for all checks but the accuracy, which takes all samples.
_VERIFIED_SAMPLES = 200
# Loss of accuracy between a model and its file that is taken for a defect.
_MAX_CONVERSION_DROP = 0.02


def deploy(
    model,
    x,
    y=None,
    *,
    validation_data=None,
    quantize=("float32", "float16", "dynamic", "int8"),
    prune=None,
    cluster=None,
    quantization_aware=False,
    prune_channels=None,
    epochs=None,
    representative_data=None,
    max_accuracy_drop=None,
    max_bytes=None,
    max_latency_ms=None,
    metric=None,
    labels=None,
    preprocessing=None,
    details=None,
    num_threads=(1, 2),
    **compress_arguments,
):
    """Makes `.tflite` files of a Keras model, tests them and picks the best.

    The model is compressed if that is asked for, and converted once for each
    entry of `quantize`. Each file is verified against the model and measured:
    bytes, bytes after gzip, latency with LiteRT on this machine, memory, and
    the score on held-out data. A file that cannot be made or is wrong is
    reported as such and is never the best one; the others stay.

    The best file is the smallest that is verified and within the limits, and
    of two of one size the faster. If only `max_bytes` or `max_latency_ms` are
    given, the most accurate ones within them come first, as there is nothing
    to save. Limits on latency mean this machine, not a phone.

    Args:
        model: A built Keras model, which is left as it is. A subclassed one
            can be quantized, but not compressed.
        x: Inputs as for training: an array, a list or dict of arrays, or a
            `tf.data.Dataset` or `keras.utils.PyDataset` of `(x, y)` or
            `(x, y, sample_weight)`, which is read into memory. Weights count
            in fine-tuning, not in the score.
        y: Targets of `x`. Without them no accuracy is measured.
        validation_data: `(x, y)` or a dataset, to measure the accuracy on.
            Without it, every fifth sample of `x` is held out for that, with
            a warning; the rest is used to calibrate and to fine-tune.
        quantize: Name or names of the files to make, as for
            `keras_nas.export.to_tflite`: `"float32"`, `"float16"`,
            `"dynamic"`, `"int4"`, `"int8"`, `"int8_io"`.
        prune: As for `keras_nas.compression.compress`, as are `cluster`,
            `quantization_aware`, `prune_channels` and `epochs`.
        cluster: See `prune`.
        quantization_aware: See `prune`.
        prune_channels: See `prune`.
        epochs: See `prune`.
        representative_data: Inputs to calibrate int8 with, by default
            samples of `x`. See `keras_nas.export.to_tflite`.
        max_accuracy_drop: By how much the score may be worse than that of
            `model`, in units of the metric.
        max_bytes: Largest length of the file, metadata included.
        max_latency_ms: Longest latency in milliseconds, with XNNPACK and the
            first of `num_threads`.
        metric: Name of a metric that the model was compiled with, or a
            function of `(y, outputs)`, higher for better. By default the
            first metric of the model, or else its loss; if it is not
            compiled, the accuracy.
        labels: Names of the classes, as a list, or a dict of lists by output
            name. They are stored in the file.
        preprocessing: What an app has to do with its data: a dict with
            `"mean"` and `"std"`, which stand for `(value - mean) / std`, and
            `"description"`, or a text, or a dict of those by input name. It
            is stored in the file.
        details: Dict of texts to store in the file: `"name"`,
            `"description"`, `"version"`, `"author"`, `"license"`.
        num_threads: Numbers of CPU threads to measure the latency with.
        **compress_arguments: More arguments of
            `keras_nas.compression.compress`, such as `batch_size`, or
            `sample_weight` for the samples of `x`.

    Returns:
        A `Deployment`: print it, plot it, or save its files.

    Raises:
        ValueError: If an argument is invalid, before anything is converted.
        keras_nas.export.ConversionError: If TFLite lacks an operation of the
            model, so that no file can be made.
        ImportError: If a package of an extra is missing; it says which.
        DeploymentError: If no file is verified and within the limits. It
            says by how much and has all files in its attribute
            `deployment`.

    Example:

    >>> import keras
    >>> import keras_nas as nas
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> y = (x.sum(axis=1) > 0).astype("int")
    >>> inputs = keras.Input((4,), name="x")
    >>> outputs = keras.layers.Dense(2, "softmax", name="sign")(inputs)
    >>> model = keras.Model(inputs, outputs)
    >>> deployment = nas.deploy(
    ...     model, x, y, validation_data=(x, y), quantize=["float32", "int8"],
    ...     labels=["negative", "positive"])
    >>> list(deployment.variants)
    ['float32', 'int8']
    >>> deployment.best.is_verified
    True
    """
    names = _names(quantize)
    limits = Limits(max_accuracy_drop, max_bytes, max_latency_ms)
    num_threads = _thread_counts(num_threads)
    stages = {
        "prune": prune,
        "cluster": cluster,
        "quantization_aware": quantization_aware,
        "prune_channels": prune_channels,
    }
    compress_arguments |= {} if epochs is None else {"epochs": epochs}
    asked = {
        k: v for k, v in stages.items() if v is not None and v is not False
    }
    check_argument_names(
        compress_arguments, "deploy", inspect.signature(deploy).parameters
    )
    if compress_arguments and not asked:
        raise TypeError(
            f"deploy() received {', '.join(sorted(compress_arguments))}, which "
            "say how to train a model on while it is compressed, but no "
            "compression: without that the model is converted as it is. "
            f"Expected one of {', '.join(stages)} too, such as prune=0.5, or "
            "none of them."
        )
    is_compressed = bool(make_stages(**_of_stages(asked | compress_arguments)))
    function = ModelFunction(model)
    check_float_weights(model)
    data = hold_out(
        x,
        y,
        validation_data,
        function.inputs,
        compress_arguments.pop("sample_weight", None),
    )
    is_trained = (
        is_compressed
        and not _is_subclassed(model)
        and _has_epochs(compress_arguments.get("epochs"))
    )
    if is_trained:
        check_class_numbers(model, data.y_train, "y")
    # A function of the user's own may take any numbers.
    if is_trained or not callable(metric):
        check_class_numbers(
            model, data.y, "y" if validation_data is None else "validation_data"
        )
    if data.y is None and max_accuracy_drop is not None:
        raise ValueError(
            "Argument `max_accuracy_drop` needs targets to measure the "
            "accuracy with. Received: no targets in `y` or "
            f"`validation_data`, max_accuracy_drop={max_accuracy_drop}"
        )
    samples = source = None
    if any(name in CALIBRATED for name in names):
        given = representative_data is not None
        samples = calibration_samples(
            representative_data if given else data.x_train, function.inputs
        )
        source = "representative_data" if given else "x"
    outputs = function.predict(data.x)
    description = FileDescription(
        function, outputs, labels, preprocessing, details, samples or data.x
    )
    scorer = None
    if data.y is not None:
        scorer = make_metric(metric, function, data.y, outputs)
    score = scorer and scorer.compute(data.y, outputs)
    baselines = [_baseline("keras", model, score, score and 0.0)]

    compressed = None
    if is_compressed and _is_subclassed(model):
        warnings.warn(
            f"Model '{model.name}' is subclassed, so there is no graph of "
            "layers that could be pruned, clustered or trained for "
            "quantization. It is only quantized after training.",
            stacklevel=2,
        )
    elif is_compressed:
        compressed = _compress(model, data, asked | compress_arguments)
        function = ModelFunction(compressed.model)
        outputs = function.predict(data.x)
        score = scorer and scorer.compute(data.y, outputs)
        baselines.append(
            _baseline(
                "keras, compressed",
                compressed.model,
                score,
                scorer and scorer.drop(baselines[0].score, score),
            )
        )

    variants, errors = {}, []
    for name in names:
        try:
            tflite_model = _convert(model, compressed, name, samples)
        except export.ConversionError as error:
            errors.append(error)
            variants[name] = Variant(name, error=str(error))
            continue
        tflite_model = tflite_model.with_metadata(
            description.metadata(tflite_model)
        )
        reference = _reference(compressed, name, function, scorer, data, score)
        variants[name] = _tested(
            name, tflite_model, reference, data, scorer, baselines, limits
        )
    if len(errors) == len(names):
        _raise_conversion_error(errors, model, variants)
    deployment = Deployment(
        model=model if compressed is None else compressed.model,
        baselines=baselines,
        variants=variants,
        limits=limits,
        metric=scorer,
        description=description,
        data=data,
        compression=compressed and compressed.report,
        calibration=samples and Calibration(samples, source),
    )
    keras_models = [model] if compressed is None else [model, compressed.model]
    deployment = _with_latencies(deployment, keras_models, num_threads)
    if deployment.best is None:
        raise limits.explain(deployment)
    return deployment


def _names(quantize):
    names = (
        [quantize]
        if quantize is None or isinstance(quantize, str)
        else (quantize)
    )
    if not isinstance(names, (list, tuple)) or not names:
        raise ValueError(
            "Invalid value received for argument `quantize`. Expected a name "
            f"or a list of names. Received: quantize={quantize!r}"
        )
    names = ["float32" if name is None else name for name in names]
    for name in names:
        check_quantize(name)
    return list(dict.fromkeys(names))


def _thread_counts(num_threads):
    counts = num_threads
    if isinstance(counts, numbers.Integral):
        counts = [counts]
    if (
        not isinstance(counts, (list, tuple))
        or not all(
            isinstance(n, numbers.Integral)
            and not isinstance(n, bool)
            and n > 0
            for n in counts
        )
        or not counts
    ):
        raise ValueError(
            "Invalid value received for argument `num_threads`. Expected a "
            "positive integer or a list of those. Received: "
            f"num_threads={num_threads!r}"
        )
    return list(dict.fromkeys(map(int, counts)))


def _of_stages(arguments):
    """Those that say what is done, and not how the model is trained."""
    known = inspect.signature(make_stages).parameters
    return {k: v for k, v in arguments.items() if k in known}


def _is_subclassed(model):
    return not isinstance(model, keras.Sequential) and not getattr(
        model, "inputs", None
    )


def _has_epochs(epochs):
    values = epochs.values() if isinstance(epochs, dict) else [epochs]
    return any(value is None or value for value in values)


def _compress(model, data, arguments):
    weights = {}
    if data.sample_weight is not None:
        weights["sample_weight"] = data.sample_weight
    return compression.compress(
        model,
        data.x_train,
        data.y_train,
        validation_data=data.validation_data,
        **arguments | weights,
    )


def _convert(model, compressed, name, samples):
    if compressed is None:
        return export.to_tflite(model, name, samples)
    try:
        return compressed.to_tflite(name, representative_data=samples)
    except ValueError as error:
        # A compressed model may not have every kind of file.
        raise export.ConversionError(str(error)) from error


def _reference(compressed, name, function, scorer, data, score):
    """Returns the model that a file has to equal, and its score."""
    if compressed is None:
        return function.model, score
    model = compressed.reference_model(name)
    if model is not function.model and scorer is not None:
        outputs = ModelFunction(model).predict(data.x)
        score = scorer.compute(data.y, outputs)
    return model, score


def _raise_conversion_error(errors, model, variants):
    """No file at all: shows what they have in common, if they have it."""
    for error in errors:
        if error.operations or len(errors) == 1:
            raise error
    reasons = "\n".join(f"- {v.name}: {v.error}" for v in variants.values())
    raise DeploymentError(
        f"No TFLite file could be made of model '{model.name}'.\n{reasons}"
    ) from errors[0]


def _baseline(name, model, score, drop):
    import tensorflow as tf

    return Variant(
        name,
        score=score,
        accuracy_drop=drop,
        size_bytes=sum(
            math.prod(weight.shape) * tf.as_dtype(weight.dtype).size
            for weight in model.weights
        ),
    )


def _tested(name, tflite_model, reference, data, scorer, baselines, limits):
    """Verifies and measures one file, but for its latency."""
    model, expected = reference
    few = {key: array[:_VERIFIED_SAMPLES] for key, array in data.x.items()}
    report = export.verify(tflite_model, model, few)
    score = None
    # A file that does not run has no score.
    if scorer is not None and report["runs with XNNPACK"].passed:
        score = scorer.compute(data.y, tflite_model.predict_by_name(data.x))
        check = _accuracy_check(scorer, expected, score, limits)
        if check is not None:
            report = export.VerificationReport([*report.checks, check])
    return Variant(
        name,
        tflite_model,
        verification=report,
        score=score,
        accuracy_drop=(
            None if score is None else scorer.drop(baselines[0].score, score)
        ),
        size_bytes=tflite_model.size_bytes,
        gzip_bytes=tflite_model.gzip_bytes,
        peak_memory_bytes=(
            export.measure_peak_memory(tflite_model) if _runs(report) else None
        ),
    )


def _runs(report):
    return all(
        report[f"runs {how} XNNPACK"].passed for how in ("with", "without")
    )


def _accuracy_check(scorer, before, after, limits):
    """What conversion alone may cost; errors have no scale to judge by."""
    if not (scorer.higher_is_better and 0 <= before <= 1):
        return None
    limit = max(_MAX_CONVERSION_DROP, limits.max_accuracy_drop or 0)
    drop = scorer.drop(before, after)
    return export.Check("accuracy drop", drop <= limit + 1e-9, drop, limit)


def _with_latencies(deployment, keras_models, num_threads):
    """Measures all files in all settings in turns, so that they compare."""
    settings = [
        (count, xnnpack) for xnnpack in (True, False) for count in num_threads
    ]
    runs = {
        (baseline.name, None): make_run(model)
        for baseline, model in zip(
            deployment.baselines, keras_models, strict=True
        )
    }
    for name, variant in deployment.variants.items():
        if variant.tflite_model is None or not _runs(variant.verification):
            continue
        for count, xnnpack in settings:
            runs[name, (count, xnnpack)] = make_run(
                variant.tflite_model, num_threads=count, xnnpack=xnnpack
            )
    measured = export.measure_latency(runs)
    variants = {
        name: dataclasses.replace(
            variant,
            latencies={
                setting: measured[name, setting]
                for setting in settings
                if (name, setting) in measured
            },
        )
        for name, variant in deployment.variants.items()
    }
    baselines = [
        dataclasses.replace(
            baseline, latencies={(None, None): measured[baseline.name, None]}
        )
        for baseline in deployment.baselines
    ]
    return deployment.replaced(variants=variants, baselines=baselines)
