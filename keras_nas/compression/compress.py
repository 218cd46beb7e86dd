"""Pruning, clustering and quantisation of Keras 3 models in one call."""

import functools
import math
import numbers
import warnings

import keras
import numpy as np

from keras_nas.compile_arguments import (
    build_optimizer,
    replace_compile_arguments,
)
from keras_nas.compression.argument_names import check_argument_names
from keras_nas.compression.bridge import Bridge, check_model
from keras_nas.compression.channel_stage import ChannelStage, all_layers
from keras_nas.compression.compressed_model import CompressedModel
from keras_nas.compression.compression_report import (
    CompressionReport,
    LayerReport,
)
from keras_nas.compression.compression_stage import (
    is_kernel,
    treated_kernels,
)
from keras_nas.compression.host_model import HostModel
from keras_nas.compression.magnitude_pruning import MagnitudePruning
from keras_nas.compression.model_copy import copy_model
from keras_nas.compression.quantization_aware_training import (
    QuantizationAwareTraining,
)
from keras_nas.compression.stages import make_stages
from keras_nas.compression.training_data import check_training_data
from keras_nas.compression.weight_clustering import WeightClustering
from keras_nas.export.float_weights import check_no_lora

# Fine-tuning takes some hundred steps. With the momentum of 0.99 that Keras
# has, the statistics would be those of the weights before.
_BATCH_NORM_MOMENTUM = 0.9
# Methods of `keras.Model` that say how a model is trained.
_TRAINING = (
    "train_step",
    "test_step",
    "compute_loss",
    "compute_metrics",
)


def compress(
    model,
    x=None,
    y=None,
    *,
    prune_channels=None,
    prune=None,
    prune_schedule="polynomial",
    cluster=None,
    quantization_aware=False,
    skip=(),
    epochs=3,
    batch_size=None,
    validation_data=None,
    callbacks=None,
    optimizer=None,
    verbose="auto",
    **fit_arguments,
):
    """Makes a model smaller, and trains it on meanwhile.

    What is asked for is done in this order, each stage on the result of the
    one before and with an optimizer of its own: pruning of channels, pruning
    of weights, clustering, training for quantisation. A later stage keeps the
    zeros and the clusters of the earlier ones, and those that the model came
    with. Layers that cannot be treated are left as they are, and the report
    says so; it also says, with a warning, where a training ended before all
    that was asked for was reached.

    Fewer channels make a `.tflite` file smaller and faster. Pruned or clustered
    weights do neither; they make it compress better, in an app's download for
    example. int8 makes it a quarter of the size, and faster on most phones.

    The model that is given is not changed.

    Args:
        model: A built and compiled Keras 3 model, trained already:
            `Sequential` or functional.
        x: Training data, as for `keras.Model.fit`.
        y: Targets, as there.
        prune_channels: Optional share of the channels to cut out, such as 0.5,
            or a dict of arguments for `prune_channels`, the function. 0 asks
            for nothing, so that a list of shares to compare can start there:
            if all that is asked for is 0, the result is a copy of `model`.
        prune: Optional share of zeros in each kernel, such as 0.5; `"2:4"` for
            two zeros in every four weights; or a dict of these by name of
            layer. 0 asks for nothing, as for `prune_channels`.
        prune_schedule: `"polynomial"`, a growing share over the first two
            thirds of the training, or `"constant"`.
        cluster: Optional integer, the number of values that a kernel may have;
            or a dict of these by name of layer.
        quantization_aware: Boolean, whether to train with int8 emulated.
        skip: Name or names of layers to leave alone.
        epochs: Integer, for each stage; or a dict with a key for each of them:
            `"prune_channels"`, `"prune"`, `"cluster"`, `"quantize"`. Those of
            a stage that is set to 0 are ignored.
        batch_size: As for `fit`.
        validation_data: As for `fit`.
        callbacks: As for `fit`. Those that save store the Keras 3 model.
            `EarlyStopping` waits until all weights are pruned;
            `ModelCheckpoint(save_best_only=True)` does not, so its file may
            be of an epoch before that.
        optimizer: Optional optimizer for these trainings. By default that of
            `model`, with its settings and no state.
        verbose: As for `fit`.
        **fit_arguments: Further arguments of `fit`, such as `class_weight`.

    Returns:
        `CompressedModel`: its `model` is an ordinary Keras 3 model, `report`
        says what was done, and `to_tflite` converts it.

    Raises:
        ValueError: If an argument is invalid, if the data do not fit the
            model, or if that is not compiled, is quantized already, or has a
            `train_step` or `compute_loss` of its own, which only
            `prune_channels` would call.
        BridgeError: If the model has no graph of layers, or does not compute
            the same in tf_keras.

    Reference:

    - [TensorFlow Model Optimization](https://www.tensorflow.org/model_optimization)

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_nas import compression
    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(16), keras.layers.Dense(1)]
    ... )
    >>> model.compile("adam", "mse")
    >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    >>> compressed = compression.compress(
    ...     model, x, x[:, :1], prune=0.75, epochs=2, verbose=0
    ... )
    >>> float(np.mean(compressed.model.layers[0].get_weights()[0] == 0))
    0.75
    """
    check_argument_names(fit_arguments, "compress")
    stages = make_stages(
        prune_channels=prune_channels,
        prune=prune,
        prune_schedule=prune_schedule,
        cluster=cluster,
        quantization_aware=quantization_aware,
        skip=skip,
    )
    values = {
        "prune_channels": prune_channels,
        "prune": prune,
        "cluster": cluster,
    }
    # Zero is an answer, `None` is the lack of one.
    given = {name for name, value in values.items() if value is not None}
    if not stages and not given:
        raise ValueError(
            "Nothing to do: pass at least one of the arguments "
            "`prune_channels`, `prune`, `cluster` and `quantization_aware`. "
            "Received: prune_channels=None, prune=None, cluster=None, "
            f"quantization_aware={quantization_aware!r}"
        )
    fit_arguments = {
        "batch_size": batch_size,
        "validation_data": validation_data,
        "verbose": verbose,
        **fit_arguments,
    }
    _check_model(model, stages)
    _check_epochs(epochs, stages, given)
    num_trainings = sum(_epochs_of(epochs, stage) > 0 for stage in stages)
    check_training_data(model, x, y, fit_arguments, num_trainings)
    source = copy_model(model)
    replace_compile_arguments(source, optimizer=optimizer)
    notes, history, emulated = {}, {}, None
    for stage in stages:
        num_epochs = _epochs_of(epochs, stage)
        if isinstance(stage, ChannelStage):
            source = stage.cut(source, x, y)
            with stage.lower_momentum(source, _BATCH_NORM_MOMENTUM):
                if num_epochs:
                    history[stage.name] = source.fit(
                        x,
                        y,
                        epochs=num_epochs,
                        callbacks=[
                            stage.kept_weights(source),
                            *_listed(callbacks),
                        ],
                        **fit_arguments,
                    ).history
            continue
        bridge = Bridge(source, batch_norm_momentum=_BATCH_NORM_MOMENTUM)
        steps = _num_steps(stage, num_epochs, x, fit_arguments)
        trained, left_alone, own_callbacks = stage.wrap(bridge, steps)
        for name, reason in left_alone.items():
            notes.setdefault(name, {})[stage.name] = reason
        host = HostModel(
            bridge,
            trained,
            functools.partial(stage.unwrap, bridge),
            stage.kept_weights(trained),
        )
        if num_epochs:
            with stage.waiting(_listed(callbacks), num_epochs):
                host.fit(
                    x,
                    y,
                    epochs=num_epochs,
                    callbacks=[*own_callbacks, *_listed(callbacks)],
                    **fit_arguments,
                )
            history[stage.name] = host.history.history
        source = stage.unwrap(bridge, trained)
        if isinstance(stage, QuantizationAwareTraining):
            emulated = host
    report = _report(source, stages, notes)
    build_optimizer(source)
    return CompressedModel(source, report, history, emulated)


