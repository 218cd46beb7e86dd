"""What a search tells about itself: its beginning, its trials, its end."""

import re

from keras_tuner.engine.trial import TrialStatus

from keras_nas import architectures
from keras_nas.objectives.parts import has_front, parts_of
from keras_nas.tuners.fingerprint import describe_objective
from keras_nas.tuners.progress import format_values


class SearchLog:
    """Puts into words what happens to the trials of an oracle.

    `Progress` prints the words; the tuner says when.

    Args:
        progress: `keras_nas.tuners.progress.Progress`.
        oracle: `keras_tuner.Oracle`, only read.
        project_dir: String, the folder of the search.

    Example:

    >>> from keras_nas import oracles
    >>> from keras_nas.tuners.progress import Progress
    >>> oracle = oracles.RandomOracle("val_loss", max_trials=3)
    >>> SearchLog(Progress(verbose=1), oracle, "digits").conclude()
    Search finished: 0 trials completed, 0 failed, in digits
    """

    def __init__(self, progress, oracle, project_dir):
        self.progress = progress
        self.oracle = oracle
        self.project_dir = project_dir

    def announce(self, name, space):
        """Tells what is searched, and how much of it is done already.

        Args:
            name: String, what kind of search it is.
            space: `keras_tuner.HyperParameters` of the search.
        """
        size = architectures.size(space)
        count = f"{size:,}" if size < 10**9 else f"{float(size):.2g}"
        if size == float("inf"):
            count = "very many"
        done = len(self.oracle.end_order)
        limit = self.oracle.max_trials
        limit = counted(limit, "trial") if limit else "unlimited trials"
        hyperparameters = counted(len(space.space), "hyperparameter")
        resumed = f", {done} of them finished before" if done else ""
        self.progress.note(
            f"{name}: {hyperparameters}, {count} architectures, objective "
            f"{self._objective()}, {limit}"
            f"{resumed}, in {self.project_dir}"
        )

    def begin(self, trial):
        """Tells that a trial has begun."""
        values = dict(trial.hyperparameters.values)
        self.progress.begin_trial(self.number(trial), values)

    def lose(self, trial, reason):
        """Tells that a trial will run again."""
        self.progress.forget_trial(self.number(trial))
        self.progress.note(f"{self.number(trial)} | {reason}; it runs again")

    def end(self, trial, spent_s, preparation_s=0.0):
        """Tells how a trial has ended.

        Args:
            trial: `keras_tuner.engine.trial.Trial`, as the oracle knows it.
            spent_s: Float, seconds the search has taken, over resumes.
            preparation_s: Float, how many of them no trial will take again.
        """
        done = len(self.oracle.end_order)
        left_s = None
        if self.oracle.max_trials and done:
            remaining = max(0, self.oracle.max_trials - done)
            trial_s = max(0.0, spent_s - preparation_s) / done
            left_s = trial_s * remaining if remaining else None
        if trial.score is None:
            outcome = f"{trial.status}: {reason(trial)}"
        else:
            outcome = format_objectives(trial, self.oracle.objective)
            if _has_remark(trial):
                outcome += f" ({trial.message})"
        self.progress.end_trial(
            label=self.number(trial),
            outcome=outcome,
            best=self._best(),
            spent_s=spent_s,
            left_s=left_s,
            values=trial.hyperparameters.values,
        )

    def _objective(self):
        objective = self.oracle.objective
        if not has_front(objective):
            return describe_objective(objective)
        return ", ".join(map(describe_objective, parts_of(objective)))

    def _best(self):
        best = self.oracle.get_best_trials(1)
        if not best or best[0].score is None:
            return "none"
        if has_front(self.oracle.objective):
            return (
                f"front of {counted(len(self.oracle.pareto_front()), 'trial')}"
            )
        number = self.oracle.start_order.index(best[0].trial_id) + 1
        return f"{best[0].score:.5g} (trial {number})"

    def conclude(self, is_interrupted=False):
        """Tells what the search has come to.

        Args:
            is_interrupted: Boolean, whether the user has stopped it.
        """
        trials = self.oracle.trials.values()
        done = [t for t in trials if t.status == TrialStatus.COMPLETED]
        failed = [t for t in trials if t.status == TrialStatus.FAILED]
        stopped = sum(is_stopped(trial) for trial in done)
        early = f" ({stopped} of them stopped early)" if stopped else ""
        self.progress.note(
            f"Search {'stopped' if is_interrupted else 'finished'}: "
            f"{counted(len(done), 'trial')} completed"
            f"{early}, {len(failed)} failed, in {self.project_dir}"
        )
        if is_interrupted:
            self.progress.note("Run the script again to go on.")
        infeasible = len(getattr(self.oracle, "infeasible", ()))
        if infeasible:
            self.progress.note(
                f"{counted(infeasible, 'candidate')} violated the "
                "constraints and cost no trial."
            )
        if failed and not done:
            self.progress.note(
                f"No trial has succeeded. The last failure: "
                f"{reason(failed[-1])}. "
                "Failed trials are not run again: after mending the cause, "
                "search with `overwrite=True` or another `project_name`."
            )

    def summarize(self, num_trials):
        """Prints the best trials, and the reasons of those that failed.

        Args:
            num_trials: Integer, how many of each.
        """
        print(f"Results in {self.project_dir}")
        print(f"Objective: {self._objective()}")
        best = self.oracle.get_best_trials(num_trials)
        front = set()
        if has_front(self.oracle.objective):
            front = {trial.trial_id for trial in self.oracle.pareto_front()}
            print(
                f"{counted(len(front), 'trial')} on the Pareto front. First "
                "its knee and its ends, then what lies between:"
            )
        for rank, trial in enumerate(best, start=1):
            score = "-" if trial.score is None else f"{trial.score:.6g}"
            if len(parts_of(self.oracle.objective)) > 1:
                score = format_objectives(trial, self.oracle.objective)
            values = format_values(trial.hyperparameters.values)
            remark = f" | {trial.message}" if _has_remark(trial) else ""
            if front and trial.trial_id not in front:
                remark += " | dominated"
            label = self._label(trial)
            print(f"{rank:3d}. {label} | {score} | {values}{remark}")
        trials = self.oracle.trials.values()
        stopped = sum(is_stopped(trial) for trial in trials)
        if stopped:
            print(f"{stopped} stopped early.")
        infeasible = len(getattr(self.oracle, "infeasible", ()))
        if infeasible:
            candidates = counted(infeasible, "candidate")
            print(f"{candidates} violated the constraints.")
        failed = [t for t in trials if t.status == TrialStatus.FAILED]
        if failed:
            share = len(failed) / len(self.oracle.end_order)
            print(f"{len(failed)} failed ({share:.0%} of those that ended):")
        for trial in failed[:num_trials]:
            print(f"     {self._label(trial)} | {reason(trial)}")

    def number(self, trial):
        """Names a trial by its number in the search."""
        number = self.oracle.start_order.index(trial.trial_id) + 1
        limit = self.oracle.max_trials
        return f"trial {number}/{limit}" if limit else f"trial {number}"

    def _label(self, trial):
        number = self.oracle.start_order.index(trial.trial_id) + 1
        return f"trial {number} (trial_{trial.trial_id})"


