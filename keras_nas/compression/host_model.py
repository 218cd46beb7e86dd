"""Training of a tf_keras model by the `fit` of Keras 3."""

import contextlib

import keras
import tensorflow as tf

from keras_nas.compile_arguments import compile_like
from keras_nas.compression.legacy_keras import import_tfmot
from keras_nas.export.unrolled_loops import MAX_STEPS, unrolled_loops
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
        kept_weights: Optional `KeptWeights`, put back after each step.

    Attributes:
        hosted: The tf_keras model.
    """

    def __init__(self, bridge, hosted, to_keras, kept_weights=None):
        super().__init__(name=bridge.source.name)
        # In a container that Keras does not look into.
        self._kept = _Untracked(bridge, hosted, to_keras, kept_weights)
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

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains as `fit` of Keras does."""
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [_Averages(), *keras.tree.flatten(callbacks or [])]
        return super().fit(*args, callbacks=callbacks, **kwargs)

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
        self.assign_copies()
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(
                    loss, sample_weight=tf.shape(keras.tree.flatten(x)[0])[0]
                )
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def assign_copies(self):
        """Sets the weights to what the optimizer has made of its copies."""
        weights = self.hosted.trainable_variables
        for copy, weight in zip(self._copies, weights, strict=True):
            weight.assign(copy.value)
        if self._kept.kept_weights is not None:
            self._kept.kept_weights.put_back()

    @contextlib.contextmanager
    def without_loops(self):
        """Makes recurrent layers unroll their loops over time for a while.

        TFLite would fuse those of tf_keras into operations that keep their
        state from one call of the file to the next, and cannot calibrate
        loops.
        """
        before = self._kept.hosted
        with unrolled_loops(self._kept.source):
            self._kept.hosted = _without_loops(before)
            try:
                yield
            finally:
                self._kept.hosted = before

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


class _Averages(keras.callbacks.Callback):
    """Takes over the averages that `use_ema` ends a training with."""

    def on_train_end(self, logs=None):
        if self.model.optimizer.use_ema:
            self.model.assign_copies()


def _without_loops(model):
    """Returns a tf_keras model with the same weights, its loops unrolled."""
    _, tf_keras = import_tfmot()
    made = []

    def unroll(layer):
        config = layer.get_config()
        unrolled = _unrolled(config)
        if unrolled == config or not _num_steps(layer) <= MAX_STEPS:
            return layer
        made.append((layer, type(layer).from_config(unrolled)))
        return made[-1][1]

    copy = tf_keras.models.clone_model(model, clone_function=unroll)
    for layer, unrolled in made:
        unrolled.set_weights(layer.get_weights())
    return copy if made else model


def _unrolled(config):
    """Returns the config of a layer with that of layers inside unrolled."""
    if isinstance(config, dict):
        return {
            key: True if key == "unroll" else _unrolled(value)
            for key, value in config.items()
        }
    return config


def _num_steps(layer):
    try:
        shape = layer.input_shape
    except AttributeError:  # It is shared by inputs of several lengths.
        return MAX_STEPS + 1
    while isinstance(shape, list):  # Of several inputs.
        shape = shape[0]
    return shape[1] or MAX_STEPS + 1


class _Untracked:
    def __init__(self, bridge, hosted, to_keras, kept_weights):
        self.kept_weights = kept_weights
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
