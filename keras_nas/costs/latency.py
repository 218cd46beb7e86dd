"""The time that a model takes."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.tflite_files import (
    check_quantization,
    metric_name,
    tflite_file,
)
from keras_nas.export import measure_latency


class Latency(Cost):
    """Measures how long the `.tflite` file of a model runs for one example.

    LiteRT runs the file on this machine. Its order of candidates is that of
    other processors of the same kind, roughly; the milliseconds are its own.
    A machine that does other work meanwhile, trainings of a search with
    `workers=` included, gives longer times: compare the best of a search anew
    with `export.measure_latency`, which takes many files in turns.

    The metric is `latency_ms` with default settings, and else has them in
    front: `float32_2_threads_latency_ms`.

    Args:
        max_ms: Optional number, the most milliseconds allowed.
        quantize: What to store in fewer bits, as for `export.to_tflite`.
        num_threads: Number of CPU threads.
        xnnpack: Whether LiteRT uses the XNNPACK delegate, as phones do.
        rounds: Number of rounds that the median is taken of, some 30 ms each.
        representative_data: Optional inputs to calibrate int8 with; needed
            only if the model cannot run on random numbers.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(256)])
    >>> 0 < Latency().measure(model) < 10
    True
    >>> Latency(max_ms=5, num_threads=2).name
    '2_threads_latency_ms'
    """

    name = "latency_ms"

    def __init__(
        self,
        max_ms=None,
        quantize="int8",
        num_threads=1,
        xnnpack=True,
        rounds=7,
        representative_data=None,
    ):
        for key, value in (("num_threads", num_threads), ("rounds", rounds)):
            is_integer = isinstance(value, int) and value is not True
            if not is_integer or value < 1:
                raise ValueError(
                    f"Invalid value received for argument `{key}`. Expected "
                    f"a positive integer. Received: {key}={value!r}"
                )
        self.quantize = check_quantization(quantize)
        threads = [] if num_threads == 1 else [f"{num_threads}_threads"]
        kernels = [] if xnnpack else ["without_xnnpack"]
        self.name = metric_name(self.name, self.quantize, *threads, *kernels)
        super().__init__(max_ms)
        self.max_ms = max_ms
        self.num_threads = num_threads
        self.xnnpack = xnnpack
        self.rounds = rounds
        self.representative_data = representative_data

    def measure(self, model):
        """Measures the latency of a built model.

        Args:
            model: Built `keras.Model` with known input shapes.

        Returns:
            Float, milliseconds.

        Raises:
            ValueError: If the model is not built, or if an input has an open
                dimension beside the batch.
            ConversionError: If TFLite cannot express the model.
        """
        file = tflite_file(model, self.quantize, self.representative_data)
        measurement = measure_latency(
            file,
            num_threads=self.num_threads,
            xnnpack=self.xnnpack,
            rounds=self.rounds,
        )
        return measurement.latency_ms
