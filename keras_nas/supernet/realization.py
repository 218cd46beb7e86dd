"""Choice primitives as switches between branches."""

import functools

import keras

from keras_nas.layers.cell import Cell
from keras_nas.layers.elastic_value import (
    ElasticValue,
    SharingError,
    channels_of,
    mark_channels,
)
from keras_nas.layers.factories import call_factory
from keras_nas.layers.input_choice import InputChoice
from keras_nas.layers.layer_choice import LayerChoice
from keras_nas.layers.repeat import Repeat
from keras_nas.layers.signatures import agree, describe, signature
from keras_nas.layers.subsets import members, subsets
from keras_nas.supernet.switch import Branch, ChosenSum, Switch, combination


def realize(hp, primitive, inputs):
    """Realises a choice primitive; returns its symbolic outputs.

    Args:
        hp: `SupernetHyperParameters`.
        primitive: `keras_nas.layers.Primitive`.
        inputs: `KerasTensor`, or nested structure of them.

    Raises:
        TypeError: If there is no realisation of this kind of primitive.
    """
    for kind, function in _REALIZATIONS.items():
        if isinstance(primitive, kind):
            return function(hp, primitive, inputs)
    raise TypeError(
        f"A supernet does not know how to share {primitive!r}. Expected a "
        f"{', '.join(kind.__name__ for kind in _REALIZATIONS)}."
    )


def _layer_choice(hp, choice, inputs, is_used=None):
    """A branch for each candidate.

    With `is_used`, an `ElasticValue`, there is one more, which gives zeros
    where that is 0.
    """
    keys = list(choice.candidates)
    index = hp.option(choice.name, keys)

    def apply(key, inputs):
        with hp.condition(choice.name, [key]):
            factory = choice.candidates[key]
            try:
                layer = call_factory(f"candidates[{key!r}]", factory)
                return layer(inputs)
            except Exception as error:
                error.add_note(f"Raised by candidate {key!r} of {choice!r}.")
                raise

    if isinstance(index, int):
        keys, index = [keys[index]], 0
        if is_used is None:
            return apply(keys[0], inputs)
    branches = {
        key: branch(functools.partial(apply, key), inputs) for key in keys
    }
    _check(choice, branches, inputs)
    if isinstance(index, ElasticValue):
        index.use("operation", [b.num_weights for b in branches.values()])
    if is_used is not None:
        branches["not connected"] = Branch(
            zeros=_outputs(branches[keys[0]], inputs)
        )
        index = index * is_used + (1 - is_used) * len(keys)
    return _switched(branches.values(), index, inputs)


def _input_choice(hp, choice, inputs):
    choice.check_inputs(inputs)
    options = subsets(repr(choice), len(inputs), choice.num_chosen)
    index = hp.option(choice.name, options)
    functions = [
        combination(members(option), choice.reduction) for option in options
    ]
    if isinstance(index, int):
        return functions[index](inputs)
    index.use("operation", [len(members(option)) for option in options])
    branches = [branch(function, inputs) for function in functions]
    return _switched(branches, index, list(inputs))


def _repeat(hp, repeat, inputs):
    depth = hp.Int(repeat.name, repeat.min_repeats, repeat.max_repeats)
    is_fixed = isinstance(depth, int)
    if not is_fixed:
        depth.use("depth")
    outputs = inputs
    for number in range(depth if is_fixed else repeat.max_repeats):

        def apply(inputs, number=number):
            name = f"{repeat.name}_{number}"
            return call_factory("block", repeat.block, name)(inputs)

        if is_fixed or number < repeat.min_repeats:
            outputs = apply(outputs)
            continue
        deeper = range(number + 1, repeat.max_repeats + 1)
        with hp.conditional_scope(repeat.name, list(deeper)):
            branches = {"skipped": Branch(), number: branch(apply, outputs)}
        _check(repeat, branches, outputs)
        outputs = _switched(branches.values(), depth.exceeds(number), outputs)
    return outputs


