"""Cuts whole channels out of a model."""

import numbers

import keras
import numpy as np

from keras_nas.compile_arguments import build_optimizer, compile_like
from keras_nas.compression.channel_graph import ChannelGraph
from keras_nas.compression.channel_importance import measure_importance
from keras_nas.compression.channel_pruning_report import (
    ChannelPruningReport,
    PrunedLayer,
)
from keras_nas.compression.model_copy import (
    assign_all,
    copy_structure,
    finalize_state,
)
from keras_nas.export.float_weights import check_float_weights, check_no_lora
from keras_nas.graph import functional, has_graph

_SCOPES = ("layer", "global")


def prune_channels(
    model,
    fraction=0.5,
    x=None,
    y=None,
    *,
    importance="l1",
    scope="layer",
    multiple_of=1,
    min_share=0.1,
    return_report=False,
):
    """Makes a smaller model: whole channels are cut out of its layers.

    Half of the channels need about a quarter of the multiplications, on any
    device and in any data type, while single weights set to zero make no
    TFLite file faster. How much of that becomes time depends on the kernels:
    a layer of few channels may already take next to none.

    Channels that an addition or multiplication ties together are cut
    together, so models with skip connections, inverted bottlenecks and
    squeeze-and-excitation work, and so do concatenations, nested models and
    layers used several times. Inputs and outputs of the model keep their
    shape. Where a layer is not known to keep channels apart, such as
    `LayerNormalization` or one of your own, nothing is cut before and behind
    it; the report says where that was.

    The model that is returned has lost accuracy, often nearly all of it: train
    it on with `fit` for some epochs.

    Args:
        model: Built functional or `Sequential` model. It is not changed.
        fraction: Number of at least 0 and below 1, the share of channels to
            cut, of those that can be.
        x: Inputs to measure the importance on, as `fit` takes arrays. Only
            needed for `importance="taylor"`. Up to 512 samples are used.
        y: Targets for `x`.
        importance: Which channels stay.
            `"l1"` and `"l2"` keep those made by the largest weights, by the
            norm of the filter in relation to the others of its layer.
            `"batch_norm"` keeps those that `BatchNormalization` scales most;
            channels that are not normalized are not cut.
            `"taylor"` keeps those that change the loss most, to the first
            order.
            A function takes a layer and returns an array, one number for
            each channel it gives; the largest stay.
        scope: `"layer"` cuts the same fraction everywhere. `"global"`
            cuts the least important channels of the whole model, so that
            some layers lose more than others.
        multiple_of: Positive integer. As many channels stay in each layer
            as are the nearest multiple of it, if there are as many. Kernels
            work on 8, 16 or more channels at a time, so that 65 may take
            much longer than 64; layers of fewer are left alone.
        min_share: Number above 0 and up to 1, the share of its channels that
            each layer keeps with `scope="global"`. One is always kept.
        return_report: Whether to return a `ChannelPruningReport` too.

    Returns:
        A new `keras.Model` with names, inputs and outputs of the old one,
        compiled as it is; or a tuple of it and the report.

    Raises:
        ValueError: If an argument is invalid, the model has no graph that
            can be read, or none of its channels can be cut.

    Reference:

    - [Li et al., 2017](https://arxiv.org/abs/1608.08710) (norms)
    - [Liu et al., 2017](https://arxiv.org/abs/1708.06519) (batch
      normalization)
    - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771) (Taylor)

    Example:

    >>> inputs = keras.Input((8, 8, 1))
    >>> x = keras.layers.Conv2D(16, 3, name="conv")(inputs)
    >>> x = keras.layers.Flatten()(x)
    >>> outputs = keras.layers.Dense(10, name="logits")(x)
    >>> model = keras.Model(inputs, outputs)
    >>> smaller, report = prune_channels(model, 0.5, return_report=True)
    >>> model.count_params(), smaller.count_params()
    (5930, 2970)
    >>> print(report)
    layer   channels  reason
    conv     16 -> 8
    logits  10 -> 10  an output of the model
    parameters: 5,930 -> 2,970
    """
    _check_model(model)
    check_options(fraction, scope, multiple_of, min_share)
    graph = ChannelGraph(model)
    groups = graph.groups()
    if not groups:
        raise ValueError(
            f"No channel of model '{model.name}' can be cut. " + _reasons(graph)
        )
    scores = measure_importance(importance, model, graph, x, y)
    removed = choose(groups, scores, fraction, scope, multiple_of, min_share)
    pruned = cut(model, graph, removed)
    compile_like(pruned, model)
    build_optimizer(pruned)
    if not return_report:
        return pruned
    return pruned, _report(model, pruned, graph, groups, scores, removed)


