"""Ready search spaces."""

from keras_nas.search_spaces.hyper_cell import HyperCell
from keras_nas.search_spaces.hyper_darts import HyperDARTS
from keras_nas.search_spaces.hyper_mlp import HyperMLP
from keras_nas.search_spaces.hyper_mobile_net import HyperMobileNet
from keras_nas.search_spaces.hyper_res_net import HyperResNet

__all__ = [
    "HyperCell",
    "HyperDARTS",
    "HyperMLP",
    "HyperMobileNet",
    "HyperResNet",
]
