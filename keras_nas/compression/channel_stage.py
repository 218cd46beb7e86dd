"""Pruning of channels as a stage of `compress`."""

import contextlib
import inspect

import keras

from keras_nas.compression.channel_pruning import (
    check_options,
    prune_channels,
)
from keras_nas.compression.kept_weights import KeptWeights


class ChannelStage:
    """Cuts channels out of a model, which is trained on afterwards.

    Args:
        arguments: Float, the share to cut, or a dict of arguments for
            `prune_channels`.
        skip: Names of layers to leave alone, which this stage cannot.

    Attributes:
        asks: Boolean, whether there is anything to cut.
    """

    name = "prune_channels"
    # It treats all layers alike.
    names = frozenset()

    def __init__(self, arguments, skip=()):
        self.arguments = _checked(arguments)
        self.asks = self.arguments.get("fraction") != 0
        if skip and self.asks:
            raise ValueError(
                "`skip` cannot be kept with `prune_channels`, which ties the "
                "channels of layers together. Call `compress` twice, without "
                f"`skip` for the channels. Received: skip={list(skip)}"
            )
        self._layers = {}

    def cut(self, model, x, y):
        """Returns a smaller model, and remembers what became of each layer.

        Args:
            model: Keras 3 model.
            x: Training data.
            y: Targets.
        """
        smaller, report = prune_channels(
            model, x=x, y=y, return_report=True, **self.arguments
        )
        self._layers = {layer.name: layer for layer in report.layers}
        return smaller

    def outcome(self, name):
        """Says what became of a layer.

        Args:
            name: String, its name.

        Returns:
            A list of what was done, and the reason why not more was, or `None`.
        """
        layer = self._layers.get(name)
        if layer is None:
            return [], None
        before, after = layer.channels_before, layer.channels_after
        done = [f"channels {before} -> {after}"] if after < before else []
        note = layer.reason and f"channels kept: {layer.reason}"
        return done, note

    def kept_weights(self, model):
        """Returns a callback that puts zeros and shared values back.

        Args:
            model: Keras 3 model that is trained, pruned or clustered before.
        """
        kept_weights = KeptWeights(model.trainable_variables)
        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: kept_weights.put_back(),
            on_train_end=lambda logs: kept_weights.put_back(),
        )

    @contextlib.contextmanager
    def lower_momentum(self, model, momentum):
        """Lowers the momentum of each `BatchNormalization` for a while.

        Args:
            model: Keras 3 model.
            momentum: Float, the largest that is left.
        """
        layers = [
            layer
            for layer in all_layers(model)
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        before = [layer.momentum for layer in layers]
        for layer in layers:
            layer.momentum = min(layer.momentum, momentum)
        try:
            yield
        finally:
            for layer, value in zip(layers, before, strict=True):
                layer.momentum = value


def _checked(arguments):
    """Returns arguments for `prune_channels`, found valid before any work."""
    if not isinstance(arguments, dict):
        try:
            check_options(fraction=arguments)
        except ValueError:
            raise ValueError(
                "Invalid value received for argument `prune_channels`. "
                "Expected the share of channels to cut, at least 0 and below "
                "1, such as 0.5 for half of them, or a dict of arguments for "
                "`keras_nas.compression.prune_channels`. Received: "
                f"prune_channels={arguments!r}"
            ) from None
        return {"fraction": arguments}
    parameters = inspect.signature(prune_channels).parameters
    # The model and the data are those of `compress`.
    known = set(parameters) - {"model", "x", "y", "return_report"}
    if unknown := set(arguments) - known:
        raise ValueError(
            "Invalid value received for argument `prune_channels`. Expected "
            f"a dict with some of the keys {sorted(known)}; there is no choice "
            "by layer, because channels of layers are tied together. "
            f"Received: the keys {sorted(unknown, key=str)}"
        )
    options = inspect.signature(check_options).parameters
    check_options(**{k: v for k, v in arguments.items() if k in options})
    return arguments


def all_layers(model):
    """Yields the layers of a model, those of models inside of it too."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)
        else:
            yield layer