def choose(groups, scores, fraction, scope, multiple_of, min_share):
    """Returns the channels to cut.

    Args:
        groups: List of each `ChannelGroup`.
        scores: Dict from channels to their importance.
        fraction: As `prune_channels`.
        scope: As `prune_channels`.
        multiple_of: As `prune_channels`.
        min_share: As `prune_channels`.

    Returns:
        Set of integers.
    """
    ranked = [
        sorted(group.channels.tolist(), key=scores.__getitem__)
        for group in groups
        if all(channel in scores for channel in group.channels.tolist())
    ]
    sizes = [len(channels) for channels in ranked]
    if scope == "layer":
        counts = [round(fraction * size) for size in sizes]
    else:
        order = sorted(
            (scores[channel], place)
            for place, channels in enumerate(ranked)
            for channel in channels[: int((1 - min_share) * len(channels))]
        )
        places = [place for _, place in order[: round(fraction * sum(sizes))]]
        counts = np.bincount(places, minlength=len(ranked)).tolist()
    removed = set()
    for channels, size, count in zip(ranked, sizes, counts, strict=True):
        left = multiple_of * max(1, round((size - count) / multiple_of))
        removed.update(channels[: max(0, size - left)])
    return removed


def cut(model, graph, removed):
    """Returns a model without some channels.

    Args:
        model: `keras.Model`.
        graph: Its `ChannelGraph`.
        removed: Collection of channels.
    """
    removed = np.fromiter(sorted(removed), int)

    def places_left(channels):
        return np.flatnonzero(~np.isin(channels, removed))

    widths = {
        layer: (argument, len(places_left(channels)))
        for layer, (argument, channels) in graph.widths.items()
    }
    axes = {}
    for axis in graph.axes:
        axes.setdefault(id(axis.variable), []).append(axis)

    def left(variable):
        array = keras.ops.convert_to_numpy(variable)
        for axis in axes.get(id(variable), ()):
            array = np.take(array, places_left(axis.channels), axis.axis)
        return array

    pruned, copies = copy_structure(model, widths)
    for layer, copy in copies.items():
        if isinstance(layer, keras.Layer) and not has_graph(layer):
            assign_all(layer.weights, copy.weights, left)
            finalize_state(copy)
    return pruned


def _report(model, pruned, graph, groups, scores, removed):
    outside = {
        layer: "the importance says nothing of its channels"
        for group in groups
        if not all(channel in scores for channel in group.channels.tolist())
        for layer in group.layers
    }
    rows = []
    for axis in graph.axes:
        if axis.role != "writes":
            continue
        channels = axis.channels.tolist()
        kept = [graph.reasons[c] for c in channels if c in graph.reasons]
        rows.append(
            PrunedLayer(
                name=axis.layer.name,
                channels_before=len(channels),
                channels_after=sum(c not in removed for c in channels),
                reason=kept[0] if kept else outside.get(axis.layer),
            )
        )
    return ChannelPruningReport(
        tuple(rows), model.count_params(), pruned.count_params()
    )


def _reasons(graph):
    reasons = {
        f"{axis.layer.name!r}: {graph.reasons[int(axis.channels[0])]}"
        for axis in graph.axes
        if axis.role == "writes"
    }
    if not reasons:
        return "Expected a model with dense or convolutional layers."
    return f"Its layers and what holds their channels: {sorted(reasons)}"


def _check_model(model):
    if isinstance(model, keras.Model) and not model.built:
        raise ValueError(
            "Expected a built model, because its channels are ranked by "
            "weights. Give it a `keras.Input`, or call it on data. Received: "
            f"{model!r}"
        )
    functional(model)  # Raises if there is no graph.
    check_float_weights(model)
    check_no_lora(model)


def check_options(fraction=0, scope="layer", multiple_of=1, min_share=0.1):
    """Checks what says how much `prune_channels` cuts.

    Args:
        fraction: As there.
        scope: As there.
        multiple_of: As there.
        min_share: As there.

    Raises:
        ValueError: If one is invalid.
    """
    if not _is_number(fraction) or not 0 <= fraction < 1:
        raise ValueError(
            "Invalid value received for argument `fraction`. Expected a "
            "number of at least 0 and below 1, such as 0.5 for half of the "
            "channels. "
            f"Received: fraction={fraction!r}"
        )
    if scope not in _SCOPES:
        raise ValueError(
            "Invalid value received for argument `scope`. Expected one of "
            f"{', '.join(map(repr, _SCOPES))}. Received: scope={scope!r}"
        )
    is_integer = isinstance(multiple_of, numbers.Integral)
    if not is_integer or multiple_of is True or multiple_of < 1:
        raise ValueError(
            "Invalid value received for argument `multiple_of`. Expected a "
            f"positive integer. Received: multiple_of={multiple_of!r}"
        )
    if not _is_number(min_share) or not 0 < min_share <= 1:
        raise ValueError(
            "Invalid value received for argument `min_share`. Expected a "
            "number above 0 and up to 1. "
            f"Received: min_share={min_share!r}"
        )


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
