"""Training of a tf_keras model by the `fit` of Keras 3."""

import keras
import tensorflow as tf

from keras_nas.compile_arguments import compile_like
from keras_nas.graph import functional


class HostModel(keras.Model):
    """A Keras 3 model whose layers and weights are those of a tf_keras model.

    So that data, losses, metrics, optimizers and callbacks written for Keras 3
    serve to train what TF-MOT makes, and `fit` is the one the user knows.

    Args:
        bridge: `Bridge`. It says what inputs, outputs and compile arguments
            are like.
        hosted: tf_keras model with the inputs and outputs of `bridge.model`.
        to_keras: Function of `hosted` that returns the Keras 3 model with its
            weights, for callbacks that save.

    Attributes:
        hosted: The tf_keras model.
    """

    def __init__(self, bridge, hosted, to_keras):
        super().__init__(name=bridge.source.name)
        # In a container that Keras does not look into.
        self._kept = _Untracked(bridge, hosted, to_keras)
        self.output_names = list(self._kept.source.output_names)
        # Optimizers of Keras 3 take variables of Keras 3 only: the weights are
        # copied to these for the step, and back.
        self._copies = [
            keras.Variable(
                weight.numpy(),
                trainable=True,
                dtype=weight.dtype.name,
                name=weight.name.split(":")[0].replace("/", "_"),
            )
            for weight in hosted.trainable_variables
        ]
        compile_like(self, bridge.source)
        self.jit_compile = False  # XLA knows not all operations of TF-MOT.
        self.build_optimizer()
        self.built = True

    def build_optimizer(self):
        """Makes the variables of the optimizer. Call it after `compile`."""
        self.optimizer.build(self._copies)

    @property
    def hosted(self):
        """The tf_keras model."""
        return self._kept.hosted

    @property
    def input(self):
        """Structure of the inputs, as of the Keras 3 model."""
        return self._kept.source.input

    @property
    def inputs(self):
        """List of the inputs, as of the Keras 3 model."""
        return self._kept.source.inputs

    @property
    def losses(self):
        """What regularizers add to the loss."""
        return self.hosted.losses

    @property
    def variables(self):
        """The weights, which are variables of TensorFlow."""
        return self.hosted.variables

    def call(self, inputs, training=None):
        """Computes what the tf_keras model computes."""
        model = self._kept.bridge.model
        if isinstance(inputs, dict):
            tensors = [inputs[name] for name in self._kept.input_names]
        else:
            tensors = keras.tree.flatten(inputs)
        packed = keras.tree.pack_sequence_as(model.input, tensors)
        return self.hosted(packed, training=training)

    def train_step(self, data):
        """Does one step, as that of Keras does."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.hosted.trainable_variables
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(
                x=x,
                y=y,
                y_pred=y_pred,
                sample_weight=sample_weight,
                training=True,
            )
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, weights, unconnected_gradients="zero")
        for copy, weight in zip(self._copies, weights, strict=True):
            copy.assign(weight)
        self.optimizer.apply(
            [tf.convert_to_tensor(gradient) for gradient in gradients],
            self._copies,
        )
        for copy, weight in zip(self._copies, weights, strict=True):
            weight.assign(copy.value)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(
                    loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0]
                )
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def get_weights(self):
        """Returns the weights of the tf_keras model."""
        return self.hosted.get_weights()

    def set_weights(self, weights):
        """Sets the weights of the tf_keras model."""
        self.hosted.set_weights(weights)

    def save(self, filepath, overwrite=True, **kwargs):
        """Saves the Keras 3 model with the present weights."""
        self._to_keras().save(filepath, overwrite=overwrite, **kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """Saves the weights of the Keras 3 model."""
        self._to_keras().save_weights(filepath, overwrite=overwrite, **kwargs)

    def _to_keras(self):
        return self._kept.to_keras(self.hosted)


class _Untracked:
    def __init__(self, bridge, hosted, to_keras):
        self.bridge = bridge
        self.hosted = hosted
        self.to_keras = to_keras
        self.source = source = functional(bridge.source)
        if isinstance(source.input, dict):
            self.input_names = keras.tree.flatten(
                type(source.input)((key, key) for key in source.input)
            )
        else:
            self.input_names = [tensor.name for tensor in source.inputs]
