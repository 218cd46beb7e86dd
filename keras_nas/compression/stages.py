"""What the arguments of `compress` ask for, in the order it is done."""

import numbers

import numpy as np

from keras_nas.compression.channel_stage import ChannelStage
from keras_nas.compression.magnitude_pruning import (
    MagnitudePruning,
    check_sparsity,
)
from keras_nas.compression.quantization_aware_training import (
    QuantizationAwareTraining,
)
from keras_nas.compression.weight_clustering import (
    WeightClustering,
    check_num_clusters,
)


def make_stages(
    *,
    prune_channels=None,
    prune=None,
    prune_schedule="polynomial",
    cluster=None,
    quantization_aware=False,
    skip=(),
):
    """Checks what is asked for, and makes a stage of each of it.

    A share of 0 asks for nothing, so that a list of shares to compare can
    start there.

    Args:
        prune_channels: As for `compress`, as are all others.
        prune: See `prune_channels`.
        prune_schedule: See `prune_channels`.
        cluster: See `prune_channels`.
        quantization_aware: See `prune_channels`.
        skip: See `prune_channels`.

    Returns:
        List of stages, empty if nothing is asked for.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> stages = make_stages(quantization_aware=True, prune=0.5, cluster=8)
    >>> [stage.name for stage in stages]
    ['prune', 'cluster', 'quantize']
    >>> make_stages(prune=0)
    []
    """
    skip = _names(skip)
    stages = []
    if prune_channels is not None:
        stage = ChannelStage(prune_channels, skip)
        if stage.asks:
            stages.append(stage)
    if prune is not None:
        check_sparsity(prune, prune_schedule)
        if _asks(prune):
            stages.append(MagnitudePruning(prune, prune_schedule, skip))
    if cluster is not None:
        check_num_clusters(cluster, keep_sparsity=_asks(prune))
        if _asks(cluster):
            stages.append(WeightClustering(cluster, skip))
    if quantization_aware is not None and not _is_boolean(quantization_aware):
        raise ValueError(
            "Invalid value received for argument `quantization_aware`. "
            "Expected a boolean: True trains for int8, the only kind that "
            "can be trained for. Received: "
            f"quantization_aware={quantization_aware!r}"
        )
    if quantization_aware:
        stages.append(QuantizationAwareTraining(skip))
    return stages


def _asks(value):
    values = value.values() if isinstance(value, dict) else [value]
    return any(value is not None and value != 0 for value in values)


def _is_boolean(value):
    is_number = isinstance(value, numbers.Number | np.bool_)
    return is_number and value in (0, 1)


def _names(skip):
    names = [skip] if isinstance(skip, str) else skip
    names = [] if names is None else names
    if not isinstance(names, (list, tuple, set, frozenset)) or not all(
        isinstance(name, str) for name in names
    ):
        raise ValueError(
            "Invalid value received for argument `skip`. Expected names of "
            f"layers. Received: skip={skip!r}"
        )
    return names
