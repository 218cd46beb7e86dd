"""Performance estimation by shared weights: one training for all."""

import dataclasses
import json
import os
import time

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.errors import FatalValueError

from keras_nas import storage
from keras_nas.evaluators.best_weights import BestWeights
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)
from keras_nas.evaluators.training_recorder import TrainingRecorder
from keras_nas.supernet import SamplingRule, Supernet
from keras_nas.supernet.fit_data import (
    calibration_inputs,
    evaluate_arguments,
    split_validation,
)

FOLDER = "supernet"
_WEIGHTS_FILE = "supernet.weights.h5"
_ABOUT_FILE = "supernet.json"
_STATISTICS_FILE = "statistics.npz"


class WeightSharing(Evaluator):
    """Scores candidates with the weights of one network for all of them.

    With the first candidate a `keras_nas.Supernet` of the hypermodel is
    trained, on the training data of `search()`. Every candidate is then
    scored with the weights it has there, within a second or so: the
    statistics of its BatchNormalization layers are measured on a few
    batches, and it is evaluated on the validation data. The supernet is
    stored with the project, and a training that was killed goes on from its
    last epoch.

    Take it to compare hundreds or thousands of candidates. What counts is
    their order, and that is only roughly right: see
    `Supernet.rank_correlation`, and train the best ones on their own.
    `get_best_models` gives models with the shared weights.

    Args:
        epochs: Integer, how long the supernet is trained. Give it several
            times the epochs of a single model, as each architecture gets a
            share only.
        supernet: A trained `keras_nas.Supernet`, instead of `epochs`.
        sampling: Optional `keras_nas.supernet.SamplingRule`.
        fixed: Optional dict from hyperparameters that cannot share weights
            to the values to train the supernet with. Candidates that differ
            in these alone get the same score; better, leave them out of the
            space.
        num_calibration_batches: Integer, the batches to measure statistics
            on.
        callbacks: Optional list of Keras callbacks for the training of the
            supernet. Those given to `search()` are for single models.

    Raises:
        ValueError: If not exactly one of `epochs` and `supernet` is given,
            or an argument is invalid.

    Reference:

    - [Guo et al., 2020, Single Path One-Shot Neural Architecture Search with
      Uniform Sampling](https://arxiv.org/abs/1904.00420)

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> import keras_nas as nas
    >>> def build(hp):
    ...     x = inputs = keras.Input((8,))
    ...     x = nas.layers.Dense(hp.Choice("units", [2, 4]), "relu")(x)
    ...     model = keras.Model(inputs, keras.layers.Dense(1)(x))
    ...     model.compile("adam", "mse")
    ...     return model
    >>> tuner = nas.RandomSearch(
    ...     build, objective="val_loss", max_trials=2, seed=1,
    ...     evaluator=nas.evaluators.WeightSharing(epochs=2),
    ...     directory=tempfile.mkdtemp())
    >>> x, y = np.ones((64, 8)), np.ones(64)
    >>> tuner.search(x, y, validation_data=(x, y), verbose=0)
    >>> len(tuner.get_best_models(2))
    2
    """

    runs_in_workers = False

    def __init__(
        self,
        epochs=None,
        supernet=None,
        sampling=None,
        fixed=None,
        num_calibration_batches=8,
        callbacks=None,
    ):
        if (epochs is None) == (supernet is None):
            raise ValueError(
                "Expected one of the arguments `epochs` (how long to train a "
                "supernet) and `supernet` (a trained one). Received: "
                f"epochs={epochs!r}, supernet={supernet!r}"
            )
        for name, value in (
            ("epochs", 1 if epochs is None else epochs),
            ("num_calibration_batches", num_calibration_batches),
        ):
            is_integer = isinstance(value, int) and not isinstance(value, bool)
            if not is_integer or value < 1:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"a positive integer. Received: {name}={value!r}"
                )
        if supernet is not None and not isinstance(supernet, Supernet):
            raise ValueError(
                "Invalid value received for argument `supernet`. Expected a "
                f"trained `keras_nas.Supernet`. Received: {supernet!r}"
            )
        if supernet is not None and (sampling or fixed or callbacks):
            raise ValueError(
                "`sampling`, `fixed` and `callbacks` are for a supernet that "
                "the evaluator trains. Expected none of them beside "
                "`supernet`."
            )
        if sampling is not None and not isinstance(sampling, SamplingRule):
            raise ValueError(
                "Invalid value received for argument `sampling`. Expected a "
                "`keras_nas.supernet.SamplingRule`. Received: "
                f"sampling={sampling!r}"
            )
        self.epochs = epochs
        self.supernet = supernet
        self.sampling = sampling
        self.fixed = dict(fixed or {})
        self.num_calibration_batches = num_calibration_batches
        self.callbacks = list(callbacks or [])
        self._trained = {}

    def evaluate(self, candidate):
        """Scores the candidate with the weights of the supernet."""
        supernet = self._supernet(candidate)
        supernet.set_architecture(candidate.hyperparameters)
        score = _Score(supernet, self.num_calibration_batches)
        with candidate.scope():
            result = candidate.fit(score, [])
        path = os.path.join(candidate.directory, _STATISTICS_FILE)
        write_nested_arrays(path, {"statistics": supernet.statistics()})
        return result

    def load_weights(self, model, candidate):
        """Gives a model the weights it has in the supernet."""
        path = os.path.join(candidate.directory, _STATISTICS_FILE)
        found = read_nested_arrays(path)
        if not found:
            return False
        supernet = self._supernet(candidate, may_train=False)
        supernet.set_architecture(candidate.hyperparameters)
        supernet.set_statistics(found["statistics"])
        supernet.copy_weights_to(model, candidate.hyperparameters)
        return True

    def _supernet(self, candidate, may_train=True):
        """Returns the supernet of a project; the first time it is trained."""
        if self.supernet is not None:
            return self.supernet
        folder = os.path.join(os.path.dirname(candidate.directory), FOLDER)
        about_path = os.path.join(folder, _ABOUT_FILE)
        is_trained = storage.exists(about_path)
        if is_trained and folder in self._trained:
            return self._trained[folder]
        with candidate.scope():
            if candidate.seed is not None:
                keras.utils.set_random_seed(candidate.seed)
            supernet = Supernet(
                candidate.build_from,
                sampling=self.sampling,
                fixed=self.fixed,
                seed=candidate.seed,
            )
        about = self._about(supernet)
        weights_path = os.path.join(folder, _WEIGHTS_FILE)
        if is_trained:
            found = storage.read_json(about_path)
            if found != about:
                raise FatalValueError(
                    f"The supernet in '{folder}' was trained with {found}, "
                    f"and now {about} is asked for. Scores of two supernets "
                    "cannot be compared. Expected the same arguments, "
                    "another `project_name`, or `overwrite=True`."
                )
            supernet.load_weights(weights_path)
        elif not may_train:
            raise RuntimeError(
                f"The supernet of this project is gone: '{about_path}' does "
                "not exist. Expected the files that `search()` has written."
            )
        else:
            tf.io.gfile.makedirs(folder)
            self._train(supernet, candidate, folder)
            storage.write_atomically(weights_path, supernet.save_weights)
            # This file says that the other is whole.
            storage.write_json(about_path, about)
        self._trained = {folder: supernet}
        return supernet

    def _train(self, supernet, candidate, folder):
        # Of a training that has been killed, the candidate is another.
        whole = dataclasses.replace(
            candidate,
            directory=folder,
            hyperparameters=keras_tuner.HyperParameters(),
            report=lambda epochs: False,
        )
        nothing = keras_tuner.Objective("no metric", "min")
        recorder = TrainingRecorder(whole, BestWeights(nothing))
        callbacks = [
            *self.callbacks,
            *candidate.callbacks(0, of_user=False),
            _EpochLines(candidate.note, self.epochs),
        ]
        changes = {"epochs": self.epochs, "validation_data": None}
        with candidate.scope():
            next_epoch = recorder.begin(supernet, callbacks)
            if next_epoch is not None and next_epoch < self.epochs:
                if next_epoch:
                    changes["initial_epoch"] = next_epoch
                candidate.fit(supernet, [*callbacks, recorder], **changes)
        recorder.remove()

    def _about(self, supernet):
        rule = supernet.sampling
        return {
            "epochs": self.epochs,
            "sampling": {type(rule).__name__: _plain(rule.get_config())},
            "fixed": _plain(self.fixed),
            "space": _plain(supernet.choices),
        }


