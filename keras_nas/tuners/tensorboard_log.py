"""The course of a whole search, live in TensorBoard."""

import os

import keras
import numpy as np
import tensorflow as tf

from keras_nas import pareto
from keras_nas.objectives.parts import has_front, losses_of, parts_of

# Beside the folders of the trials, which are numbers.
FOLDER = "search"


class TensorBoardLog:
    """Writes how a search gets on, one step a finished trial.

    A `TensorBoard` callback given to `search()` shows each training. This
    adds, under `search/`, the metrics of each trial, and what the search has
    come to by then: the best value of each objective (`best/val_accuracy`), and
    with several objectives the number of trials on the front.

    Args:
        callbacks: Keras callback or list of them, as given to `search()`.
            Without a `TensorBoard` among them nothing is written.
        oracle: `keras_tuner.Oracle`, only read.

    Example:

    >>> import keras_tuner
    >>> oracle = keras_tuner.oracles.RandomSearchOracle("val_loss")
    >>> TensorBoardLog([], oracle).folders
    []
    """

    def __init__(self, callbacks, oracle):
        self.oracle = oracle
        self.folders = [
            os.path.join(str(callback.log_dir), FOLDER)
            for callback in keras.tree.flatten(callbacks)
            if isinstance(callback, keras.callbacks.TensorBoard)
        ]
        self._writers = []

    def end(self, trial):
        """Writes the step of a trial that has ended.

        Args:
            trial: `keras_tuner.engine.trial.Trial`, as the oracle knows it.
        """
        if not self.folders or trial.score is None:
            return
        values = _values(trial) | self._best()
        step = self.oracle.end_order.index(trial.trial_id) + 1
        self._writers = self._writers or [
            tf.summary.create_file_writer(folder) for folder in self.folders
        ]
        for writer in self._writers:
            with writer.as_default():
                for name, value in values.items():
                    tf.summary.scalar(name, value, step)
            writer.flush()  # It may be killed, and somebody looks at it.

    def close(self):
        """Closes the files."""
        for writer in self._writers:
            writer.close()
        self._writers = []

    def _best(self):
        objective = self.oracle.objective
        trials = [
            self.oracle.trials[trial_id] for trial_id in self.oracle.end_order
        ]
        losses = np.array(
            [
                losses_of(objective, _values(t))
                for t in trials
                if t.score is not None
            ]
        )
        best = {
            f"best/{part.name}": lowest if part.direction == "min" else -lowest
            for part, lowest in zip(
                parts_of(objective), losses.min(axis=0), strict=True
            )
        }
        if has_front(objective):
            is_best = pareto.non_dominated(losses)
            best["best/trials_on_front"] = is_best.sum()
        return best


def _values(trial):
    """The best value of each metric of a trial, as reports show them."""
    values = {
        name: trial.metrics.get_best_value(name)
        for name in trial.metrics.metrics
    }
    return {k: value for k, value in values.items() if value is not None}
