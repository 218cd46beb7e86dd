"""What is better: objectives, and several of them as one number."""

from keras_nas.objectives.scalarized_objective import ScalarizedObjective
from keras_nas.objectives.soft_constraint import SoftConstraint
from keras_nas.objectives.weighted_chebyshev import WeightedChebyshev

__all__ = ["ScalarizedObjective", "SoftConstraint", "WeightedChebyshev"]
