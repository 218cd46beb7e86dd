"""Training with the rounding errors of int8, so that weights adapt to them."""

import functools
import re

import numpy as np

from keras_nas.compression.compression_stage import CompressionStage
from keras_nas.compression.kept_weights import KeptWeights
from keras_nas.compression.legacy_keras import import_tfmot

_REFUSED = re.compile(r"Layer (\S+?):")
# What TF-MOT emulates at the end of a layer, and in an `Activation`.
_ACTIVATIONS = frozenset(
    [None, "gelu", "linear", "relu", "sigmoid", "softmax", "swish", "tanh"]
)
# It knows these only together with others, or by taking them apart.
_TRANSFORMED = ("BatchNormalization", "SeparableConv2D")
# TFLite gives their output the scale of their input. TF-MOT emulates another,
# and where a `Concatenate` follows, which asks for one scale too, the converter
# finds no way out.
_SAME_SCALE = ("AveragePooling1D", "AveragePooling2D")


class QuantizationAwareTraining(CompressionStage):
    """Emulates int8 in the forward pass of the training.

    Layers that TF-MOT cannot quantise train in float; the conversion to int8,
    which needs representative data, quantises them afterwards.

    The schemes of TF-MOT that keep zeros and clusters do so in dense and
    convolutional layers only. Here they are kept in all layers, by
    `KeptWeights`.

    Args:
        skip: Names of layers to leave alone.

    Reference:

    - [Jacob et al., 2018](https://arxiv.org/abs/1712.05877)
    """

    name = "quantize"
    done = "trained for int8"

    def __init__(self, skip=()):
        super().__init__(True, skip)
        self._variables = {}

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
        scheme = (
            tfmot.quantization.keras.default_8bit.Default8BitQuantizeScheme()
        )
        registry = scheme.get_quantize_registry()
        left_alone, notes = set(), {}
        for layer in bridge.model.layers:
            source = bridge.layer_of(layer.name)
            if source is not None and source.name in self.skip:
                left_alone.add(layer.name)
            elif (reason := _refusal(layer, source, registry)) is not None:
                left_alone.add(layer.name)
                _note(notes, bridge, layer.name, reason)

        model = None
        while model is None:
            candidates = [
                layer.name
                for layer in bridge.model.layers
                if layer.name not in left_alone
            ]
            if not candidates:
                model = tf_keras.models.clone_model(
                    bridge.model, clone_function=lambda layer: layer
                )
                break
            try:
                model = _quantized(bridge.model, candidates, scheme)
            # TF-MOT has errors of many classes for what it cannot do.
            except Exception as error:
                for name in _blamed(error, bridge.model, candidates, scheme):
                    left_alone.add(name)
                    layer = bridge.layer_of(name) or bridge.model.get_layer(
                        name
                    )
                    reason = _describe(layer)
                    if _refused_name(error, candidates) is None:
                        reason = f"{reason}: {error}"
                    _note(notes, bridge, name, reason)
        # Before the training they can be told by their values.
        self._variables = _find_variables(bridge, model)
        return model, notes, []

    def kept_weights(self, model):
        """Returns what is put back after each step of the training.

        Args:
            model: tf_keras model, as `wrap` returns it.

        Returns:
            `KeptWeights` of all layers.
        """
        return KeptWeights(model.trainable_variables)

    def unwrap(self, bridge, model):
        """Returns the Keras 3 model with the weights that were trained."""
        del model
        return bridge.with_weights(
            {
                name: [variable.numpy() for variable in variables]
                for name, variables in self._variables.items()
            }
        )


def _refusal(layer, source, registry):
    """Returns why a layer cannot be trained for int8, or `None`.

    An empty string is no reason to mention.
    """
    kind = type(layer).__name__
    if kind == "InputLayer":
        return ""
    if kind == "WrappingLayer":
        return "" if source is None else _describe(source)
    if kind not in _TRANSFORMED and not registry.supports(layer):
        return _describe(source or layer)
    name = _unknown_activation(layer)
    if name is not None:
        return (
            f"TF-MOT does not train the activation {name} for int8; the "
            "conversion quantises the layer"
        )
    return None


def _unknown_activation(layer):
    """Returns the name of an activation that TF-MOT cannot emulate."""
    name = _activation_name(layer)
    return None if name in _ACTIVATIONS else name


def _activation_name(layer):
    activation = getattr(layer, "activation", None)
    if activation is None:
        return None
    return getattr(activation, "__name__", type(activation).__name__)


def _describe(layer):
    return (
        f"TF-MOT does not train {type(layer).__name__} for int8; the "
        "conversion quantises it"
    )


def _note(notes, bridge, name, reason):
    if reason:
        source = bridge.layer_of(name)
        notes[source.name if source is not None else name] = reason


def _quantized(model, names, scheme):
    """Returns a copy of a model with int8 emulated in some layers."""
    tfmot, tf_keras = import_tfmot()
    quantization = tfmot.quantization.keras
    no_emulation = _no_emulation_class()
    registry = scheme.get_quantize_registry()
    own_classes = {
        type(layer).__name__: type(layer)
        for layer in model.layers
        if type(layer).__name__ == "WrappingLayer"
    }
    own_classes[no_emulation.__name__] = no_emulation

    def annotate(layer):
        is_chosen = layer.name in names
        if is_chosen and type(layer).__name__ not in _SAME_SCALE:
            return quantization.quantize_annotate_layer(layer)
        # TF-MOT would quantise what the next layer is given, and fails at an
        # activation which it does not know.
        if is_chosen or (
            registry.supports(layer) and _unknown_activation(layer)
        ):
            return quantization.quantize_annotate_layer(layer, no_emulation())
        return layer

    _pass_over_names(model, tf_keras)
    with quantization.quantize_scope(own_classes):
        annotated = tf_keras.models.clone_model(model, clone_function=annotate)
        return quantization.quantize_apply(annotated, scheme)


