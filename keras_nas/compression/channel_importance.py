"""How much each channel of a model matters.

Every measure returns a dict from channels to numbers. Channels that it says
nothing of are left out.
"""

import collections

import keras
import numpy as np

_MAX_SAMPLES = 512


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
    return {channel: float(np.mean(s)) for channel, s in scores.items()}


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
    return {channel: float(np.mean(s)) for channel, s in scores.items()}


def function_importance(channel_graph, function):
    """Asks a function of the user's about each layer."""
    scores = collections.defaultdict(list)
    for axis in channel_graph.axes:
        if axis.role != "writes":
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
    return {channel: float(np.mean(s)) for channel, s in scores.items()}


def taylor_importance(model, channel_graph, x, y, batch_size=1):
    """Estimates how much the loss changes if a channel is cut.

    To cut a channel is to set the weights to zero that read it. To the first
    order that changes the loss by the sum of those weights times their
    gradients, which is also the sum of activations times theirs. Its square
    is averaged over batches.

    Args:
        model: Compiled `keras.Model`.
        channel_graph: Its `ChannelGraph`.
        x: Inputs, as `fit` takes them.
        y: Targets.
        batch_size: Integer.

    Reference:

    - [Molchanov et al., 2019](https://arxiv.org/abs/1906.10771)
    """
    import tensorflow as tf

    reading = [axis for axis in channel_graph.axes if axis.role == "reads"]
    variables = [axis.variable.value for axis in reading]

    @tf.function
    def changes(x, y):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=False))
            if model.losses:  # Regularization is not what counts.
                loss -= tf.cast(tf.add_n(model.losses), loss.dtype)
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return [
            tf.reduce_sum(
                tf.convert_to_tensor(gradient) * variable,
                [
                    a
                    for a in range(len(variable.shape))
                    if a != axis.axis % len(variable.shape)
                ],
            )
            for axis, variable, gradient in zip(
                reading, variables, gradients, strict=True
            )
        ]

    number = 1 + max(int(a.channels.max()) for a in channel_graph.axes)
    total, batches = np.zeros(number), 0
    for batch in _batches(x, y, batch_size):
        change = np.zeros(number)
        for axis, values in zip(reading, changes(*batch), strict=True):
            np.add.at(change, axis.channels, values.numpy())
        total += change**2
        batches += 1
    known = {int(c) for axis in channel_graph.axes for c in axis.channels}
    return {channel: float(total[channel] / batches) for channel in known}


def _batches(x, y, batch_size):
    import tensorflow as tf

    size = len(keras.tree.flatten(x)[0])
    chosen = np.unique(
        np.round(np.linspace(0, size - 1, min(size, _MAX_SAMPLES))).astype(int)
    )
    data = keras.tree.map_structure(
        lambda array: np.asarray(array)[chosen], (x, y)
    )
    return tf.data.Dataset.from_tensor_slices(data).batch(batch_size)


def _rows(variable, axis):
    """Returns the weights of each place of an axis, as a matrix."""
    array = keras.ops.convert_to_numpy(variable).astype("float32")
    return np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
