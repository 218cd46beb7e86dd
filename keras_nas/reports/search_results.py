"""What came out of a search, read from the files of any project."""

import collections
import math
import os
import re

import keras_tuner
import numpy as np
import tensorflow as tf
from keras_tuner.engine.trial import Trial

from keras_nas import pareto, storage
from keras_nas.reports.trial_result import TrialResult

_ORACLE_FILE = "oracle.json"
# KerasTuner's sum of several objectives, whatever their units: the score.
_SUM = "multi_objective"
_FINGERPRINT_FILE = "keras_nas.json"
# What keras_nas writes to the latter: `val_accuracy (max) + flops (min)`.
_OBJECTIVE = re.compile(r"([^\s(),+]+) \((min|max)\)")


class SearchResults:
    """The trials of a search, and what they say as a whole.

    Args:
        trials: List of `keras_tuner.engine.trial.Trial`, in the order in
            which they started.
        objectives: List of `keras_tuner.Objective`.
        space: `keras_tuner.HyperParameters`, the search space.
        name: String, what the search is called.
        end_order: Optional list of the IDs of ended trials, in that order;
            by default they ended as they started.
        infeasible: Number of candidates that violated constraints.
        started: Optional dict of texts by the ID of a trial, the time when
            it started.
        spent_s: Optional float, seconds the search has taken, over resumes.
        preparation_s: Optional float, the part of it that came before any
            trial, such as the training of a supernet.
        strategy: Optional string, the name of the oracle.
        score_direction: Optional `"min"` or `"max"`, what is better if a
            score is one number made of several objectives.

    Raises:
        ValueError: If there is no objective.

    Attributes:
        trials: List of `TrialResult`, in the order in which they started.
        objectives: Dict of directions, `"min"` or `"max"`, by name.
        metrics: Dict of directions by the name of a metric, the objectives
            first.

    Example:

    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("units", [8, 16])
    >>> trial = Trial(space, "0000", "COMPLETED")
    >>> _ = trial.metrics.update("val_loss", 0.25)
    >>> results = SearchResults(
    ...     [trial], [keras_tuner.Objective("val_loss", "min")], space)
    >>> results.best().metrics, results.best().values
    ({'val_loss': 0.25}, {'units': 8})
    """

    def __init__(
        self,
        trials,
        objectives,
        space,
        name="search",
        end_order=None,
        infeasible=0,
        started=None,
        spent_s=None,
        preparation_s=None,
        strategy=None,
        score_direction=None,
    ):
        started = started or {}
        self.trials = [
            TrialResult.of(trial, number, started.get(trial.trial_id))
            for number, trial in enumerate(trials)
        ]
        if not objectives:
            raise ValueError(
                "Invalid value received for argument `objectives`. Expected "
                "at least one `keras_tuner.Objective`. Received: "
                f"objectives={objectives!r}"
            )
        self.objectives = {one.name: one.direction for one in objectives}
        if "score" in self.objectives:
            # Of a search of which no more is known than its scores.
            for trial in self.trials:
                if trial.score is not None:
                    trial.metrics.setdefault("score", trial.score)
        self.metrics = dict(self.objectives)
        for trial in trials:
            for metric in trial.metrics.metrics:
                if metric != _SUM:
                    self.metrics.setdefault(
                        metric, trial.metrics.get_direction(metric)
                    )
        self.space = space
        self.name = name
        self.infeasible = infeasible
        self.spent_s = spent_s
        self.preparation_s = preparation_s
        self.strategy = strategy
        self.score_direction = score_direction
        places = {i: place for place, i in enumerate(end_order or ())}
        self._ended = sorted(
            self.trials,
            key=lambda trial: places.get(trial.trial_id, len(places)),
        )

    @classmethod
    def read(cls, directory, objectives=None):
        """Reads a project, that of KerasTuner itself included.

        The hypermodel is not needed. KerasTuner does not store what the
        objective was. If none is given it is the metric whose best values
        are the scores.

        Args:
            directory: String, the folder of the project, local or `gs://`:
                the one that holds `oracle.json`.
            objectives: Optional list of names of metrics.

        Returns:
            `SearchResults`.

        Raises:
            ValueError: If the folder is no project, or no trial has a metric
                that is named.
            RuntimeError: If a file is damaged; it names the file.
        """
        directory = str(directory).rstrip("/") or "/"
        _check_project(directory)
        state = _read(os.path.join(directory, _ORACLE_FILE))
        found = _read_trials(directory)
        path = os.path.join(directory, _ORACLE_FILE)
        with storage.explained(path, "the state of a search"):
            space = keras_tuner.HyperParameters.from_config(
                state.get("hyperparameters") or {"space": [], "values": {}}
            )
            order = [i for i in state.get("start_order", ()) if i in found]
            started = (state.get("display") or {}).get("trial_start") or {}
            end_order = state.get("end_order")
            infeasible = len(state.get("infeasible") or ())
        # A worker may have written a trial that the oracle has not seen yet.
        order += [i for i in found if i not in order]
        trials = [found[i] for i in order]
        fingerprint = _read(os.path.join(directory, _FINGERPRINT_FILE))
        stored, score_direction = _stored_objectives(fingerprint, trials)
        if objectives:
            known = _named(objectives, trials)
        else:
            known = stored or _guessed(trials)
        tuner = _tuner_state(directory)
        return cls(
            trials,
            known,
            space,
            name=os.path.basename(os.path.abspath(directory)),
            end_order=end_order,
            infeasible=infeasible,
            started=started,
            spent_s=tuner.get("spent_s"),
            preparation_s=tuner.get("preparation_s"),
            strategy=fingerprint.get("oracle"),
            score_direction=score_direction,
        )

    def completed(self):
        """Returns the trials with all objectives, in the order they ended."""
        return [trial for trial in self._ended if self._is_scored(trial)]

    def failures(self):
        """Counts the trials that failed, by the last line of their message.

        Returns:
            List of pairs of a text and a number, the most frequent first.
        """
        return collections.Counter(
            trial.reason
            for trial in self.trials
            if trial.status in ("FAILED", "INVALID")
        ).most_common()

    def statuses(self):
        """Counts the trials of each status.

        Returns:
            Dict of numbers by status.
        """
        return dict(collections.Counter(one.status for one in self.trials))

    def losses(self, trials):
        """Turns the objectives of trials into losses, to be minimised.

        Args:
            trials: List of `TrialResult` with all objectives.

        Returns:
            Array of shape `(trials, objectives)`.
        """
        signs = [1 if d == "min" else -1 for d in self.objectives.values()]
        values = [
            [trial.metrics[name] for name in self.objectives]
            for trial in trials
        ]
        shape = len(trials), len(signs)
        return np.array(values, dtype="float64").reshape(shape) * signs

    def front(self):
        """Returns the trials of the Pareto front, best in the first first.

        With one objective it is the best trial, or several equals.

        Returns:
            List of `TrialResult`.
        """
        trials = self.completed()
        if not trials:
            return []
        losses = self.losses(trials)
        chosen = np.flatnonzero(pareto.non_dominated(losses))
        order = sorted(chosen, key=lambda index: tuple(losses[index]))
        return [trials[index] for index in order]

    def best(self):
        """Returns the best trial: with several objectives the knee.

        Returns:
            `TrialResult`, or `None` if no trial is completed. If the score
            is one number made of several objectives, the best score counts.
        """
        trials = self.completed()
        if not trials:
            return None
        if self.score_direction:
            sign = 1 if self.score_direction == "min" else -1
            scored = [t for t in trials if t.score is not None]
            if scored:
                return min(scored, key=lambda trial: sign * trial.score)
        return trials[pareto.knee(self.losses(trials))]

    def progress(self):
        """Measures how good the search was after each completed trial.

        Returns:
            List of floats, in the order in which trials ended: the best
            value so far of a single objective, or the hypervolume of the
            front of several. Its reference point is the worst value of each,
            and a tenth of the range beyond it.
        """
        losses = self.losses(self.completed())
        if not len(losses):
            return []
        if len(self.objectives) == 1:
            sign = 1 if "min" in self.objectives.values() else -1
            return (sign * np.minimum.accumulate(losses[:, 0])).tolist()
        worst, best = losses.max(axis=0), losses.min(axis=0)
        point = worst + 0.1 * np.where(worst > best, worst - best, 1.0)
        return pareto.hypervolume_curve(losses, point).tolist()

    def _is_scored(self, trial):
        return trial.status == "COMPLETED" and all(
            math.isfinite(trial.metrics.get(name, math.nan))
            for name in self.objectives
        )


