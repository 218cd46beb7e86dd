"""Remembers the weights of the best epoch."""

import contextlib
import os

import keras
import numpy as np

from keras_nas import storage

WEIGHTS_FILE = "checkpoint.weights.h5"
BUILD_CONFIG_FILE = "build_config.json"
INHERITABLE_FILE = "inheritable_weights.npz"
TFLITE_FILE = "model.tflite"


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch in memory, to be saved once.

    Across several training runs it keeps the best of all. Writing them at
    the end of a trial, and not at the end of every epoch that improves,
    saves most of the writing and leaves no half-trained file behind.

    The files are those that `keras_tuner.Tuner.load_model` reads.

    Args:
        objective: `keras_tuner.Objective`. If the logs of no epoch have it,
            the last epoch counts as the best.

    Example:

    >>> import keras_tuner, numpy as np, tempfile
    >>> best = BestWeights(keras_tuner.Objective("loss", "min"))
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 2)), np.ones(4), verbose=0,
    ...               callbacks=[best])
    >>> folder = tempfile.mkdtemp()
    >>> _ = best.save(folder)
    >>> sorted(os.listdir(folder))
    ['build_config.json', 'checkpoint.weights.h5']
    """

    def __init__(self, objective):
        super().__init__()
        self.objective = objective
        self._best_value = None
        self._best_weights = None
        self._best_model = None

    def on_epoch_end(self, epoch, logs=None):
        """Keeps a copy of the weights if the epoch is the best so far."""
        logs = logs or {}
        if self.objective.has_value(logs):
            value = self.objective.get_value(logs)
            if self._best_value is not None and not (
                np.isfinite(value)
                and self.objective.better_than(value, self._best_value)
            ):
                return
            # An epoch gone wrong is better than none, and worse than all.
            self._best_value = value if np.isfinite(value) else None
        elif self._best_value is not None:
            return  # An epoch without validation, see `validation_freq`.
        self._best_model = self.model
        self._best_weights = self.model.get_weights()

    def state(self):
        """Returns the best value and weights, `None` where there are none."""
        return self._best_value, self._best_weights

    def restore(self, model, value, weights):
        """Goes on from what `state` returned.

        Args:
            model: Built `keras.Model` that the weights fit.
            value: Float or `None`.
            weights: List of arrays, or `None`.
        """
        self._best_model = model
        self._best_value, self._best_weights = value, weights

    def save(self, directory):
        """Writes the best weights without optimizer state, whole or not at all.

        Args:
            directory: String, an existing folder.

        Returns:
            `keras.Model` with these weights; `None` if none was trained.
        """
        model = self._best_model or self.model
        if model is None:
            return None
        if self._best_weights is not None:
            model.set_weights(self._best_weights)
        storage.write_json(
            os.path.join(directory, BUILD_CONFIG_FILE),
            model.get_build_config(),
        )
        with without_optimizer(model):
            storage.write_atomically(
                os.path.join(directory, WEIGHTS_FILE), model.save_weights
            )
        return model


def has_weights(directory):
    """Whether a trial has left weights in its folder.

    Args:
        directory: String, the folder of the trial.

    Example:

    >>> has_weights("/nowhere/trial_0000")
    False
    """
    return storage.exists(os.path.join(directory, WEIGHTS_FILE))


def load_best_weights(model, directory):
    """Gives a model the weights that `BestWeights` has saved.

    Args:
        model: `keras.Model` of the trial; it is built if it is not.
        directory: String, the folder of the trial.
    """
    if not model.built:
        config = os.path.join(directory, BUILD_CONFIG_FILE)
        model.build_from_config(storage.read_json(config))
    with without_optimizer(model):
        model.load_weights(os.path.join(directory, WEIGHTS_FILE))


def remove_weights(directory):
    """Removes the weights that a trial has left.

    Args:
        directory: String, the folder of the trial.

    Example:

    >>> remove_weights("/nowhere/trial_0000")
    """
    for name in (WEIGHTS_FILE, INHERITABLE_FILE, TFLITE_FILE):
        storage.remove(os.path.join(directory, name))


@contextlib.contextmanager
def without_optimizer(model):
    """Takes the optimizer off a model while its weights are saved or loaded.

    Its state would triple the file, and Keras warns when it does not fit.

    Args:
        model: `keras.Model`, compiled or not.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> with without_optimizer(model):
    ...     model.optimizer is None
    True
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        yield
        return
    model.optimizer = None
    try:
        yield
    finally:
        model.optimizer = optimizer
