"""The search loop, and one thin class for each oracle."""

from keras_nas.tuners.asha import ASHA
from keras_nas.tuners.random_search import RandomSearch
from keras_nas.tuners.regularized_evolution import RegularizedEvolution
from keras_nas.tuners.tuner import Tuner

__all__ = ["ASHA", "RandomSearch", "RegularizedEvolution", "Tuner"]