def _check_model(model, stages):
    check_model(model)
    check_no_lora(model)
    if not model.compiled:
        raise ValueError(
            f"Model '{model.name}' must be compiled, because it is trained on. "
            "Call `model.compile(optimizer, loss, metrics=...)` first."
        )
    names = {layer.name for layer in all_layers(model)}
    for stage in stages:
        if unknown := stage.names - names:
            raise ValueError(
                f"Model '{model.name}' has no layers of these names. Received: "
                f"{sorted(unknown, key=str)}, expected some of {sorted(names)}"
            )
    changed = [name for name in _TRAINING if _is_overridden(model, name)]
    hosted = [s.name for s in stages if not isinstance(s, ChannelStage)]
    if changed and hosted:
        raise ValueError(
            f"Model '{model.name}' is a {type(model).__name__} with a training "
            f"of its own: {', '.join(changed)}. In the stages {hosted} what is "
            "trained is another model of the same layers, which would not call "
            "that. Pass `keras.Model(model.inputs, model.outputs)` compiled "
            "with a loss that does the same, or use `prune_channels` alone."
        )


def _is_overridden(model, name):
    return name in vars(model) or (
        getattr(type(model), name) is not getattr(keras.Model, name)
    )


def _check_epochs(epochs, stages, given):
    values = epochs.values() if isinstance(epochs, dict) else [epochs]
    names = {stage.name for stage in stages}
    if not all(_is_count(value) for value in values) or (
        isinstance(epochs, dict) and not names <= set(epochs) <= names | given
    ):
        raise ValueError(
            "Invalid value received for argument `epochs`. Expected an integer "
            "from 0, or a dict of these with the keys "
            f"{[stage.name for stage in stages]}. Received: epochs={epochs!r}"
        )
    for stage in stages:
        needs_none = isinstance(stage, WeightClustering | ChannelStage)
        if not needs_none and not _epochs_of(epochs, stage):
            raise ValueError(
                "Pruning and quantisation happen while the model is trained. "
                f"Pass at least one epoch. Received: epochs={epochs!r}"
            )


