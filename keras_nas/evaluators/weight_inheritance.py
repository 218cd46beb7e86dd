"""A new model starts from the weights of a trained one that is like it."""

import os

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from keras_tuner.engine.trial import TrialStatus

from keras_nas import storage
from keras_nas.evaluators.best_weights import (
    BUILD_CONFIG_FILE,
    INHERITABLE_FILE,
)
from keras_nas.evaluators.layer_weights import (
    LayerWeights,
    layers_of,
    match_layers,
)
from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)


class WeightInheritance(keras.callbacks.Callback):
    """Gives a model the weights of the nearest finished trial.

    The nearest is the one whose active hyperparameters differ in the fewest
    values; among equals the one with the better score, then the later one.
    It must have left its weights on the disk, see `save_inheritable`.

    A layer inherits all its weights or none: those of the layer that
    `match_layers` finds for it. Layers that are not trained (frozen ones,
    `Normalization`) keep what `build(hp)` gave them, and the optimizer
    starts anew.

    It works when the first training begins, on the model that is trained
    then, and only once.

    Args:
        candidate: `keras_nas.evaluators.Candidate`. The other trials are
            looked for beside its folder, so it works in any process.
        notes: Dict, to which it writes `"inherited_share"`, the share of the
            model's weights that were inherited, and `"inherited_from"`, the
            ID of the trial. A trial that is there already is taken again if
            it can be.

    References:

    - [Wei et al., 2016, Network Morphism](https://arxiv.org/abs/1603.01670)
    - [Pham et al., 2018, Efficient Neural Architecture Search via Parameter
      Sharing](https://arxiv.org/abs/1802.03268)
    - [Jin et al., 2019, Auto-Keras: An Efficient Neural Architecture Search
      System](https://arxiv.org/abs/1806.10282)

    Example:

    >>> import tempfile
    >>> from keras_nas.evaluators import Candidate
    >>> folder = os.path.join(tempfile.mkdtemp(), "trial_0000")
    >>> os.mkdir(folder)
    >>> candidate = Candidate(
    ...     keras_tuner.HyperParameters(),
    ...     keras_tuner.Objective("loss", "min"), folder,
    ...     build=None, fit=None, callbacks=None)
    >>> notes = {}
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> _ = model.fit(np.ones((4, 2)), np.ones(4), verbose=0,
    ...               callbacks=[WeightInheritance(candidate, notes)])
    >>> notes
    {'inherited_share': 0.0}
    """

    def __init__(self, candidate, notes):
        super().__init__()
        self._candidate = candidate
        self._notes = notes
        self._is_done = False

    def on_train_begin(self, logs=None):
        """Gives the model its weights."""
        if self._is_done:
            return
        self._is_done = True
        known = self._notes.pop("inherited_from", None)
        self._notes["inherited_share"] = 0.0
        for trial_id, folder in self._nearest_first(known):
            path = os.path.join(folder, INHERITABLE_FILE)
            layers = read_nested_arrays(path).get("layers")
            if layers:  # It may have been removed in this moment.
                _build(self.model, folder)
                share = _copy(layers, self.model)
                self._notes["inherited_share"] = share
                if share:
                    self._notes["inherited_from"] = trial_id
                return

    def _nearest_first(self, known):
        """Lists the IDs and folders of trials that have left weights."""
        project_dir, own_name = os.path.split(
            self._candidate.directory.rstrip("/")
        )
        own_values = _active_values(self._candidate.hyperparameters)
        sign = 1.0 if self._candidate.objective.direction == "min" else -1.0
        found = []
        for name in tf.io.gfile.listdir(project_dir):
            name = name.rstrip("/")
            folder = os.path.join(project_dir, name)
            if (
                name == own_name
                or not name.startswith("trial_")
                or not storage.exists(os.path.join(folder, INHERITABLE_FILE))
            ):
                continue
            trial = storage.read_json(os.path.join(folder, "trial.json"))
            if trial["status"] != TrialStatus.COMPLETED:
                continue
            values = _active_values(
                keras_tuner.HyperParameters.from_config(
                    trial["hyperparameters"]
                )
            )
            score = trial["score"]
            order = (
                trial["trial_id"] != known,
                _distance(values, own_values),
                np.inf if score is None else sign * score,
                -int(trial["trial_id"]),
            )
            found.append((order, trial["trial_id"], folder))
        return [(trial_id, folder) for _, trial_id, folder in sorted(found)]


def save_inheritable(model, directory):
    """Writes the weights of a model under the names of its layers.

    The file that Keras writes cannot serve: it is made to be read into a
    model built just like the first, and numbers the layers inside a layer
    instead of naming them. Building that model again would take longer and
    leave it behind in the process, and fails once `build(hp)` has changed.

    Args:
        model: Built `keras.Model`.
        directory: String, the folder of the trial.

    Example:

    >>> import tempfile
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> folder = tempfile.mkdtemp()
    >>> save_inheritable(model, folder)
    >>> os.listdir(folder)
    ['inheritable_weights.npz']
    """
    layers = [
        {
            "name": layer.name,
            "has_own_name": layer.has_own_name,
            "weights": [
                [name, np.asarray(variable.numpy())]
                for (name, _), variable in zip(
                    layer.shapes, layer.variables, strict=True
                )
            ],
        }
        for layer in layers_of(model)
    ]
    path = os.path.join(directory, INHERITABLE_FILE)
    write_nested_arrays(path, {"layers": layers})


def _build(model, folder):
    """Gives a model variables that would get them from its first batch.

    The data is that of the other trial, so its input shape is the same.
    """
    path = os.path.join(folder, BUILD_CONFIG_FILE)
    if model.built or not storage.exists(path):
        return
    config = storage.read_json(path)
    if config:
        with model.distribute_strategy.scope():
            model.build_from_config(config)


def _copy(layers, model):
    """Gives a model what it can inherit; returns the share of its weights."""
    ancestors = [
        LayerWeights(
            name=layer["name"],
            has_own_name=layer["has_own_name"],
            shapes=tuple(
                (name, value.shape) for name, value in layer["weights"]
            ),
        )
        for layer in layers
    ]
    heirs = layers_of(model)
    inherited = 0
    with model.distribute_strategy.scope():
        for first, second in match_layers(ancestors, heirs):
            variables = heirs[second].variables
            if not any(variable.trainable for variable in variables):
                continue
            for variable, (_, value) in zip(
                variables, layers[first]["weights"], strict=True
            ):
                variable.assign(value)
                inherited += value.size
    total = sum(np.prod(v.shape, dtype=int) for v in model.weights)
    return float(inherited / total) if total else 0.0


def _active_values(hyperparameters):
    return {
        hp.name: hyperparameters.values[hp.name]
        for hp in hyperparameters.space
        if hp.name in hyperparameters.values and hyperparameters.is_active(hp)
    }


def _distance(values, others):
    """Counts the hyperparameters that differ, or that only one side has."""
    absent = object()
    return sum(
        values.get(name, absent) != others.get(name, absent)
        for name in values.keys() | others.keys()
    )
