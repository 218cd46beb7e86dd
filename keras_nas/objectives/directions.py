"""From what a user calls an objective to one that has a direction."""

import keras_tuner
from keras_tuner.engine.metrics_tracking import infer_metric_direction

# What is measured of a `.tflite` file bears the name of its numbers.
_PREFIXES = ("float32_", "float16_", "dynamic_", "int8_io_", "int8_", "int4_")

# Of what costs something there is never too little.
_COSTS = ("parameters", "flops", "macs")
_UNITS = ("_us", "_ms", "_bytes", "_kb", "_mb", "_uj", "_mj")


def direction_of(name):
    """Says whether a metric is to be minimised or maximised, by its name.

    Args:
        name: String, the name of a metric of Keras, perhaps with `val_`
            before it and the name of a quantisation before that; or one that
            ends in the unit of a cost.

    Returns:
        `"min"` or `"max"`; `None` where the name does not tell.

    Example:

    >>> [direction_of(name) for name in
    ...  ("val_loss", "int8_val_accuracy", "latency_ms", "beauty")]
    ['min', 'max', 'min', None]
    """
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    if is_name_of_cost(name):
        return "min"
    return infer_metric_direction(name)


def is_name_of_cost(name):
    """Whether a metric is measured in what a model needs: time, memory.

    Example:

    >>> is_name_of_cost("size_bytes"), is_name_of_cost("val_loss")
    (True, False)
    """
    return name in _COSTS or name.endswith(_UNITS)


def as_objective(objective):
    """Gives strings their directions, and finds mistakes.

    Args:
        objective: String, `keras_tuner.Objective`, a list or tuple of them,
            or `None`.

    Returns:
        `keras_tuner.Objective`, or a list of them, or `None`, as
        `keras_tuner.Oracle` takes it.

    Raises:
        ValueError: If it is something else, two objectives of a list have
            one name, or the direction cannot be known.

    Example:

    >>> print(as_objective("latency_ms"))
    Objective(name="latency_ms", direction="min")
    """
    if objective is None:
        return None
    if not isinstance(objective, (list, tuple)):
        return _single(objective)
    objectives = [_single(one) for one in objective]
    names = [one.name for one in objectives]
    if not names or any(names.count(name) > 1 for name in names):
        raise ValueError(
            "Invalid value received for argument `objective`. Expected a "
            "string, a `keras_tuner.Objective`, or a list of at least one of "
            f"them, each with another name. Received: objective={names!r}"
        )
    scalarized = [one for one in objectives if hasattr(one, "objectives")]
    if scalarized:
        raise ValueError(
            f"`{type(scalarized[0]).__name__}` makes one number of several "
            "objectives, so it cannot be one of a list. Expected it alone, or "
            f"a list of single objectives. Received: objective={names!r}"
        )
    return objectives


def _single(objective):
    if isinstance(objective, keras_tuner.Objective):
        return objective
    if not isinstance(objective, str):
        received = f"objective={objective!r}"
        if isinstance(objective, type):
            received = (
                f"the class {objective.__name__}; did you forget the "
                f"parentheses of `{objective.__name__}()`?"
            )
        raise ValueError(
            "Invalid value received for argument `objective`. Expected a "
            "string, a `keras_tuner.Objective` such as a cost of "
            f"`keras_nas.costs`, or a list of them. Received: {received}"
        )
    direction = direction_of(objective)
    if direction is None:
        raise ValueError(
            f'Cannot tell whether "{objective}" is to be minimised or '
            "maximised: it is no metric that Keras knows, and ends in no unit "
            f"of a cost. Expected `keras_tuner.Objective({objective!r}, "
            f'direction="min")`, or "max".'
        )
    return keras_tuner.Objective(objective, direction)
