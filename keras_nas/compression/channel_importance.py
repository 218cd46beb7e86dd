"""How much each channel of a model matters.

Every measure returns a dict from channels to numbers. Channels that it says
nothing of are left out.
"""

import collections

import keras
import numpy as np
import tensorflow as tf

_MAX_SAMPLES = 512
_BATCH_SIZE = 16


_NAMES = ("l1", "l2", "batch_norm", "taylor")


def measure_importance(importance, model, channel_graph, x=None, y=None):
    """Measures the channels of a model, as `prune_channels` says.

    Args:
        importance: Name of a measure, or a function of a layer.
        model: `keras.Model`.
        channel_graph: Its `ChannelGraph`.
        x: Optional inputs.
        y: Optional targets.
    """
    if callable(importance):
        return function_importance(channel_graph, importance)
    if importance in ("l1", "l2"):
        return norm_importance(channel_graph, int(importance[1]))
    if importance == "batch_norm":
        return batch_norm_importance(channel_graph)
    if importance == "taylor":
        return taylor_importance(model, channel_graph, x, y)
    raise ValueError(
        "Invalid value received for argument `importance`. Expected one of "
        f"{', '.join(map(repr, _NAMES))}, or a function of a layer. "
        f"Received: importance={importance!r}"
    )


def norm_importance(channel_graph, order):
    """Measures the weights that make a channel.

    Each layer counts the same: its norms are divided by their mean. Of
    channels that several layers give, the mean counts.

    Args:
        channel_graph: `ChannelGraph`.
        order: 1 or 2, the norm.

    Reference:

    - [Li et al., 2017](https://arxiv.org/abs/1608.08710)
    """
    scores = collections.defaultdict(list)
    for axis in channel_graph.axes:
        if axis.role == "writes":
            rows = _rows(axis.variable, axis.axis)
            norms = np.linalg.norm(rows, ord=order, axis=1)
            norms = norms / max(norms.mean(), np.finfo(norms.dtype).tiny)
            for channel, norm in zip(axis.channels, norms, strict=True):
                scores[int(channel)].append(norm)
    return _means(scores)


def batch_norm_importance(channel_graph):
    """Takes what batch normalization multiplies a channel by.

    Reference:

    - [Liu et al., 2017](https://arxiv.org/abs/1708.06519)
    """
    scores = collections.defaultdict(list)
    for axis in channel_graph.axes:
        if axis.role == "scales":
            gammas = np.abs(keras.ops.convert_to_numpy(axis.variable))
            for channel, gamma in zip(axis.channels, gammas, strict=True):
                scores[int(channel)].append(gamma)
    if not scores:
        raise ValueError(
            "Invalid value received for argument `importance`. The model has "
            "no `BatchNormalization` with `scale=True` on its channels. "
            "Expected another measure, such as 'l1'. Received: "
            "importance='batch_norm'"
        )
    return _means(scores)


def function_importance(channel_graph, function):
    """Asks a function of the user's about each layer."""
    scores = collections.defaultdict(list)
    for axis in channel_graph.axes:
        if axis.role != "writes" or all(
            channel in channel_graph.reasons for channel in axis.channels
        ):
            continue
        values = np.asarray(function(axis.layer), dtype=float)
        if values.shape != axis.channels.shape or not np.isfinite(values).all():
            raise ValueError(
                "Invalid value returned by the function `importance` for "
                f"layer {axis.layer.name!r}. Expected {len(axis.channels)} "
                "finite numbers, one for each channel that it gives. Received "
                f"an array of shape {values.shape}: {values!r}"
            )
        for channel, value in zip(axis.channels, values, strict=True):
            scores[int(channel)].append(value)
    return _means(scores)


def taylor_importance(model, channel_graph, x, y):
    """Estimates how much the loss changes if a channel is cut.

    To cut a channel is to set the weights to zero that read it. To the first
    order that changes the loss by the sum of those weights times their
    gradients. Its square is averaged over batches.

    Args:
        model: Compiled `keras.Model`.
        channel_graph: Its `ChannelGraph`.
        x: Inputs, as `fit` takes arrays.
        y: Targets.

    Reference:

    - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771)
    """
    batches = _batches(model, x, y)
    reading = [axis for axis in channel_graph.axes if axis.role == "reads"]
    variables = [axis.variable.value for axis in reading]

    @tf.function(autograph=False)
    def changes(x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            predictions = model(x, training=False)
            loss = model.compute_loss(x=x, y=y, y_pred=predictions)
            if model.losses:  # Regularization is no sign of importance.
                loss -= tf.cast(tf.add_n(model.losses), loss.dtype)
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return [
            tf.reduce_sum(variable * gradient, _other_axes(variable, axis))
            for variable, gradient, axis in zip(
                variables, gradients, reading, strict=True
            )
        ]

    total = collections.Counter()
    for batch in batches:
        change = collections.Counter()
        for axis, values in zip(reading, changes(*batch), strict=True):
            for channel, value in zip(
                axis.channels.tolist(), values.numpy().tolist(), strict=True
            ):
                change[channel] += value
        for channel, value in change.items():
            total[channel] += value**2
    if not np.isfinite(list(total.values())).all():
        raise ValueError(
            "The gradients of the loss are not finite. Expected finite data, "
            "and a model that was trained without NaN."
        )
    written = (axis for axis in channel_graph.axes if axis.role == "writes")
    # What nothing reads does not matter.
    return {c: total[c] for axis in written for c in axis.channels.tolist()}


def _batches(model, x, y):
    """Returns a dataset of evenly spaced samples."""
    if x is None or y is None:
        missing = " and ".join(n for n, v in (("x", x), ("y", y)) if v is None)
        raise ValueError(
            "Arguments `x` and `y` are required with importance='taylor': the "
            "loss is differentiated on them. Pass some of the training data. "
            f"Received none for: {missing}"
        )
    if not getattr(model, "compiled", False):
        raise ValueError(
            "Expected a compiled model with importance='taylor', because it "
            f"takes the loss. Call `compile` first. Received: {model!r}"
        )
    arrays = keras.tree.map_structure(np.asarray, (x, y))
    sizes = [len(array) for array in keras.tree.flatten(arrays)]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(
            "Invalid value received for arguments `x` and `y`. Expected "
            "arrays of the same number of samples, and at least one sample. "
            f"Received: {sizes}"
        )
    count = min(sizes[0], _MAX_SAMPLES)
    chosen = np.round(np.linspace(0, sizes[0] - 1, count)).astype(int)
    # Gradients of samples cancel in large batches.
    data = keras.tree.map_structure(lambda array: array[chosen], arrays)
    return tf.data.Dataset.from_tensor_slices(data).batch(_BATCH_SIZE)


def _other_axes(variable, axis):
    rank = len(variable.shape)
    return [place for place in range(rank) if place != axis.axis % rank]


def _means(scores):
    return {channel: float(np.mean(s)) for channel, s in scores.items()}


def _rows(variable, axis):
    """Returns the weights of each place of an axis, as a matrix."""
    array = keras.ops.convert_to_numpy(variable).astype("float32")
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
