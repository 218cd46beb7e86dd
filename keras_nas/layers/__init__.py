"""Choice primitives: what a search decides inside a model."""

from keras_nas.layers.cell import Cell
from keras_nas.layers.input_choice import InputChoice
from keras_nas.layers.layer_choice import LayerChoice
from keras_nas.layers.repeat import Repeat

__all__ = ["Cell", "InputChoice", "LayerChoice", "Repeat"]
