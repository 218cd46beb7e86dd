"""Trained models made smaller and faster."""

from keras_nas.compression.channel_pruning import prune_channels
from keras_nas.compression.channel_pruning_report import (
    ChannelPruningReport,
    PrunedLayer,
)

__all__ = ["ChannelPruningReport", "PrunedLayer", "prune_channels"]
