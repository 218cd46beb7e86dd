"""Search strategies: one file an algorithm, beside its paper."""

from keras_nas.oracles.asha_oracle import ASHAOracle
from keras_nas.oracles.bayesian_optimization_oracle import (
    BayesianOptimizationOracle,
)
from keras_nas.oracles.oracle import Oracle
from keras_nas.oracles.pareto_bayesian_oracle import ParetoBayesianOracle
from keras_nas.oracles.pareto_predictor_oracle import ParetoPredictorOracle
from keras_nas.oracles.predictor_guided_oracle import PredictorGuidedOracle
from keras_nas.oracles.random_oracle import RandomOracle
from keras_nas.oracles.regularized_evolution_oracle import (
    RegularizedEvolutionOracle,
)

__all__ = [
    "ASHAOracle",
    "BayesianOptimizationOracle",
    "Oracle",
    "ParetoBayesianOracle",
    "ParetoPredictorOracle",
    "PredictorGuidedOracle",
    "RandomOracle",
    "RegularizedEvolutionOracle",
]
