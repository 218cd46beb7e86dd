"""One architecture on its way through an evaluator."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras_tuner


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What an evaluator gets to know about one architecture.

    The tuner makes candidates; write an evaluator against these fields and
    it works with every oracle, tuner and worker.

    Attributes:
        hyperparameters: `keras_tuner.HyperParameters` with the values of the
            architecture. Hyperparameters that the build or the training
            asks for in addition are registered in it.
        objective: `keras_tuner.Objective`, what the search optimises.
        directory: String, the folder of this trial, for files worth
            keeping; local or `gs://`. It exists.
        build: Function without arguments; returns a new compiled
            `keras.Model` of the architecture, freshly initialised.
        fit: Function `fit(model, callbacks)`; trains a model on the data
            given to `search()` and returns what `HyperModel.fit` returns.
        callbacks: Function `callbacks(execution)`; returns fresh copies of
            the callbacks given to `search()`, for the training run of that
            number.

    Example:

    >>> candidate = Candidate(
    ...     keras_tuner.HyperParameters(),
    ...     keras_tuner.Objective("val_loss", "min"),
    ...     "/tmp", build=None, fit=None, callbacks=lambda execution: [])
    >>> candidate.callbacks(0)
    []
    """

    hyperparameters: keras_tuner.HyperParameters
    objective: keras_tuner.Objective
    directory: str
    build: Callable[[], Any]
    fit: Callable[[Any, list], Any]
    callbacks: Callable[[int], list]
