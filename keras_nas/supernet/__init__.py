"""Weight sharing: one network that contains a whole search space."""

from keras_nas.layers.elastic_value import SharingError
from keras_nas.supernet.fair_sampling import FairSampling
from keras_nas.supernet.gradient import HessianStopping, SkipStopping
from keras_nas.supernet.progressive_shrinking import ProgressiveShrinking
from keras_nas.supernet.rank_correlation import (
    RankCorrelation,
    rank_correlation,
)
from keras_nas.supernet.sampling_rule import SamplingRule
from keras_nas.supernet.sandwich_sampling import SandwichSampling
from keras_nas.supernet.supernet import Supernet
from keras_nas.supernet.uniform_sampling import UniformSampling

__all__ = [
    "FairSampling",
    "HessianStopping",
    "ProgressiveShrinking",
    "RankCorrelation",
    "SamplingRule",
    "SandwichSampling",
    "SharingError",
    "SkipStopping",
    "Supernet",
    "UniformSampling",
    "rank_correlation",
]
