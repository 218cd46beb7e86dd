"""A Keras model as a function from named tensors to named tensors."""

import contextlib
import inspect
import keyword
import re

import keras
import numpy as np

from keras_nas.export.float32_computation import float32_computation
from keras_nas.export.tensor_details import TensorDetails
from keras_nas.export.unrolled_loops import unrolled_loops

# Keras counts unnamed inputs through the whole process, so the same script
# would give files with different names.
_AUTOMATIC_NAME = re.compile(r"(keras_tensor|input_layer)(_\d+)?$")
_BATCH_SIZE = 64


class ModelFunction:
    """Calls a Keras model at batch size 1 with tensors known by name.

    A TFLite file knows its inputs and outputs by name. This gives a Keras
    model the same interface, so that both can be fed and compared.

    Args:
        model: A built Keras model: functional, Sequential or subclassed.
            The inputs of a subclassed model count as float32.

    Raises:
        ValueError: If `model` is not a built Keras model, or if its inputs
            have open sizes or dtypes that TFLite lacks.
    """

    def __init__(self, model):
        if not isinstance(model, keras.Model):
            raise ValueError(
                "Invalid value received for argument `model`. Expected a "
                f"Keras model. Received: model={model!r} (of type "
                f"{type(model).__name__})"
            )
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                "TFLite conversion needs the TensorFlow backend of Keras. "
                f"Received: keras.backend.backend()="
                f"'{keras.backend.backend()}'. Save the model, then convert "
                "it in a process with KERAS_BACKEND=tensorflow."
            )
        self.model = model
        self._structure, tensors = _model_inputs(model)
        self.inputs = [
            _details(name, shape, dtype, model)
            for name, (shape, dtype) in zip(
                _input_names(self._structure, tensors),
                ((t.shape, t.dtype) for t in tensors),
                strict=True,
            )
        ]

    def __call__(self, tensors):
        """Calls the model in inference mode.

        Args:
            tensors: Dict of tensors by input name, with a batch axis.

        Returns:
            Dict of tensors by output name, in the order of the model.
        """
        import tensorflow as tf

        flat = [tensors[details.name] for details in self.inputs]
        inputs = keras.tree.pack_sequence_as(self._structure, flat)
        with float32_computation(self.model):
            result = self.model(inputs, training=False)
        names = _output_names(self.model, result)
        self._output_names = names
        self._output_structure = keras.tree.map_structure(lambda _: 0, result)
        outputs = {}
        for name, tensor in zip(names, keras.tree.flatten(result), strict=True):
            if tensor.dtype in (tf.float16, tf.bfloat16):
                tensor = tf.cast(tensor, tf.float32)
            # A result that is an input or a constant needs a node of its own.
            outputs[name] = tf.identity(tensor)
        return outputs

    @property
    def variables(self):
        """List of the TensorFlow variables of the model."""
        return [
            # A model trained for quantisation has those of another Keras.
            v.value if isinstance(v, keras.Variable) else v
            for v in self.model.variables
        ]

    def trace(self, without_loops=False):
        """Traces the model at batch size 1.

        Args:
            without_loops: Boolean, whether recurrent layers are unrolled.

        Returns:
            A concrete `tf.function` with the inputs as keyword arguments.

        Raises:
            ValueError: If the model cannot be called at batch size 1.
        """
        import tensorflow as tf

        function = tf.function(lambda **tensors: self(tensors), autograph=False)
        specs = {
            details.name: tf.TensorSpec(
                details.shape, details.dtype, name=details.name
            )
            for details in self.inputs
        }
        unrolled = unrolled_loops if without_loops else contextlib.nullcontext
        try:
            with unrolled(self.model):
                return function.get_concrete_function(**specs)
        except Exception as error:
            shapes = {d.name: d.shape for d in self.inputs}
            raise ValueError(
                f"Model '{self.model.name}' could not be called with batch "
                f"size 1, which TFLite files are made for. Received inputs "
                f"of the shapes {shapes} and the error: {error}"
            ) from error

    def predict(self, x):
        """Computes the outputs for any number of samples.

        Args:
            x: Dict of arrays of shape `(samples, ...)` by input name.

        Returns:
            Dict of arrays of shape `(samples, ...)` by output name.
        """
        count = len(next(iter(x.values())))
        batches = []
        for start in range(0, count, _BATCH_SIZE):
            batch = {
                name: keras.ops.convert_to_tensor(
                    array[start : start + _BATCH_SIZE]
                )
                for name, array in x.items()
            }
            # A GPU would round to fewer bits than the file does.
            with keras.device("cpu:0"):
                batches.append(self(batch))
        return {
            name: np.concatenate(
                [keras.ops.convert_to_numpy(batch[name]) for batch in batches]
            )
            for name in batches[0]
        }

    def pack_outputs(self, outputs):
        """Gives outputs the structure in which the model returns them.

        Args:
            outputs: Dict of arrays by output name, after a call or
                `predict`.

        Returns:
            An array, or a list, tuple or dict of arrays.
        """
        flat = [outputs[name] for name in self._output_names]
        return keras.tree.pack_sequence_as(self._output_structure, flat)


