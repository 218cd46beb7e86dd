"""Finds out before any training whether the objective can be measured."""

import difflib
import inspect

import keras
import numpy as np
import tensorflow as tf

from keras_nas.objectives.directions import is_name_of_cost
from keras_nas.objectives.parts import parts_of

_MAX_EXAMPLES = 128

# Callbacks that add no metric to the logs.
_INERT = (
    keras.callbacks.BackupAndRestore,
    keras.callbacks.CSVLogger,
    keras.callbacks.EarlyStopping,
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.TensorBoard,
    keras.callbacks.TerminateOnNaN,
)


def check_objective(
    model, objective, fit_args, fit_kwargs, scored_by="", measured=()
):
    """Evaluates some examples to see which metrics a training will report.

    Where that cannot be known (a generator that must not be consumed,
    callbacks that may add metrics, a model with a `train_step` of its own),
    nothing is said and the first trial will show.

    Args:
        model: Compiled `keras.Model`, the default architecture.
        objective: `keras_tuner.Objective`.
        fit_args: Positional arguments of `search()`.
        fit_kwargs: Keyword arguments of `search()`.
        scored_by: String, the name of an evaluator that only looks at
            candidates. It reports metrics of the validation data alone,
            where there are any, and has no use for callbacks.
        measured: Names of the costs, which the tuner adds to the metrics.

    Raises:
        ValueError: If no metric has the name of the objective, with those
            that there are; or if the model does not run on the data.
    """
    names = [part.name for part in parts_of(objective)]
    wanted = [name for name in names if name not in measured]
    arguments = dict(zip(("x", "y"), fit_args, strict=False)) | fit_kwargs
    validates = (
        arguments.get("validation_data") is not None
        or (arguments.get("validation_split") or 0) > 0
    )
    _check_names(model, fit_kwargs)
    unvalidated = [name for name in wanted if name.startswith("val_")]
    if wanted == ["default_objective"]:
        raise ValueError(
            "Without an `objective`, the evaluation has to return a single "
            "float to minimise, but `model.fit` reports several metrics. "
            'Expected an objective, such as `objective="val_loss"`. '
            "Received: objective=None"
        )
    callbacks = arguments.get("callbacks") or []
    if not isinstance(callbacks, (list, tuple)):
        callbacks = [callbacks]
    if not scored_by and any(type(c) not in _INERT for c in callbacks):
        return
    if unvalidated and not validates:
        raise ValueError(
            f"The objective `{unvalidated[0]}` is measured on validation "
            "data, but `search()` got none. Expected `validation_data=` or "
            f"`validation_split=`. Received: {sorted(arguments)}"
        )
    if _has_own_steps(model):
        return
    size = min(arguments.get("batch_size") or 32, _MAX_EXAMPLES)
    batch = _first_examples(arguments.get("x"), arguments.get("y"), size)
    if batch is None:
        return
    known = set(_evaluate(model, batch, "examples"))
    size = min(arguments.get("validation_batch_size") or size, _MAX_EXAMPLES)
    held_out = _first_held_out(arguments.get("validation_data"), size)
    if held_out is not None:
        _evaluate(model, held_out, "examples of `validation_data`")
    if validates:
        of_validation = {f"val_{name}" for name in known}
        of_training = set() if scored_by else known
        known = of_training | of_validation
    missing = [name for name in wanted if name not in known]
    if missing and scored_by and f"val_{missing[0]}" in known:
        raise ValueError(
            f"The objective `{missing[0]}` would be measured on the training "
            f"data, but `{scored_by}` reports metrics of the validation data "
            f"only: {sorted(known)}. Expected "
            f'`objective="val_{missing[0]}"`.'
        )
    if missing:
        raise ValueError(
            f"The objective `{missing[0]}` is not among the metrics that "
            f"the compiled model reports: {sorted(known)}. Expected one of "
            "them; name the metric in `compile(metrics=[...])`, or change "
            "`objective`." + _hint(missing[0])
        )


def _evaluate(model, batch, kind):
    try:
        return model.test_on_batch(*batch, return_dict=True)
    except Exception as error:
        raise ValueError(
            "The default architecture cannot be evaluated on the first "
            f"{kind} that `search()` was given, so nothing was "
            "trained. Expected data, loss and metrics that fit the model: "
            "compare the shapes of x and y with its inputs and outputs, and "
            f"the labels with its number of classes. The error: {error}"
        ) from error


def _hint(name):
    if not is_name_of_cost(name):
        return ""
    return (
        " If it is a cost, the tuner measures it: give the object, such as "
        "`keras_nas.costs.Flops()`, and not its name."
    )


def _check_names(model, fit_kwargs):
    """Raises a `ValueError` if `fit` has no argument of a name."""
    parameters = inspect.signature(model.fit).parameters
    if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in fit_kwargs:
        if name not in parameters:
            near = difflib.get_close_matches(name, list(parameters), 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise ValueError(
                f"`search()` was given `{name}=`, which neither it nor "
                f"`model.fit` takes.{hint} Expected some of "
                f"{sorted(parameters)}."
            )


def _has_own_steps(model):
    return (
        type(model).train_step is not keras.Model.train_step
        or type(model).test_step is not keras.Model.test_step
    )


def _first_held_out(data, size):
    if isinstance(data, (tuple, list)):
        if len(data) not in (2, 3):
            return None
        return _first_examples(*data[:2], size)
    return _first_examples(data, None, size)


def _first_examples(x, y, size):
    if isinstance(x, tf.data.Dataset):
        for batch in x.take(1):
            return batch if isinstance(batch, tuple) else (batch,)
        return None
    if isinstance(x, keras.utils.PyDataset):
        if not len(x):
            return None
        batch = x[0]
        return batch if isinstance(batch, tuple) else (batch,)
    leaves = tf.nest.flatten((x, y))
    if not all(
        isinstance(leaf, np.ndarray) or tf.is_tensor(leaf) or leaf is None
        for leaf in leaves
    ):
        return None
    if x is None:
        return None

    def first(leaf):
        return None if leaf is None else leaf[:size]

    return tf.nest.map_structure(first, x), tf.nest.map_structure(first, y)
