"""The search loop.

This is the only file that touches private parts of `keras_tuner.Tuner`: its
constructor reloads a project before the subclass can say a word.
"""

import contextlib
import html
import inspect
import numbers
import os
import time
import traceback

import keras
import keras_tuner
import numpy as np
from keras_tuner.engine import trial as trial_module
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.errors import (
    FailedTrialError,
    FatalError,
    FatalRuntimeError,
    FatalTypeError,
    FatalValueError,
)

from keras_nas import architectures, pareto, storage
from keras_nas.evaluators import SearchInterrupted, Training, WeightSharing
from keras_nas.evaluators.best_weights import (
    WEIGHTS_FILE,
    has_weights,
    load_best_weights,
    remove_weights,
)
from keras_nas.evaluators.results import as_metrics
from keras_nas.evaluators.training_recorder import STATE_FILE
from keras_nas.objectives.parts import has_front, losses_of, parts_of
from keras_nas.oracles.repair import repair
from keras_nas.reports import (
    SearchResults,
    draw_model,
    results_dataframe,
    write_html_report,
)
from keras_nas.reports.html_report import check_path
from keras_nas.tuners.arguments import (
    check_callbacks,
    check_constraints,
    check_costs,
    check_positive,
    check_stopping_rule,
    check_verbose,
    check_workers,
    warn_of_ignored,
)
from keras_nas.tuners.chief import Chief, tell_chief
from keras_nas.tuners.exploration import explore
from keras_nas.tuners.fingerprint import (
    check_fingerprint,
    write_fingerprint,
)
from keras_nas.tuners.garbage_collection import older_objects_set_aside
from keras_nas.tuners.interruption import Interruption
from keras_nas.tuners.learning_curves import LearningCurves
from keras_nas.tuners.objective_check import check_objective
from keras_nas.tuners.progress import Progress, format_values
from keras_nas.tuners.project import (
    check_project,
    empty_project,
    has_state,
    remove_leftovers,
)
from keras_nas.tuners.project_lock import project_lock
from keras_nas.tuners.retracing_advice import retracing_advice_hidden
from keras_nas.tuners.screening import Screening
from keras_nas.tuners.search_log import (
    SearchLog,
    counted,
    format_objectives,
)
from keras_nas.tuners.tensorboard_log import TensorBoardLog
from keras_nas.tuners.trial_dispatcher import TrialDispatcher
from keras_nas.tuners.trial_runner import TrialRunner, overrides_fit
from keras_nas.tuners.trial_task import made_data

