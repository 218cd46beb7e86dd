"""The base of all objectives that make one number of several."""

import numbers

import keras_tuner

from keras_nas.objectives.directions import as_objective


class ScalarizedObjective(keras_tuner.Objective):
    """Makes one number of several objectives, which an oracle optimises.

    Subclass it and override `scalarize` for a formula of your own. The
    number is a metric of each trial, and so is each of the parts: the Pareto
    front of a search is that of the parts.

    Args:
        name: String, what the number is called among the metrics.
        direction: `"min"` or `"max"`, of the number.
        objectives: List of strings, of `keras_tuner.Objective` and of
            costs: the parts.

    Example:

    >>> class Ratio(ScalarizedObjective):
    ...     def __init__(self):
    ...         super().__init__("ratio", "max", ["val_accuracy", "flops"])
    ...     def scalarize(self, val_accuracy, flops):
    ...         return val_accuracy / flops
    >>> Ratio().get_value({"val_accuracy": 0.5, "flops": 100})
    0.005
    """

    def __init__(self, name, direction, objectives):
        super().__init__(name, direction)
        self.objectives = as_objective(list(objectives))

    @property
    def name_to_direction(self):
        """Dict from the names of the parts to their directions."""
        return {part.name: part.direction for part in self.objectives}

    def scalarize(self, *values):
        """Computes the number.

        Args:
            *values: Floats, one a part, as the metrics have them.

        Returns:
            Float.
        """
        raise NotImplementedError

    def get_config(self):
        """Returns what another object would have to agree in, for JSON."""
        return {}

    def has_value(self, logs):
        """Whether the logs have all the parts."""
        return all(part.has_value(logs) for part in self.objectives)

    def get_value(self, logs):
        """Computes the number from the parts."""
        return self.scalarize(
            *(float(part.get_value(logs)) for part in self.objectives)
        )

    def __eq__(self, other):
        return (
            type(other) is type(self)
            and self.name_to_direction == other.name_to_direction
            and self.get_config() == other.get_config()
        )

    __hash__ = None

    def __str__(self):
        parts = [f"{part.name} ({part.direction})" for part in self.objectives]
        config = [f"{key}={value}" for key, value in self.get_config().items()]
        arguments = ", ".join([*parts, *config])
        return f"{type(self).__name__}({arguments})"


def check_finite(name, value, is_positive=False):
    """Raises a `ValueError` unless `value` is a number.

    Args:
        name: String, the name of the argument.
        value: What was received.
        is_positive: Boolean, whether it has to be above 0.
    """
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    is_finite = is_number and float("-inf") < value < float("inf")
    if not is_finite or (is_positive and not value > 0):
        expected = "positive number" if is_positive else "finite number"
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"{expected}. Received: {name}={value!r}"
        )
