"""Performance estimation strategies: one candidate to a dict of numbers."""

from keras_nas.evaluators.after_compression import AfterCompression
from keras_nas.evaluators.candidate import Candidate
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.search_interrupted import SearchInterrupted
from keras_nas.evaluators.training import Training
from keras_nas.evaluators.weight_sharing import WeightSharing

__all__ = [
    "AfterCompression",
    "Candidate",
    "Evaluator",
    "SearchInterrupted",
    "Training",
    "WeightSharing",
]
