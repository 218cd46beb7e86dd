"""Neural architecture search for Keras: search, compress, deploy."""

from keras_nas import (
    architectures,
    blocks,
    costs,
    evaluators,
    export,
    layers,
    oracles,
    predictors,
    stopping,
    tuners,
)
from keras_nas.tuners import (
    ASHA,
    BayesianOptimization,
    ParetoBayesian,
    ParetoPredictor,
    PredictorGuided,
    RandomSearch,
    RegularizedEvolution,
    Tuner,
)
from keras_nas.version import __version__

__all__ = [
    "ASHA",
    "BayesianOptimization",
    "ParetoBayesian",
    "ParetoPredictor",
    "PredictorGuided",
    "RandomSearch",
    "RegularizedEvolution",
    "Tuner",
    "__version__",
    "architectures",
    "blocks",
    "costs",
    "evaluators",
    "export",
    "layers",
    "oracles",
    "predictors",
    "stopping",
    "tuners",
]
