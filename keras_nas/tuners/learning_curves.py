"""The learning curves of a search, in a file for each trial."""

import os
import warnings

import tensorflow as tf

from keras_nas import storage

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
            List of floats.
        """
        sign = 1.0 if self.objective.direction == "min" else -1.0
        return [
            sign * float(self.objective.get_value(logs))
            if self.objective.has_value(logs)
            else float("nan")
            for logs in epochs
        ]

    def read(self):
        """Reads the losses of all trials.

        Returns:
            Dict of lists of floats, by the number of the trial.
        """
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
