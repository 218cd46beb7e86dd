"""A TFLite file in memory."""

import functools
import gzip
import pathlib

import numpy as np

from keras_nas import storage
from keras_nas.export.file_structure import (
    has_tflite_identifier,
    read_structure,
)
from keras_nas.export.input_data import name_inputs, standardize_array
from keras_nas.export.interpreter import make_interpreter
from keras_nas.export.metadata import read_metadata, write_metadata


class TFLiteModel:
    """A TFLite file: its bytes, what it says about itself, and its outputs.

    This is what `to_tflite` returns. `TFLiteModel.load` reads any other
    file, to inspect, run or measure it.

    Args:
        content: Bytes of the file.

    Raises:
        ValueError: If `content` is not a TFLite file.

    Example:

    >>> import keras
    >>> from keras_nas import export
    >>> inputs = keras.Input((3,), name="x")
    >>> dense = keras.layers.Dense(
    ...     1, kernel_initializer="ones", name="total")
    >>> model = keras.Model(inputs, dense(inputs))
    >>> tflite_model = export.to_tflite(model)
    >>> tflite_model.predict([[1.0, 2.0, 3.0]])
    array([[6.]], dtype=float32)
    >>> tflite_model.inputs[0].name, tflite_model.inputs[0].shape
    ('x', (1, 3))
    >>> tflite_model.size_bytes == len(tflite_model.content)
    True
    """

    def __init__(self, content):
        if not isinstance(content, (bytes, bytearray, memoryview)):
            raise ValueError(
                "Invalid value received for argument `content`. Expected "
                "the bytes of a TFLite file. Received: an object of type "
                f"{type(content).__name__}"
            )
        content = bytes(content)
        if not has_tflite_identifier(content):
            raise ValueError(
                "Invalid value received for argument `content`. Expected "
                "the bytes of a TFLite file, with 'TFL3' at the fifth byte. "
                f"Received: {len(content)} bytes that start with "
                f"{content[:8]!r}"
            )
        self.content = content

    @classmethod
    def load(cls, path):
        """Reads a `.tflite` file.

        Args:
            path: Path of the file.

        Returns:
            A `TFLiteModel`.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is not a TFLite file.
        """
        content = pathlib.Path(path).read_bytes()
        if not has_tflite_identifier(content):
            raise ValueError(
                "Invalid value received for argument `path`. Expected a "
                f"TFLite file. Received: path={str(path)!r}, a file of "
                f"{len(content)} bytes that start with {content[:8]!r}"
            )
        return cls(content)

    def save(self, path):
        """Writes the file, whole or not at all.

        Args:
            path: Path of the file, in a folder that exists. A file of that
                name is replaced.

        Raises:
            OSError: If the file cannot be written. An earlier file of that
                name is then still there.
        """
        try:
            storage.write_bytes(path, self.content)
        except OSError as error:
            raise OSError(
                error.errno,
                f"Cannot write the file given as argument `path`: "
                f"{error.strerror}. Nothing was written; give a path in an "
                "existing folder that you may write to. Received: path",
                str(path),
            ) from error

    @property
    def size_bytes(self):
        """Length of the file in bytes."""
        return len(self.content)

    @functools.cached_property
    def gzip_bytes(self):
        """Length in bytes when compressed with gzip, as in a download.

        Pruned weights make only this smaller, not the file itself.
        """
        return len(gzip.compress(self.content, compresslevel=9, mtime=0))

    @property
    def inputs(self):
        """Tuple of a `TensorDetails` for each input."""
        return self._structure.inputs

    @property
    def outputs(self):
        """Tuple of a `TensorDetails` for each output."""
        return self._structure.outputs

    @property
    def operations(self):
        """Names of the operations, in the order in which they run."""
        return self._structure.operations

    @property
    def custom_operations(self):
        """Names of the operations that TFLite does not have built in."""
        return self._structure.custom_operations

    @property
    def float_operations(self):
        """Names of the operations that compute in floating point.

        Empty if the file computes in integers throughout.
        """
        return self._structure.float_operations

    @property
    def quantization(self):
        """How the file is quantized.

        `None`, `"float16"`, `"dynamic"`, `"int4"`, `"int8"` or `"int8_io"`,
        with the meaning that they have for `to_tflite`. It is read off the
        tensors: a file too small for `"dynamic"` to change anything gives
        `None`.
        """
        return self._structure.quantization

    @property
    def metadata(self):
        """What the file says of its use, as a dict, or `None`.

        This is TFLite Metadata, which the tools of Android and MediaPipe
        read: name, description, inputs, outputs, normalization and labels.
        """
        return read_metadata(self.content)

    def with_metadata(self, metadata):
        """Returns the same file with TFLite Metadata inside.

        Nothing of what is run changes.

        Args:
            metadata: Dict with the texts `"name"`, `"description"`,
                `"version"`, `"author"` and `"license"`, and with `"inputs"`
                and `"outputs"`, lists of a dict for each tensor in order.
                Those have a `"name"` and a `"description"`. Those of inputs
                can have `"image"` (`"rgb"` or `"grayscale"`), `"mean"` and
                `"std"` (values are normalized as `(value - mean) / std`),
                `"min"` and `"max"` (the range of normalized values): lists
                with a number for each channel, or for all. Those of outputs
                can have `"labels"`, a name for each entry.

        Returns:
            A `TFLiteModel`.

        Raises:
            ValueError: If the file has metadata already, or if `metadata`
                does not fit the file.

        Example:

        >>> import keras
        >>> from keras_nas import export
        >>> inputs = keras.Input((4,), name="x")
        >>> outputs = keras.layers.Dense(2, name="y")(inputs)
        >>> tflite_model = export.to_tflite(keras.Model(inputs, outputs))
        >>> described = tflite_model.with_metadata({
        ...     "name": "pets",
        ...     "inputs": [{"name": "x", "mean": [5.0], "std": [2.0]}],
        ...     "outputs": [{"name": "y", "labels": ["cat", "dog"]}],
        ... })
        >>> described.metadata["outputs"][0]["labels"]
        ['cat', 'dog']
        """
        return TFLiteModel(write_metadata(self.content, metadata))

    def predict(self, x, *, xnnpack=True, num_threads=1):
        """Computes the outputs for any number of samples, one at a time.

        Quantized inputs and outputs are given and returned as the real
        numbers that they stand for.

        Args:
            x: An array of shape `(samples, ...)`; for several inputs a list
                or tuple of arrays in order, or a dict by input name.
            xnnpack: Whether to use the XNNPACK delegate, as phones do.
            num_threads: Number of CPU threads.

        Returns:
            An array of shape `(samples, ...)`, or a dict of arrays by
            output name if there are several outputs.

        Raises:
            ValueError: If `x` does not fit the inputs.
        """
        outputs = self.predict_by_name(
            x, xnnpack=xnnpack, num_threads=num_threads
        )
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def predict_by_name(
        self, x, *, xnnpack=True, num_threads=1, keep_state=False
    ):
        """Computes as `predict` does, and always returns a dict.

        Args:
            x: As for `predict`.
            xnnpack: As for `predict`.
            num_threads: As for `predict`.
            keep_state: Whether a file with a state of its own, such as that
                of a fused LSTM, keeps it from one sample to the next, as it
                does in an app that does not reset it.

        Returns:
            Dict of arrays of shape `(samples, ...)` by output name.

        Raises:
            ValueError: If `x` does not fit the inputs.
        """
        columns = self._input_columns(x)
        structure = self._structure
        interpreter = make_interpreter(
            self.content, xnnpack=xnnpack, num_threads=num_threads
        )
        rows = [[] for _ in structure.outputs]
        for i in range(len(columns[0])):
            if structure.has_state and not keep_state:
                # Samples are independent of each other.
                interpreter.reset_all_variables()
            for index, column in zip(
                structure.input_indices, columns, strict=True
            ):
                interpreter.set_tensor(index, column[i : i + 1])
            interpreter.invoke()
            for row, index in zip(rows, structure.output_indices, strict=True):
                row.append(interpreter.get_tensor(index))
        outputs = {}
        for details, row in zip(structure.outputs, rows, strict=True):
            values = np.concatenate(row)
            if details.is_quantized:
                values = details.dequantize(values)
            outputs[details.name] = values
        return outputs

    def _input_columns(self, x):
        """Returns one array for each input, as the file stores it."""
        for details in self.inputs:
            if details.shape[:1] != (1,) or -1 in details.shape:
                raise ValueError(
                    "Only files that take one sample a call can be run. "
                    f"Received: input '{details.name}' of shape "
                    f"{details.shape}"
                )
        if len(self.inputs) == 1 and not hasattr(x, "shape"):
            x = _nested_list_to_array(x, self.inputs[0])
        named = name_inputs(x, self.inputs, "x")
        columns = []
        for details in self.inputs:
            column = standardize_array(named[details.name], details, "x")
            if details.is_quantized:
                column = details.quantize(column)
            columns.append(column)
        lengths = [len(column) for column in columns]
        if len(set(lengths)) > 1:
            raise ValueError(
                "Invalid value received for argument `x`. Expected the same "
                f"number of samples for each input. Received: {lengths}"
            )
        return columns

    @functools.cached_property
    def _structure(self):
        return read_structure(self.content)

    def __repr__(self):
        return (
            f"<TFLiteModel quantization={self.quantization!r} "
            f"size_bytes={self.size_bytes} "
            f"inputs={[(d.name, d.shape) for d in self.inputs]} "
            f"outputs={[(d.name, d.shape) for d in self.outputs]}>"
        )


def _nested_list_to_array(x, details):
    """Turns lists of numbers or samples, but not a list of one array."""
    if isinstance(x, (list, tuple)):
        array = np.asarray(x)
        if array.ndim == len(details.shape):
            # Whole numbers written as such in a list are no mistake.
            is_whole = array.dtype.kind == "i" and not hasattr(x[0], "dtype")
            return array.astype(details.real_dtype) if is_whole else array
    return x
