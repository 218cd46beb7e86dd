"""The learning curves of a search, in a file for each trial."""

import os
import warnings

import numpy as np
import tensorflow as tf

from keras_nas import pareto, storage
from keras_nas.objectives.parts import has_front, losses_of

EPOCHS_FILE = "epochs.json"


class LearningCurves:
    """Reads and writes how the trials of a project have gone so far.

    Trials that run side by side, in whatever process, know of one another
    by these files. What has ended is remembered, so that a trial among a
    thousand does not read a thousand files after each epoch.

    Args:
        project_dir: String, the folder of the search.
        objective: `keras_tuner.Objective`.

    Example:

    >>> import keras_tuner, tempfile
    >>> project_dir = tempfile.mkdtemp()
    >>> folder = os.path.join(project_dir, "trial_0007")
    >>> os.mkdir(folder)
    >>> curves = LearningCurves(
    ...     project_dir, keras_tuner.Objective("accuracy", "max"))
    >>> curves.write(folder, 7, [{"accuracy": 0.5}, {"accuracy": 0.75}])
    >>> curves.read()
    {7: [-0.5, -0.75]}
    """

    def __init__(self, project_dir, objective):
        self.project_dir = project_dir
        self.objective = objective
        self._ended = {}

    def write(self, directory, number, epochs):
        """Writes the epochs of a trial.

        Args:
            directory: String, the folder of the trial.
            number: Integer, the number of the trial in the search.
            epochs: List of dicts, the logs of each epoch.
        """
        path = os.path.join(directory, EPOCHS_FILE)
        storage.write_json(path, {"number": number, "epochs": epochs})

    def losses(self, epochs):
        """Turns logs into losses to be minimised, NaN where there is none.

        Args:
            epochs: List of dicts, the logs of each epoch.

        Returns:
            List of floats; of tuples, if there are several objectives.
        """
        if has_front(self.objective):
            return [losses_of(self.objective, logs) for logs in epochs]
        sign = 1.0 if self.objective.direction == "min" else -1.0
        return [
            sign * float(self.objective.get_value(logs))
            if self.objective.has_value(logs)
            else float("nan")
            for logs in epochs
        ]

    def read(self):
        """Reads the losses of all trials.

        Several objectives become one loss by comparing all trials after each
        epoch: their place in `keras_nas.pareto.spread_order`, from 0 to 1.

        Returns:
            Dict of lists of floats, by the number of the trial.

        Reference:
            Schmucker et al., [Multi-objective Asynchronous Successive
            Halving](https://arxiv.org/abs/2106.12639), 2021.
        """
        curves = self._all()
        return places(curves) if has_front(self.objective) else curves

    def _all(self):
        curves = dict(self._ended.values())
        for name in tf.io.gfile.listdir(self.project_dir):
            name = name.rstrip("/")
            if name.startswith("trial_") and name not in self._ended:
                curves.update([curve] if (curve := self._read(name)) else [])
        return curves

    def end(self, directory):
        """Remembers the curve of a trial that has ended."""
        name = os.path.basename(directory)
        curve = self._read(name)
        if curve:
            self._ended[name] = curve

    def _read(self, name):
        path = os.path.join(self.project_dir, name, EPOCHS_FILE)
        if not storage.exists(path):
            return None
        try:
            with storage.explained(path, "the logs of a trial's epochs"):
                content = storage.read_json(path)
                return content["number"], self.losses(content["epochs"])
        except RuntimeError as error:
            # A rule can do without the curve of one trial.
            warnings.warn(
                f"The learning curve of {name} is left out: {error}",
                stacklevel=2,
            )
            return None


def places(curves):
    """Turns several losses an epoch into the place among all trials.

    Args:
        curves: Dict of lists of tuples of floats, one an epoch, by the number
            of the trial.

    Returns:
        Dict of lists of floats: 0 for the first place in
        `keras_nas.pareto.spread_order`, and NaN where a loss is not finite.

    Example:

    >>> places({0: [(1, 9), (1, 8)], 1: [(9, 1)], 2: [(9, 9), (0, 7)]})
    {0: [0.0, 0.5], 1: [0.3333333333333333], 2: [0.6666666666666666, 0.0]}
    """
    placed = {number: [] for number in curves}
    for epoch in range(max(map(len, curves.values()), default=0)):
        there = {n: c[epoch] for n, c in curves.items() if len(c) > epoch}
        finite = [n for n, losses in there.items() if np.isfinite(losses).all()]
        order = pareto.spread_order([there[number] for number in finite])
        found = {finite[i]: p / len(there) for p, i in enumerate(order)}
        for number in there:
            placed[number].append(found.get(number, float("nan")))
    return placed
