"""What a training may return, as a dict of numbers."""

import numbers

import keras
import numpy as np
from keras_tuner.errors import FatalTypeError, FatalValueError


def as_metrics(result, objective):
    """Turns what `HyperModel.fit` may return into metrics.

    Of a training history it takes the epoch that is best in the objective.

    Args:
        result: A `keras.callbacks.History`, a dict of metrics, a float (the
            objective), or a list of these: the mean of what all of them have.
        objective: `keras_tuner.Objective`.

    Returns:
        Dict of floats by metric name, the objective among them, and
        `"best_epoch"` (from 0) if there was a history.

    Raises:
        keras_tuner.errors.FatalTypeError: If `result` is none of these.
        keras_tuner.errors.FatalValueError: If the objective is not among
            the metrics. Both end a search, for every other trial would fail
            in the same way.

    Example:

    >>> import keras_tuner
    >>> as_metrics([0.5, 1.5], keras_tuner.Objective("loss", "min"))
    {'loss': 1.0}
    """
    if isinstance(result, (list, tuple)) and result:
        runs = [as_metrics(item, objective) for item in result]
        return {
            name: float(np.mean([run[name] for run in runs]))
            for name in runs[0]
            if all(name in run for run in runs)
        }
    if isinstance(result, keras.callbacks.History):
        return best_epoch(_logs_by_epoch(result.history), objective)
    if isinstance(result, dict):
        return _numbers(_with_objective(result, objective), objective)
    if isinstance(result, numbers.Real):
        return {objective.name: float(result)}
    raise FatalTypeError(
        "Expected `HyperModel.fit` to return a `keras.callbacks.History`, a "
        "dict of metrics, a float, or a list of one of these. Received: "
        f"{result!r} (of type {type(result).__name__}). Did you forget to "
        "return the metrics?"
    )


def best_epoch(epochs, objective):
    """Picks the epoch of a training that is best in the objective.

    Args:
        epochs: List of dicts, the logs of each epoch.
        objective: `keras_tuner.Objective`.

    Returns:
        Dict of floats, the metrics of that epoch, and `"best_epoch"`, its
        number from 0.

    Raises:
        ValueError: If there is no epoch.
        keras_tuner.errors.FatalValueError: If the last epoch lacks the
            objective, or it is no number.

    Example:

    >>> import keras_tuner
    >>> best_epoch([{"loss": 0.2}, {"loss": 0.4}],
    ...            keras_tuner.Objective("loss", "min"))
    {'loss': 0.2, 'best_epoch': 0.0}
    """
    best = None
    for number, logs in enumerate(epochs):
        if not objective.has_value(logs) and number + 1 < len(epochs):
            continue  # `validation_freq` skips epochs, but not the last.
        metrics = _with_objective(logs, objective)
        metrics = _numbers(metrics, objective) | {"best_epoch": float(number)}
        value = metrics[objective.name]
        if best is None or not np.isfinite(best[objective.name]):
            best = metrics  # Anything is better than an epoch gone wrong.
        elif np.isfinite(value) and objective.better_than(
            value, best[objective.name]
        ):
            best = metrics
    if best is None:
        raise ValueError("The training ended without a finished epoch.")
    return best


def _numbers(metrics, objective):
    """Keeps what is a number: a metric may also be a vector, or a text."""
    numbers = {}
    for name, value in metrics.items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError) as error:
            if name == objective.name:
                raise FatalValueError(
                    f"The objective `{name}` is not a number. Expected a "
                    f"metric with one value. Received: {value!r}"
                ) from error
    return numbers


def _logs_by_epoch(history):
    """Turns Keras's dict of lists into a list of dicts."""
    number_of_epochs = max(map(len, history.values()), default=0)
    logs = [{} for _ in range(number_of_epochs)]
    for name, values in history.items():
        # A shorter list comes from `validation_freq`: this is the smallest
        # that gives so many values.
        every = number_of_epochs // (len(values) + 1) + 1
        for index, value in enumerate(values):
            logs[(index + 1) * every - 1][name] = value
    return logs


def _with_objective(metrics, objective):
    if not objective.has_value(metrics):
        names = getattr(objective, "name_to_direction", [objective.name])
        raise FatalValueError(
            f"The objective {', '.join(f'`{name}`' for name in names)} is "
            f"not among the metrics of the training: {sorted(metrics)}. "
            "Expected `compile(metrics=...)` to name it, and "
            "`validation_data` in `search()` for a `val_` metric."
        )
    return metrics | {objective.name: objective.get_value(metrics)}
