"""Blocks of layers made for search."""

from keras_nas.blocks.conv_block import ConvBlock
from keras_nas.blocks.identity import Identity
from keras_nas.blocks.inverted_bottleneck import InvertedBottleneck
from keras_nas.blocks.pooling_block import PoolingBlock
from keras_nas.blocks.residual_block import ResidualBlock
from keras_nas.blocks.separable_conv_block import SeparableConvBlock
from keras_nas.blocks.zero import Zero

__all__ = [
    "ConvBlock",
    "Identity",
    "InvertedBottleneck",
    "PoolingBlock",
    "ResidualBlock",
    "SeparableConvBlock",
    "Zero",
]
