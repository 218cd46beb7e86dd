"""A tf_keras layer that runs a Keras 3 operation."""

import functools
import inspect
import itertools
import weakref

import keras

from keras_nas.compression.legacy_keras import import_tfmot
from keras_nas.export.float32_computation import float32_computation

# TF-MOT copies layers by way of their configuration, in which an operation
# stands as a number. Held by the layers, so that they go together.
_CALLS = weakref.WeakValueDictionary()
_KEYS = itertools.count()


class OperationCalls:
    """A Keras 3 operation, and each of the ways in which a model calls it.

    Args:
        operation: Layer or other operation of Keras 3.

    Attributes:
        key: Integer, by which copies of the wrapping layer find it.
    """

    def __init__(self, operation):
        self.operation = operation
        self.key = next(_KEYS)
        self._arguments = []
        _CALLS[self.key] = self

    def add(self, args, kwargs):
        """Adds a way of calling it.

        Args:
            args: Positional arguments, with a `keras.KerasTensor` for each
                tensor.
            kwargs: The other arguments.

        Returns:
            Integer, its number.
        """
        # `training` is the wrapping layer's to say.
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        self._arguments.append((args, kwargs))
        return len(self._arguments) - 1

    def fill(self, number, tensors):
        """Returns the arguments of a call, with tensors in their places."""
        tensors = iter(tensors)
        return keras.tree.map_structure(
            lambda value: (
                next(tensors) if isinstance(value, keras.KerasTensor) else value
            ),
            self._arguments[number],
        )

    @property
    def trainable_variables(self):
        """The variables of a layer; an operation has none."""
        return getattr(self.operation, "trainable_variables", [])

    @property
    def non_trainable_variables(self):
        """The variables of a layer; an operation has none."""
        return getattr(self.operation, "non_trainable_variables", [])

    @functools.cached_property
    def takes_training(self):
        """Whether it computes something else in training."""
        return (
            isinstance(self.operation, keras.Layer)
            and "training" in inspect.signature(self.operation.call).parameters
        )


@functools.cache
def wrapping_layer_class():
    """Returns the class `WrappingLayer`; tf_keras is imported with it."""
    import tensorflow as tf

    _, tf_keras = import_tfmot()

    class WrappingLayer(tf_keras.layers.Layer):
        """Runs a Keras 3 operation, and owns its weights.

        Args:
            key: Integer, that of `OperationCalls`.
        """

        def __init__(self, key, **kwargs):
            super().__init__(**kwargs)
            self.key = key
            # In a container that tf_keras does not look into.
            self._calls = _Untracked(_CALLS[key])
            self.supports_masking = getattr(
                self.calls.operation, "supports_masking", False
            )

        @property
        def calls(self):
            """The `OperationCalls`."""
            return self._calls.value

        def build(self, input_shape):
            self.operation_weights = [
                [
                    self.add_weight(
                        name=f"{variable.name}_{number}",
                        shape=variable.shape,
                        dtype=variable.dtype,
                        initializer="zeros",
                        trainable=trainable and self.calls.operation.trainable,
                    )
                    for number, variable in enumerate(variables)
                ]
                for trainable, variables in (
                    (True, self.calls.trainable_variables),
                    (False, self.calls.non_trainable_variables),
                )
            ]
            super().build(input_shape)

        def call(self, inputs, number=0, training=None):
            operation = self.calls.operation
            args, kwargs = self.calls.fill(number, tf.nest.flatten(inputs))
            if self.calls.takes_training:
                # While a graph is built, it may be a tensor.
                kwargs["training"] = training is True or training == 1
            if not isinstance(operation, keras.Layer):
                return operation(*args, **kwargs)
            with float32_computation(operation):
                outputs, updates = operation.stateless_call(
                    *(
                        [tf.convert_to_tensor(weight) for weight in weights]
                        for weights in self.operation_weights
                    ),
                    *args,
                    **kwargs,
                )
            if kwargs.get("training"):  # Statistics, and the state of random generators.
                for weight, value in zip(
                    self.operation_weights[1], updates, strict=True
                ):
                    weight.assign(value)
            return outputs

        def compute_mask(self, inputs, mask=None):
            return mask if self.supports_masking else None

        def weights_in_order(self):
            """Returns its weights, in the order of `layer.weights`."""
            by_variable = {
                id(variable): weight
                for variables, weights in zip(
                    (
                        self.calls.trainable_variables,
                        self.calls.non_trainable_variables,
                    ),
                    self.operation_weights,
                    strict=True,
                )
                for variable, weight in zip(variables, weights, strict=True)
            }
            return [
                by_variable[id(variable)]
                for variable in getattr(self.calls.operation, "variables", [])
            ]

        def get_config(self):
            return super().get_config() | {"key": self.key}

    return WrappingLayer


class _Untracked:
    def __init__(self, value):
        self.value = value