def format_objectives(trial, objective):
    """Writes what a completed trial has come to.

    Args:
        trial: `keras_tuner.engine.trial.Trial` that has a score.
        objective: `keras_tuner.Objective` of the search.

    Example:

    >>> import keras_tuner
    >>> from keras_tuner.engine.trial import Trial
    >>> trial = Trial(keras_tuner.HyperParameters())
    >>> trial.score = 0.25
    >>> format_objectives(trial, keras_tuner.Objective("val_loss", "min"))
    'val_loss 0.25'
    """
    total = f"{objective.name} {trial.score:.5g}"
    parts = parts_of(objective)
    if not hasattr(objective, "objectives"):
        return total
    values = ", ".join(
        f"{part.name} {trial.metrics.get_best_value(part.name):.5g}"
        for part in parts
        if trial.metrics.exists(part.name)
    )
    is_one_number = len(parts) > 1 and not has_front(objective)
    return f"{total} ({values})" if is_one_number else values


def is_stopped(trial):
    """Whether a stopping rule has ended a trial before its last epoch."""
    return trial.metrics.exists("stopped_epoch")


def _has_remark(trial):
    # Of a trial that has failed and then succeeded, the message is old.
    return is_stopped(trial) or trial.metrics.exists("inherited_from")


# Such as "bold".
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;]*m")


def reason(trial):
    r"""Finds in a failed trial's message the line that says what went wrong.

    Example:

    >>> from keras_tuner.engine.trial import Trial
    >>> trial = Trial(hyperparameters=None, trial_id="0000")
    >>> trial.message = "Traceback:\n  File x\n    f()\nValueError: no"
    >>> reason(trial)
    'ValueError: no'
    """
    # Keras writes a part of its messages in bold.
    message = _TERMINAL_CODE.sub("", trial.message or "no reason given")
    lines = message.strip().splitlines()
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    below = lines[frames[-1] + 1 :] if frames else lines
    # Below the code comes the error; more lines of its message may follow.
    told = [line for line in below if line[:1].strip()] or lines[-1:]
    if "Exception encountered when calling" in told[0]:
        return " ".join(told[:2])  # Keras tells the error in the next one.
    return told[0]


def counted(number, noun):
    """Writes a number of things.

    Example:

    >>> counted(1, "trial"), counted(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")
