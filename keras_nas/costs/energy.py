"""The energy that a model takes."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.device_profile import DeviceProfile
from keras_nas.costs.fused_graph import FusedGraph
from keras_nas.costs.macs import Macs
from keras_nas.costs.measured_energy import measure_energy
from keras_nas.costs.rapl_counter import RaplCounter
from keras_nas.costs.tflite_files import (
    check_quantization,
    metric_name,
    tflite_file,
)

_DEFAULT_DEVICE = "45nm-dram"


class Energy(Cost):
    """Estimates or measures the energy of one example.

    - `method="model"` multiplies and adds: multiply-accumulates by the energy
      of one, and bytes of memory traffic by the energy of one byte, both of a
      device. Traffic is what the operations of the file read and write, weights
      included, each once, as if no cache kept anything between operations. It
      takes milliseconds. It says which of two networks needs more, by which
      of the two causes; instructions, idle power and caches are not in it.
    - `method="measured"` runs the file on this machine and reads the energy
      counters of its processor (RAPL). Most virtual machines have none, which
      is an error.

    The metric is `energy_mj` with default settings, and else has them in front:
    `float32_45nm_sram_energy_mj`.

    Args:
        max_mj: Optional number, the most millijoules allowed.
        quantize: What to store in fewer bits, as for `export.to_tflite`.
        device: String, one of `DeviceProfile.names()`, the path of a JSON file,
            or a `DeviceProfile`. The default has the energies of arithmetic
            in 45 nm technology and of DRAM (Horowitz, 2014).
        method: `"model"` or `"measured"`.
        num_threads: Number of CPU threads of `method="measured"`.
        representative_data: Optional inputs to calibrate int8 with; needed
            only for `method="measured"`, if the model cannot run on random
            numbers.

    Reference:
        - [Horowitz, 2014](https://doi.org/10.1109/ISSCC.2014.6757323)

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(256, use_bias=False)])
    >>> energy = Energy(quantize="float32", device="45nm-sram")
    >>> round(energy.measure(model) * 1e6)  # In nanojoules.
    911
    >>> macs, traffic_bytes = 64 * 256, 4 * (64 + 64 * 256 + 256)
    >>> round((macs * 4.6 + traffic_bytes * 12.5) / 1000)
    911
    """

    name = "energy_mj"

    def __init__(
        self,
        max_mj=None,
        quantize="int8",
        device=None,
        method="model",
        num_threads=1,
        representative_data=None,
    ):
        if method not in ("model", "measured"):
            raise ValueError(
                "Invalid value received for argument `method`. Expected "
                f"'model' or 'measured'. Received: method={method!r}"
            )
        if method == "measured" and device is not None:
            raise ValueError(
                "`method='measured'` measures this machine. Expected no "
                f"`device` with it. Received: device={device!r}"
            )
        self.quantize = check_quantization(quantize)
        words = []
        if method == "measured":
            # Whether there are counters shows now, not after a training.
            RaplCounter()
            words.append("measured")
            if num_threads != 1:
                words.append(f"{num_threads}_threads")
        else:
            device = _DEFAULT_DEVICE if device is None else device
            if not isinstance(device, DeviceProfile):
                device = DeviceProfile.load(device)
            device.energy_mj(1, 1, self.quantize)
            if device.name != _DEFAULT_DEVICE:
                words.append(device.name.replace("-", "_"))
        self.name = metric_name(self.name, self.quantize, *words)
        super().__init__(max_mj)
        self.max_mj = max_mj
        self.device = device
        self.method = method
        self.num_threads = num_threads
        self.representative_data = representative_data

    def measure(self, model):
        """Estimates or measures the energy of a built model.

        Args:
            model: Built `keras.Model` with known input shapes; functional or
                `Sequential` for `method="model"`.

        Returns:
            Float, millijoules.

        Raises:
            ValueError: If the model is not built, or if an input has an open
                dimension beside the batch.
            RuntimeError: If the machine exposes no energy counters.
            ConversionError: If TFLite cannot express the model.
        """
        if self.method == "measured":
            file = tflite_file(model, self.quantize, self.representative_data)
            return measure_energy(file, num_threads=self.num_threads)
        traffic_bytes = FusedGraph(model).traffic_bytes(self.quantize)
        macs = Macs().measure(model)
        return self.device.energy_mj(macs, traffic_bytes, self.quantize)