def _model_inputs(model):
    """Returns the structure of the model's inputs and its flat tensors."""
    unbuilt = ValueError(
        f"Model '{model.name}' must be built before it is converted, so "
        "that the shapes of its inputs are known. Call it on data once, or "
        "start it with `keras.Input`."
    )
    if not model.built:
        raise unbuilt
    if isinstance(model, keras.Sequential):
        return model.inputs[0], model.inputs
    # A subclassed model has no such attribute.
    if getattr(model, "inputs", None):
        return model.input, model.inputs
    shapes = (model.get_build_config() or {}).get("input_shape")
    required = [
        parameter
        for parameter in inspect.signature(model.call).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind == parameter.POSITIONAL_OR_KEYWORD
    ]
    if shapes is None or len(required) > 1:
        raise ValueError(
            f"Cannot tell the inputs of model '{model.name}', since its "
            "`call` takes several arguments or it was built without a "
            "shape. Wrap it: `inputs = [keras.Input(...), ...]`, "
            "`keras.Model(inputs, model(*inputs))`."
        )
    structure = keras.tree.map_shape_structure(
        lambda shape: keras.KerasTensor(shape, dtype="float32"), shapes
    )
    return structure, keras.tree.flatten(structure)


def _input_names(structure, tensors):
    if isinstance(structure, dict) and len(structure) == len(tensors):
        # Flattened as the tensors are, whatever the order of that is.
        names = keras.tree.flatten(
            type(structure)((key, key) for key in structure)
        )
    else:
        names = [tensor.name for tensor in tensors]
    for i, name in enumerate(names):
        if _AUTOMATIC_NAME.match(name):
            names[i] = "input" if len(names) == 1 else f"input_{i}"
    return _valid_names(names)


def _output_names(model, result):
    count = len(keras.tree.flatten(result))
    if isinstance(result, dict) and len(result) == count:
        names = keras.tree.flatten(type(result)((key, key) for key in result))
    elif isinstance(model, keras.Sequential):
        names = [model.layers[-1].name]
    elif len(getattr(model, "output_names", None) or ()) == count:
        names = model.output_names
    elif count == 1:
        names = ["output"]
    else:
        names = [f"output_{i}" for i in range(count)]
    return _valid_names(names)


def _valid_names(names):
    """Makes names that signatures of TensorFlow accept, all different."""
    valid = []
    for name in names:
        name = re.sub(r"\W", "_", str(name), flags=re.ASCII)
        if keyword.iskeyword(name) or not name[:1].isalpha():
            name = f"tensor_{name}"
        unique, count = name, 1
        while unique in valid:
            unique, count = f"{name}_{count}", count + 1
        valid.append(unique)
    return valid


def _details(name, shape, dtype, model):
    if dtype in ("string", "complex64", "complex128"):
        raise ValueError(
            f"Input '{name}' of model '{model.name}' has the dtype "
            f"'{dtype}', for which TFLite has no layers. Convert the part "
            "of the model that follows the preprocessing. Received: "
            f"shape={shape}, dtype='{dtype}'"
        )
    if not shape:
        raise ValueError(
            f"Input '{name}' of model '{model.name}' must have a batch "
            f"axis. Received: shape={shape}"
        )
    if None in shape[1:]:
        raise ValueError(
            f"Input '{name}' of model '{model.name}' has an open size, and "
            "a TFLite file needs fixed ones. Build the model with "
            "`keras.Input` of a fixed shape, such as (28, 28, 1), and copy "
            "the weights with `set_weights(model.get_weights())`. Received: "
            f"shape={tuple(shape)}"
        )
    if dtype in ("float16", "bfloat16"):
        dtype = "float32"
    return TensorDetails(name, (1, *shape[1:]), dtype)
