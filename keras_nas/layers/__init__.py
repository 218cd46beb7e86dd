"""Choice primitives: what a search decides inside a model."""

from keras_nas.layers.batch_normalization import BatchNormalization
from keras_nas.layers.cell import Cell
from keras_nas.layers.conv2d import Conv2D
from keras_nas.layers.dense import Dense
from keras_nas.layers.depthwise_conv2d import DepthwiseConv2D
from keras_nas.layers.input_choice import InputChoice
from keras_nas.layers.layer_choice import LayerChoice
from keras_nas.layers.repeat import Repeat

__all__ = [
    "BatchNormalization",
    "Cell",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "InputChoice",
    "LayerChoice",
    "Repeat",
]
