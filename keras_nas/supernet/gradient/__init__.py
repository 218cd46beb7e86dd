"""Search by gradient on a supernet."""

from keras_nas.supernet.gradient.alpha_stopping import AlphaStopping
from keras_nas.supernet.gradient.architecture_parameters import (
    ArchitectureParameters,
)
from keras_nas.supernet.gradient.darts_search import DARTSSearch
from keras_nas.supernet.gradient.expected_cost import ExpectedCost
from keras_nas.supernet.gradient.gdas_search import GDASSearch
from keras_nas.supernet.gradient.gradient_search import GradientSearch
from keras_nas.supernet.gradient.hessian_stopping import HessianStopping
from keras_nas.supernet.gradient.search_data import SearchData
from keras_nas.supernet.gradient.skip_stopping import SkipStopping

__all__ = [
    "AlphaStopping",
    "ArchitectureParameters",
    "DARTSSearch",
    "ExpectedCost",
    "GDASSearch",
    "GradientSearch",
    "HessianStopping",
    "SearchData",
    "SkipStopping",
]