def _pass_over_names(model, tf_keras):
    """Lets tf_keras give no new layer a name that is taken.

    TF-MOT takes separable convolutions apart, and has tf_keras name the parts.
    Keras 3 counts by itself, so both have a "conv2d". Of two with that name
    one is lost: what follows it is not folded, or the search for it never ends.
    """
    layers = tf_keras.layers
    taken = [_number_of(layer.name) for layer in model.layers]
    for create in (
        lambda: layers.Conv2D(1, 1),
        lambda: layers.DepthwiseConv2D(1),
    ):
        base = _number_of(create().name)[0]
        highest = max((n for name, n in taken if name == base), default=-1)
        while _number_of(create().name)[1] < highest:
            pass


def _number_of(name):
    """Takes the number off an automatic name; 0 if it has none."""
    base, _, number = name.rpartition("_")
    return (base, int(number)) if number.isdigit() and base else (name, 0)


@functools.cache
def _no_emulation_class():
    """Returns the class of what tells TF-MOT to leave a layer as it is."""
    tfmot, _ = import_tfmot()

    class NoEmulation(tfmot.quantization.keras.QuantizeConfig):
        def get_weights_and_quantizers(self, layer):
            return []

        def get_activations_and_quantizers(self, layer):
            return []

        def set_quantize_weights(self, layer, quantize_weights):
            pass

        def set_quantize_activations(self, layer, quantize_activations):
            pass

        def get_output_quantizers(self, layer):
            return []

        def get_config(self):
            return {}

    return NoEmulation


def _blamed(error, model, names, scheme):
    """Returns the names of layers to leave alone after an error of TF-MOT."""
    refused = _refused_name(error, names)
    if refused is not None:
        # TF-MOT names one, and Xception has 34 like it.
        place = _place(model.get_layer(refused))
        return [n for n in names if _place(model.get_layer(n)) == place]
    alone = [
        name
        for name in names
        if not _can_be_quantized(model.get_layer(name), scheme)
    ]
    # No layer by itself: they do not go together.
    return alone or names


def _refused_name(error, names):
    """Returns the name of the layer that TF-MOT says it refuses, or `None`."""
    match = _REFUSED.match(str(error))
    return match[1] if match and match[1] in names else None


def _place(layer):
    """What decides whether TF-MOT takes a layer together with the one before.

    Returns:
        Anything that is equal for layers of one kind behind layers of one kind.
    """
    before = layer.inbound_nodes[0].inbound_layers
    described = [
        (type(one), _activation_name(one), len(one.outbound_nodes))
        for one in _as_list(before)
    ]
    return type(layer), _activation_name(layer), described


def _can_be_quantized(layer, scheme):
    """Whether TF-MOT takes a model of nothing but this layer."""
    _, tf_keras = import_tfmot()
    try:
        inputs = [
            tf_keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
            for tensor in _as_list(layer.input)
        ]
        copy = type(layer).from_config(layer.get_config())
        outputs = copy(inputs if len(inputs) > 1 else inputs[0])
        _quantized(tf_keras.Model(inputs, outputs), [copy.name], scheme)
    except Exception:
        return False
    return True


def _as_list(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _find_variables(bridge, model):
    """Finds the weights of each layer in a model of TF-MOT.

    Its wrappers have numbers of their own beside them, and a
    `SeparableConv2D` has become two layers of other names.

    Args:
        bridge: `Bridge` that the model was made from.
        model: tf_keras model with the weights of `bridge.model`.

    Returns:
        Dict from names of layers of `bridge.model` to lists of variables, in
        the order of the weights of the Keras 3 layer.
    """
    layers = {layer.name: layer for layer in model.layers}
    variables, apart = {}, []
    for name in bridge.weighted_names:
        layer = layers.pop(f"quant_{name}", None) or layers.pop(name, None)
        if layer is None:
            apart.append(name)
            continue
        parts = [_last_part(part) for part in bridge.weight_names(name)]
        found = {_last_part(weight.name): weight for weight in layer.weights}
        if len(set(parts)) == len(parts) and set(parts) <= set(found):
            variables[name] = [found[part] for part in parts]
        elif hasattr(layer, "weights_in_order"):
            variables[name] = layer.weights_in_order()
        else:
            # An unquantised layer is as it was, so its weights are in order.
            variables[name] = layer.weights[: len(parts)]
    for name in apart:
        values = bridge.model.get_layer(name).get_weights()
        depthwise = _take(layers, values[:1])
        variables[name] = depthwise + _take(layers, values[1:])
    return variables


def _take(layers, values):
    """Takes the layer with these weights out of a dict of layers."""
    for name, layer in layers.items():
        found = []
        for value in values:
            found += [
                weight
                for weight in layer.weights
                if weight.shape == value.shape
                and np.array_equal(weight.numpy(), value)
                and not any(weight is other for other in found)
            ][:1]
        if len(found) == len(values):
            del layers[name]
            return found
    raise RuntimeError(
        "TF-MOT has changed the weights of a layer, which is a defect of "
        f"keras_nas. Looked for weights of the shapes "
        f"{[value.shape for value in values]} in {sorted(layers)}"
    )


def _last_part(name):
    return name.split(":")[0].split("/")[-1]
