"""Smaller Keras models: pruning, clustering, quantisation, fewer channels."""

from keras_nas.compression.bridge import Bridge, BridgeError
from keras_nas.compression.channel_pruning import prune_channels
from keras_nas.compression.channel_pruning_report import (
    ChannelPruningReport,
    PrunedLayer,
)
from keras_nas.compression.compress import compress
from keras_nas.compression.compressed_model import CompressedModel
from keras_nas.compression.compression_report import (
    CompressionReport,
    LayerReport,
)

__all__ = [
    "Bridge",
    "BridgeError",
    "ChannelPruningReport",
    "CompressedModel",
    "CompressionReport",
    "LayerReport",
    "PrunedLayer",
    "compress",
    "prune_channels",
]
