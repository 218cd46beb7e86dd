"""Which layers of two models are the same: by name, kind and shapes."""

import dataclasses
import difflib
import itertools
import re

import keras


@dataclasses.dataclass(frozen=True)
class LayerWeights:
    """The weights that one layer owns, without those of layers inside it.

    Attributes:
        name: String, the path of names that leads to the layer. Numbers that
            Keras has added to names of its own making are left out: they
            say how many such layers were made before, and no more.
        has_own_name: Boolean, whether all names of the path were given by a
            person.
        shapes: Tuple of pairs, the name and the shape of each weight.
        variables: Tuple of the `keras.Variable`s.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((2,)), keras.layers.Dense(3, name="first"),
    ...     keras.layers.Dense(1)])
    >>> [(layer.name, layer.has_own_name) for layer in layers_of(model)]
    [('first', True), ('dense', False)]
    >>> layers_of(model)[0].shapes
    (('kernel', (2, 3)), ('bias', (3,)))
    """

    name: str
    has_own_name: bool
    shapes: tuple
    variables: tuple = dataclasses.field(default=(), repr=False)

    @property
    def signature(self):
        """What has to be equal in two layers that match."""
        return self.name, self.shapes


def layers_of(model):
    """Lists what the layers of a model own, in the order of its weights.

    Args:
        model: Built `keras.Model`.

    Returns:
        List of `LayerWeights`.
    """
    classes = _class_names(model)

    def path(variable):
        *names, _ = variable.path.split("/")
        # Sequential and subclassed models are a part of the path.
        return names[1:] if names[:1] == [model.name] else names

    layers = []
    for names, variables in itertools.groupby(model.weights, path):
        variables = tuple(variables)
        plain = [_without_number(name, classes) for name in names]
        layers.append(
            LayerWeights(
                name="/".join(name for name, _ in plain),
                has_own_name=not any(is_automatic for _, is_automatic in plain),
                shapes=tuple(
                    (_without_number(v.name, classes)[0], tuple(v.shape))
                    for v in variables
                ),
                variables=variables,
            )
        )
    return layers


def match_layers(first, second):
    """Pairs the layers of two models that do the same in both.

    Only layers of equal name and shapes are paired. A name that a person
    gave is enough to find a layer. Names such as `dense_2` are not: one
    layer more before it, and the same layer is `dense_3`. Such layers are
    matched by their order, as lines of two versions of a text are: a model
    that is one hidden layer deeper still keeps all others, the last included.

    Args:
        first: List of `LayerWeights`.
        second: List of `LayerWeights` of the other model.

    Returns:
        List of pairs of indices, into `first` and `second`; an index occurs
        once at most.

    Example:

    >>> def layers(*units):
    ...     model = keras.Sequential([keras.Input((2,))] + [
    ...         keras.layers.Dense(number) for number in units])
    ...     return layers_of(model)
    >>> match_layers(layers(4, 4, 1), layers(4, 4, 4, 1))
    [(0, 0), (1, 1), (2, 3)]
    """
    blocks = difflib.SequenceMatcher(
        None,
        [layer.signature for layer in first],
        [layer.signature for layer in second],
        autojunk=False,
    ).get_matching_blocks()
    pairs = {
        block.a + i: block.b + i for block in blocks for i in range(block.size)
    }
    # Layers with names of their own are found in another order, too.
    taken = set(pairs.values())
    others = {
        layer.signature: index
        for index, layer in enumerate(second)
        if layer.has_own_name and index not in taken
    }
    for index, layer in enumerate(first):
        if index not in pairs and layer.has_own_name:
            other = others.pop(layer.signature, None)
            if other is not None:
                pairs[index] = other
    return sorted(pairs.items())


def _class_names(model):
    """The classes that Keras may have made names of."""
    found = {"variable", *(name.lower() for name in dir(keras.layers))}
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        found.add(type(layer).__name__.lower())
        waiting += getattr(layer, "layers", ())
    return found


def _without_number(name, classes):
    """Returns a name without Keras's number, and whether Keras made it."""
    stem = re.sub(r"_\d+$", "", name)
    # `Bidirectional` puts a word before the name of its layer.
    made_of = re.sub(r"^(forward|backward)_", "", stem).replace("_", "")
    return (stem, True) if made_of in classes else (name, False)
