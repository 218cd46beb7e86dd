"""The search loop, and one thin class for each oracle."""

from keras_nas.tuners.asha import ASHA
from keras_nas.tuners.nsga2 import NSGA2
from keras_nas.tuners.random_search import RandomSearch
from keras_nas.tuners.regularized_evolution import RegularizedEvolution
from keras_nas.tuners.tuner import Tuner

__all__ = ["ASHA", "NSGA2", "RandomSearch", "RegularizedEvolution", "Tuner"]