# Methods that a subclass may override to follow a training.
_HOOKS = ("on_epoch_begin", "on_epoch_end", "on_batch_begin", "on_batch_end")


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
            row have not improved the best score, or with several objectives
            the Pareto front.
        trial_timeout: Optional number of seconds; a trial that takes longer
            is stopped and recorded as failed.
        constraints: List of `keras_nas.costs.Cost` with limits, such as
            `Parameters(max_parameters=100_000)`. They are checked on the
            built model. A candidate that violates one is neither trained nor
            counted as a trial, and is never proposed again. What was measured
            is among the metrics of a trial.
        keep_weights: Integer, the weights of so many of the best trials are
            kept on the disk, for `get_best_models`; `None` keeps all. With
            several objectives those of the whole Pareto front are kept, and
            of so many trials at least.
        stopping_rule: Optional `keras_nas.stopping.StoppingRule` that ends
            trials between epochs that fall behind. By default the one of the
            oracle, if it has one.

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
        stopping_rule=None,
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
            ("trial_timeout", trial_timeout),
        ):
            check_positive(name, value)
        for name, value in (
            ("patience", patience),
            ("keep_weights", keep_weights),
        ):
            check_positive(name, value, is_whole=True)
        constraints = check_constraints(constraints, oracle)
        costs, self.constraints = check_costs(constraints, oracle)
        repair(oracle)
        if self.constraints:
            oracle.screen, oracle.is_over = self._screen, self._is_over
            oracle.limits = {
                one.name: float(one.limit) for one in self.constraints
            }
        stopping_rule = check_stopping_rule(stopping_rule, oracle)
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
            stopping_rule=stopping_rule,
            costs=costs,
        )
        self._screening = Screening(self.constraints, self.runner.build)
        # What was measured of the trials that run, by their ID.
        self._costs = {}
        # The trials whose weights were kept last time, once that is known.
        self._kept = None
        self._requested_tuner_id = tuner_id
        self._is_constructed = False
        self._spent_s = 0.0
        # What no trial to come will take again, such as a supernet's training.
        self._preparation_s = -self.evaluator.preparation_s
        self._search_started_s = None
        self._told_reason = None

        # Everything that can be wrong is found here, before the directory
        # is touched.
        self._overrides_run_trial = type(self).run_trial is not Tuner.run_trial
        if stopping_rule and self._overrides_run_trial:
            raise ValueError(
                f"`{type(self).__name__}` overrides `run_trial`, so a "
                "stopping rule would not be asked. Expected a tuner that does "
                f"not, or no rule. Received: stopping_rule={stopping_rule!r}"
            )
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
        # In a worker of KerasTuner's chief, `self.oracle` stands for the
        # chief's while it searches.
        self._own_oracle, self._asked_oracle = oracle, self.oracle
        self._show(verbose=0)
        self._learning_curves = LearningCurves(
            self.project_dir,
            self.evaluator.training_objective(oracle.objective),
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
        verbose = check_verbose(verbose)
        if "KERASTUNER_ORACLE_IP" in os.environ:
            self._search_with_chief(fit_args, fit_kwargs | {"verbose": verbose})
            return
        if not self._overrides_fit() or (is_told and self._takes_verbose()):
            # Several lines an epoch would drown the lines of the trials.
            fit_kwargs["verbose"] = 2 if verbose == 2 else 0
        places = self._places(workers, executor)
        if not places:
            fit_args, fit_kwargs = made_data(fit_args, fit_kwargs)
        check_callbacks(fit_kwargs.get("callbacks"))
        warn_of_ignored(self.evaluator, fit_kwargs, self.runner.stopping_rule)
        if self.remaining_trials != 0:
            self._check_fit(fit_args, fit_kwargs)
        with project_lock(self.project_dir):
            self._empty_if_told()
            self._catch_up()
            remove_leftovers(self.project_dir)
            for trial_id in self.oracle.end_order[-1:]:
                # The process may have been killed just before it did this.
                self._drop_weights(self.oracle.trials[trial_id])
            self._show(verbose)
            self._told_reason = self._kept = None
            self.oracle.verbose = 0  # KerasTuner's would print as well.
            self._search_started_s = time.monotonic()
            write_fingerprint(self.project_dir, self.oracle, self._first_space)
            self.save()
            self._log.announce(type(self).__name__, self._first_space)
            self._tensorboard = TensorBoardLog(
                fit_kwargs.get("callbacks"), self.oracle
            )
            try:
                self.on_search_begin()
                with (
                    self._interruption.handled(),
                    older_objects_set_aside(),
                    retracing_advice_hidden(),
                ):
                    if places:
                        self._search_with_workers(
                            places, executor, fit_args, fit_kwargs
                        )
                    else:
                        with contextlib.suppress(SearchInterrupted):
                            self._search_here(fit_args, fit_kwargs)
                self.on_search_end()
            except KeyboardInterrupt:
                self._progress.note(
                    "Interrupted. "
                    f"{counted(len(self.oracle.end_order), 'finished trial')}"
                    f" in {self.project_dir}; run the same script to go on."
                )
                raise
            finally:
                self._tensorboard.close()
                self._stop_clock()
                self.save()
        is_left = self.remaining_trials != 0 or self.oracle.ongoing_trials
        self._log.conclude(self._interruption.is_wished and bool(is_left))

    @property
    def remaining_trials(self):
        """How many trials may still be started; `None` for any number."""
        remaining = super().remaining_trials
        # A project may have more than are asked for now.
        return remaining if remaining is None else max(0, remaining)

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

        With several objectives they are those of the Pareto front, in an
        order in which any first few represent it: its knee, its ends in the
        order of the objectives, and then what fills the gaps.

        Args:
            num_models: Integer, how many.

        Returns:
            List of compiled `keras.Model`, best first; fewer than asked for
            if fewer trials have succeeded, or are on the front.

        Raises:
            RuntimeError: If no trial has succeeded yet.
        """
        trials = self._best_trials(num_models)
        if not trials:
            raise RuntimeError(
                f"There is no model yet: no trial in {self.project_dir} has "
                "succeeded. Call `search()` first; `results_summary()` shows "
                "why trials failed."
            )
        return [self.load_model(trial) for trial in trials]

    def get_best_hyperparameters(self, num_trials=1):
        """Returns the hyperparameters of the best trials.

        Args:
            num_trials: Integer, how many.

        Returns:
            List of `keras_tuner.HyperParameters`, in the order of
            `get_best_models`.
        """
        trials = self._best_trials(num_trials)
        return [trial.hyperparameters for trial in trials]

    def pareto_front(self, objectives=None):
        """Returns the trials that no other trial is better than throughout.

        Args:
            objectives: Optional list of objectives of the search or their
                names, to compare by: with the latency on several devices among
                the objectives, each device has a front of its own, such as
                that of `["val_accuracy", "pixel8_latency_ms"]`. By default
                all.

        Returns:
            List of `keras_tuner.engine.trial.Trial`, the best in the first
            objective first. `tuner.load_model(trial)` gives the model of one.
            With a single objective it is the best trial, or several equals.

        Raises:
            ValueError: If one is no objective of the search.
        """
        front = self.oracle.pareto_front(objectives)
        first = self.oracle.objective_columns(objectives)[0]

        def losses(trial):
            of_all = self.oracle.losses(trial)
            return of_all[first], of_all

        return sorted(front, key=losses)

    def hypervolume(self, reference=None):
        """Measures how far the Pareto front has come, trial by trial.

        It is the volume of what the front is better than, down to a reference
        point: it grows with every improvement of the front and with nothing
        else. See `keras_nas.pareto.hypervolume`.

        Args:
            reference: Optional list of numbers, a bad value of each
                objective, in their order and units. By default the worst
                value of all trials, and a tenth of their range beyond it; so
                give one to compare searches.

        Returns:
            List of floats, one for each completed trial, in the order in
            which they ended.

        Raises:
            ValueError: If the reference is not one finite number an objective.
        """
        objective = self.oracle.objective
        trials = self._completed_trials()
        losses = np.array([self.oracle.losses(trial) for trial in trials])
        if reference is None:
            if not trials:
                return []
            worst, best = losses.max(axis=0), losses.min(axis=0)
            point = worst + 0.1 * np.where(worst > best, worst - best, 1.0)
        else:
            parts = parts_of(objective)
            if np.shape(reference) != (len(parts),) or not all(
                isinstance(number, numbers.Real) for number in reference
            ):
                raise ValueError(
                    "Invalid value received for argument `reference`. Expected "
                    f"one number for each of {[part.name for part in parts]}. "
                    f"Received: reference={reference!r}"
                )
            names = [part.name for part in parts]
            logs = dict(zip(names, reference, strict=True))
            point = losses_of(objective, logs)
        return pareto.hypervolume_curve(losses, point).tolist()

    def load_model(self, trial):
        """Builds the model of a finished trial and loads its weights.

        Args:
            trial: `keras_tuner.engine.trial.Trial` of this search.

        Returns:
            `keras.Model`.

        Raises:
            ValueError: If it is no trial.
            RuntimeError: If its weights were not kept.
        """
        if not hasattr(trial, "hyperparameters"):
            raise ValueError(
                "Invalid value received for argument `trial`. Expected a "
                "trial, such as one of `tuner.pareto_front()`, or "
                '`tuner.oracle.get_trial("0003")`. Received: '
                f"trial={trial!r}"
            )
        model = self.runner.build(trial.hyperparameters)
        folder = self.get_trial_dir(trial.trial_id)
        has_file = has_weights(folder)
        if not has_file and not self.evaluator.load_weights(
            model, self._candidate(trial, (), {})
        ):
            weights = os.path.join(folder, WEIGHTS_FILE)
            raise RuntimeError(
                f"Trial {trial.trial_id} has no weights: '{weights}' does "
                "not exist. The weights of the "
                f"`keep_weights={self.keep_weights}` best trials are kept"
                f"{', and of the front' if self._has_front() else ''}. "
                "Train the architecture anew: "
                "`tuner.hypermodel.build(trial.hyperparameters)`."
            )
        with maybe_distribute(self.distribution_strategy):
            if has_file:
                load_best_weights(model, folder)
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
        self._log.summarize(num_trials)

    def results_dataframe(self):
        """Returns all trials as a table; see `reports.results_dataframe`.

        Returns:
            `pandas.DataFrame`, one row a trial, in the order of their starts.

        Raises:
            ImportError: If pandas is not installed:
                `pip install keras-nas[reports]`.
        """
        return results_dataframe(self._results())

    def report(self, path, num_models=3):
        """Writes the search as one HTML page, which opens without a network.

        It shows the Pareto front or the best so far, drawings of the best
        models, the importance of each hyperparameter and their interactions,
        all trials as a table that sorts and filters, failures, costs and
        time. At any time: of a search that runs, of what has ended so far.

        `keras-nas report FOLDER` makes the same page of any project, that of
        KerasTuner itself included, without the drawings.

        Args:
            path: String, the file to write; its folder must exist.
            num_models: Integer, how many of the best models are drawn, in
                the order of `get_best_models`.

        Raises:
            ValueError: If the path is a folder, or in none.
            OSError: If the file cannot be written.
        """
        check_path(path)
        if num_models != 0:
            check_positive("num_models", num_models, is_whole=True)
        write_html_report(self._results(), path, self._drawings(num_models))

    # KerasTuner's storage, made whole.

    def get_state(self):
        """Returns what the tuner itself has to remember."""
        return super().get_state() | {
            "spent_s": self._elapsed_s(),
            "preparation_s": self._prepared_s(),
        }

    def set_state(self, state):
        """Restores what `get_state` returned."""
        self._spent_s = state.get("spent_s", 0.0)
        self._preparation_s = (
            state.get("preparation_s", 0.0) - self.evaluator.preparation_s
        )

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

    # KerasTuner's own chief and workers: its loop speaks to them.

    def _search_with_chief(self, fit_args, fit_kwargs):
        if self._is_worker():
            self.oracle = self._asked_oracle
            super().search(*fit_args, **fit_kwargs)
            if has_state(self.project_dir):
                # The chief may be gone: KerasTuner waits an hour for it.
                self.oracle = self._own_oracle
                self.oracle.reload()
                self._show(verbose=0)
            return
        self._empty_if_told()
        write_fingerprint(self.project_dir, self.oracle, self._first_space)
        self.oracle.verbose = fit_kwargs["verbose"]
        self.oracle = chief = Chief(self._own_oracle, self.get_trial_dir)
        try:
            super().search(*fit_args, **fit_kwargs)
        finally:
            self.oracle = self._own_oracle
        if chief.error is not None:
            raise chief.error

    def _run_and_update_trial(self, trial, *fit_args, **fit_kwargs):
        # KerasTuner's own takes no dict of several objectives.
        self._evaluate(trial, fit_args, fit_kwargs)

    def _try_run_and_update_trial(self, trial, *fit_args, **fit_kwargs):
        folder = self.get_trial_dir(trial.trial_id)
        try:
            super()._try_run_and_update_trial(trial, *fit_args, **fit_kwargs)
        except FatalError:
            tell_chief(folder, traceback.format_exc(), is_fatal=True)
            trial.status = trial_module.TrialStatus.FAILED
            self.on_trial_end(trial)
            self.oracle.create_trial(self.tuner_id)  # So that the chief ends.
            raise
        storage.remove(os.path.join(folder, STATE_FILE))  # See `_end`.
        if trial.message:
            tell_chief(folder, trial.message)

    # Before a search.

    def _explore(self, hypermodel, oracle):
        if not isinstance(hypermodel, keras_tuner.HyperModel):
            is_class = isinstance(hypermodel, type) and issubclass(
                hypermodel, keras_tuner.HyperModel
            )
            if is_class:
                raise FatalValueError(
                    "Invalid value received for argument `hypermodel`. "
                    "Expected an object, such as "
                    f"`{hypermodel.__name__}(...)`. Received the class "
                    f"{hypermodel.__name__}."
                )
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
        if model.built:
            for cost in self.runner.costs:
                cost.check(model)
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
        return overrides_fit(self.hypermodel)

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

    def _catch_up(self):
        # Only now does nobody else write: what was read by the constructor
        # may be old.
        if has_state(self.project_dir):
            check_fingerprint(self.project_dir, self.oracle, self._first_space)
            if self.oracle.catch_up():
                self.reload()

    def _places(self, workers, executor):
        """How many trials run side by side; 0 for in this process."""
        places = check_workers(workers, executor)
        if not places:
            return 0
        if self.distribution_strategy is not None:
            raise ValueError(
                "`workers` and `executor` run trials in other processes, "
                "and a `distribution_strategy` belongs to the process that "
                "made it. Expected one of the two: a strategy without "
                "workers, and each trial has all devices; or workers "
                "without a strategy, and each has a GPU of its own. "
                f"Received: workers={places}, distribution_strategy="
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
        if places and not self.evaluator.runs_in_workers:
            raise ValueError(
                f"{type(self.evaluator).__name__} scores in the process of "
                "the search, and cannot run in other processes. Expected no "
                f"`workers` and no `executor`. Received: workers={workers!r}, "
                f"executor={executor!r}"
            )
        return places

    def _check_fit(self, fit_args, fit_kwargs):
        # A subclass may add a metric that no training reports.
        trained_by = getattr(self.evaluator, "evaluator", self.evaluator)
        kind = type(trained_by)
        if self._overrides_fit() or kind not in (Training, WeightSharing):
            return
        hp = self._first_space.copy()
        with maybe_distribute(self.distribution_strategy):
            check_objective(
                self.runner.build(hp),
                self.evaluator.training_objective(self.oracle.objective),
                fit_args,
                fit_kwargs,
                scored_by="" if kind is Training else kind.__name__,
                measured=[cost.name for cost in self.runner.costs],
            )

    # During a search.

    def _screen(self, values):
        """Compares a candidate with the constraints, see `Oracle.screen`."""
        hp = self.oracle.get_space()
        hp.values = dict(values)
        screened = self._screening.compare(hp)
        if screened["violation"] > 0:
            turned_away = counted(self._screening.turned_away, "candidate")
            self._progress.prepare(
                f"{turned_away} turned away by the constraints; the last: "
                f"{screened['reason']}"
            )
        return screened

    def _is_over(self):
        is_idle = not self.oracle.ongoing_trials
        return is_idle and self._reason_to_stop() is not None

    def _costs_of(self, trial):
        """What is measured of a trial; from its screening, if there was one."""
        if trial.trial_id not in self._costs:
            hp = trial.hyperparameters
            known = self._screening.take(hp)
            self._costs[trial.trial_id] = self.runner.costs_of(hp, known)
        return self._costs[trial.trial_id]

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
        with TrialDispatcher(
            self.runner,
            fit_args,
            fit_kwargs,
            self.project_dir,
            places,
            executor,
        ) as dispatcher:
            while True:
                while dispatcher.has_free_place and not self._reason_to_stop():
                    self.pre_create_trial()
                    trial = self.oracle.create_trial(
                        f"{self.tuner_id}-{dispatcher.free_place}"
                    )
                    if trial.status != trial_module.TrialStatus.RUNNING:
                        break
                    dispatcher.submit(
                        trial,
                        self.oracle.start_order.index(trial.trial_id),
                        self.get_trial_dir(trial.trial_id),
                        self._learning_curves,
                        self._costs_of(trial).known,
                    )
                    self._begin(trial)
                if dispatcher.is_idle:
                    self._tell_of_exhaustion()
                    break
                if self.remaining_trials != 0:
                    dispatcher.prepare()
                for trial, result in dispatcher.wait():
                    self._take_result(trial, result)

    def _take_result(self, trial, result):
        if result.kind == "lost" and hasattr(self.oracle, "return_trial"):
            self._log.lose(trial, result.error)
            self.oracle.return_trial(trial.trial_id)
            return
        trial.hyperparameters = keras_tuner.HyperParameters.from_config(
            result.hyperparameters
        )
        if result.kind == "fatal":
            raise FatalRuntimeError(
                "A trial has failed in a way in which all others would. "
                f"The error in its worker:\n{result.error}"
            )
        if result.error:
            self._fail(trial, result.error, result.kind != "error")
        else:
            self._record(trial, result.metrics)
            trial.status = trial_module.TrialStatus.COMPLETED
        self._end(trial)

    def _reason_to_stop(self):
        reason = None
        if self._interruption.is_wished:
            reason = "you asked for it"
        elif self.max_time and self._elapsed_s() >= self.max_time:
            reason = f"`max_time={self.max_time}` seconds have passed"
        elif self.patience and self._trials_without_gain() >= self.patience:
            what = "Pareto front" if self._has_front() else "best score"
            reason = (
                f"the last {self._trials_without_gain()} trials have not "
                f"improved the {what}"
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
        ended = self.oracle.end_order
        trials = self._completed_trials()
        if not trials:
            return 0
        last = np.flatnonzero(self.oracle.improvements(trials))[-1]
        return len(ended) - 1 - ended.index(trials[last].trial_id)

    def _completed_trials(self):
        """The completed trials of this search, in the order they ended."""
        done = trial_module.TrialStatus.COMPLETED
        trials = [self.oracle.trials[i] for i in self.oracle.end_order]
        return [trial for trial in trials if trial.status == done]

    def _best_trials(self, number):
        trials = self.oracle.get_best_trials(number)
        if self._has_front():
            front = {trial.trial_id for trial in self.oracle.pareto_front()}
            return [trial for trial in trials if trial.trial_id in front]
        done = trial_module.TrialStatus.COMPLETED
        return [trial for trial in trials if trial.status == done]

    def _results(self):
        oracle = self.oracle
        has_score = hasattr(oracle.objective, "scalarize")
        return SearchResults(
            [oracle.trials[i] for i in oracle.start_order],
            parts_of(oracle.objective),
            oracle.get_space(),
            name=os.path.basename(os.path.abspath(self.project_dir)),
            end_order=oracle.end_order,
            infeasible=len(getattr(oracle, "infeasible", ())),
            spent_s=self._elapsed_s(),
            preparation_s=self._prepared_s(),
            strategy=type(oracle).__name__,
            score_direction=oracle.objective.direction if has_score else None,
        )

    def _drawings(self, number):
        drawings = []
        for trial in self._best_trials(number):
            outcome = format_objectives(trial, self.oracle.objective)
            title = f"Trial {trial.trial_id}: {outcome}"
            values = format_values(trial.hyperparameters.values)
            try:
                drawing = draw_model(self.runner.build(trial.hyperparameters))
            except Exception as error:
                # A report is worth having without its pictures.
                drawing = html.escape(f"It cannot be drawn: {error}")
            drawings.append((title, values, drawing))
        return drawings

    def _has_front(self):
        return has_front(self.oracle.objective)

    def _begin(self, trial):
        self._log.begin(trial)
        self.on_trial_begin(trial)

    def _end(self, trial):
        folder = self.get_trial_dir(trial.trial_id)
        # Of a process that was killed; a retry begins anew.
        storage.remove(os.path.join(folder, STATE_FILE))
        self._costs.pop(trial.trial_id, None)
        if self.runner.stopping_rule:
            self._learning_curves.end(folder)
        try:
            self.on_trial_end(trial)
            self._drop_weights(trial)
        finally:
            ended = self.oracle.get_trial(trial.trial_id)
            self._log.end(ended, self._elapsed_s(), self._prepared_s())
            self._tensorboard.end(ended)

    def _drop_weights(self, ended):
        """Removes the weights that the trial that ended made superfluous."""
        if self.keep_weights is None:
            return
        if self._has_front():
            self._drop_weights_behind_front(ended)
            return
        best = self.oracle.get_best_trials(self.keep_weights + 1)
        kept = [trial.trial_id for trial in best[: self.keep_weights]]
        dropped = [trial.trial_id for trial in best[self.keep_weights :]]
        for trial_id in {*dropped, ended.trial_id}.difference(kept):
            remove_weights(self.get_trial_dir(trial_id))

    def _drop_weights_behind_front(self, ended):
        # One trial of the front may make many of them superfluous.
        number = max(self.keep_weights, len(self.oracle.pareto_front()))
        best = self.oracle.get_best_trials(len(self.oracle.end_order))
        kept = {trial.trial_id for trial in best[:number]}
        known = set(self.oracle.end_order) if self._kept is None else self._kept
        for trial_id in {*known, ended.trial_id}.difference(kept):
            remove_weights(self.get_trial_dir(trial_id))
        self._kept = kept

    def _fail(self, trial, message, is_final):
        trial.message = message
        trial.status = (
            trial_module.TrialStatus.FAILED
            if is_final
            else trial_module.TrialStatus.INVALID
        )

    def _evaluate(self, trial, fit_args, fit_kwargs):
        result = self.run_trial(trial, *fit_args, **fit_kwargs)
        record = self.oracle.get_trial(trial.trial_id)
        objective = self.oracle.objective
        if result is None and record.metrics.exists(objective.name):
            return  # An overridden `run_trial` that reports by itself.
        costs = self._costs_of(trial)
        metrics = as_metrics(result, self.runner.objective_of(costs))
        self._record(trial, costs.values() | metrics)

    def _record(self, trial, metrics):
        remarks = []
        if "stopped_epoch" in metrics:
            rule = type(self.runner.stopping_rule).__name__
            epochs = counted(int(metrics["stopped_epoch"]), "epoch")
            remarks.append(f"stopped by {rule} after {epochs}")
        if "inherited_from" in metrics:
            share = metrics["inherited_share"]
            ancestor = f"{metrics['inherited_from']:.0f}"
            ancestor = ancestor.zfill(len(trial.trial_id))
            remarks.append(
                f"inherited {share:.0%} of its weights from trial_{ancestor}"
            )
        if remarks:
            trial.message = ", ".join(remarks)
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
            learning_curves=self._learning_curves,
            callbacks=[
                *self._hooks(trial),
                self._progress.callback(),
                self._interruption.callback(),
            ],
            note=self._progress.note,
            is_interrupted=lambda: self._interruption.is_wished,
            costs=self._costs_of(trial),
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

    def _show(self, verbose):
        self._progress = Progress(verbose)
        self._interruption = Interruption(self._progress.note)
        self._log = SearchLog(self._progress, self.oracle, self.project_dir)

    def _elapsed_s(self):
        if self._search_started_s is None:
            return self._spent_s
        return self._spent_s + time.monotonic() - self._search_started_s

    def _prepared_s(self):
        return self._preparation_s + self.evaluator.preparation_s

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
