"""What `compress` returns."""

import contextlib

from keras_nas import export
from keras_nas.export.conversion import CALIBRATED


class CompressedModel:
    """A model that was compressed, and what was done to it.

    Attributes:
        model: The Keras 3 model with the weights that came of it: pruned and
            clustered ones are as such in it. Quantisation is not: the weights
            are those that int8 was emulated with, in float32.
        report: `CompressionReport`. Print it.
        history: Dict from the name of each stage to what `fit` recorded.

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_nas import compression
    >>> model = keras.Sequential(
    ...     [keras.Input((8,)), keras.layers.Dense(16), keras.layers.Dense(1)]
    ... )
    >>> model.compile("adam", "mse")
    >>> x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    >>> compressed = compression.compress(
    ...     model, x, x[:, :1], prune=0.5, epochs=2, verbose=0
    ... )
    >>> round(compressed.report.sparsity, 2)
    0.5
    >>> compressed.to_tflite("int8", representative_data=x).quantization
    'int8'
    """

    def __init__(self, model, report, history, emulated=None):
        self.model = model
        self.report = report
        self.history = history
        # Runs as the int8 file will.
        self._emulated = emulated

    def to_tflite(self, quantize=None, representative_data=None, **kwargs):
        """Converts the model to a TFLite file.

        After training for quantisation, the int8 files have the ranges that
        were learnt; `representative_data` give those of the layers that TF-MOT
        left in float.

        Args:
            quantize: As in `keras_nas.export.to_tflite`.
            representative_data: As there.
            **kwargs: As there.

        Returns:
            `keras_nas.export.TFLiteModel`.
        """
        model = self.reference_model(quantize)
        unrolled = contextlib.nullcontext()
        if quantize in CALIBRATED and self._emulated is not None:
            unrolled = self._emulated.without_loops()
        with unrolled:
            return export.to_tflite(
                model, quantize, representative_data, **kwargs
            )

    def reference_model(self, quantize=None):
        """Returns the model that a file is to be compared with.

        An int8 file computes what was emulated while the model was trained
        for quantisation, which `model` computes only nearly.

        Args:
            quantize: As in `to_tflite`.

        Returns:
            A `keras.Model`, for `keras_nas.export.verify` for example.
        """
        if quantize in CALIBRATED and self._emulated is not None:
            return self._emulated
        return self.model

    def evaluate_emulated(self, *args, **kwargs):
        """Evaluates the model with int8 emulated, as `evaluate` of Keras does.

        Args:
            *args: As for `keras.Model.evaluate`.
            **kwargs: As there.

        Raises:
            ValueError: If the model was not trained for quantisation.
        """
        if self._emulated is None:
            raise ValueError(
                "Only a model trained with `quantization_aware=True` emulates "
                "int8. Convert this one with `to_tflite` and measure the file."
            )
        return self._emulated.evaluate(*args, **kwargs)

    def __str__(self):
        return str(self.report)
