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
    search_spaces,
    stopping,
    supernet,
    tuners,
)
from keras_nas.supernet import Supernet
from keras_nas.tuners import (
    ASHA,
    DARTS,
    GDAS,
    NSGA2,
    BayesianOptimization,
    LocalSearch,
    MonteCarloTreeSearch,
    RandomSearch,
    RegularizedEvolution,
    ReinforcementLearning,
    Tuner,
)
from keras_nas.version import __version__

__all__ = [
    "ASHA",
    "DARTS",
    "GDAS",
    "NSGA2",
    "BayesianOptimization",
    "LocalSearch",
    "MonteCarloTreeSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "ReinforcementLearning",
    "Supernet",
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
    "search_spaces",
    "stopping",
    "supernet",
    "tuners",
]
