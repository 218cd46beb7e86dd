"""Description of one input or output tensor."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class TensorDetails:
    """Name, shape, dtype and quantization of one input or output.

    Args:
        name: Name of the tensor in the signature.
        shape: Tuple of integers, batch axis included. -1 stands for a size
            that the file leaves open.
        dtype: Name of the NumPy dtype that is stored, such as `"float32"`.
        scale: Step between two quantized values, or `None` if the tensor
            is not quantized.
        zero_point: Quantized value that stands for 0.0, or `None`.

    Example:

    >>> from keras_nas import export
    >>> pixels = export.TensorDetails("x", (1, 2), "int8", 0.5, -128)
    >>> pixels.quantize([[0.0, 100.0]])
    array([[-128,   72]], dtype=int8)
    >>> pixels.dequantize([[-128, 72]])
    array([[  0., 100.]], dtype=float32)
    """

    name: str
    shape: tuple
    dtype: str
    scale: float | None = None
    zero_point: int | None = None

    @property
    def is_quantized(self):
        """Whether the stored integers stand for real numbers."""
        return self.scale is not None

    @property
    def real_dtype(self):
        """Dtype of the values that a user sees: float32 if quantized."""
        return "float32" if self.is_quantized else self.dtype

    def quantize(self, values):
        """Turns real numbers into the integers that the file stores."""
        limits = np.iinfo(self.dtype)
        scaled = np.round(np.asarray(values, "float32") / self.scale)
        shifted = scaled + self.zero_point
        return np.clip(shifted, limits.min, limits.max).astype(self.dtype)

    def dequantize(self, values):
        """Turns the integers that the file stores into real numbers."""
        shifted = np.asarray(values, "float32") - self.zero_point
        return shifted * np.float32(self.scale)
