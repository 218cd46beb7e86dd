"""The size of the file that ships."""

from keras_nas.costs.cost import Cost
from keras_nas.costs.tflite_files import (
    check_quantization,
    metric_name,
    tflite_file,
)


class Size(Cost):
    """Measures the bytes of the `.tflite` file of a model.

    The model is converted, which takes seconds the first time and nothing
    for other costs of the same file.

    The metric is `size_bytes` for int8, and for others has what it is of in
    front: `float32_size_bytes`.

    Args:
        max_bytes: Optional integer, the largest file allowed.
        quantize: What to store in fewer bits, as for `export.to_tflite`.
        representative_data: Optional inputs to calibrate int8 with. The size
            does not depend on them; they are needed only if the model cannot
            run on random numbers.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((64,)), keras.layers.Dense(256)])
    >>> Size().measure(model) < 0.5 * Size(quantize="float32").measure(model)
    True
    >>> Size(quantize="float32").name
    'float32_size_bytes'
    """

    name = "size_bytes"

    def __init__(
        self, max_bytes=None, quantize="int8", representative_data=None
    ):
        self.quantize = check_quantization(quantize)
        self.name = metric_name(self.name, self.quantize)
        super().__init__(max_bytes)
        self.max_bytes = max_bytes
        self.representative_data = representative_data

    def measure(self, model):
        """Measures the size of a built model.

        Args:
            model: Built `keras.Model` with known input shapes.

        Returns:
            Integer, bytes.

        Raises:
            ValueError: If the model is not built, or if an input has an open
                dimension beside the batch.
            ConversionError: If TFLite cannot express the model.
        """
        file = tflite_file(model, self.quantize, self.representative_data)
        return file.size_bytes
