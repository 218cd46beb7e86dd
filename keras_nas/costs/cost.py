"""The base of all costs."""

import numbers

import keras_tuner


class Cost(keras_tuner.Objective):
    """A number that a model should not let grow.

    Subclass it, override `measure`, and set `name`, which is also the name of
    the metric that trials have. It is an objective of a search, to be
    minimised: `objective=["val_accuracy", MyCost()]`. With a limit it is a
    constraint too: `constraints=[MyCost(100)]`.

    Two costs of one search need two names. Those of keras_nas have the plain
    name, such as `size_bytes`, with their default settings, and all that
    differs from the defaults before it, as in `float32_size_bytes`.

    Args:
        limit: Optional positive number, the largest value allowed.

    Example:

    >>> class Layers(Cost):
    ...     name = "layers"
    ...     def measure(self, model):
    ...         return len(model.layers)
    >>> Layers(limit=10).violation(15)
    0.5
    """

    name = "cost"

    def __init__(self, limit=None):
        is_number = isinstance(limit, numbers.Real) and limit is not True
        if limit is not None and not (is_number and limit > 0):
            raise ValueError(
                f"Invalid value received for the limit of `{self.name}`. "
                f"Expected a positive number or `None`. Received: {limit!r}"
            )
        super().__init__(self.name, "min")
        self.limit = limit

    def measure(self, model):
        """Measures a model.

        Args:
            model: Built `keras.Model`.

        Returns:
            Number, in the unit that the name of the class says.
        """
        raise NotImplementedError

    def check(self, model):
        """Raises if the cost cannot be measured in this search space.

        A tuner calls it once, when it is made, with the model of the default
        hyperparameters. Override it to find a mistake before the first trial,
        if that takes no longer than an eye blinks.

        Args:
            model: Built `keras.Model`.

        Raises:
            ValueError: If no model like this one can be measured.
        """

    def is_same_measure(self, other):
        """Whether another cost of the same name gives the same numbers.

        A search measures what has one name once. The names of the costs of
        keras_nas tell their settings apart; override it where a name does not.

        Args:
            other: `Cost`.

        Returns:
            Boolean.
        """
        return type(self) is type(other)

    def violation(self, value):
        """How far a value is beyond the limit, as a share of the limit.

        Args:
            value: Number, as `measure` returns it.

        Returns:
            Float, 0.0 within the limit.
        """
        if self.limit is None:
            return 0.0
        return max(0.0, value / self.limit - 1.0)

    def __repr__(self):
        limit = "" if self.limit is None else f" limit={self.limit}"
        return f"<{type(self).__name__} {self.name}{limit}>"
