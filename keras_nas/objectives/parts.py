"""What an objective consists of."""

from keras_nas.objectives.scalarized_objective import ScalarizedObjective


def parts_of(objective):
    """Lists the single objectives of an objective.

    Args:
        objective: `keras_tuner.Objective`, perhaps one that was made of a
            list.

    Returns:
        List of `keras_tuner.Objective`.

    Example:

    >>> import keras_tuner
    >>> [part.name for part in parts_of(keras_tuner.Objective("loss", "min"))]
    ['loss']
    """
    return list(getattr(objective, "objectives", [objective]))


def has_front(objective):
    """Whether several objectives are to be compared one by one.

    Not so if they were made one number.

    Args:
        objective: `keras_tuner.Objective`.
    """
    is_one_number = isinstance(objective, ScalarizedObjective)
    return len(parts_of(objective)) > 1 and not is_one_number


def losses_of(objective, logs):
    """Turns metrics into losses, each to be minimised.

    Args:
        objective: `keras_tuner.Objective`.
        logs: Dict of numbers by the name of the metric.

    Returns:
        Tuple of floats, one a part; NaN where there is none.

    Example:

    >>> import keras_tuner
    >>> losses_of(keras_tuner.Objective("accuracy", "max"), {"accuracy": 0.5})
    (-0.5,)
    """
    return tuple(
        float(part.get_value(logs)) * (1.0 if part.direction == "min" else -1.0)
        if part.has_value(logs)
        else float("nan")
        for part in parts_of(objective)
    )
