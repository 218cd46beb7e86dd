"""The search loop.

This is the only file that touches private parts of `keras_tuner.Tuner`: its
constructor reloads a project before the subclass can say a word.
"""

import collections
import concurrent.futures
import inspect
import itertools
import numbers
import os
import time
import traceback

import keras
import keras_tuner
from keras_tuner.engine import trial as trial_module
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.errors import (
    FailedTrialError,
    FatalError,
    FatalRuntimeError,
    FatalTypeError,
    FatalValueError,
)

from keras_nas import architectures, storage
from keras_nas.costs import Cost
from keras_nas.evaluators import Training
from keras_nas.evaluators.best_weights import (
    BUILD_CONFIG_FILE,
    WEIGHTS_FILE,
    without_optimizer,
)
from keras_nas.evaluators.results import as_metrics
from keras_nas.oracles import Oracle
from keras_nas.tuners.exploration import explore
from keras_nas.tuners.fingerprint import (
    describe_objective,
    write_fingerprint,
)
from keras_nas.tuners.interruption import Interruption
from keras_nas.tuners.objective_check import check_objective
from keras_nas.tuners.progress import Progress, format_values
from keras_nas.tuners.project import (
    check_project,
    empty_project,
    has_state,
    remove_leftovers,
)
from keras_nas.tuners.project_lock import project_lock
from keras_nas.tuners.trial_runner import TrialRunner
from keras_nas.tuners.trial_task import made_data, run_trial_task, ship
from keras_nas.tuners.worker_pool import WorkerPool

# Methods that a subclass may override to follow a training.
_HOOKS = ("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end")

# How often the time of running trials is looked at.
_POLL_S = 1.0

# A worker may die for reasons of its own; three are the trial's fault.
_MAX_LOSSES = 3

# What a trial may take beyond its timeout to end itself.
_TIMEOUT_GRACE_S = 10.0


