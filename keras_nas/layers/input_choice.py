"""A choice of some among several inputs."""

from keras_nas.layers.arguments import check_integer, check_option
from keras_nas.layers.combining import combine
from keras_nas.layers.decision import Decision
from keras_nas.layers.primitive import Primitive
from keras_nas.layers.signatures import agree, describe, signature
from keras_nas.layers.subsets import members, subsets


class InputChoice(Primitive):
    """Choice of some among several input tensors.

    Use it to search connections: which earlier output a layer reads, or which
    skip connections exist.

    The choice is one hyperparameter, `hp.Choice(name, subsets)`. A subset is
    written as its indices in ascending order, such as `"0+2"`: no two values
    mean the same connections.

    Args:
        hp: The `keras_tuner.HyperParameters` that `build(hp)` receives.
        name: String, the name of the hyperparameter.
        num_chosen: Integer, how many distinct inputs are chosen. `None` for
            any non-empty subset, which is for a handful of inputs only: the
            number of values doubles with each input.
        reduction: String, what becomes of the chosen inputs. One of `"sum"`,
            `"mean"`, `"concat"` (along the last axis), and `"none"` for a
            list of the chosen tensors. The last two need a fixed
            `num_chosen`, or the output shape would depend on the choice.

    Input shape:
        A list of tensors that agree in shape and dtype.

    Output shape:
        The shape of one input, with `"concat"` its last axis times
        `num_chosen`, with `"none"` a list of `num_chosen` such tensors.

    Raises:
        ValueError: If an argument is invalid, or the inputs are too few or
            disagree in shape or dtype.

    Example:
    >>> import keras, keras_tuner
    >>> from keras_nas import layers
    >>> hp = keras_tuner.HyperParameters()
    >>> inputs = [keras.Input((8,)) for _ in range(3)]
    >>> layers.InputChoice(hp, "skip", num_chosen=2)(inputs).shape
    (None, 8)
    >>> hp.space[0].values
    ['0+1', '0+2', '1+2']
    """

    def __init__(self, hp, name, num_chosen=1, reduction="sum"):
        super().__init__(hp, name)
        check_option("reduction", reduction, ("sum", "mean", "concat", "none"))
        if num_chosen is not None:
            check_integer("num_chosen", num_chosen, minimum=1)
        elif reduction in ("concat", "none"):
            raise ValueError(
                "Invalid value received for argument `num_chosen`. Expected "
                f"a positive integer with `reduction={reduction!r}`, because "
                "the output shape must not depend on the choice. "
                "Received: num_chosen=None"
            )
        self.num_chosen = num_chosen
        self.reduction = reduction

    def _build_selected(self, inputs):
        self.check_inputs(inputs)
        options = subsets(repr(self), len(inputs), self.num_chosen)
        decision = Decision(
            self.hp,
            self.name,
            repr(self),
            lambda: self.hp.Choice(self.name, options),
        )
        if decision.value not in options:
            raise ValueError(
                f"{self!r} has the value {decision.value!r}, which is not "
                f"one of its subsets of inputs: {options}. Choices of the "
                "same name must have the same number of inputs."
            )
        chosen = [inputs[index] for index in members(decision.value)]
        if self.reduction == "none":
            return chosen
        return combine(chosen, self.reduction)

    def check_inputs(self, inputs):
        """Raises unless any of the inputs can be chosen."""
        if not isinstance(inputs, (list, tuple)) or not inputs:
            raise ValueError(
                f"{self!r} must be called on a non-empty list of tensors. "
                f"Received: inputs={inputs!r}"
            )
        if self.num_chosen is not None and len(inputs) < self.num_chosen:
            raise ValueError(
                f"{self!r} chooses {self.num_chosen} distinct inputs and "
                f"needs at least as many. Received: {len(inputs)} inputs"
            )
        signatures = {i: signature(tensor) for i, tensor in enumerate(inputs)}
        if not agree(signatures.values()):
            raise ValueError(
                f"The inputs of {self!r} must agree in shape and dtype, so "
                "that any of them can be chosen. Received inputs of:\n"
                f"{describe(signatures)}"
            )
