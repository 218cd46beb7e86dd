"""Training with the rounding errors of int8, so that weights adapt to them."""

import re

from keras_nas.compression.compression_stage import CompressionStage
from keras_nas.compression.legacy_keras import import_tfmot

_REFUSED = re.compile(r"Layer (\S+?):")
_REFUSED_CLASS = re.compile(
    r"(?:Layer|for Layer)\s+(?:<class '.*?(\w+)'>|(\w+))\s*(?:is not|\.)"
)


class QuantizationAwareTraining(CompressionStage):
    """Emulates int8 in the forward pass of the training.

    Layers that TF-MOT cannot quantise train in float; the conversion to int8,
    which needs representative data, quantises them afterwards.

    Args:
        keep_sparsity: Boolean, whether zeros have to stay zeros (PQAT).
        keep_clusters: Boolean, whether kernels have to keep their number of
            values (CQAT; with both, PCQAT).
        skip: Names of layers to leave alone.

    Reference:

    - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877)
    """

    name = "quantize"
    done = "trained for int8"

    def __init__(self, keep_sparsity=False, keep_clusters=False, skip=()):
        super().__init__(True, skip)
        self.keep_sparsity = keep_sparsity
        self.keep_clusters = keep_clusters

    def wrap(self, bridge, num_steps):
        """Makes the tf_keras model that is trained.

        Args:
            bridge: `Bridge`.
            num_steps: Integer, steps of the training.

        Returns:
            The model, a dict from names of Keras 3 layers to the reason they
            were left alone, and a list of Keras 3 callbacks.
        """
        del num_steps
        tfmot, tf_keras = import_tfmot()
        quantization = tfmot.quantization.keras
        scheme = self._scheme(tfmot)
        refused = {
            layer.name
            for layer in bridge.model.layers
            if self._is_skipped(bridge, layer)
        }
        notes = {}

        def annotate(layer):
            if layer.name in refused:
                return layer
            return quantization.quantize_annotate_layer(layer)

        # TF-MOT names one layer that it refuses at a time.
        for _ in bridge.model.layers:
            try:
                with quantization.quantize_scope(_own_classes(bridge)):
                    annotated = tf_keras.models.clone_model(
                        bridge.model, clone_function=annotate
                    )
                    model = quantization.quantize_apply(annotated, scheme)
                break
            except (RuntimeError, ValueError) as error:
                names = _refused_names(error, bridge.model, refused)
                if not names:
                    raise
                refused |= names
                for name in names:
                    _note(notes, bridge, name)
        return model, notes, []

    def unwrap(self, bridge, model):
        """Returns the Keras 3 model with the weights that were trained.

        That is the model before, if its clusters are to be kept, which no
        other weights have, or if TF-MOT has replaced layers by others.
        """
        weights = trained_weights(bridge, model)
        if weights is None or self.keep_clusters:
            weights = {}
        result = bridge.with_weights(weights)
        if self.keep_sparsity:
            for new, old in zip(
                result.variables, bridge.source.variables, strict=True
            ):
                if len(old.shape) > 1:
                    new.assign(new.numpy() * (old.numpy() != 0))
        return result

    def _scheme(self, tfmot):
        combined = tfmot.experimental.combine
        if self.keep_clusters:
            return combined.Default8BitClusterPreserveQuantizeScheme(
                preserve_sparsity=self.keep_sparsity
            )
        if self.keep_sparsity:
            return combined.Default8BitPrunePreserveQuantizeScheme()
        return tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()

    def _is_skipped(self, bridge, layer):
        if type(layer).__name__ in ("InputLayer", "WrappingLayer"):
            return True
        source = bridge.layer_of(layer.name)
        return source is not None and source.name in self.skip


def trained_weights(bridge, model):
    """Reads the weights out of a model of TF-MOT.

    Its wrappers hold the kernel beside the layer, and numbers of their own.

    Args:
        bridge: `Bridge` that the model was made from.
        model: tf_keras model, as `QuantizationAwareTraining.wrap` returns it.

    Returns:
        Dict from names of layers of `bridge.model` to lists of arrays, or
        `None` if TF-MOT has replaced a layer by others.
    """
    layers = {layer.name: layer for layer in model.layers}
    weights = {}
    for name in bridge.weighted_names:
        wrapper = layers.get(f"quant_{name}", layers.get(name))
        if wrapper is None:
            return None
        found = {_last_part(weight.name): weight for weight in wrapper.weights}
        parts = [_last_part(part) for part in bridge.weight_names(name)]
        if len(set(parts)) < len(parts) or not set(parts) <= set(found):
            # Parts of an unquantised layer may have like names; it is as it
            # was, so its weights are in order.
            if len(wrapper.weights) != len(parts):
                return None
            weights[name] = wrapper.get_weights()
        else:
            weights[name] = [found[part].numpy() for part in parts]
    return weights


def _last_part(name):
    return name.split(":")[0].split("/")[-1]


def _own_classes(bridge):
    return {
        type(layer).__name__: type(layer)
        for layer in bridge.model.layers
        if type(layer).__name__ == "WrappingLayer"
    }


def _refused_names(error, model, known):
    """Returns the names of layers that an error of TF-MOT is about."""
    match = _REFUSED.match(str(error))
    if match and match[1] not in known:
        return {match[1]}
    match = _REFUSED_CLASS.search(str(error))
    kind = match and (match[1] or match[2])
    return {
        layer.name
        for layer in model.layers
        if type(layer).__name__ == kind and layer.name not in known
    }


def _note(notes, bridge, name):
    source = bridge.layer_of(name)
    kind = type(bridge.model.get_layer(name)).__name__
    notes[source.name if source is not None else name] = (
        f"TF-MOT does not train {kind} for int8; the conversion quantises it"
    )
