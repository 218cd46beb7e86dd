"""Performance estimation of what will ship: the compressed file."""

import dataclasses
import inspect
import os

import keras
import keras_tuner
from keras_tuner.errors import FatalValueError

from keras_nas import compression, storage
from keras_nas.compression.stages import make_stages
from keras_nas.costs import Cost
from keras_nas.deployment import DeploymentError, deploy
from keras_nas.evaluators.best_weights import (
    TFLITE_FILE,
    has_weights,
    load_best_weights,
)
from keras_nas.evaluators.evaluator import Evaluator
from keras_nas.evaluators.results import as_metrics
from keras_nas.evaluators.training import Training
from keras_nas.export.conversion import check_quantize
from keras_nas.objectives.parts import parts_of
from keras_nas.supernet.fit_data import split_validation

_STAGES = ("prune", "cluster", "quantization_aware", "prune_channels")
_FILE_METRICS = (
    "size_bytes",
    "gzip_bytes",
    "latency_ms",
    "peak_memory_bytes",
)
# What a trial was worth before its compression, while that runs.
_TRAINED_FILE = "trained.json"


class AfterCompression(Evaluator):
    """Scores candidates by the `.tflite` files that they become.

    Quantisation costs some architectures more accuracy than others, and what
    is small in float32 need not be small in int8. Take this to find
    architectures that compress well, rather than to compress what was found.

    Each candidate is scored by another evaluator first, which trains it; then
    it is compressed and converted as by `keras_nas.deploy`, and the file is
    run on the validation data. A trial gets the metrics of the other
    evaluator and, with `quantize="int8"`:

    - `"int8_val_accuracy"`: the score of the file, named after the metric of
      the objective.
    - `"int8_size_bytes"`, `"int8_gzip_bytes"`, `"int8_latency_ms"`,
      `"int8_peak_memory_bytes"`: measured on the file. Trials that run side by
      side disturb each other's latency.
    - `"int8_is_verified"`: 1.0 if the file passed all checks of
      `keras_nas.export.verify`, else 0.0.

    Any of them can be an objective. The file is kept as `model.tflite` in the
    folder of the trial, as long as the weights are (see `keep_weights` of the
    tuner). `get_best_models` returns the trained models, not compressed.

    Args:
        quantize: String, the kind of file, as for
            `keras_nas.export.to_tflite`.
        evaluator: Optional `Evaluator` that gives candidates their weights:
            `Training()` by default, or `WeightSharing(...)`.
        metric: Optional string, the metric to score the file by, such as
            `"accuracy"`. By default the one that the objective names.
        **deploy_arguments: What else to do, as arguments of
            `keras_nas.deploy`: `prune`, `cluster`, `quantization_aware`,
            `prune_channels`, `epochs` (of each stage) and further ones of
            `keras_nas.compress`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> import keras_nas as nas
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)),
    ...         keras.layers.Dense(hp.Choice("units", [4, 64]), "relu"),
    ...         keras.layers.Dense(2, "softmax")])
    ...     model.compile(
    ...         "adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> tuner = nas.RandomSearch(
    ...     build,
    ...     objective=["int8_val_accuracy", "int8_size_bytes"],
    ...     evaluator=nas.evaluators.AfterCompression("int8"),
    ...     max_trials=2, directory=tempfile.mkdtemp(), seed=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    >>> y = (x.sum(axis=1) > 0).astype("int")
    >>> tuner.search(x, y, validation_data=(x, y), verbose=0)
    >>> small, large = sorted(
    ...     trial.metrics.get_last_value("int8_size_bytes")
    ...     for trial in tuner.oracle.trials.values())
    >>> bool(small < large)
    True
    """

    def __init__(
        self, quantize="int8", evaluator=None, metric=None, **deploy_arguments
    ):
        check_quantize(quantize)
        self.quantize = "float32" if quantize is None else quantize
        if not isinstance(evaluator, Evaluator | None):
            raise ValueError(
                "Invalid value received for argument `evaluator`. Expected an "
                "evaluator that gives candidates their weights, such as "
                f"`keras_nas.evaluators.Training()`. Received: {evaluator!r}"
            )
        if not isinstance(metric, str | None):
            raise ValueError(
                "Invalid value received for argument `metric`. Expected the "
                'name of a metric, such as "accuracy", or `None`. Received: '
                f"metric={metric!r}"
            )
        _check_deploy_arguments(deploy_arguments)
        self.evaluator = Training() if evaluator is None else evaluator
        self.metric = metric
        self.deploy_arguments = deploy_arguments
        self.runs_in_workers = self.evaluator.runs_in_workers
        self.trains_candidates = self.evaluator.trains_candidates

    @property
    def preparation_s(self):
        """Seconds that the other evaluator spent for all candidates."""
        return self.evaluator.preparation_s

    def evaluate(self, candidate):
        """Trains the candidate, compresses it, and measures the file."""
        trained_path = os.path.join(candidate.directory, _TRAINED_FILE)
        before = dataclasses.replace(
            candidate, objective=self.training_objective(candidate.objective)
        )
        metrics = None
        if storage.exists(trained_path):
            # The process was killed while it compressed: no need to train.
            metrics = storage.read_json(trained_path)
        if not isinstance(metrics, dict):
            result = self.evaluator.evaluate(before)
            metrics = as_metrics(result, before.objective)
            storage.write_json(trained_path, metrics)
        try:
            model = candidate.build()
            if has_weights(candidate.directory):
                load_best_weights(model, candidate.directory)
            elif not self.evaluator.load_weights(model, before):
                raise FatalValueError(
                    "A candidate can be compressed only with the weights it "
                    f"was scored with, and {type(self.evaluator).__name__} "
                    "left none. Expected an evaluator that trains, or one "
                    "with a method `load_weights`."
                )
            if candidate.seed is not None:
                # So that a resumed search fine-tunes as any other.
                keras.utils.set_random_seed(candidate.seed)
            metrics |= self._measured(candidate, model)
        finally:
            # What goes wrong goes wrong with these weights: a retry trains.
            storage.remove(trained_path)
        return metrics

    def load_weights(self, model, candidate):
        """Gives a model the weights it had before it was compressed."""
        return self.evaluator.load_weights(model, candidate)

    def training_objective(self, objective):
        """Returns what the training before the compression is judged by.

        Args:
            objective: `keras_tuner.Objective` of the search.

        Returns:
            `keras_tuner.Objective`, the first that is not measured on files
            alone: `"val_accuracy"` in place of `"int8_val_accuracy"`.
        """
        for part in parts_of(objective):
            name = part.name.removeprefix(f"{self.quantize}_")
            # The tuner measures costs, and they are the same in every epoch.
            if name not in _FILE_METRICS and not isinstance(part, Cost):
                # The first decides which epoch is the best.
                return keras_tuner.Objective(name, part.direction)
        return keras_tuner.Objective("loss", "min")

    def _measured(self, candidate, model):
        metric = self.metric
        if metric is None:
            metric = _metric_of(candidate.objective, self.quantize)
        # The data are what the hypermodel gives to `fit`.
        deployment = candidate.fit(
            _Deployed(model, self.quantize, metric, self.deploy_arguments), []
        )
        variant = deployment.variants[self.quantize]
        path = os.path.join(candidate.directory, TFLITE_FILE)
        storage.write_bytes(path, variant.tflite_model.content)
        measured = {f"val_{deployment.metric.name}": variant.score}
        measured |= {name: getattr(variant, name) for name in _FILE_METRICS}
        measured["is_verified"] = variant.is_verified
        return {
            f"{self.quantize}_{name}": float(value)
            for name, value in measured.items()
        }


