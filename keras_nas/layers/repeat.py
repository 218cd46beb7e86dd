"""A searched number of repetitions of a block."""

import contextlib

from keras_nas.layers.arguments import check_integer
from keras_nas.layers.decision import Decision
from keras_nas.layers.factories import call_factory, check_factory
from keras_nas.layers.primitive import Primitive
from keras_nas.layers.signatures import agree, describe, like, signature


class Repeat(Primitive):
    """Stack of a searched number of blocks.

    Use it to search the depth of a stage.

    The depth is the hyperparameter `hp.Int(name, min_repeats, max_repeats)`.
    Block `i` is called `f"{name}_{i}"`, and what it registers is conditional
    on a depth above `i`, unless `min_repeats` makes it part of every model.
    The first build, in which the depth is discovered, also looks at the
    blocks beyond its depth, so that one build registers the whole space.

    Args:
        hp: The `keras_tuner.HyperParameters` that `build(hp)` receives.
        name: String, the name of the hyperparameter and the prefix of the
            blocks' names.
        min_repeats: Integer, the smallest depth. With 0 blocks the inputs
            are returned as they are.
        max_repeats: Integer, the largest depth.
        block: Function that is called with the name of the block and returns
            a layer, a block, a primitive, or any callable that takes the
            inputs. Give the name to what is to be searched per block, or
            ignore it for blocks that are all alike. A block must keep the
            shape and dtype of its inputs.

    Input shape:
        Whatever the block takes.

    Output shape:
        The input shape.

    Raises:
        ValueError: If an argument is invalid, a block cannot be applied, or
            it changes the shape or dtype.

    Example:
    >>> import keras, keras_tuner
    >>> from keras_nas import layers
    >>> hp = keras_tuner.HyperParameters()
    >>> x = keras.Input((8,))
    >>> repeat = layers.Repeat(
    ...     hp, "stage", min_repeats=1, max_repeats=3,
    ...     block=lambda name: keras.layers.Dense(
    ...         8, activation=hp.Choice(name, ["relu", "tanh"])))
    >>> repeat(x).shape
    (None, 8)
    >>> [parameter.name for parameter in hp.space]
    ['stage', 'stage_0', 'stage_1', 'stage_2']
    >>> hp.values
    {'stage': 1, 'stage_0': 'relu'}
    """

    def __init__(self, hp, name, min_repeats, max_repeats, block):
        super().__init__(hp, name)
        check_integer("min_repeats", min_repeats, minimum=0)
        check_integer("max_repeats", max_repeats, minimum=1)
        if min_repeats > max_repeats:
            raise ValueError(
                "Invalid value received for argument `min_repeats`. Expected "
                "at most `max_repeats`. Received: "
                f"min_repeats={min_repeats}, max_repeats={max_repeats}"
            )
        check_factory("block", block, f"{name}_0")
        self.min_repeats = min_repeats
        self.max_repeats = max_repeats
        self.block = block

    def _build_selected(self, inputs):
        decision = Decision(
            self.hp,
            self.name,
            repr(self),
            lambda: self.hp.Int(self.name, self.min_repeats, self.max_repeats),
        )
        depth = decision.value
        if not self.min_repeats <= depth <= self.max_repeats:
            raise ValueError(
                f"{self!r} has the value {depth}, which is not between its "
                f"min_repeats={self.min_repeats} and "
                f"max_repeats={self.max_repeats}. Repeats of the same name "
                "must have the same limits."
            )
        outputs = inputs
        for index in range(depth):
            outputs = self._apply(decision, index, outputs)
        if decision.is_discovered:
            with decision.explore(self.max_repeats):
                beyond = like(outputs)
                for index in range(depth, self.max_repeats):
                    beyond = self._apply(decision, index, beyond)
        return outputs

    def _apply(self, decision, index, inputs):
        name = f"{self.name}_{index}"
        if index < self.min_repeats:
            scope = contextlib.nullcontext()
        else:
            scope = decision.scope(list(range(index + 1, self.max_repeats + 1)))
        try:
            with scope:
                outputs = call_factory("block", self.block, name)(inputs)
        except Exception as error:
            error.add_note(f"Raised by block {name!r} of {self}.")
            raise
        signatures = {
            "inputs": signature(inputs),
            "outputs": signature(outputs),
        }
        if not agree(signatures.values()):
            raise ValueError(
                f"Block {name!r} of {self!r} must keep the shape and dtype "
                "of its inputs, so that any number of blocks can be stacked. "
                "Put a block that changes them before the `Repeat`. "
                f"Received:\n{describe(signatures)}"
            )
        return outputs
