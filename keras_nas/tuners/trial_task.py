"""A trial on its way to a worker, and what the worker does."""

import functools
import inspect
import os
import traceback
import uuid

import cloudpickle
import keras_tuner
import tensorflow as tf
from keras_tuner.errors import FailedTrialError, FatalError

from keras_nas import storage
from keras_nas.evaluators.results import as_metrics
from keras_nas.tuners.keras_settings import KerasSettings
from keras_nas.tuners.retracing_advice import retracing_advice_hidden
from keras_nas.tuners.trial_result import TrialResult

_DATA = ("x", "y", "validation_data")


def run_trial_task(
    shipment,
    hyperparameters,
    number,
    directory,
    learning_curves,
    known_costs=None,
    serial=0,
):
    """Runs a trial in whatever process this is called in.

    Args:
        shipment: String, the file that `ship` wrote.
        hyperparameters: Dict, a `keras_tuner.HyperParameters` configuration.
        number: Integer, the number of the trial in the search.
        directory: String, the folder of the trial.
        learning_curves: `keras_nas.tuners.learning_curves.LearningCurves` of
            the project.
        known_costs: Optional dict, what was measured of the candidate.
        serial: Integer, another one for each call of a search. Dask takes
            two calls with the same arguments for the same call: a trial that
            is to run again would get its old outcome back.

    Returns:
        `TrialResult`. Errors are reported in it and not raised: an
        exception of the user's may not survive the way back.
    """
    del serial  # Only the executor looks at it.
    hp = keras_tuner.HyperParameters.from_config(hyperparameters)
    try:
        settings, runner, fit_args, fit_kwargs = _unpack(shipment)
        costs = runner.costs_of(hp, known_costs)
        candidate = runner.candidate(
            hp,
            number,
            directory,
            fit_args,
            fit_kwargs,
            learning_curves,
            costs=costs,
        )
        # Another process, or thread, has Keras's defaults.
        with settings.applied(), retracing_advice_hidden():
            result = runner.evaluator.evaluate(candidate)
            metrics = as_metrics(result, candidate.objective)
            metrics = costs.values() | metrics
        return TrialResult(hp.get_config(), metrics=metrics)
    except Exception as error:
        kind = "error"
        if isinstance(error, FatalError):
            kind = "fatal"
        elif isinstance(error, FailedTrialError):
            kind = "final"
        return TrialResult(
            hp.get_config(), error=traceback.format_exc(), kind=kind
        )


def ship(runner, fit_args, fit_kwargs, folder):
    """Writes what all trials of a search have in common, once.

    Args:
        runner: `keras_nas.tuners.trial_runner.TrialRunner`.
        fit_args: Positional arguments of `search()`.
        fit_kwargs: Keyword arguments of `search()`.
        folder: String, a folder that all workers can read.

    Returns:
        String, the path of the file. Delete it after the search.

    Raises:
        ValueError: If something cannot be sent to another process; it names
            what, and the way out.
    """
    named = dict(zip(_DATA, fit_args, strict=False)) | dict(fit_kwargs)
    try:
        if any(isinstance(v, tf.data.Dataset) for v in named.values()):
            raise TypeError("a dataset stays in its process")
        shipment = KerasSettings.current(), runner, fit_args, fit_kwargs
        content = cloudpickle.dumps(shipment)
    except Exception:
        # Only now one by one: data may be large.
        for name, value in named.items():
            _check_shippable(f"argument `{name}` of `search()`", value)
        for name, value in vars(runner).items():
            _check_shippable(f"`{name}` of the tuner", value)
        raise
    path = os.path.join(folder, f"shipment_{uuid.uuid4().hex}.pkl")
    storage.write_bytes(path, content)
    return path


def made_data(fit_args, fit_kwargs):
    """Calls the functions that were given in place of data.

    Args:
        fit_args: Positional arguments of `search()`.
        fit_kwargs: Keyword arguments of `search()`.

    Returns:
        The arguments, with the data.

    Example:

    >>> made_data([lambda: [1, 2]], {"epochs": 3})
    ([[1, 2]], {'epochs': 3})
    """

    def made(value):
        is_maker = inspect.isroutine(value) or isinstance(
            value, functools.partial
        )
        return value() if is_maker else value

    args = [made(value) for value in fit_args]
    kwargs = {
        name: made(value) if name in _DATA else value
        for name, value in fit_kwargs.items()
    }
    return args, kwargs


@functools.lru_cache(maxsize=1)
def _unpack(shipment):
    """Reads a shipment, once in each process."""
    with tf.io.gfile.GFile(shipment, "rb") as file:
        settings, runner, fit_args, fit_kwargs = cloudpickle.loads(file.read())
    with settings.applied():
        return settings, runner, *made_data(fit_args, fit_kwargs)


def _check_shippable(what, value):
    remedy = ""
    if isinstance(value, tf.data.Dataset):
        problem = "A `tf.data.Dataset` lives in the process that made it."
        remedy = (
            " Give a function that makes it, such as `search(make_dataset, "
            "validation_data=make_validation_dataset, ...)`: each worker "
            "calls it once."
        )
    else:
        try:
            cloudpickle.dumps(value)
            return
        except Exception as error:
            problem = f"It cannot be pickled: {error}."
            if "argument" in what:
                remedy = (
                    " Give arrays, or a function without arguments that "
                    "makes the data: each worker calls it once."
                )
            else:
                remedy = " Define it so that it can be, at the top of a module."
    raise ValueError(
        f"Cannot send {what} to a worker. {problem}{remedy} Received: {value!r}"
    )
