"""TFLite files from Keras models: convert, verify and measure."""

from keras_nas.export.conversion import to_tflite
from keras_nas.export.conversion_error import ConversionError
from keras_nas.export.latency import LatencyMeasurement, measure_latency
from keras_nas.export.peak_memory import measure_peak_memory
from keras_nas.export.tensor_details import TensorDetails
from keras_nas.export.tflite_model import TFLiteModel
from keras_nas.export.verification import (
    Check,
    VerificationError,
    VerificationReport,
    verify,
)

__all__ = [
    "Check",
    "ConversionError",
    "LatencyMeasurement",
    "TFLiteModel",
    "TensorDetails",
    "VerificationError",
    "VerificationReport",
    "measure_latency",
    "measure_peak_memory",
    "to_tflite",
    "verify",
]