def _is_count(value):
    is_integer = isinstance(value, numbers.Integral)
    return is_integer and not isinstance(value, bool) and value >= 0


def _epochs_of(epochs, stage):
    return epochs[stage.name] if isinstance(epochs, dict) else epochs


def _num_steps(stage, num_epochs, x, fit_arguments):
    """Returns the steps of a training; only pruning has to know them."""
    if not isinstance(stage, MagnitudePruning):
        return None
    return num_epochs * _steps_per_epoch(x, fit_arguments)


def _steps_per_epoch(x, fit_arguments):
    """Returns the steps of an epoch, which schedules have to know before."""
    if fit_arguments.get("steps_per_epoch"):
        return fit_arguments["steps_per_epoch"]
    arrays = [a for a in keras.tree.flatten(x) if hasattr(a, "shape")]
    if arrays:
        count = len(arrays[0])
        count -= math.ceil(count * fit_arguments.get("validation_split", 0.0))
        return max(1, math.ceil(count / (fit_arguments["batch_size"] or 32)))
    try:
        steps = len(x)
    except TypeError:  # A generator, or a dataset without end.
        steps = 0
    if not steps:
        raise ValueError(
            "Invalid value received for argument `x`. Expected data of known "
            "length, because pruning follows a schedule. Pass "
            f"`steps_per_epoch`. Received: x={type(x).__name__}"
        )
    return steps


def _listed(callbacks):
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list) else [callbacks]


def _report(model, stages, notes):
    layers = {layer.name: layer for layer in all_layers(model)}
    missed = []
    reports = [
        _layer_report(layer, stages, dict(notes.pop(layer.name, {})), missed)
        for layer in layers.values()
    ]
    if missed:
        warnings.warn(
            "Not all layers have what was asked for, as the report says too. "
            "The training may have ended before all zeros were there. "
            + "; ".join(missed),
            stacklevel=3,
        )
    for stage in stages:
        if not isinstance(stage, ChannelStage) and not any(
            stage.done in report.done for report in reports
        ):
            warnings.warn(
                f"No layer was {stage.done}. The report says why: "
                "`print(compressed.report)`.",
                stacklevel=3,
            )
    for name, found in notes.items():  # Operations, which are no layers.
        reasons = [reason for reason in found.values() if reason]
        reports.append(LayerReport(name, "operation", notes=reasons))
    return CompressionReport(reports)


def _layer_report(layer, stages, found, missed):
    report = LayerReport(layer.name, type(layer).__name__)
    for stage in stages:
        if isinstance(stage, ChannelStage):
            done, note = stage.outcome(layer.name)
            report.done += done
            found["prune_channels"] = note
    kernels = [weight.numpy() for weight in layer.weights if is_kernel(weight)]
    if kernels:
        report.num_weights = sum(kernel.size for kernel in kernels)
        zeros = sum(int(np.sum(kernel == 0)) for kernel in kernels)
        report.sparsity = zeros / report.num_weights
        treated = [weight.numpy() for weight in treated_kernels(layer)]
        for stage in stages:
            if stage.name in found or stage.value_of(layer.name) is None:
                continue
            if not treated and stage.name != "quantize":
                continue
            shortfall = stage.shortfall(layer.name, treated)
            if shortfall is not None:
                found[stage.name] = shortfall
                missed.append(f"{layer.name}: {shortfall}")
            elif remark := stage.remark(layer.name, treated):
                found[stage.name] = remark
            elif stage.name != "quantize" and len(treated) < len(kernels):
                found[stage.name] = "but for its depthwise kernel"
            if stage.name == "prune" and not zeros:
                if shortfall is None:
                    found[stage.name] = (
                        f"{report.num_weights} weights are too few for "
                        f"{stage.value_of(layer.name):.1%} zeros"
                    )
                continue
            report.done.append(stage.done)
            if stage.name == "cluster":
                report.num_clusters = max(map(_count_values, treated))
                # Zeros are one of the values that it may have.
                has = report.num_clusters + any(np.any(k == 0) for k in treated)
                if has < (asked := stage.value_of(layer.name)):
                    found.setdefault(
                        stage.name, f"asked for {asked} values, has {has}"
                    )
    for stage in stages:
        if isinstance(stage, ChannelStage) or stage.done in report.done:
            continue
        if stage.is_named(layer.name) and not found.get(stage.name):
            # Asked for all layers, it would be no matter.
            found[stage.name] = f"has no kernel to {stage.name}"
    report.notes = [reason for reason in found.values() if reason]
    return report


def _count_values(kernel):
    return len(np.unique(kernel[kernel != 0]))
