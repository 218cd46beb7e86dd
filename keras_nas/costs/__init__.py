"""What an architecture costs, as a number and as a constraint."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.device_profile import DeviceProfile
from keras_nas.costs.energy import Energy
from keras_nas.costs.flops import Flops
from keras_nas.costs.latency import Latency
from keras_nas.costs.macs import Macs
from keras_nas.costs.measured_energy import measure_energy
from keras_nas.costs.parameters import Parameters
from keras_nas.costs.peak_memory import PeakMemory
from keras_nas.costs.rapl_counter import RaplCounter
from keras_nas.costs.size import Size

__all__ = [
    "Cost",
    "DeviceProfile",
    "Energy",
    "Flops",
    "Latency",
    "Macs",
    "Parameters",
    "PeakMemory",
    "RaplCounter",
    "Size",
    "measure_energy",
]
