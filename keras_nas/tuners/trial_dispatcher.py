"""Trials on their way through an executor."""

import collections
import concurrent.futures
import itertools
import time

from keras_nas import storage
from keras_nas.tuners.trial_result import TrialResult
from keras_nas.tuners.trial_runner import timeout_message
from keras_nas.tuners.trial_task import run_trial_task, ship
from keras_nas.tuners.worker_pool import WorkerPool

# How often the time of running trials is looked at.
_POLL_S = 1.0

# A worker may die for reasons of its own; three are the trial's fault.
_MAX_LOSSES = 3

# What a trial may take beyond its timeout to end itself.
_TIMEOUT_GRACE_S = 10.0


class TrialDispatcher:
    """Gives trials to workers, and brings back what became of them.

    It knows nothing of oracles: who gives it trials decides what to do with
    a result. What all trials have in common is written to a file once, and
    removed at the end.

    Args:
        runner: `keras_nas.tuners.trial_runner.TrialRunner`.
        fit_args: Positional arguments of `search()`.
        fit_kwargs: Keyword arguments of `search()`.
        project_dir: String, a folder that all workers can reach.
        places: Integer, how many trials run side by side.
        executor: Optional `concurrent.futures.Executor`; new processes of
            this machine by default.

    Example:

    >>> import tempfile
    >>> from keras_nas.tuners.trial_runner import TrialRunner
    >>> runner = TrialRunner(None, None, None)
    >>> with TrialDispatcher(runner, [], {}, tempfile.mkdtemp(), 2) as places:
    ...     places.has_free_place
    True
    """

    def __init__(
        self, runner, fit_args, fit_kwargs, project_dir, places, executor=None
    ):
        self._trial_timeout = runner.trial_timeout
        self._pool = WorkerPool(places) if executor is None else None
        self._executor = self._pool or executor
        self._shipment = ship(runner, fit_args, fit_kwargs, project_dir)
        self._free = list(range(places))
        self._running = {}
        self._losses = collections.Counter()
        self._overdue = set()
        self._serials = itertools.count()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for future in self._running:
            future.cancel()
        if self._pool:
            self._pool.shutdown(wait=False)
        storage.remove(self._shipment)

    @property
    def has_free_place(self):
        """Whether another trial can be submitted."""
        return bool(self._free)

    @property
    def free_place(self):
        """Integer, the place that the next trial gets."""
        return self._free[0]

    @property
    def is_idle(self):
        """Whether no trial is running."""
        return not self._running

    def submit(self, trial, number, directory, learning_curves, known_costs):
        """Starts a trial at the free place.

        Args:
            trial: `keras_tuner.engine.trial.Trial`.
            number: Integer, the number of the trial in the search.
            directory: String, the folder of the trial.
            learning_curves: `keras_nas.tuners.learning_curves.LearningCurves`
                of the project.
            known_costs: Dict, what was measured of the candidate.
        """
        future = self._executor.submit(
            run_trial_task,
            self._shipment,
            trial.hyperparameters.get_config(),
            number,
            directory,
            learning_curves,
            known_costs,
            serial=next(self._serials),
        )
        self._running[future] = (trial, self._free.pop(0), time.monotonic())

    def prepare(self):
        """Starts the processes of the trials to come."""
        if self._pool:
            self._pool.prepare()

    def wait(self):
        """Waits a moment for trials to end.

        Yields:
            Pairs, a trial that has ended and its `TrialResult`.

        Raises:
            RuntimeError: If the executor gives up its trials.
        """
        done, _ = concurrent.futures.wait(
            self._running, _POLL_S, concurrent.futures.FIRST_COMPLETED
        )
        self._kill_overdue()
        while done:
            # Not kept: Dask runs a finished trial again if its worker dies
            # while anybody still holds the future.
            future = done.pop()
            trial, place, _ = self._running.pop(future)
            self._free.append(place)
            result = self._result(trial, future)
            del future
            yield trial, result

    def _result(self, trial, future):
        hyperparameters = trial.hyperparameters.get_config()
        try:
            return future.result()
        except concurrent.futures.CancelledError as error:
            # Dask does this when its scheduler is gone; what is given to it
            # then never ends.
            raise RuntimeError(
                "The executor has cancelled a trial: it was shut down, or "
                "has lost its cluster. Nothing that had finished is lost; "
                "run the same script again to go on."
            ) from error
        except Exception as error:  # The worker, not the trial, has failed.
            name = type(error).__name__
            if trial.trial_id in self._overdue:
                message = timeout_message(self._trial_timeout)
                message = f"TrialTimeout: {message}"
                return TrialResult(hyperparameters, error=message, kind="final")
            self._losses[trial.trial_id] += 1
            if self._losses[trial.trial_id] < _MAX_LOSSES:
                return TrialResult(
                    hyperparameters,
                    error=f"its worker died ({name})",
                    kind="lost",
                )
            return TrialResult(
                hyperparameters,
                error=f"{name}: the worker of this trial died {_MAX_LOSSES} "
                f"times, most likely because it ran out of memory. {error}",
                kind="final",
            )

    def _kill_overdue(self):
        if not self._pool or not self._trial_timeout:
            return
        for future, (trial, _, started_s) in self._running.items():
            # A trial can end itself between two batches; this is for one
            # that hangs, or is busy with something else.
            over_s = time.monotonic() - started_s - self._trial_timeout
            if over_s > _TIMEOUT_GRACE_S and not future.done():
                self._overdue.add(trial.trial_id)
                self._pool.kill(future)
