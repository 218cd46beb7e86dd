"""BatchNormalization statistics of the architecture that runs.

This is the only file that touches `_flatten_layers` of Keras: there is no
public way to find a layer within a layer of the user's own.
"""

import contextlib

import keras
import tensorflow as tf

from keras_nas.layers.elastic_value import ElasticValue


class Calibration:
    """Measures anew what BatchNormalization layers know of their inputs.

    In a supernet the moving statistics are a mixture of all architectures
    that have run through a layer, and right for none of them. They are
    replaced by the mean over some batches. One traced function does that for
    every architecture.

    All other layers run as in inference: dropout would make statistics that
    no later call sees, and random numbers that depend on what was done
    before. Statistics of channels that the architecture does not have stay.

    Args:
        supernet: `keras_nas.Supernet`.
        network: `keras.Model`, the network in it.
        parts: `WeightParts` of the network.

    Reference:

    - [Guo et al., 2020, Single Path One-Shot](https://arxiv.org/abs/1904.00420),
      section 3.
    """

    def __init__(self, supernet, network, parts):
        self._supernet = supernet
        self._parts = parts
        self._layers = [
            layer
            for layer in layers_of(network)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        self._step = tf.function(
            self._run_batch, reduce_retracing=True, autograph=False
        )

    @property
    def variables(self):
        """The statistics."""
        return [
            variable
            for layer in self._layers
            for variable in layer.non_trainable_variables
        ]

    def run(self, batches):
        """Measures the statistics over some batches.

        Args:
            batches: Iterable of batches of inputs.
        """
        for number, batch in enumerate(batches):
            # So the mean over all batches so far is kept.
            self._step(batch, tf.constant(number / (number + 1)))

    def _run_batch(self, batch, momentum):
        with contextlib.ExitStack() as stack:
            for layer in self._layers:
                stack.enter_context(self._measuring(layer, momentum))
            self._supernet(batch, training=False)

    @contextlib.contextmanager
    def _measuring(self, layer, momentum):
        """Has a layer run as in training, while it is traced.

        Args:
            layer: `keras.layers.BatchNormalization`.
            momentum: Scalar tensor, instead of that of the layer.
        """
        call, before = layer.call, layer.momentum

        def call_in_training(inputs, training=None, **kwargs):
            del training
            with self._rest_kept(layer):
                return call(inputs, training=True, **kwargs)

        layer.call, layer.momentum = call_in_training, momentum
        try:
            yield
        finally:
            del layer.call
            layer.momentum = before

    @contextlib.contextmanager
    def _rest_kept(self, layer):
        """Puts back the statistics of channels that are not used."""
        known = [
            (variable.value, used, tf.identity(variable.value))
            for variable in layer.non_trainable_variables
            if (used := self._parts.used(variable, ElasticValue.current))
            is not None
        ]
        yield
        for variable, used, before in known:
            variable.assign(tf.where(used, variable, before))


def layers_of(network):
    """Returns all layers of a network, each once.

    Args:
        network: `keras.Model`.
    """
    layers = network._flatten_layers(include_self=False)
    return list({id(layer): layer for layer in layers}.values())
