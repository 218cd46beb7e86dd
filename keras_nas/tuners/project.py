"""The folder of a search: what may be done with what is in it."""

import os
import re

import tensorflow as tf

from keras_nas import storage
from keras_nas.tuners.fingerprint import FILE as FINGERPRINT_FILE
from keras_nas.tuners.fingerprint import check_fingerprint
from keras_nas.tuners.project_lock import LOCK_FILE

# As `storage.write_atomically` and `ship` name them.
_TEMPORARY = re.compile(r"\.\d+\.|shipment_.*\.pkl$")


def check_project(project_dir, overwrite, oracle, space):
    """Refuses a folder that this search cannot use; changes nothing in it.

    Args:
        project_dir: String, the project's folder; made if it is missing.
        overwrite: Boolean, whether a search in it may be deleted.
        oracle: `keras_tuner.Oracle` of this search.
        space: `keras_tuner.HyperParameters` of this search.

    Raises:
        ValueError: If the folder cannot be written to, belongs to another
            search, or is to be overwritten and holds something else.
        RuntimeError: If a file of the project cannot be read.
    """
    _check_writable(project_dir)
    if overwrite:
        if _holds_files(project_dir) and not _holds_search(project_dir):
            raise ValueError(
                f"Will not overwrite '{project_dir}': it holds files, but no "
                "search. Expected a new folder, or one made by a tuner. "
                "Choose another `project_name`, or empty it yourself."
            )
    elif has_state(project_dir):
        check_fingerprint(project_dir, oracle, space)
    elif any(
        name.startswith("trial_") for name in tf.io.gfile.listdir(project_dir)
    ):
        raise RuntimeError(
            f"The project in '{project_dir}' holds trials, but its "
            "'oracle.json' is gone, so they cannot be continued. Restore the "
            "file from a copy, or start a new search with another "
            "`project_name` or `overwrite=True`."
        )


def has_state(project_dir):
    """Whether there is a search to resume."""
    return storage.exists(os.path.join(project_dir, "oracle.json"))


def empty_project(project_dir):
    """Deletes a search; the folder and the lock on it stay."""
    for name in tf.io.gfile.listdir(project_dir):
        path = os.path.join(project_dir, name)
        if tf.io.gfile.isdir(path):
            tf.io.gfile.rmtree(path)
        elif name != LOCK_FILE:
            tf.io.gfile.remove(path)


def remove_leftovers(project_dir):
    """Removes the temporary files that killed processes have left.

    Only for the process that holds the project: another one may be writing.

    Args:
        project_dir: String, the project's folder.
    """
    for folder in (project_dir, *_trial_folders(project_dir)):
        for name in tf.io.gfile.listdir(folder):
            if _TEMPORARY.match(name):
                tf.io.gfile.remove(os.path.join(folder, name))


def _trial_folders(project_dir):
    return [
        os.path.join(project_dir, name)
        for name in tf.io.gfile.listdir(project_dir)
        if name.startswith("trial_")
    ]


def _holds_files(project_dir):
    return any(name != LOCK_FILE for name in tf.io.gfile.listdir(project_dir))


def _holds_search(project_dir):
    names = tf.io.gfile.listdir(project_dir)
    return any(
        name in ("oracle.json", FINGERPRINT_FILE)
        or name.startswith(("trial_", "tuner"))
        for name in names
    )


def _check_writable(project_dir):
    try:
        tf.io.gfile.makedirs(project_dir)
        probe = os.path.join(project_dir, ".writable")
        storage.write_json(probe, {})
        tf.io.gfile.remove(probe)
    except (OSError, tf.errors.OpError) as error:
        raise ValueError(
            f"Cannot write to '{project_dir}': {error}. Expected a folder "
            "that can be written to; choose another `directory`."
        ) from error