class _Deployed:
    """What a hypermodel fits instead of a model: it is deployed."""

    def __init__(self, model, quantize, metric, arguments):
        self._model = model
        self._quantize = quantize
        self._metric = metric
        self._arguments = arguments

    def __getattr__(self, name):
        return getattr(self._model, name)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        validation_split=0.0,
        validation_data=None,
        sample_weight=None,
        class_weight=None,
        **_,
    ):
        """Takes the arguments of `model.fit`; returns a `Deployment`."""
        if validation_data is None and validation_split:
            (x, y, sample_weight), validation_data = split_validation(
                x, y, sample_weight, validation_split
            )
        if validation_data is None:
            raise FatalValueError(
                "Files are scored on validation data, but `search()` got "
                "none. Expected `validation_data=` or `validation_split=`."
            )
        if isinstance(validation_data, tuple | list):
            validation_data = tuple(validation_data[:2])  # No weights.
        arguments = dict(self._arguments)
        if any(arguments.get(name) for name in _STAGES):
            given = {
                "batch_size": batch_size,
                "sample_weight": sample_weight,
                "class_weight": class_weight,
                "verbose": 0,
            }
            given = {k: v for k, v in given.items() if v is not None}
            arguments = given | arguments
        try:
            return deploy(
                self._model,
                x,
                y,
                validation_data=validation_data,
                quantize=self._quantize,
                metric=self._metric,
                num_threads=1,
                **arguments,
            )
        except DeploymentError as error:
            # A file that lost its accuracy is what a search should see.
            if error.deployment is None:
                raise
            variant = error.deployment.variants[self._quantize]
            if variant.score is None or variant.latency_ms is None:
                raise
            return error.deployment


def _metric_of(objective, quantize):
    """The name of the metric that an objective asks of a file."""
    names = [
        part.name.removeprefix(f"{quantize}_") for part in parts_of(objective)
    ]
    for name in names:
        if name not in _FILE_METRICS and name.startswith("val_"):
            return name.removeprefix("val_")
    return None


def _check_deploy_arguments(arguments):
    own = {"max_accuracy_drop", "max_bytes", "max_latency_ms"}
    known = set(_STAGES) | {"epochs", "representative_data"}
    of_compress = inspect.signature(compression.compress).parameters
    known |= set(of_compress) - {"model", "x", "y", "validation_data"}
    known |= {"class_weight", "steps_per_epoch"}
    unknown = sorted(set(arguments) - known)
    if not unknown:
        # Before the first candidate is trained.
        of_stages = inspect.signature(make_stages).parameters
        make_stages(**{k: v for k, v in arguments.items() if k in of_stages})
        return
    hint = ""
    if own & set(unknown):
        hint = (
            " Limits are constraints or objectives of the search: "
            '`objective=["int8_val_accuracy", "int8_size_bytes"]`.'
        )
    raise ValueError(
        "Unknown arguments received by `AfterCompression`. Expected some of "
        f"{sorted(known)}.{hint} Received: {unknown}"
    )