def _check_project(directory):
    if storage.exists(os.path.join(directory, _ORACLE_FILE)):
        return
    if not storage.exists(directory):
        problem, inside = "there is no such folder", []
    else:
        names = tf.io.gfile.listdir(directory)
        if any(name.startswith("trial_") for name in names):
            return  # A search of another tuner, or cut off at its start.
        problem = f"it has no `{_ORACLE_FILE}`"
        inside = [
            os.path.join(directory, name.rstrip("/"))
            for name in sorted(names)
            if storage.exists(os.path.join(directory, name, _ORACLE_FILE))
        ]
    hint = f" Did you mean {' or '.join(inside[:5])}?" if inside else ""
    raise ValueError(
        f"'{directory}' is not the project of a search: {problem}. Expected "
        f"the folder `directory/project_name` of a tuner.{hint}"
    )


def _read(path):
    if not storage.exists(path):
        return {}
    content = storage.read_json(path)
    return content if isinstance(content, dict) else {}


def _read_trials(directory):
    trials = {}
    # No glob: a folder may be called "run[1]".
    for name in sorted(tf.io.gfile.listdir(directory)):
        path = os.path.join(directory, name, "trial.json")
        if name.startswith("trial_") and storage.exists(path):
            with storage.explained(path, "the state of a trial"):
                trial = Trial.from_state(storage.read_json(path))
            trials[trial.trial_id] = trial
    return trials


