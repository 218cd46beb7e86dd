"""Ready search spaces."""

from keras_nas.search_spaces.hyper_cell import HyperCell
from keras_nas.search_spaces.hyper_darts import HyperDARTS

__all__ = ["HyperCell", "HyperDARTS"]