class _Score:
    """What a hypermodel fits instead of a model: it only looks."""

    def __init__(self, supernet, num_calibration_batches):
        self._supernet = supernet
        self._num_batches = num_calibration_batches

    def __getattr__(self, name):
        return getattr(self._supernet, name)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Takes the arguments of `model.fit`; returns a `History`."""
        del epochs, verbose, callbacks, shuffle, class_weight
        del initial_epoch, validation_freq
        data, held_out = (x, y, sample_weight), validation_data
        if held_out is None and validation_split:
            data, held_out = split_validation(*data, validation_split)
        try:
            inputs = calibration_inputs(
                data[0], batch_size or 32, self._num_batches
            )
        except ValueError as error:
            raise FatalValueError(str(error)) from error
        self._supernet.calibrate(**inputs)
        if held_out is None:
            prefix, held_out, steps = "", data, steps_per_epoch
        else:
            prefix, steps = "val_", validation_steps
        arguments = evaluate_arguments(held_out)
        if steps is None and _is_endless(arguments["x"]):
            raise FatalValueError(
                "The dataset that candidates are scored on is endless. "
                "Expected `validation_steps` (`steps_per_epoch` without "
                "validation data), the number of its batches to score on. "
                f"Received: {arguments['x']!r}"
            )
        metrics = self._supernet.evaluate(
            **arguments,
            batch_size=validation_batch_size or batch_size,
            steps=steps,
            verbose=0,
            return_dict=True,
        )
        history = keras.callbacks.History()
        history.history = {
            prefix + name: [value] for name, value in metrics.items()
        }
        return history


class _EpochLines(keras.callbacks.Callback):
    """Shows a line for each epoch of the supernet."""

    def __init__(self, note, epochs):
        super().__init__()
        self._note = note
        self._epochs = epochs
        self._started_s = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._started_s = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        numbers = "  ".join(f"{k} {v:.4g}" for k, v in (logs or {}).items())
        took_s = time.monotonic() - self._started_s
        self._note(
            f"supernet: epoch {epoch + 1}/{self._epochs} | {numbers} | "
            f"{took_s:.1f}s"
        )


def _is_endless(data):
    return isinstance(data, tf.data.Dataset) and (
        data.cardinality() == tf.data.INFINITE_CARDINALITY
    )


def _plain(value):
    return json.loads(json.dumps(value, default=str))