def _tuner_state(directory):
    """What tuners remember; several of a chief add up to nothing known."""
    for name in sorted(tf.io.gfile.listdir(directory)):
        if name.startswith("tuner") and name.endswith(".json"):
            return _read(os.path.join(directory, name))
    return {}


def _named(names, trials):
    known = {}
    for trial in trials:
        for name in trial.metrics.metrics:
            known.setdefault(name, trial.metrics.get_direction(name))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            "Invalid value received for argument `objectives`. Expected names "
            f"among {sorted(known)}. Received: {', '.join(unknown)}"
        )
    return [keras_tuner.Objective(name, known[name]) for name in names]


def _stored_objectives(fingerprint, trials):
    """What keras_nas noted: objectives, and the direction of one number."""
    if "objectives" in fingerprint:
        stored = [
            keras_tuner.Objective(name, direction)
            for name, direction in fingerprint["objectives"]
        ]
        return stored, fingerprint.get("score_direction")
    # An earlier version wrote a text only.
    described = str(fingerprint.get("objective", ""))
    stored = [
        keras_tuner.Objective(name, direction)
        for name, direction in _OBJECTIVE.findall(described)
    ]
    is_one_number = re.match(r"\w+\(", described)
    return stored, _guessed(trials)[0].direction if is_one_number else None


def _guessed(trials):
    """Finds the metric that the scores are the best values of."""
    # KerasTuner keeps the score of a failed trial, which may be NaN.
    scored = [
        trial
        for trial in trials
        if trial.status == "COMPLETED"
        and trial.score is not None
        and math.isfinite(trial.score)
    ]
    fitting = {}
    for trial in scored[:1]:
        for name in trial.metrics.metrics:
            fitting[name] = trial.metrics.get_direction(name)
    for name in list(fitting):
        for trial in scored:
            if not trial.metrics.exists(name) or not np.isclose(
                trial.metrics.get_best_value(name), trial.score, atol=0.0
            ):
                del fitting[name]
                break
    if not fitting:
        return [keras_tuner.Objective("score", "min")]
    # Of a few trials with one accuracy, several metrics may fit.
    name = min(fitting, key=lambda name: not name.startswith("val_"))
    return [keras_tuner.Objective(name, fitting[name])]
