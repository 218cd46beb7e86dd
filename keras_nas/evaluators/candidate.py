"""One architecture on its way through an evaluator."""

import contextlib
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
        fit: Function `fit(model, callbacks, **changes)`; trains a model on
            the data given to `search()` and returns what `HyperModel.fit`
            returns. `changes` replace keyword arguments of `search()`.
        callbacks: Function `callbacks(execution, of_user=True)`; returns
            fresh copies of the callbacks given to `search()`, for the
            training run of that number, and those of the tuner. With
            `of_user=False` only those of the tuner.
        report: Function `report(epochs)`; tells the search the logs of all
            epochs so far, a list of dicts, and returns whether the training
            should end: whether a stopping rule has seen enough.
        can_resume: Boolean, whether `fit` is an ordinary `model.fit` that
            takes `initial_epoch`.
        build_from: Function of `keras_tuner.HyperParameters`, others than
            those of the candidate; returns the model of them.
        scope: Function without arguments; returns the context in which
            models have to be made, that of the distribution strategy.
        seed: Integer, the seed of the search, or `None`.
        note: Function of a string; shows a line to the user.
        is_interrupted: Function without arguments; returns whether the user
            has pressed Ctrl-C, once: nothing new should be begun, and what
            takes long and can be resumed may raise `SearchInterrupted`.

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
    fit: Callable[..., Any]
    callbacks: Callable[..., list]
    report: Callable[[list], bool] = lambda epochs: False
    can_resume: bool = False
    build_from: Callable[[keras_tuner.HyperParameters], Any] | None = None
    scope: Callable[[], Any] = lambda: contextlib.nullcontext()
    seed: int | None = None
    note: Callable[[str], None] = lambda line: None
    is_interrupted: Callable[[], bool] = lambda: False
