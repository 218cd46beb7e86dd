"""A choice of one layer among candidates."""

from keras_nas.layers.decision import Decision
from keras_nas.layers.factories import call_factory, check_factories
from keras_nas.layers.primitive import Primitive
from keras_nas.layers.signatures import agree, describe, like, signature


class LayerChoice(Primitive):
    """Choice of one layer among named candidates.

    Use it wherever the search shall decide which operation stands at a place
    of the model: kernel sizes, kinds of convolution, or whether there is a
    layer at all (with `keras_nas.blocks.Identity` as a candidate).

    The choice is the hyperparameter `hp.Choice(name, list(candidates))`.
    Hyperparameters that a candidate's factory registers are conditional on
    that candidate. Two choices of the same name take the same decision and
    have separate weights, which is how stacked cells share an architecture.

    The first build, in which the choice is discovered, applies every
    candidate once: it registers the hyperparameters of all of them and checks
    that they agree. Later builds make the selected candidate only.

    Args:
        hp: The `keras_tuner.HyperParameters` that `build(hp)` receives.
        name: String, the name of the hyperparameter.
        candidates: Dict from names to factories. A factory is called without
            arguments and returns a layer, a block, another primitive, or any
            callable that takes the inputs. All candidates must give outputs
            of the same shape and dtype.

    Input shape:
        Whatever the candidates take.

    Output shape:
        Whatever all the candidates return.

    Raises:
        ValueError: If an argument is invalid, a candidate cannot be applied,
            or the candidates disagree in output shape or dtype.

    Example:
    >>> import keras, keras_tuner
    >>> from keras_nas import blocks, layers
    >>> hp = keras_tuner.HyperParameters()
    >>> x = keras.Input((8, 8, 4))
    >>> choice = layers.LayerChoice(hp, "op", {
    ...     "conv": lambda: keras.layers.Conv2D(
    ...         4, hp.Choice("kernel", [3, 5]), padding="same"),
    ...     "identity": blocks.Identity,
    ... })
    >>> choice(x).shape
    (None, 8, 8, 4)
    >>> [parameter.name for parameter in hp.space]
    ['op', 'kernel']
    >>> hp.values
    {'op': 'conv', 'kernel': 3}
    """

    def __init__(self, hp, name, candidates):
        super().__init__(hp, name)
        check_factories("candidates", candidates)
        self.candidates = dict(candidates)

    def _build_selected(self, inputs):
        decision = Decision(
            self.hp,
            self.name,
            repr(self),
            lambda: self.hp.Choice(self.name, list(self.candidates)),
        )
        if decision.value not in self.candidates:
            raise ValueError(
                f"{self!r} has the value {decision.value!r}, which is not "
                f"one of its candidates: {list(self.candidates)}. Choices of "
                "the same name must have the same candidates."
            )
        try:
            outputs = self._apply(decision, decision.value, inputs)
        except Exception as error:
            error.add_note(f"Raised by candidate {decision.value!r} of {self}.")
            raise
        if decision.is_discovered:
            self._explore(decision, inputs, outputs)
        return outputs

    def _apply(self, decision, key, inputs):
        with decision.scope([key]):
            layer = call_factory(f"candidates[{key!r}]", self.candidates[key])
            return layer(inputs)

    def _explore(self, decision, inputs, outputs):
        """Applies the candidates not selected, and checks that all agree."""
        signatures = {}
        for key in self.candidates:
            if key == decision.value:
                signatures[repr(key)] = signature(outputs)
                continue
            try:
                with decision.explore(key):
                    signatures[repr(key)] = signature(
                        self._apply(decision, key, like(inputs))
                    )
            except Exception as error:
                raise ValueError(
                    f"Candidate {key!r} of {self!r} failed on inputs of "
                    f"{describe({'signature': signature(inputs)}).strip()}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        if not agree(signatures.values()):
            raise ValueError(
                f"The candidates of {self!r} must agree in output shape and "
                "dtype, so that any of them can be chosen. Received inputs of "
                f"{describe({'signature': signature(inputs)}).strip()} and "
                f"outputs of:\n{describe(signatures)}"
            )
