"""Performance estimation by shared weights: one training for all."""

import dataclasses
import json
import os
import time
import warnings

import keras
import keras_tuner
import tensorflow as tf
from keras_tuner.errors import FatalValueError

from keras_nas import storage
from keras_nas.compile_arguments import compile_arguments
from keras_nas.evaluators.best_weights import BestWeights
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)
from keras_nas.evaluators.search_interrupted import SearchInterrupted
from keras_nas.evaluators.training_recorder import TrainingRecorder
from keras_nas.supernet import SamplingRule, Supernet
from keras_nas.supernet.fit_data import (
    calibration_inputs,
    evaluate_arguments,
    split_validation,
)
from keras_nas.supernet.rank_correlation import SHARED_WEIGHTS
from keras_nas.supernet.supernet_hyperparameters import check_fixed

FOLDER = "supernet"
_WEIGHTS_FILE = "supernet.weights.h5"
_ABOUT_FILE = "supernet.json"
_STATISTICS_FILE = "statistics.npz"

# Arguments of `compile` that say what is measured.
_SCORED_WITH = ("loss", "loss_weights", "metrics", "weighted_metrics")


class WeightSharing(Evaluator):
    """Scores candidates with the weights of one network for all of them.

    With the first candidate a `keras_nas.Supernet` of the hypermodel is
    trained, on the training data of `search()`. Every candidate is then
    scored with the weights it has there, within a second or so: the
    statistics of its BatchNormalization layers are measured on a few
    batches, and it is evaluated on the validation data. The supernet is
    stored with the project, and a training that was killed goes on from its
    last epoch. Ctrl-C ends it after the epoch that runs (not where the
    hypermodel has a `fit` of its own, which cannot be resumed).

    Take it to compare hundreds or thousands of candidates. What counts is
    their order, and that is only roughly right: see
    `Supernet.rank_correlation`, and train the best ones on their own. A
    search that is resumed with settings that would change scores (those of
    the supernet, what `build` compiles, the batches of the calibration) is
    refused; give it the same data.
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
            or an argument is invalid; by `search()`, if `supernet` is of
            another space.

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
    trains_candidates = False

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
        check_fixed(fixed)
        self.epochs = epochs
        self._given = supernet
        self.sampling = sampling
        self.fixed = dict(fixed or {})
        self.num_calibration_batches = num_calibration_batches
        self.callbacks = list(callbacks or [])
        self._trained = None

    @property
    def supernet(self):
        """The `keras_nas.Supernet` that candidates are scored with.

        For more than a search does with it, such as
        `supernet.rank_correlation`. Do not train it: scores of one project
        are those of the same weights. There is one as soon as a candidate was
        scored. In a new process, `tuner.get_best_models()` loads that of a
        finished search.

        Raises:
            RuntimeError: If there is none yet.
        """
        if self._given is not None:
            return self._given
        if self._trained is None:
            raise RuntimeError(
                "There is no supernet yet. Expected a call of "
                "`tuner.search(...)` before; or of `tuner.get_best_models()`, "
                "which loads the supernet of a search that has finished."
            )
        return self._trained.supernet

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
        folder = os.path.join(os.path.dirname(candidate.directory), FOLDER)
        about_path = os.path.join(folder, _ABOUT_FILE)
        is_known = storage.exists(about_path)
        if is_known and self._trained and self._trained.folder == folder:
            return self._trained.checked()
        supernet = self._given or self._make(candidate)
        about = self._about(supernet, candidate, may_train)
        weights_path = os.path.join(folder, _WEIGHTS_FILE)
        if self._given is not None and may_train:
            _check_given(supernet, candidate)
        if is_known:
            _check_about(storage.read_json(about_path), about, folder)
            if self._given is None:
                with warnings.catch_warnings():
                    # Nothing is trained any more: no optimizer is needed.
                    warnings.filterwarnings("ignore", "Skipping variable load")
                    supernet.load_weights(weights_path)
        elif not may_train and self._given is None:
            raise RuntimeError(
                f"The supernet of this project is gone: '{about_path}' does "
                "not exist. Expected the files that `search()` has written."
            )
        elif may_train:
            tf.io.gfile.makedirs(folder)
            if self._given is None:
                started_s = time.monotonic()
                try:
                    self._train(supernet, candidate, folder, about)
                finally:
                    self.preparation_s += time.monotonic() - started_s
                storage.write_atomically(weights_path, supernet.save_weights)
            # This file says that the other is whole.
            storage.write_json(about_path, about)
        self._trained = _Trained(folder, supernet, supernet.checksum())
        return supernet

    def _make(self, candidate):
        with candidate.scope():
            if candidate.seed is not None:
                keras.utils.set_random_seed(candidate.seed)
            try:
                return Supernet(
                    candidate.build_from,
                    sampling=self.sampling,
                    fixed=self.fixed,
                    seed=candidate.seed,
                )
            except ValueError as error:
                # No candidate could be scored. Errors of a supernet tell what
                # to do for those who make it themselves.
                text = str(error).replace(
                    "Supernet(build, fixed=",
                    f"{type(self).__name__}(..., fixed=",
                )
                raise FatalValueError(text) from error

    def _train(self, supernet, candidate, folder, about):
        # Of a training that has been killed, the candidate is another. What
        # identifies it is what it was asked for: another begins anew.
        identity = keras_tuner.HyperParameters()
        identity.values = {"about": about}
        whole = dataclasses.replace(
            candidate,
            directory=folder,
            hyperparameters=identity,
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
                    candidate.note(
                        f"supernet: resumed after epoch {next_epoch}/"
                        f"{self.epochs}."
                    )
                interruption = _UntilInterrupted(whole, self.epochs)
                callbacks += [recorder, interruption]
                candidate.fit(supernet, callbacks, **changes)
                if interruption.has_stopped:
                    raise SearchInterrupted
        recorder.remove()

    def _about(self, supernet, candidate, has_data):
        """Describes all that two comparable scores have in common.

        But for the data, which no search can compare with that of before.
        """
        compiled = compile_arguments(supernet)
        about = {
            "space": supernet.choices,
            **{n: _description(compiled.get(n)) for n in _SCORED_WITH},
            "dtype_policy": supernet.dtype_policy.name,
            "num_calibration_batches": self.num_calibration_batches,
        }
        if has_data and candidate.can_resume:
            # A `fit` of the user's own may choose one for each candidate.
            about["batch_size"] = candidate.fit(_BatchSize(), [])
        if self._given is not None:
            about["supernet"] = supernet.checksum()
        else:
            rule = supernet.sampling
            about |= {
                "epochs": self.epochs,
                "optimizer": _description(compiled["optimizer"]),
                "sampling": {type(rule).__name__: rule.get_config()},
                "fixed": self.fixed,
            }
        return json.loads(json.dumps(about, default=str))


@dataclasses.dataclass
class _Trained:
    """The supernet of a project, as it was when it was trained."""

    folder: str
    supernet: Supernet
    checksum: str

    def checked(self):
        """Returns it, unless somebody has trained it since."""
        if self.supernet.checksum() != self.checksum:
            raise FatalValueError(
                f"The supernet of the project in '{self.folder}' has other "
                "weights than when it scored candidates: it was trained "
                "since. New scores could not be compared with those there "
                "are. Expected `evaluator.supernet` as it was. To train it "
                "longer, make another one, `supernet = keras_nas.Supernet("
                "build)`, with these weights, and score with it in another "
                "project: `WeightSharing(supernet=supernet)`."
            )
        return self.supernet


class _BatchSize:
    """What a hypermodel fits to tell the size of batches."""

    def fit(self, x=None, y=None, batch_size=None, *_, **__):
        """Takes the arguments of `model.fit`; returns one of them."""
        return batch_size


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
        history.history[SHARED_WEIGHTS] = [1.0]
        return history


class _UntilInterrupted(keras.callbacks.Callback):
    """Stops after an epoch that was recorded, once the user wishes it."""

    def __init__(self, candidate, epochs):
        super().__init__()
        self.has_stopped = False
        self._candidate = candidate
        self._epochs = epochs
        self._has_told = False

    def on_epoch_end(self, epoch, logs=None):
        done = epoch + 1
        if done == self._epochs or not self._candidate.is_interrupted():
            return
        if self._candidate.can_resume:
            self._candidate.note(
                f"supernet: stopped after epoch {done}/{self._epochs}; the "
                "next search goes on from there."
            )
            self.has_stopped = True
            self.model.stop_training = True
        elif not self._has_told:
            self._has_told = True
            self._candidate.note(
                "supernet: the hypermodel has a `fit` of its own, which "
                "cannot be resumed: it goes on to its end."
            )


class _EpochLines(keras.callbacks.Callback):
    """Shows a line for each epoch of the supernet."""

    def __init__(self, note, epochs):
        super().__init__()
        self._note = note
        self._epochs = epochs
        self._started_s = 0.0

    def on_train_begin(self, logs=None):
        self._note(
            f"supernet: training it to epoch {self._epochs}. The first step "
            "traces all candidates and takes a while."
        )

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


def _check_given(supernet, candidate):
    """Raises if a supernet is of another space than the candidates."""
    hp = candidate.hyperparameters
    differences = supernet.unknown_values(hp)
    # More may have been asked for by a `fit` of the user's.
    of_build = keras_tuner.HyperParameters()
    of_build.values = dict(hp.values)
    model = candidate.build_from(of_build)
    known = supernet.known_names
    differences += [
        f"the supernet has no {name!r}"
        for name in dict.fromkeys(
            parameter.name for parameter in of_build.space
        )
        if name not in known
    ]
    if not differences:
        try:
            supernet.copy_weights_to(model, hp)
        except ValueError as error:
            differences = [str(error)]
    if differences:
        raise FatalValueError(
            "The supernet that `WeightSharing(supernet=...)` was given is of "
            "another space than the candidates: "
            f"{'; '.join(differences)}. Expected a supernet of the same "
            "`build` as that of the tuner."
        )
    if not supernet.is_trained:
        warnings.warn(
            "The supernet that `WeightSharing(supernet=...)` was given has "
            "the weights it was made with: scores will be those of chance. "
            "Expected a trained one: call `supernet.fit(...)` or "
            "`supernet.load_weights(...)` first, or let "
            "`WeightSharing(epochs=...)` train one.",
            stacklevel=2,
        )


def _check_about(then, now, folder):
    changes = [
        f"`{name}` was {then.get(name)!r}, is {value!r}"
        for name, value in now.items()
        if then.get(name) != value
    ]
    if changes:
        listing = "".join(f"\n  - {change}" for change in changes)
        path = os.path.join(folder, _WEIGHTS_FILE)
        raise FatalValueError(
            f"The scores of the project with the supernet in '{folder}' were "
            f"made in another way:{listing}\nThey could not be compared with "
            "new ones. Expected the same settings, another `project_name`, "
            "or `overwrite=True`. To train this supernet longer: "
            "`supernet = keras_nas.Supernet(build)`, "
            f"`supernet.load_weights({path!r})`, `supernet.fit(...)`, and "
            "`WeightSharing(supernet=supernet)` with another `project_name`."
        )


def _description(value):
    """Describes an argument of `compile`, the same in every process."""
    if isinstance(value, dict):
        # Keras numbers names, the next model gets other ones.
        return {k: _description(v) for k, v in value.items() if k != "name"}
    if isinstance(value, (list, tuple)):
        return [_description(part) for part in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, type) or not hasattr(value, "get_config"):
        # An address in its text would be another one each time.
        named = value if hasattr(value, "__qualname__") else type(value)
        return named.__qualname__
    try:
        config = _description(value.get_config())
    except Exception:  # Not all classes of users can be serialized.
        config = None
    return {type(value).__qualname__: config}
