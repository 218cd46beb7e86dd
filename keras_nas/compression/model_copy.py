"""Copies of Keras 3 models, of the same or of other widths."""

import types
import warnings

import keras

from keras_nas.compile_arguments import compile_like
from keras_nas.compression.parity import outputs_difference, random_inputs
from keras_nas.export.flat_layers import flat_layers
from keras_nas.graph import Graph, functional, has_graph, tensors_in

_TOLERANCE = 1e-5
_WITHOUT_STATE = (
    keras.constraints.Constraint,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
)


def copy_model(model):
    """Returns a copy that shares nothing with a model.

    Unlike that of `keras.models.clone_model`, it has the weights and state of
    the model, and compiled models are copied whatever their loss and metrics
    are. The copy is run on random inputs, and so is the model.

    Args:
        model: Built `keras.Model` with a graph. It is not changed.

    Returns:
        A `keras.Model`, compiled as `model` is.

    Raises:
        ValueError: If a layer cannot be copied, or does not compute the same
            with the same weights.
    """
    copy = copy_with_values(model)
    inputs = random_inputs(Graph(copy))
    difference = outputs_difference(model, copy, inputs)
    # A model may be random even when it does not train.
    if not difference <= max(
        _TOLERANCE, outputs_difference(model, model, inputs)
    ):
        raise ValueError(
            f"A copy of model '{model.name}' with the same weights does not "
            "compute the same: on random inputs the outputs differ by "
            f"{difference:.1e}, relative to the largest. Expected layers whose "
            "`get_config` returns all arguments, and that keep no state "
            "outside of weights. Received layers of the classes "
            f"{_own_classes(model)}"
        )
    return copy


def copy_with_values(model, values=None):
    """Returns a copy of a model, some variables of which may differ.

    Args:
        model: Built `keras.Model` with a graph.
        values: Optional dict from `id` of a variable of `model` to an array.
            The others have the values they have.

    Returns:
        A `keras.Model`, compiled as `model` is.
    """
    values = values or {}
    copy, copies = copy_structure(model)
    for layer, new in copies.items():
        if isinstance(layer, keras.Layer) and not has_graph(layer):
            assign_all(
                layer.variables,
                new.variables,
                lambda old: values.get(id(old), old),
            )
            finalize_state(new)
    compile_like(copy, model)
    return copy


def copy_structure(model, widths=None):
    """Returns a copy of a model with weights of its own, and which is which.

    Args:
        model: Built `keras.Model` with a graph.
        widths: Optional dict from layers to the argument of their
            configuration that is to be another, and its value.

    Returns:
        A tuple: the copy, which is not compiled, and a dict from all layers
        and operations of `model` to theirs of the copy.
    """
    copies = {}
    copy = _copied_model(model, model.inputs, widths or {}, copies)
    return copy, copies


def assign_all(old_variables, new_variables, value_of):
    """Assigns to each variable what belongs to its old one.

    Args:
        old_variables: List of variables of a layer.
        new_variables: List of those of its copy.
        value_of: Function of an old variable.
    """
    for old, new in zip(old_variables, new_variables, strict=True):
        if old is not new:
            new.assign(value_of(old))


def finalize_state(layer):
    """Lets layers take over weights that were assigned to them.

    `Normalization` computes with constants that it makes of its weights.

    Args:
        layer: `keras.Layer`.
    """
    for inner in flat_layers(layer):
        if isinstance(inner, keras.layers.Normalization):
            inner.finalize_state()


def _copied_model(model, given, widths, copies):
    """Returns a model of other layers in the place of each.

    Args:
        model: `keras.Model` with a graph.
        given: List of tensors like those it will be given.
        widths: As for `copy_structure`.
        copies: Dict from layers to their copies, which is filled.
    """

    def copied(operation, tensors):
        if operation not in copies:
            copies[operation] = (
                _copied_model(operation, tensors, widths, copies)
                if has_graph(operation)
                else _copied_layer(operation, widths.get(operation))
            )
        return copies[operation]

    def apply(operation, *args, **kwargs):
        return copied(operation, tensors_in((args, kwargs)))(*args, **kwargs)

    if isinstance(model, keras.Sequential):
        x = inputs = _input_like(model.inputs[0], given[0], model)
        # `Sequential` applies them itself. Twice is once too often: what they
        # give belongs to the first time, and `layer.output` then as well.
        needs_shapes = widths and any(map(has_graph, model.layers))
        for layer in model.layers:
            if needs_shapes:
                x = apply(layer, x)
            else:
                copied(layer, getattr(layer, "inputs", None))
        layers = [inputs, *(copies[layer] for layer in model.layers)]
        kind = keras.Sequential
        if type(model).__init__ is kind.__init__:
            kind = type(model)
        return kind(layers, name=model.name)
    tensors = {
        id(tensor): _input_like(tensor, like, model)
        for tensor, like in zip(model.inputs, given, strict=True)
    }
    copy = keras.models.clone_model(
        functional(model),
        input_tensors=keras.tree.map_structure(
            lambda tensor: tensors[id(tensor)], model.input
        ),
        clone_function=lambda layer: layer,
        call_function=apply,
    )
    if type(model).__init__ is not type(copy).__init__:
        return copy
    # A class of the user's own may have a training step of its own.
    return type(model)(copy.input, copy.output, name=model.name)


def _input_like(tensor, given, model):
    """Returns an input of the same name with the channels that are given."""
    names = {
        id(layer.output): layer.name
        for layer in model.layers
        if isinstance(layer, keras.layers.InputLayer)
    }
    shape = tensor.shape
    if shape[-1] is not None and len(shape) > 1:
        shape = (*shape[:-1], given.shape[-1])
    return keras.Input(
        batch_shape=shape,
        dtype=tensor.dtype,
        name=names.get(id(tensor), tensor.name),
    )


def _copied_layer(layer, width):
    """Returns a new layer, with another width if one is given."""
    if not isinstance(layer, keras.layers.Layer):
        return layer  # An operation of `keras.ops` has no weights.
    if type(layer) is keras.layers.Lambda:
        return layer  # Nor has this, and no safe way back from its config.
    try:
        with warnings.catch_warnings():
            # That a function will not be saved, which is not the matter here.
            warnings.simplefilter("ignore", UserWarning)
            config = layer.get_config()
        for argument in config:
            value = getattr(layer, argument, None)
            if _is_of_the_user(value):
                config[argument] = value
        if width is not None:
            argument, number = width
            if argument != "target_shape":
                config[argument] = number
            elif config[argument][-1] != -1:
                config[argument] = (*config[argument][:-1], number)
        return type(layer).from_config(config)
    except (NotImplementedError, TypeError) as error:
        raise ValueError(
            f"Layer {layer.name!r} of class {type(layer).__name__} cannot be "
            "copied. Expected a `get_config` that returns all arguments of "
            f"its constructor. Received: {error}"
        ) from error


def _is_of_the_user(value):
    """Whether Keras may not find something by what a configuration says."""
    return isinstance(value, types.FunctionType) or (
        isinstance(value, _WITHOUT_STATE)
        and not type(value).__module__.startswith("keras.")
    )


def _own_classes(model):
    return sorted(
        {
            type(layer).__name__
            for layer in flat_layers(model)
            if type(layer)
            is not getattr(keras.layers, type(layer).__name__, None)
            and not isinstance(layer, keras.Model)
        }
    )
