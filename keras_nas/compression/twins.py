"""The tf_keras layer that does the same as a Keras 3 layer."""

import inspect

import keras

from keras_nas.compression.hosted_regularizer import host_regularizer

# Keras 3 layers that have a namesake in tf_keras which computes the same if
# its arguments are the same. Whether they are is checked argument by argument,
# and by the numbers in the end.
_NAMESAKES = frozenset(
    [
        "Activation",
        "Add",
        "AdditiveAttention",
        "AlphaDropout",
        "Attention",
        "Average",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "BatchNormalization",
        "Bidirectional",
        "Concatenate",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Dense",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Dot",
        "Dropout",
        "ELU",
        "EinsumDense",
        "Embedding",
        "Flatten",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "GroupNormalization",
        "LSTM",
        "LayerNormalization",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "Maximum",
        "Minimum",
        "MultiHeadAttention",
        "Multiply",
        "PReLU",
        "Permute",
        "ReLU",
        "RepeatVector",
        "Rescaling",
        "Reshape",
        "Resizing",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
        "Softmax",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "Subtract",
        "TimeDistributed",
        "UnitNormalization",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ]
)

# Activations with one formula in both. Not `hard_sigmoid`, which has another
# slope in Keras 2.
SAME_ACTIVATIONS = frozenset(
    [
        "elu",
        "exponential",
        "gelu",
        "linear",
        "mish",
        "relu",
        "selu",
        "sigmoid",
        "softmax",
        "softplus",
        "softsign",
        "swish",
        "tanh",
    ]
)
_RENAMED_ACTIVATIONS = {"silu": "swish"}
# Taken by tf_keras, although no signature says so.
_UNDECLARED = frozenset(("trainable", "zero_output_for_mask"))
_RENAMED_ARGUMENTS = {"LeakyReLU": {"negative_slope": "alpha"}}

# Arguments that do not change what a trained layer computes. Constraints are
# for an optimizer that knows the variables of Keras 3.
_IRRELEVANT = frozenset(("dtype", "name", "seed", "quantization_config"))
_IRRELEVANT_ENDINGS = ("_initializer", "_constraint")
_REGULARIZERS = ("L1", "L2", "L1L2", "OrthogonalRegularizer")
_INNER_LAYERS = ("layer", "backward_layer")


def make_twin(layer, name, tf_keras, batch_norm_momentum=None):
    """Makes the tf_keras layer that does the same as a Keras 3 layer.

    Args:
        layer: Keras 3 layer.
        name: String, the name that the twin gets.
        tf_keras: The module.
        batch_norm_momentum: Optional float, the largest momentum of a
            `BatchNormalization`.

    Returns:
        The twin, without the regularizer of its outputs, and the Keras 3
        activation to apply to what it gives (or `None`), or `None` if tf_keras
        has no layer that does the same.
    """
    if not _is_namesake(layer):
        return None
    config = layer.get_config()
    arguments, left_over = {}, None
    for key, value in config.items():
        if key in _IRRELEVANT or key.endswith(_IRRELEVANT_ENDINGS):
            continue
        if key == "activity_regularizer":
            continue  # What it adds tf_keras divides by the size of the batch.
        if key in _INNER_LAYERS and value is not None:
            value = _inner_twin(layer, key, tf_keras)
            if value is None:
                return None
        elif key.endswith("activation"):
            value, unknown = _activation(getattr(layer, key))
            if unknown is not None:
                if key != "activation" or not _ends_with_activation(layer):
                    return None
                left_over = unknown
        elif key.endswith("_regularizer"):
            value = _regularizer(layer, key, value, tf_keras)
            if value is None and config[key] is not None:
                return None
        elif not _is_plain(value):
            return None
        arguments[key] = value
    renamed = _RENAMED_ARGUMENTS.get(type(layer).__name__, {})
    arguments = {renamed.get(k, k): v for k, v in arguments.items()}
    twin_class = getattr(tf_keras.layers, type(layer).__name__)
    known = _UNDECLARED | set(_parameters(twin_class))
    for key in list(arguments):
        if key in known:
            continue
        if not _is_default(layer, key, arguments.pop(key)):
            return None
    if batch_norm_momentum and "momentum" in arguments:
        arguments["momentum"] = min(arguments["momentum"], batch_norm_momentum)
    return twin_class(name=name, **arguments), left_over


def _is_namesake(layer):
    name = type(layer).__name__
    # A class of the user's may have any name.
    return name in _NAMESAKES and type(layer) is getattr(keras.layers, name)


def _inner_twin(layer, key, tf_keras):
    inner = {
        ("Bidirectional", "layer"): "forward_layer",
    }.get((type(layer).__name__, key), key)
    inner = getattr(layer, inner)
    made = make_twin(inner, inner.name, tf_keras)
    if made is None or made[1] is not None or inner.activity_regularizer:
        return None
    return made[0]


def _ends_with_activation(layer):
    """Whether the activation is applied to what the layer gives."""
    return type(layer).__name__ in ("Activation", "Dense", "EinsumDense") or (
        "Conv" in type(layer).__name__
    )


def _activation(function):
    """Returns the name in tf_keras, and what has no name there."""
    name = getattr(function, "__name__", None)
    if function is None or function is keras.activations.linear:
        return "linear", None
    if name and function is getattr(keras.activations, name, None):
        name = _RENAMED_ACTIVATIONS.get(name, name)
        if name in SAME_ACTIVATIONS:
            return name, None
    return "linear", function


def _regularizer(layer, key, config, tf_keras):
    """Returns a regularizer that adds the same, or `None` if there is none."""
    # Some layers keep them to themselves.
    regularizer = getattr(layer, key, None)
    name = config["class_name"] if isinstance(config, dict) else None
    if name in _REGULARIZERS and (
        regularizer is None
        or type(regularizer) is getattr(keras.regularizers, name)
    ):
        numbers = {
            key: float(value) if isinstance(value, (int, float)) else value
            for key, value in config["config"].items()
        }
        return getattr(tf_keras.regularizers, name)(**numbers)
    return regularizer and host_regularizer(regularizer)


def _is_plain(value):
    return all(
        item is None or isinstance(item, (bool, int, float, str))
        for item in keras.tree.flatten(value)
    )


def _is_default(layer, key, value):
    if value is None or value is False:  # What is off needs no twin.
        return True
    default = _parameters(type(layer)).get(key)
    return default is not None and default.default == value


def _parameters(layer_class):
    """Returns the parameters of `__init__`, those of base classes too."""
    parameters = {}
    for base in layer_class.__mro__:
        if "__init__" in vars(base) and base is not object:
            signature = inspect.signature(base.__init__)
            parameters = dict(signature.parameters) | parameters
    return parameters
