"""The search loop, and one thin class for each oracle."""

from keras_nas.tuners.asha import ASHA
from keras_nas.tuners.bayesian_optimization import BayesianOptimization
from keras_nas.tuners.pareto_bayesian import ParetoBayesian
from keras_nas.tuners.pareto_predictor import ParetoPredictor
from keras_nas.tuners.predictor_guided import PredictorGuided
from keras_nas.tuners.random_search import RandomSearch
from keras_nas.tuners.regularized_evolution import RegularizedEvolution
from keras_nas.tuners.tuner import Tuner

__all__ = [
    "ASHA",
    "BayesianOptimization",
    "ParetoBayesian",
    "ParetoPredictor",
    "PredictorGuided",
    "RandomSearch",
    "RegularizedEvolution",
    "Tuner",
]
