"""What a training has come to after its last epoch, on the disk."""

import inspect
import json
import os
import time

import keras
import numpy as np

from keras_nas import storage
from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)

STATE_FILE = "training_state.npz"

# An epoch is not worth saving if that would take longer than this share of
# the time since the last one was saved.
_MAX_SHARE = 0.1

_SCALARS = (bool, int, float, str, np.number)


class TrainingRecorder(keras.callbacks.Callback):
    """Records the epochs of a trial, and takes up one that was interrupted.

    After an epoch it saves the weights, the state of the optimizer and of
    random layers, the best weights so far, the logs of all epochs, and the
    attributes that callbacks such as `EarlyStopping` have changed. So a
    training that is taken up with the same data and seed goes on as if it
    had not been interrupted. The state of another candidate or of a model of
    another shape, or a damaged file, is ignored: the training starts anew.

    Epochs that take less than ten times as long as saving them are not all
    saved; after a Ctrl-C they are.

    It has to be the last of the callbacks, so that it sees what they do.
    Whatever the evaluator puts into the dict `notes` is saved too.

    Args:
        candidate: `keras_nas.evaluators.Candidate`.
        best: `keras_nas.evaluators.best_weights.BestWeights` of the trial.

    Example:

    >>> import keras_tuner, tempfile
    >>> from keras_nas.evaluators import Candidate
    >>> from keras_nas.evaluators.best_weights import BestWeights
    >>> objective = keras_tuner.Objective("loss", "min")
    >>> candidate = Candidate(
    ...     keras_tuner.HyperParameters(), objective, tempfile.mkdtemp(),
    ...     build=None, fit=None, callbacks=None)
    >>> recorder = TrainingRecorder(candidate, BestWeights(objective))
    >>> recorder.finished_runs
    []
    """

    def __init__(self, candidate, best):
        super().__init__()
        self._candidate = candidate
        self._best = best
        self._path = os.path.join(candidate.directory, STATE_FILE)
        self._state = (
            read_nested_arrays(self._path) if candidate.can_resume else {}
        )
        if self._state and self._state["candidate"] != self._candidate_id():
            self._state = {}
        self.finished_runs = self._state.get("finished_runs", [])
        self.notes = self._state.get("notes", {})
        self.epochs = []
        self.stopped_epoch = None
        self._watched = []
        self._restored = []
        self._at_begin = []
        self._saved_s = self._cost_s = 0.0

    def begin(self, model, callbacks):
        """Prepares the next run; restores it if it was interrupted.

        Args:
            model: Compiled `keras.Model`, freshly built.
            callbacks: List of the other callbacks of the run.

        Returns:
            Integer, the epoch to go on with; `None` if the run had ended.
        """
        self._watched = list(callbacks)
        self._restored = []
        self.epochs = []
        self._saved_s, self._cost_s = time.monotonic(), 0.0
        state, self._state = self._state, {}
        if not state or not _restore_variables(model, state):
            return 0
        self.epochs = state["epochs"]
        self.stopped_epoch = state["stopped_epoch"]
        self._restored = state["callbacks"]
        self._best.restore(model, state["best_value"], state["best_weights"])
        return None if state["has_ended"] else state["next_epoch"]

    def end(self, metrics):
        """Notes what has come of a run; the next one begins anew."""
        self.finished_runs.append(metrics)
        self.epochs = []

    def remove(self):
        """Removes the file: the trial has ended."""
        storage.remove(self._path)

    def on_train_begin(self, logs=None):
        """Gives callbacks back what they have just reset."""
        self._at_begin = [_attributes(callback) for callback in self._watched]
        for callback, attributes in zip(
            self._watched, self._restored, strict=False
        ):
            for name, value in attributes.items():
                setattr(callback, name, value)

    def on_epoch_end(self, epoch, logs=None):
        """Reports the epoch, and saves it unless that takes too long."""
        self.epochs.append(_plain(logs or {}))
        # One run is enough to tell that a candidate falls behind.
        if not self.finished_runs and self._candidate.report(self.epochs):
            self.stopped_epoch = len(self.epochs)
            self.model.stop_training = True
        if not self._candidate.can_resume:
            return
        now_s = time.monotonic()
        is_due = now_s - self._saved_s >= self._cost_s / _MAX_SHARE
        if is_due or self._candidate.is_interrupted():
            self._save(next_epoch=epoch + 1)
            self._saved_s = time.monotonic()
            self._cost_s = self._saved_s - now_s

    def _candidate_id(self):
        values = self._candidate.hyperparameters.values
        return json.dumps(values, sort_keys=True, default=str)

    def _save(self, next_epoch):
        callbacks = []
        for callback, before in zip(self._watched, self._at_begin, strict=True):
            now = _attributes(callback)
            callbacks.append(
                {
                    name: value
                    for name, value in now.items()
                    if name not in before or before[name] is not value
                }
            )
        best_value, best_weights = self._best.state()
        write_nested_arrays(
            self._path,
            {
                "candidate": self._candidate_id(),
                "finished_runs": self.finished_runs,
                "notes": self.notes,
                "epochs": self.epochs,
                "next_epoch": next_epoch,
                "has_ended": bool(self.model.stop_training),
                "stopped_epoch": self.stopped_epoch,
                "build_config": self.model.get_build_config(),
                "best_value": best_value,
                "best_weights": best_weights,
                "callbacks": callbacks,
                "variables": _values(_variables(self.model)),
            },
        )


def _variables(model):
    """Everything that a training changes: weights, seeds, the optimizer."""
    optimizer = getattr(model, "optimizer", None)
    return [*model.variables, *getattr(optimizer, "variables", ())]


def _values(variables):
    return [np.asarray(variable.numpy()) for variable in variables]


def _restore_variables(model, state):
    """Gives a model the saved state, if it fits."""
    with model.distribute_strategy.scope():
        if not model.built and state["build_config"]:
            model.build_from_config(state["build_config"])
        if not model.built:
            return False
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [value.shape for value in state["variables"]]:
        return False
    for variable, value in zip(variables, state["variables"], strict=True):
        variable.assign(value)
    return True


def _attributes(callback):
    """The state of a callback, as far as it can be stored.

    What its constructor takes is no state: the script may have changed it,
    and `EarlyStopping` turns the sign of its `min_delta` once.
    """
    given = inspect.signature(type(callback)).parameters
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in given
        and (value is None or isinstance(value, _SCALARS) or _is_arrays(value))
    }


def _is_arrays(value):
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, np.ndarray) for item in value)
    )


def _plain(logs):
    return {
        name: float(value) if np.ndim(value) == 0 else np.array(value).tolist()
        for name, value in logs.items()
    }
