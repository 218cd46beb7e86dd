"""What all choice primitives share."""

from keras_nas.layers.arguments import check_hyperparameters, check_name


class Primitive:
    """A decision that a search takes inside a model.

    A primitive is declared by its constructor and realised when it is called:
    with an ordinary `hp` as the layers of the one model being built, with
    that of a supernet as all of them. It is not a Keras layer and leaves no
    trace in the model.

    Args:
        hp: The `keras_tuner.HyperParameters` that `build(hp)` receives.
        name: String, the name of the hyperparameter.
    """

    def __init__(self, hp, name):
        check_hyperparameters(hp)
        check_name(name)
        self.hp = hp
        self.name = name

    def __call__(self, inputs):
        """Applies the decision to `inputs` and returns the outputs."""
        if realize := getattr(self.hp, "realize", None):
            return realize(self, inputs)
        return self._build_selected(inputs)

    def __repr__(self):
        return f"{type(self).__name__} {self.name!r}"

    def _build_selected(self, inputs):
        """Builds the layers of the values that `hp` holds."""
        raise NotImplementedError
