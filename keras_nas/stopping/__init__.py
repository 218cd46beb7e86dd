"""Stopping rules: which trials are not worth their next epoch."""

from keras_nas.stopping.median_stopping_rule import MedianStoppingRule
from keras_nas.stopping.stopping_rule import StoppingRule
from keras_nas.stopping.successive_halving import SuccessiveHalving

__all__ = ["MedianStoppingRule", "StoppingRule", "SuccessiveHalving"]