class Tuner(keras_tuner.Tuner):
    """Searches a hypermodel: an oracle proposes, an evaluator scores.

    A drop-in for `keras_tuner.Tuner`, which it is a subclass of: the same
    arguments, methods and project directory. What it adds: mistakes are
    found before any training and before an existing project is touched,
    every file is written whole, a search that was killed continues with
    exactly the trials it would have run, and the way of scoring is
    exchangeable.

    Use the ready tuners (`RegularizedEvolution`, `RandomSearch`) if an
    oracle of keras_nas and its defaults will do.

    Args:
        oracle: `keras_nas.oracles.Oracle`, or any `keras_tuner.Oracle`.
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model`, or a `keras_tuner.HyperModel`.
        evaluator: Optional `keras_nas.evaluators.Evaluator`; trains every
            candidate by default.
        max_model_size: Optional integer; candidates with more trainable
            parameters are recorded as failed without being trained.
        optimizer: Optional optimizer that replaces the compiled one.
        loss: Optional loss that replaces the compiled one.
        metrics: Optional metrics that replace the compiled ones.
        distribution_strategy: Optional `tf.distribute.Strategy`; models are
            built and trained in its scope.
        directory: String, the folder for projects, local or `gs://`. The
            current folder by default.
        project_name: String, the folder of this search within `directory`.
        tuner_id: Optional string, the name of this tuner among several that
            share an oracle through KerasTuner's chief.
        overwrite: Boolean. If `False`, an existing project is resumed; if
            `True`, it is deleted, once the arguments have proved good.
        executions_per_trial: Integer, how often each candidate is trained
            from a new initialisation.
        max_time: Optional number of seconds; once the search has taken so
            long, over all resumes, no more trials are started.
        patience: Optional integer; the search ends when so many trials in a
            row have not improved the best score.
        trial_timeout: Optional number of seconds; a trial that takes longer
            is stopped and recorded as failed.
        constraints: List of `keras_nas.costs.Cost` with limits, such as
            `Parameters(max_parameters=100_000)`. They are checked on the
            built model. A candidate that violates one is neither trained nor
            counted as a trial, and is never proposed again.
        keep_weights: Integer, the weights of so many of the best trials are
            kept on the disk, for `get_best_models`; `None` keeps all.

    Raises:
        ValueError: If an argument is wrong, the search space is empty, the
            directory cannot be written to, or the project in it belongs to
            another search. The message says what was expected.
        TypeError: If `hypermodel` does not build a compiled Keras 3 model.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((4,)),
    ...         keras.layers.Dense(hp.Choice("units", [2, 4, 8])),
    ...         keras.layers.Dense(1)])
    ...     model.compile("adam", "mse")
    ...     return model
    >>> from keras_nas import oracles
    >>> tuner = Tuner(
    ...     oracles.RandomOracle("val_loss", max_trials=2, seed=0), build,
    ...     directory=tempfile.mkdtemp())
    >>> x, y = np.ones((32, 4)), np.ones(32)
    >>> tuner.search(x, y, validation_split=0.5, epochs=1, verbose=0)
    >>> len(tuner.get_best_models(2))
    2
    """

    def __init__(
        self,
        oracle,
        hypermodel=None,
        evaluator=None,
        max_model_size=None,
        optimizer=None,
        loss=None,
        metrics=None,
        distribution_strategy=None,
        directory=None,
        project_name=None,
        logger=None,
        tuner_id=None,
        overwrite=False,
        executions_per_trial=1,
        max_time=None,
        patience=None,
        trial_timeout=None,
        constraints=(),
        keep_weights=10,
    ):
        if not isinstance(oracle, keras_tuner.Oracle):
            raise ValueError(
                "Invalid value received for argument `oracle`. Expected an "
                "oracle, such as `keras_nas.oracles.RandomOracle(...)`. "
                f"Received: oracle={oracle!r}"
            )
        if evaluator is not None and executions_per_trial != 1:
            raise ValueError(
                "`executions_per_trial` is for the default evaluator only. "
                "Pass `evaluator=keras_nas.evaluators.Training(executions="
                f"{executions_per_trial})` instead. Received: "
                f"evaluator={evaluator!r}"
            )
        for name, value in (
            ("max_time", max_time),
            ("patience", patience),
            ("keep_weights", keep_weights),
            ("trial_timeout", trial_timeout),
        ):
            _check_positive(name, value)
        self.constraints = _check_constraints(constraints, oracle)
        if self.constraints:
            oracle.screen = self._screen
        self.keep_weights = keep_weights
        self.max_time = max_time
        self.patience = patience
        self.trial_timeout = trial_timeout
        self.evaluator = evaluator or Training(executions_per_trial)
        self.runner = TrialRunner(
            hypermodel=hypermodel,
            evaluator=self.evaluator,
            objective=oracle.objective,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            distribution_strategy=distribution_strategy,
            max_model_size=max_model_size,
            trial_timeout=trial_timeout,
            # Only a search with a seed of its own may touch the random state
            # of the user's process.
            seed=None
            if getattr(oracle, "seed_is_random", True)
            else oracle.seed,
        )
        self._requested_tuner_id = tuner_id
        self._is_constructed = False
        self._spent_s = 0.0
        self._search_started_s = None
        self._progress = Progress(verbose=0)
        self._interruption = Interruption(self._progress.note)
        self._told_reason = None
        self._losses = collections.Counter()
        self._overdue = set()

        # Everything that can be wrong is found here, before the directory
        # is touched.
        self._overrides_run_trial = type(self).run_trial is not Tuner.run_trial
        self._first_space = oracle.get_space()
        if hypermodel is not None or not self._overrides_run_trial:
            self._first_space = self._explore(hypermodel, oracle)
        project_dir = os.path.join(
            str(directory or "."), project_name or "untitled_project"
        )
        # A worker of KerasTuner's chief must not delete the live project.
        is_worker = (
            "KERASTUNER_ORACLE_IP" in os.environ
            and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")
        )
        self._is_to_be_emptied = overwrite and not is_worker
        if not is_worker:
            check_project(project_dir, overwrite, oracle, self._first_space)
        super().__init__(
            oracle=oracle,
            hypermodel=self.runner.hypermodel,
            max_model_size=max_model_size,
            optimizer=optimizer,
            loss=loss,
            metrics=metrics,
            distribution_strategy=distribution_strategy,
            directory=directory,
            project_name=project_name,
            logger=logger,
            tuner_id=tuner_id,
            overwrite=False,
            executions_per_trial=executions_per_trial,
        )

    # What a user calls.

    def search(
        self,
        *fit_args,
        verbose="auto",
        workers=None,
        executor=None,
        **fit_kwargs,
    ):
        """Searches; resumes if the project has been searched before.

        Press Ctrl-C once to end it after the running trial, twice to stop at
        once; or kill it. Run the same script again, and it goes on with the
        trial it was in.

        Args:
            *fit_args: Positional arguments of `model.fit`: the data. A
                function without arguments is called for its data, in each
                worker if there are workers.
            verbose: `0` is silent; `1` or `"auto"` prints a line for every
                trial; `2` also Keras's line for every epoch.
            workers: Optional integer, how many trials run side by side, each
                in a new process of this machine. By default trials run one
                after the other in this process.
            executor: Optional `concurrent.futures.Executor` to run trials
                in, such as `dask_client.get_executor()`; then `workers` says
                how many trials to give it at a time. It must be able to read
                and write the project's directory.
            **fit_kwargs: Keyword arguments of `model.fit`, such as
                `validation_data`, `epochs` and `callbacks`.

        Raises:
            ValueError: If the objective cannot be measured on this data, or
                something cannot be sent to workers.
            RuntimeError: If too many trials in a row have failed, or another
                process searches in the same directory.
        """
        is_told = verbose != "auto"
        verbose = _check_verbose(verbose)
        if "KERASTUNER_ORACLE_IP" in os.environ:
            # KerasTuner's own chief and workers: its loop speaks to them.
            self._empty_if_told()
            super().search(*fit_args, verbose=verbose, **fit_kwargs)
            return
        if not self._overrides_fit() or (is_told and self._takes_verbose()):
            # Several lines an epoch would drown the lines of the trials.
            fit_kwargs["verbose"] = 2 if verbose == 2 else 0
        places = self._check_workers(workers, executor)
        if not places:
            fit_args, fit_kwargs = made_data(fit_args, fit_kwargs)
        if self.remaining_trials != 0:
            self._check_fit(fit_args, fit_kwargs)
        with project_lock(self.project_dir):
            self._empty_if_told()
            remove_leftovers(self.project_dir)
            self._progress = Progress(verbose)
            self._interruption = Interruption(self._progress.note)
            self.oracle.verbose = 0  # KerasTuner's would print as well.
            self._search_started_s = time.monotonic()
            write_fingerprint(self.project_dir, self.oracle, self._first_space)
            self.save()
            self._announce()
            try:
                self.on_search_begin()
                with self._interruption.handled():
                    if places:
                        self._search_with_workers(
                            places, executor, fit_args, fit_kwargs
                        )
                    else:
                        self._search_here(fit_args, fit_kwargs)
                self.on_search_end()
            except KeyboardInterrupt:
                self._progress.note(
                    "Interrupted. "
                    f"{_counted(len(self.oracle.end_order), 'finished trial')}"
                    f" in {self.project_dir}; run the same script to go on."
                )
                raise
            finally:
                self._stop_clock()
                self.save()
        self._conclude()

    def run_trial(self, trial, *fit_args, **fit_kwargs):
        """Scores one trial; override it as in KerasTuner, or not at all.

        Args:
            trial: `keras_tuner.engine.trial.Trial` with the values to score.
            *fit_args: Positional arguments of `search()`.
            **fit_kwargs: Keyword arguments of `search()`.

        Returns:
            Dict of metrics, or what `HyperModel.fit` may return.
        """
        return self.evaluator.evaluate(
            self._candidate(trial, fit_args, fit_kwargs)
        )

    def get_best_models(self, num_models=1):
        """Returns the best models, with the weights of their best epochs.

        Args:
            num_models: Integer, how many.

        Returns:
            List of compiled `keras.Model`, best first; fewer than asked for
            if fewer trials have succeeded.

        Raises:
            RuntimeError: If no trial has succeeded yet.
        """
        trials = self.oracle.get_best_trials(num_models)
        done = trial_module.TrialStatus.COMPLETED
        trials = [trial for trial in trials if trial.status == done]
        if not trials:
            raise RuntimeError(
                f"There is no model yet: no trial in {self.project_dir} has "
                "succeeded. Call `search()` first; `results_summary()` shows "
                "why trials failed."
            )
        return [self.load_model(trial) for trial in trials]

    def load_model(self, trial):
        """Builds the model of a finished trial and loads its weights."""
        model = self.runner.build(trial.hyperparameters)
        folder = self.get_trial_dir(trial.trial_id)
        weights = os.path.join(folder, WEIGHTS_FILE)
        if not storage.exists(weights):
            raise RuntimeError(
                f"Trial {trial.trial_id} has no weights: '{weights}' does "
                "not exist. The weights of the "
                f"`keep_weights={self.keep_weights}` best trials are kept. "
                "Train the architecture anew: "
                "`tuner.hypermodel.build(trial.hyperparameters)`."
            )
        with maybe_distribute(self.distribution_strategy):
            if not model.built:
                config = os.path.join(folder, BUILD_CONFIG_FILE)
                model.build_from_config(storage.read_json(config))
            with without_optimizer(model):
                model.load_weights(weights)
            optimizer = getattr(model, "optimizer", None)
            if optimizer is not None and not optimizer.built:
                # Keras could not load a saved model that lacks this.
                optimizer.build(model.trainable_variables)
        return model

    def results_summary(self, num_trials=10):
        """Prints the best trials, and the reasons of those that failed.

        Args:
            num_trials: Integer, how many of each.
        """
        print(f"Results in {self.project_dir}")
        print(f"Objective: {describe_objective(self.oracle.objective)}")
        best = self.oracle.get_best_trials(num_trials)
        for rank, trial in enumerate(best, start=1):
            score = "-" if trial.score is None else f"{trial.score:.6g}"
            values = format_values(trial.hyperparameters.values)
            print(f"{rank:3d}. {self._label(trial)} | {score} | {values}")
        failed = [
            trial
            for trial in self.oracle.trials.values()
            if trial.status == trial_module.TrialStatus.FAILED
        ]
        if failed:
            print(f"{len(failed)} failed:")
        for trial in failed[:num_trials]:
            print(f"     {self._label(trial)} | {_reason(trial)}")

    def _label(self, trial):
        number = self.oracle.start_order.index(trial.trial_id) + 1
        return f"trial {number} (trial_{trial.trial_id})"

    # KerasTuner's storage, made whole.

    def get_state(self):
        """Returns what the tuner itself has to remember."""
        return super().get_state() | {"spent_s": self._elapsed_s()}

    def set_state(self, state):
        """Restores what `get_state` returned."""
        self._spent_s = state.get("spent_s", 0.0)

    def save(self):
        """Writes the state of the tuner and its oracle to the project."""
        if not self._is_worker():
            self.oracle.save()
        storage.write_json(self._get_tuner_fname(), self.get_state())

    def reload(self):
        """Reads the state of the tuner and its oracle from the project."""
        if not self._is_worker():
            self.oracle.reload()
        if storage.exists(self._get_tuner_fname()):
            state = storage.read_json(self._get_tuner_fname())
            # Nothing in it is worth refusing a project for.
            self.set_state(state if isinstance(state, dict) else {})

    def _populate_initial_space(self):
        # Called by KerasTuner's constructor, with the space explored
        # already: the place to resume.
        self._is_constructed = True
        if has_state(self.project_dir) and not self._is_to_be_emptied:
            self.reload()

    def _get_tuner_fname(self):
        if not self._is_constructed:
            # KerasTuner's constructor reloads the project, even one that is
            # to be overwritten, if it finds this file.
            return os.path.join(self.project_dir, ".none")
        # KerasTuner sets `tuner_id` only after it has looked for the file.
        name = self._requested_tuner_id or self.tuner_id
        return os.path.join(self.project_dir, f"{name}.json")

    # Before a search.

    def _explore(self, hypermodel, oracle):
        if not isinstance(hypermodel, keras_tuner.HyperModel):
            is_model = isinstance(hypermodel, keras.Model)
            if is_model or not callable(hypermodel):
                raise FatalValueError(
                    "Invalid value received for argument `hypermodel`. "
                    "Expected a function `build(hp)` that returns a compiled "
                    "model, or a `keras_tuner.HyperModel`. Received: "
                    f"hypermodel={hypermodel!r}"
                )
            hypermodel = _BuildFunction(hypermodel)
        self.hypermodel = self.runner.hypermodel = hypermodel
        space = oracle.get_space()
        hypermodel.declare_hyperparameters(space)
        space, model = explore(self.runner.build, space)
        if self._overrides_fit() or self._overrides_run_trial:
            # They may compile the model, or ask for hyperparameters.
            oracle.update_space(space)
            return oracle.get_space()
        if not getattr(model, "compiled", False):
            raise FatalTypeError(
                "Expected `build(hp)` to return a compiled model. Received a "
                f"model that is not compiled: {model.name}. Call "
                "`model.compile(optimizer, loss, metrics=[...])` before "
                "returning it."
            )
        oracle.update_space(space)
        # Without `tune_new_entries`, not all that was found is searched.
        space = oracle.get_space()
        if not architectures.has_choice(space):
            raise FatalValueError(
                "The search space is empty: `build(hp)` asked for no "
                "hyperparameter with two or more values. Expected calls such "
                'as `hp.Choice("units", [16, 32])`. Received: '
                f"{[hp.name for hp in space.space]}"
            )
        return space

    def _overrides_fit(self):
        if self._overrides_run_trial:
            return True
        if not isinstance(self.hypermodel, keras_tuner.HyperModel):
            return False
        fit = getattr(self.hypermodel.fit, "__func__", self.hypermodel.fit)
        return fit is not keras_tuner.HyperModel.fit

    def _takes_verbose(self):
        if self._overrides_run_trial:
            function = self.run_trial
        else:
            function = self.hypermodel.fit
        parameters = inspect.signature(function).parameters
        return "verbose" in parameters or any(
            parameter.kind == parameter.VAR_KEYWORD
            for parameter in parameters.values()
        )

    def _empty_if_told(self):
        # Only now: an earlier mistake must not cost an earlier search.
        if self._is_to_be_emptied:
            empty_project(self.project_dir)
            self._is_to_be_emptied = False

    def _check_workers(self, workers, executor):
        """Returns how many trials run side by side; 0 for in this process."""
        if workers is None and executor is None:
            return 0
        if workers is None:
            workers = getattr(executor, "_max_workers", None)
            if workers is None:
                raise ValueError(
                    "This executor does not say how many workers it has. "
                    "Expected `workers=`, how many trials to give it at a "
                    f"time. Received: executor={executor!r}"
                )
        if not isinstance(workers, int) or workers < 1:
            raise ValueError(
                "Invalid value received for argument `workers`. Expected a "
                f"positive integer. Received: workers={workers!r}"
            )
        if self.distribution_strategy is not None:
            raise ValueError(
                "`workers` and `executor` run trials in other processes, "
                "and a `distribution_strategy` belongs to the process that "
                "made it. Expected one of the two: a strategy without "
                "workers, and each trial has all devices; or workers "
                "without a strategy, and each has a GPU of its own. "
                f"Received: workers={workers}, distribution_strategy="
                f"{type(self.distribution_strategy).__name__}"
            )
        overridden = [
            name
            for name in ("run_trial", *_HOOKS)
            if getattr(type(self), name) is not getattr(Tuner, name)
        ]
        if overridden:
            raise ValueError(
                f"`{type(self).__name__}` overrides {overridden}, which "
                "would run in other processes than this tuner. Expected an "
                "`evaluator=` or `callbacks=` in their place, or no workers."
            )
        return workers

    def _check_fit(self, fit_args, fit_kwargs):
        if self._overrides_fit() or not isinstance(self.evaluator, Training):
            return
        hp = self._first_space.copy()
        with maybe_distribute(self.distribution_strategy):
            check_objective(
                self.runner.build(hp),
                self.oracle.objective,
                fit_args,
                fit_kwargs,
            )

    # During a search.

    def _screen(self, values):
        """Measures a candidate: its violation of the constraints, and why."""
        hp = self.oracle.get_space()
        hp.values = dict(values)
        try:
            keras.utils.clear_session()
            model = self.runner.build(hp)
        except FatalError:
            raise
        except Exception:
            return 0.0, ""  # The trial will show it, and be recorded.
        total, reasons = 0.0, []
        for constraint in self.constraints:
            value = constraint.measure(model)
            violation = constraint.violation(value)
            if violation > 0:
                total += violation
                reasons.append(
                    f"{constraint.name} {value:,} of {constraint.limit:,}"
                )
        return total, " and ".join(reasons)

    def _search_here(self, fit_args, fit_kwargs):
        while not self._reason_to_stop():
            self.pre_create_trial()
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == trial_module.TrialStatus.STOPPED:
                self._tell_of_exhaustion()
                break
            if trial.status == trial_module.TrialStatus.IDLE:
                continue
            self._begin(trial)
            try:
                self._evaluate(trial, fit_args, fit_kwargs)
                trial.status = trial_module.TrialStatus.COMPLETED
            except FatalError:
                raise
            except Exception as error:
                # KerasTuner's word for "do not try this one again".
                is_final = isinstance(error, FailedTrialError)
                self._fail(trial, traceback.format_exc(), is_final)
            self._end(trial)

    def _search_with_workers(self, places, executor, fit_args, fit_kwargs):
        """Keeps all places busy: a free one gets a proposal at once."""
        pool = WorkerPool(places) if executor is None else None
        shipment = ship(self.runner, fit_args, fit_kwargs, self.project_dir)
        free = [f"{self.tuner_id}-{place}" for place in range(places)]
        running = {}
        serials = itertools.count()
        try:
            while True:
                while free and not self._reason_to_stop():
                    self.pre_create_trial()
                    trial = self.oracle.create_trial(free[0])
                    if trial.status != trial_module.TrialStatus.RUNNING:
                        break
                    future = (pool or executor).submit(
                        run_trial_task,
                        shipment,
                        trial.hyperparameters.get_config(),
                        self.oracle.start_order.index(trial.trial_id),
                        self.get_trial_dir(trial.trial_id),
                        next(serials),
                    )
                    running[future] = (trial, free.pop(0), time.monotonic())
                    self._begin(trial)
                if not running:
                    self._tell_of_exhaustion()
                    break
                if pool and self.remaining_trials != 0:
                    pool.prepare()
                done, _ = concurrent.futures.wait(
                    running, _POLL_S, concurrent.futures.FIRST_COMPLETED
                )
                self._kill_overdue(pool, running)
                for future in done:
                    trial, place, _ = running.pop(future)
                    free.append(place)
                    self._take_result(trial, future)
                # Dask runs a finished trial again if its worker dies while
                # anybody still holds the future.
                done = future = None
        finally:
            for future in running:
                future.cancel()
            if pool:
                pool.shutdown(wait=False)
            storage.remove(shipment)

    def _take_result(self, trial, future):
        try:
            result = future.result()
        except Exception as error:  # The worker, not the trial, has failed.
            if trial.trial_id in self._overdue:
                self._fail(trial, self._timeout_message(), is_final=True)
            elif isinstance(error, concurrent.futures.CancelledError):
                # Dask does this when its scheduler is gone; what is given to
                # it then never ends.
                raise RuntimeError(
                    "The executor has cancelled a trial: it was shut down, or "
                    "has lost its cluster. Nothing that had finished is lost; "
                    "run the same script again to go on."
                ) from error
            elif self._count_loss(trial):
                self._progress.forget_trial(self._number(trial))
                self._progress.note(
                    f"{self._number(trial)} | its worker died "
                    f"({type(error).__name__}); it runs again"
                )
                self.oracle.return_trial(trial.trial_id)
                return
            else:
                self._fail(
                    trial,
                    f"{type(error).__name__}: the worker of this trial died "
                    f"{_MAX_LOSSES} times, most likely because it ran out of "
                    f"memory. {error}",
                    is_final=True,
                )
        else:
            trial.hyperparameters = keras_tuner.HyperParameters.from_config(
                result.hyperparameters
            )
            if result.kind == "fatal":
                raise FatalRuntimeError(
                    "A trial has failed in a way in which all others would. "
                    f"The error in its worker:\n{result.error}"
                )
            if result.error:
                self._fail(trial, result.error, result.kind == "final")
            else:
                self._record(trial, result.metrics)
                trial.status = trial_module.TrialStatus.COMPLETED
        self._end(trial)

    def _count_loss(self, trial):
        """Whether a trial whose worker died may run once more."""
        self._losses[trial.trial_id] += 1
        may_return = hasattr(self.oracle, "return_trial")
        return may_return and self._losses[trial.trial_id] < _MAX_LOSSES

    def _kill_overdue(self, pool, running):
        if not pool or not self.trial_timeout:
            return
        for future, (trial, _, started_s) in running.items():
            # A trial can end itself between two batches; this is for one
            # that hangs, or is busy with something else.
            over_s = time.monotonic() - started_s - self.trial_timeout
            if over_s > _TIMEOUT_GRACE_S and not future.done():
                self._overdue.add(trial.trial_id)
                pool.kill(future)

    def _timeout_message(self):
        return (
            f"TrialTimeout: the trial took longer than "
            f"`trial_timeout={self.trial_timeout}` seconds."
        )

    def _reason_to_stop(self):
        reason = None
        if self._interruption.is_wished:
            reason = "you asked for it"
        elif self.max_time and self._elapsed_s() >= self.max_time:
            reason = f"`max_time={self.max_time}` seconds have passed"
        elif self.patience and self._trials_without_gain() >= self.patience:
            reason = (
                f"the last {self._trials_without_gain()} trials have not "
                "improved the best score"
            )
        if reason and reason != self._told_reason:
            self._told_reason = reason
            self._progress.note(f"No more trials are started: {reason}.")
        return reason

    def _tell_of_exhaustion(self):
        if self.remaining_trials and not self._reason_to_stop():
            self._progress.note(
                "The space is exhausted: every architecture has been tried."
            )

    def _trials_without_gain(self):
        best = self.oracle.get_best_trials(1)
        ended = self.oracle.end_order
        if not best or best[0].trial_id not in ended:
            return 0
        return len(ended) - 1 - ended.index(best[0].trial_id)

    def _begin(self, trial):
        values = dict(trial.hyperparameters.values)
        self._progress.begin_trial(self._number(trial), values)
        self.on_trial_begin(trial)

    def _end(self, trial):
        try:
            self.on_trial_end(trial)
            self._drop_weights(trial)
        finally:
            self._report(self.oracle.get_trial(trial.trial_id))

    def _drop_weights(self, ended):
        """Removes the weights that the trial that ended made superfluous."""
        if self.keep_weights is None:
            return
        best = self.oracle.get_best_trials(self.keep_weights + 1)
        kept = [trial.trial_id for trial in best[: self.keep_weights]]
        dropped = [trial.trial_id for trial in best[self.keep_weights :]]
        for trial_id in {*dropped, ended.trial_id}.difference(kept):
            folder = self.get_trial_dir(trial_id)
            storage.remove(os.path.join(folder, WEIGHTS_FILE))

    def _fail(self, trial, message, is_final):
        trial.message = message
        trial.status = (
            trial_module.TrialStatus.FAILED
            if is_final
            else trial_module.TrialStatus.INVALID
        )

    def _number(self, trial):
        number = self.oracle.start_order.index(trial.trial_id) + 1
        limit = self.oracle.max_trials
        return f"trial {number}/{limit}" if limit else f"trial {number}"

    def _evaluate(self, trial, fit_args, fit_kwargs):
        result = self.run_trial(trial, *fit_args, **fit_kwargs)
        record = self.oracle.get_trial(trial.trial_id)
        objective = self.oracle.objective
        if result is None and record.metrics.exists(objective.name):
            return  # An overridden `run_trial` that reports by itself.
        self._record(trial, as_metrics(result, objective))

    def _record(self, trial, metrics):
        self.oracle.update_trial(
            trial.trial_id, metrics, step=int(metrics.get("best_epoch", 0))
        )

    def _candidate(self, trial, fit_args, fit_kwargs):
        return self.runner.candidate(
            trial.hyperparameters,
            # A worker of KerasTuner's chief knows no other trials.
            number=int(trial.trial_id),
            directory=self.get_trial_dir(trial.trial_id),
            fit_args=fit_args,
            fit_kwargs=fit_kwargs,
            callbacks=[
                *self._hooks(trial),
                self._progress.callback(),
                self._interruption.callback(),
            ],
        )

    def _hooks(self, trial):
        """Callbacks for the `on_..._begin/end` methods a subclass overrides.

        A hook that does nothing would still be called for every batch.
        """
        hooks = {
            hook: getattr(self, hook)
            for hook in _HOOKS
            if getattr(type(self), hook) is not getattr(Tuner, hook)
        }
        return [_TunerHook(trial, name, m) for name, m in hooks.items()]

    # What is shown.

    def _announce(self):
        size = architectures.size(self._first_space)
        count = f"{size:,}" if size < 10**9 else f"{float(size):.2g}"
        if size == float("inf"):
            count = "very many"
        done = len(self.oracle.end_order)
        limit = self.oracle.max_trials
        limit = _counted(limit, "trial") if limit else "unlimited trials"
        hyperparameters = _counted(
            len(self._first_space.space), "hyperparameter"
        )
        resumed = f", {done} of them finished before" if done else ""
        self._progress.note(
            f"{type(self).__name__}: {hyperparameters}, {count} "
            "architectures, objective "
            f"{describe_objective(self.oracle.objective)}, {limit}"
            f"{resumed}, in {self.project_dir}"
        )

    def _report(self, trial):
        best = self.oracle.get_best_trials(1)
        done = len(self.oracle.end_order)
        spent_s = self._elapsed_s()
        left_s = None
        if self.oracle.max_trials and done:
            remaining = max(0, self.oracle.max_trials - done)
            left_s = spent_s / done * remaining if remaining else None
        name = self.oracle.objective.name
        if trial.score is None:
            outcome = f"{trial.status}: {_reason(trial)}"
        else:
            outcome = f"{name} {trial.score:.5g}"
        self._progress.end_trial(
            label=self._number(trial),
            outcome=outcome,
            best=(
                f"{best[0].score:.5g} (trial "
                f"{self.oracle.start_order.index(best[0].trial_id) + 1})"
                if best and best[0].score is not None
                else "none"
            ),
            spent_s=spent_s,
            left_s=left_s,
            values=trial.hyperparameters.values,
        )

    def _conclude(self):
        trials = self.oracle.trials.values()
        done = sum(t.status == "COMPLETED" for t in trials)
        failed = sum(t.status == "FAILED" for t in trials)
        self._progress.note(
            f"Search finished: {_counted(done, 'trial')} completed, {failed} "
            f"failed, in {self.project_dir}"
        )
        infeasible = len(getattr(self.oracle, "infeasible", ()))
        if infeasible:
            self._progress.note(
                f"{_counted(infeasible, 'candidate')} violated the "
                "constraints and cost no trial."
            )
        if failed and not done:
            last = [t for t in trials if t.status == "FAILED"][-1]
            self._progress.note(
                f"No trial has succeeded. The last failure: {_reason(last)}. "
                "Failed trials are not run again: after mending the cause, "
                "search with `overwrite=True` or another `project_name`."
            )

    def _elapsed_s(self):
        if self._search_started_s is None:
            return self._spent_s
        return self._spent_s + time.monotonic() - self._search_started_s

    def _stop_clock(self):
        self._spent_s = self._elapsed_s()
        self._search_started_s = None


