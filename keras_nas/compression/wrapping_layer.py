"""A tf_keras layer that runs a Keras 3 operation."""

import functools

import keras

from keras_nas.compression.accepted_name import accepted_name
from keras_nas.compression.legacy_keras import import_tfmot
from keras_nas.compression.operation_calls import operation_calls
from keras_nas.export.float32_computation import float32_computation


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
            self._calls = _Untracked(operation_calls(key))
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
                        name=accepted_name(f"{variable.name}_{number}"),
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
                kwargs["training"] = isinstance(training, int) and training != 0
            if not isinstance(operation, keras.Layer):
                return operation(*args, **kwargs)
            with float32_computation(operation):
                outputs, updates, losses = operation.stateless_call(
                    *(
                        [tf.convert_to_tensor(weight) for weight in weights]
                        for weights in self.operation_weights
                    ),
                    *args,
                    return_losses=True,
                    **kwargs,
                )
            if number:
                # A weight is regularized once, however often it is used.
                losses = losses[: len(losses) - self.calls.num_regularized]
            losses = losses + _activity_losses(
                operation.activity_regularizer, tf.nest.flatten(outputs)
            )
            self.add_loss(losses)
            if kwargs.get("training"):
                # Statistics, and the state of random generators.
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


def _activity_losses(regularizer, outputs):
    """Returns what Keras adds to the loss for the outputs of a layer."""
    if regularizer is None:
        return []
    # Keras has divided it by the size of the batch in some versions. Only a
    # layer that is called as a whole knows.
    layer = keras.layers.Activation("linear", activity_regularizer=regularizer)
    with keras.StatelessScope(collect_losses=True):
        for output in outputs:
            layer(output)
        return layer.losses


class _Untracked:
    def __init__(self, value):
        self.value = value
