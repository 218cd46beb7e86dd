"""The oracle of KerasTuner's chief, with what its protocol leaves out."""

import os

from keras_tuner.engine.trial import Trial, TrialStatus

from keras_nas import storage

# In the folder of a trial, which the chief and its workers share.
_NOTE_FILE = "note_to_chief.json"


def tell_chief(directory, message, is_fatal=False):
    """Leaves the message of an error where the chief finds it.

    KerasTuner 1.4.8 drops it from what a worker sends.

    Args:
        directory: String, the folder of the trial.
        message: String, the traceback.
        is_fatal: Boolean, whether every other trial would fail likewise.

    Example:

    >>> import tempfile
    >>> directory = tempfile.mkdtemp()
    >>> tell_chief(directory, "ValueError: no")
    >>> os.listdir(directory)
    ['note_to_chief.json']
    """
    storage.write_json(
        os.path.join(directory, _NOTE_FILE),
        {"message": message, "is_fatal": is_fatal},
    )


class Chief:
    """Stands for an oracle where KerasTuner's server asks for one.

    An error of the oracle ends a search. In KerasTuner 1.4.8 it kills the
    worker that asked, and the chief waits for ever. Here it is kept for the
    chief to raise, and the workers are told that there are no more trials.

    Args:
        oracle: `keras_nas.oracles.Oracle`.
        trial_dir: Function from the ID of a trial to its folder.

    Attributes:
        error: The error that has ended the search, or `None`.

    Example:

    >>> from keras_nas import oracles
    >>> class Broken(oracles.Oracle):
    ...     def propose(self, rng):
    ...         raise ValueError("no idea")
    >>> chief = Chief(Broken("val_loss"), trial_dir=str)
    >>> chief.create_trial("tuner0").status
    'STOPPED'
    >>> chief.error
    ValueError('no idea')
    """

    def __init__(self, oracle, trial_dir):
        self._oracle = oracle
        self._trial_dir = trial_dir
        self.error = None

    def __getattr__(self, name):
        return getattr(self._oracle, name)

    def create_trial(self, tuner_id):
        """Hands out the next trial; see `keras_tuner.Oracle`."""
        if self.error is None:
            try:
                return self._oracle.create_trial(tuner_id)
            except Exception as error:
                self.error = error
        self._oracle.tuner_ids.discard(tuner_id)
        return Trial(
            self._oracle.get_space(), trial_id="", status=TrialStatus.STOPPED
        )

    def end_trial(self, trial):
        """Ends a trial; see `keras_tuner.Oracle`."""
        note = self._take_note(trial.trial_id)
        trial.message = note.get("message")
        try:
            self._oracle.end_trial(trial)
        except Exception as error:
            self.error = self.error or error
        if note.get("is_fatal"):
            self.error = self.error or RuntimeError(
                "A trial has failed in a way in which all others would. The "
                f"error in its worker:\n{trial.message}"
            )

    def _take_note(self, trial_id):
        path = os.path.join(self._trial_dir(trial_id), _NOTE_FILE)
        if not storage.exists(path):
            return {}
        note = storage.read_json(path)
        storage.remove(path)
        return note
