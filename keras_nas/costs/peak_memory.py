"""The memory that a model needs while it runs."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.fused_graph import FusedGraph
from keras_nas.costs.tflite_files import (
    check_quantization,
    metric_name,
    tflite_file,
)
from keras_nas.export import measure_peak_memory


class PeakMemory(Cost):
    """Measures the memory for inputs, outputs and all between.

    This is what decides whether a network fits into the RAM of a
    microcontroller, where the file itself lies in flash.

    - `method="arena"` asks LiteRT where it puts the tensors of the file.
      The model is converted for that, which takes seconds the first time and
      nothing for other costs of the same file.
    - `method="analytic"` follows the graph of layers as the converter will
      fuse them, in milliseconds. It is what an ideal planner would need:
      a little less than the arena, in which tensors do not always fit
      without gaps. The page on costs has figures.

    The metric is `peak_memory_bytes` with default settings, and else has them
    in front: `float32_analytic_peak_memory_bytes`.

    Args:
        max_bytes: Optional integer, the most that is allowed.
        quantize: What to store in fewer bits, as for `export.to_tflite`.
            With `"int8"`, inputs and outputs are in float32, and count as
            such; microcontrollers run `"int8_io"`.
        method: `"arena"` or `"analytic"`.
        representative_data: Optional inputs to calibrate int8 with; needed
            only if the model cannot run on random numbers.

    Example:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((16, 16, 1)),
    ...     keras.layers.Conv2D(8, 3, padding="same"),
    ...     keras.layers.GlobalAveragePooling2D(),
    ... ])
    >>> PeakMemory(quantize="float32", method="analytic").measure(model)
    9248
    """

    name = "peak_memory_bytes"

    def __init__(
        self,
        max_bytes=None,
        quantize="int8",
        method="arena",
        representative_data=None,
    ):
        if method not in ("arena", "analytic"):
            raise ValueError(
                "Invalid value received for argument `method`. Expected "
                f"'arena' or 'analytic'. Received: method={method!r}"
            )
        self.quantize = check_quantization(quantize)
        words = [] if method == "arena" else [method]
        self.name = metric_name(self.name, self.quantize, *words)
        super().__init__(max_bytes)
        self.max_bytes = max_bytes
        self.method = method
        self.representative_data = representative_data

    def measure(self, model):
        """Measures the memory of a built model.

        Args:
            model: Built `keras.Model` with known input shapes; functional or
                `Sequential` for `method="analytic"`.

        Returns:
            Integer, bytes for one example.

        Raises:
            ValueError: If the model is not built, or if an input has an open
                dimension beside the batch.
            ConversionError: If TFLite cannot express the model.
        """
        if self.method == "analytic":
            return FusedGraph(model).peak_bytes(self.quantize)
        file = tflite_file(model, self.quantize, self.representative_data)
        return measure_peak_memory(file, scratch=False)