def _cell(hp, cell, inputs):
    def connect(node, sources, num_inputs):
        count = len(sources)
        name = f"{cell.name}_node{node}_inputs"
        if cell.inputs_per_node is None or count <= cell.inputs_per_node:
            return cell.sum_edges(
                node,
                {
                    index: cell.edge(node, index, num_inputs)(source)
                    for index, source in enumerate(sources)
                },
            )
        options = subsets(repr(cell), count, cell.inputs_per_node)
        chosen = hp.option(name, options)
        if isinstance(chosen, int):
            with hp.condition(name, [options[chosen]]):
                edges = {
                    index: cell.edge(node, index, num_inputs)(sources[index])
                    for index in members(options[chosen])
                }
            return cell.sum_edges(node, edges)
        chosen.use("operation", [len(members(option)) for option in options])
        edges, are_used = [], []
        for index, source in enumerate(sources):
            containing = [o for o in options if index in members(o)]
            is_used = chosen.map(
                lambda number, index=index: int(
                    index in members(options[number])
                )
            )
            with hp.conditional_scope(name, containing):
                edge = cell.edge(node, index, num_inputs)
                edges.append(_layer_choice(hp, edge, source, is_used))
            are_used.append(is_used)
        return ChosenSum(are_used)(edges)

    return cell.build_nodes(inputs, connect)


_REALIZATIONS = {
    LayerChoice: _layer_choice,
    InputChoice: _input_choice,
    Repeat: _repeat,
    Cell: _cell,
}


def branch(apply, inputs):
    """Makes a branch of a function.

    Args:
        apply: Function of symbolic inputs that returns symbolic outputs.
        inputs: `KerasTensor`, or nested structure of them, to apply it to
            others like.
    """
    own = keras.tree.map_structure(
        lambda tensor: keras.Input(
            batch_shape=tensor.shape, dtype=tensor.dtype
        ),
        inputs,
    )
    _copy_marks(inputs, own)
    outputs = apply(own)
    if outputs is own:
        return Branch()
    model = keras.Model(own, outputs)
    for layer in model.layers:
        if getattr(layer, "activity_regularizer", None) is not None:
            raise SharingError(
                f"{layer.name!r} has an `activity_regularizer`. Its loss "
                "cannot leave the branch of a supernet that it is in. Leave "
                "it out, or regularize the weights."
            )
    return Branch(model, zeros=outputs if _gives_zeros(model) else None)


# What `blocks.Zero` consists of.
_OF_ZERO = {"InputLayer", "MaxPooling2D", "ZerosLike"}


def _gives_zeros(model):
    """Returns whether a branch is `blocks.Zero`, and of a known shape."""
    kinds = [type(operation).__name__ for operation in model.operations]
    if kinds[-1] != "ZerosLike" or not _OF_ZERO.issuperset(kinds):
        return False
    is_tensor = isinstance(model.output, keras.KerasTensor)
    return is_tensor and None not in model.output.shape[1:]


def _switched(branches, index, inputs):
    """Applies a switch; what is known of its outputs is handed on."""
    branches = list(branches)
    outputs = Switch(branches, index)(inputs)
    _copy_marks(_outputs(branches[0], inputs), outputs)
    return outputs


def _copy_marks(tensors, others):
    for tensor, other in zip(
        keras.tree.flatten(tensors), keras.tree.flatten(others), strict=True
    ):
        mark_channels(other, channels_of(tensor))


def _outputs(branch, inputs):
    return inputs if branch.model is None else branch.model.output


def _check(primitive, branches, inputs):
    """Raises unless all branches give what looks the same."""
    signatures = {
        repr(key): signature(_outputs(branch, inputs))
        for key, branch in branches.items()
    }
    if not agree(signatures.values()):
        raise ValueError(
            f"The branches of {primitive!r} must agree in output shape and "
            "dtype, so that any of them can run. Received outputs of:\n"
            f"{describe(signatures)}"
        )
