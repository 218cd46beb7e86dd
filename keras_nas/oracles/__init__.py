"""Search strategies: one file an algorithm, beside its paper."""

from keras_nas.oracles.asha_oracle import ASHAOracle
from keras_nas.oracles.bayesian_optimization_oracle import (
    BayesianOptimizationOracle,
)
from keras_nas.oracles.local_search_oracle import LocalSearchOracle
from keras_nas.oracles.monte_carlo_tree_search_oracle import (
    MonteCarloTreeSearchOracle,
)
from keras_nas.oracles.nsga2_oracle import NSGA2Oracle
from keras_nas.oracles.oracle import Oracle
from keras_nas.oracles.pareto_bayesian_oracle import ParetoBayesianOracle
from keras_nas.oracles.pareto_predictor_oracle import ParetoPredictorOracle
from keras_nas.oracles.predictor_guided_oracle import PredictorGuidedOracle
from keras_nas.oracles.random_oracle import RandomOracle
from keras_nas.oracles.regularized_evolution_oracle import (
    RegularizedEvolutionOracle,
)
from keras_nas.oracles.reinforcement_learning_oracle import (
    ReinforcementLearningOracle,
)

__all__ = [
    "ASHAOracle",
    "BayesianOptimizationOracle",
    "LocalSearchOracle",
    "MonteCarloTreeSearchOracle",
    "NSGA2Oracle",
    "Oracle",
    "ParetoBayesianOracle",
    "ParetoPredictorOracle",
    "PredictorGuidedOracle",
    "RandomOracle",
    "RegularizedEvolutionOracle",
    "ReinforcementLearningOracle",
]
