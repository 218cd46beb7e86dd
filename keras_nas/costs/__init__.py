"""What an architecture costs, as a number and as a constraint."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.flops import Flops
from keras_nas.costs.macs import Macs
from keras_nas.costs.parameters import Parameters

__all__ = ["Cost", "Flops", "Macs", "Parameters"]
