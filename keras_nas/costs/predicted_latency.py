"""The latency that a table predicts."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.latency_table import LatencyTable
from keras_nas.costs.tflite_files import metric_name


class PredictedLatency(Cost):
    """Predicts the latency of a model on a device, from a table of pieces.

    A prediction takes some milliseconds, no conversion and no device, so it
    can be a constraint that rejects candidates before they cost anything, or
    an objective for a device that is not at hand. With tables of several
    devices, one search has a Pareto front for each:
    `tuner.pareto_front(["val_accuracy", "pixel8_latency_ms"])`.

    The metric is called after the device, `pixel8_latency_ms`, with what
    differs from the defaults of a table in front: `float32_pixel8_latency_ms`.

    Args:
        table: `LatencyTable`, or the path of one.
        max_ms: Optional number, the most milliseconds allowed.

    Example:

    >>> import keras
    >>> def build(hp):
    ...     return keras.Sequential([
    ...         keras.Input((16,)),
    ...         keras.layers.Dense(hp.Choice("units", [4, 8]))])
    >>> table = LatencyTable.measure(
    ...     build, "laptop", num_calibration_models=1, num_test_models=0,
    ...     verbose=0)
    >>> PredictedLatency(table).name
    'laptop_latency_ms'
    """

    name = "latency_ms"

    def __init__(self, table, max_ms=None):
        if not isinstance(table, LatencyTable):
            table = LatencyTable.load(table)
        words = [table.device]
        if table.num_threads != 1:
            words.insert(0, f"{table.num_threads}_threads")
        self.name = metric_name("latency_ms", table.quantize, *words)
        super().__init__(max_ms)
        self.table = table
        self.max_ms = max_ms

    def is_same_measure(self, other):
        """Whether another cost gives the same numbers: has an equal table."""
        return super().is_same_measure(other) and (
            self.table.is_same_prediction(other.table)
        )

    def check(self, model):
        """Raises if the table is of another search space.

        Args:
            model: Built `keras.Model`.

        Raises:
            ValueError: If the table lacks a piece of the model.
        """
        self.table.predict(model)

    def measure(self, model):
        """Predicts the latency of a built model.

        Args:
            model: Built `keras.Model` of the search space of the table.

        Returns:
            Float, milliseconds.

        Raises:
            ValueError: If the table lacks a piece of the model.
        """
        return self.table.predict(model)