class _TunerHook(keras.callbacks.Callback):
    """Calls one overridden `Tuner.on_...` method."""

    def __init__(self, trial, name, method):
        super().__init__()

        def hook(index, logs=None):
            method(trial, self.model, index, logs=logs)

        setattr(self, name, hook)


class _BuildFunction(keras_tuner.HyperModel):
    """A function `build(hp)` as a hypermodel."""

    def __init__(self, build):
        super().__init__()
        self.build = build


def _check_positive(name, value):
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if value is not None and not (is_number and value > 0):
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"positive number or `None`. Received: {name}={value!r}"
        )


def _check_constraints(constraints, oracle):
    for constraint in constraints:
        is_cost = isinstance(constraint, Cost)
        if not is_cost or constraint.limit is None:
            raise ValueError(
                "Invalid value received for argument `constraints`. Expected "
                "costs with a limit, such as "
                "`keras_nas.costs.Parameters(max_parameters=100_000)`. "
                f"Received: {constraint!r}"
            )
    if constraints and not isinstance(oracle, Oracle):
        raise ValueError(
            "`constraints` need an oracle of keras_nas, which learns what is "
            f"infeasible. Received: oracle={oracle!r}"
        )
    return list(constraints)


def _check_verbose(verbose):
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        raise ValueError(
            "Invalid value received for argument `verbose`. Expected 0, 1, "
            f'2 or "auto". Received: verbose={verbose!r}'
        )
    return int(verbose)


def _counted(number, noun):
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _reason(trial):
    """The line of a traceback that names the error: what went wrong."""
    lines = (trial.message or "no reason given").strip().splitlines()
    frames = [i for i, line in enumerate(lines) if line.startswith("  File ")]
    below = lines[frames[-1] + 1 :] if frames else lines
    # Below the code comes the error; more lines of its message may follow.
    return next((line for line in below if line[:1].strip()), lines[-1])
