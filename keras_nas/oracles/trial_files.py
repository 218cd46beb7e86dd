"""The files of trials, as KerasTuner writes them."""

import os

import tensorflow as tf
from keras_tuner.engine.trial import Trial

from keras_nas import storage


def read_trials(project_dir):
    """Reads the trials of a project.

    Args:
        project_dir: String, the folder of a search.

    Returns:
        Dict of `keras_tuner.engine.trial.Trial` by their IDs.

    Raises:
        RuntimeError: If a file is damaged; it names the file and the remedy.

    Example:

    >>> import tempfile
    >>> read_trials(tempfile.mkdtemp())
    {}
    """
    trials = {}
    # No glob: a folder may be called "run[1]".
    for name in sorted(tf.io.gfile.listdir(project_dir)):
        path = os.path.join(project_dir, name, "trial.json")
        if not name.startswith("trial_") or not storage.exists(path):
            continue
        with storage.explained(path, "the state of a trial"):
            trial = Trial.from_state(storage.read_json(path))
        trials[trial.trial_id] = trial
    return trials
