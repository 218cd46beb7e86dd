"""The search loop, and one thin class for each oracle."""

from keras_nas.tuners.asha import ASHA
from keras_nas.tuners.bayesian_optimization import BayesianOptimization
from keras_nas.tuners.darts import DARTS
from keras_nas.tuners.gdas import GDAS
from keras_nas.tuners.gradient_tuner import GradientTuner
from keras_nas.tuners.local_search import LocalSearch
from keras_nas.tuners.monte_carlo_tree_search import MonteCarloTreeSearch
from keras_nas.tuners.nsga2 import NSGA2
from keras_nas.tuners.pareto_bayesian import ParetoBayesian
from keras_nas.tuners.pareto_predictor import ParetoPredictor
from keras_nas.tuners.predictor_guided import PredictorGuided
from keras_nas.tuners.random_search import RandomSearch
from keras_nas.tuners.regularized_evolution import RegularizedEvolution
from keras_nas.tuners.reinforcement_learning import ReinforcementLearning
from keras_nas.tuners.tuner import Tuner

__all__ = [
    "ASHA",
    "DARTS",
    "GDAS",
    "NSGA2",
    "BayesianOptimization",
    "GradientTuner",
    "LocalSearch",
    "MonteCarloTreeSearch",
    "ParetoBayesian",
    "ParetoPredictor",
    "PredictorGuided",
    "RandomSearch",
    "RegularizedEvolution",
    "ReinforcementLearning",
    "Tuner",
]
