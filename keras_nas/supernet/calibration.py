"""BatchNormalization statistics of the architecture that runs.

This is the only file that touches `_flatten_layers` of Keras: there is no
public way to find a layer within a layer of the user's own.
"""

import contextlib

import keras
import tensorflow as tf


class Calibration:
    """Measures anew what BatchNormalization layers know of their inputs.

    In a supernet the moving statistics are a mixture of all architectures
    that have run through a layer, and right for none of them. They are
    replaced by the mean over some batches. One traced function does that for
    every architecture.

    Args:
        supernet: `keras_nas.Supernet`.
        network: `keras.Model`, the network in it.

    Reference:

    - [Guo et al., 2020, Single Path One-Shot](https://arxiv.org/abs/1904.00420),
      section 3.
    """

    def __init__(self, supernet, network):
        self._supernet = supernet
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
        with self._momentum(momentum):
            self._supernet(batch, training=True)

    @contextlib.contextmanager
    def _momentum(self, momentum):
        """Has the layers use a tensor, while they are traced."""
        before = [layer.momentum for layer in self._layers]
        try:
            for layer in self._layers:
                layer.momentum = momentum
            yield
        finally:
            for layer, value in zip(self._layers, before, strict=True):
                layer.momentum = value


def layers_of(network):
    """Returns all layers of a network, each once.

    Args:
        network: `keras.Model`.
    """
    layers = network._flatten_layers(include_self=False)
    return list({id(layer): layer for layer in layers}.values())
