"""The number by which a model and its files are compared."""

import math

import keras
import numpy as np

from keras_nas.compression.model_copy import copy_with_values
from keras_nas.export.verification import make_accuracy
from keras_nas.graph import has_graph

_BATCH_SIZE = 256
_HIGHER_IS_BETTER = (
    "acc", "auc", "precision", "recall", "sensitivity", "specificity", "iou",
    "f1", "fbeta", "r2", "cosine", "dice", "true_positive", "true_negative",
)  # fmt: skip
_LOWER_IS_BETTER = (
    "loss", "error", "mse", "mae", "mape", "msle", "crossentropy", "hinge",
    "divergence", "poisson", "logcosh", "log_cosh", "false_positive",
    "false_negative",
)  # fmt: skip


class Metric:
    """Scores outputs against targets, for a Keras model and for its files.

    Args:
        name: Name of the metric.
        higher_is_better: Whether a higher score is better.
        compute: Function of `(y, outputs)`, the latter a dict of arrays by
            output name, that gives the score.
    """

    def __init__(self, name, higher_is_better, compute):
        self.name = name
        self.higher_is_better = higher_is_better
        self.compute = compute

    def drop(self, before, after):
        """Returns by how much `after` is worse than `before`."""
        return before - after if self.higher_is_better else after - before

    def format(self, score):
        """Returns a score as text."""
        if score is None:
            return "-"
        is_share = "acc" in self.name and 0 <= score <= 1
        return f"{score:.2%}" if is_share else f"{score:.4g}"


def make_metric(metric, function, y, outputs):
    """Finds out by what the outputs of a model are scored.

    Args:
        metric: `None`, the name of a metric that the model was compiled
            with, or a function of `(y, outputs)`, higher for better.
        function: `ModelFunction` of the model.
        y: Targets.
        outputs: Dict of the outputs for them by name.

    Returns:
        A `Metric`.

    Raises:
        ValueError: If there is no way to score them.
    """
    if callable(metric):
        name = getattr(metric, "__name__", "metric")
        name = "metric" if name == "<lambda>" else name
        return Metric(name, True, lambda y, o: float(metric(y, _unwrap(o))))
    if metric is not None and not isinstance(metric, str):
        raise ValueError(
            "Invalid value received for argument `metric`. Expected the name "
            "of a metric or a function of `(y, outputs)`. Received: "
            f"metric={metric!r}"
        )
    if not getattr(function.model, "compiled", False):
        if metric is not None:
            raise ValueError(
                f"Invalid value received for argument `metric`. Model "
                f"'{function.model.name}' is not compiled, so it has no "
                f"metrics by name. Received: metric={metric!r}"
            )
        if len(outputs) > 1:
            raise ValueError(
                f"Model '{function.model.name}' has {len(outputs)} outputs "
                "and is not compiled, so there is no one number to compare "
                "by. Compile it, or pass `metric`, a function of "
                "`(y, outputs)`."
            )
        accuracy = make_accuracy(np.asarray(y), outputs)
        return Metric(
            "accuracy", True, lambda y, o: float(accuracy(y, _unwrap(o)))
        )
    model = _scoring_model(function.model)
    values = _compiled_values(model, function, y, outputs)
    name = metric or _main_metric(values)
    higher_is_better = _direction(name)
    if name not in values or higher_is_better is None:
        raise ValueError(
            "Invalid value received for argument `metric`. Expected one of "
            f"the model's own, {sorted(values)}, whose name tells whether "
            "higher is better, or a function of `(y, outputs)`. Received: "
            f"metric={metric!r}"
        )
    return Metric(
        name,
        higher_is_better,
        lambda y, o: _compiled_values(model, function, y, o)[name],
    )


def _main_metric(values):
    """The first metric whose direction is known, or else the loss."""
    for name in values:
        # A metric of a degenerate set, such as R2 of one target, is no use.
        is_usable = _direction(name) is not None and math.isfinite(values[name])
        # Of several outputs each has a loss, which is part of the whole.
        if is_usable and name != "loss" and not name.endswith("_loss"):
            return name
    return "loss"


def _direction(name):
    """Whether higher is better, as far as a name tells."""
    name = name.lower()
    if any(word in name for word in _LOWER_IS_BETTER):
        return False
    if any(word in name for word in _HIGHER_IS_BETTER):
        return True
    return None


def _scoring_model(model):
    """Returns a copy to score with, where there can be one.

    Metrics are made for the first targets that they see: those of the user's
    own model must not be made for what is refused a moment later.
    """
    if not has_graph(model):
        return model
    try:
        return copy_with_values(model)
    except (TypeError, ValueError):  # Layers of one's own may refuse.
        return model


def _compiled_values(model, function, y, outputs):
    """Computes loss and metrics that the model was compiled with."""
    import tensorflow as tf

    count = len(next(iter(outputs.values())))
    total_loss = 0.0
    values = {}
    model.reset_metrics()
    try:
        for start in range(0, count, _BATCH_SIZE):
            part = slice(start, start + _BATCH_SIZE)
            targets = keras.tree.map_structure(lambda a: a[part], y)  # noqa: B023
            predictions = keras.tree.map_structure(
                keras.ops.convert_to_tensor,
                function.pack_outputs({k: a[part] for k, a in outputs.items()}),
            )
            values = model.compute_metrics(None, targets, predictions)
            loss = model.compute_loss(None, targets, predictions)
            total_loss += float(loss) * len(next(iter(outputs.values()))[part])
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        reason = str(error)
        if isinstance(error, tf.errors.InvalidArgumentError):
            # It ends with all values.
            reason = error.message.partition("\n")[0]
        raise ValueError(
            "Invalid value received for argument `y`. Expected targets that "
            f"the loss and metrics of model '{model.name}' take. The error "
            f"was: {reason[:500]}"
        ) from error
    finally:
        model.reset_metrics()
    numbers = {k: np.asarray(v) for k, v in values.items()}
    numbers = {k: float(v) for k, v in numbers.items() if v.ndim == 0}
    numbers["loss"] = total_loss / count
    return numbers


def _unwrap(outputs):
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs
