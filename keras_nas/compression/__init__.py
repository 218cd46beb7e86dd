"""Smaller Keras models: pruning, clustering, quantisation by TF-MOT."""

from keras_nas.compression.bridge import Bridge, BridgeError
from keras_nas.compression.compress import compress
from keras_nas.compression.compressed_model import CompressedModel
from keras_nas.compression.compression_report import (
    CompressionReport,
    LayerReport,
)

__all__ = [
    "Bridge",
    "BridgeError",
    "CompressedModel",
    "CompressionReport",
    "LayerReport",
    "compress",
]
