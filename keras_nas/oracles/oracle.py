"""The base of all oracles: KerasTuner's `Oracle`, made exact.

This file and `repair.py` alone touch private parts of `keras_tuner.Oracle`.
KerasTuner 1.4.8 saves its state inside the methods that change it, and what
has to be repaired there (see `docs/kerastuner_defects.md`) can be
reached in no other way: files that are cut when the process is killed,
finished trials that run again, a lock that stays locked after an error,
`seed=0` that means "any seed", and scores that are not finite.
"""

import itertools
import numbers
import os
import re
import threading
import warnings

import keras_tuner
import numpy as np
import tensorflow as tf
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.errors import FailedTrialError

from keras_nas import architectures, pareto, storage
from keras_nas.objectives.directions import as_objective, direction_of
from keras_nas.objectives.parts import has_front, parts_of
from keras_nas.oracles.chebyshev_direction import (
    ChebyshevDirection,
    random_weights,
)
from keras_nas.oracles.trial_files import read_trials

# Random draws that may hit known architectures before the unknown ones are
# looked for one by one.
_MAX_COLLISIONS = 100

# So many failures with one error, and nothing else, are no coincidence.
_FIRST_TRIALS = 3

# Errors that judge a candidate: they show no mistake in the script.
_REJECTION = FailedTrialError.__name__
_VERDICTS = (_REJECTION, "TrialTimeout")

# A share of fewer trials than these says little.
_MIN_TRIALS_OF_SHARE = 10

# Of the space of seeds, where the directions of proposals come from.
_DIRECTIONS_STREAM = 2


class Oracle(keras_tuner.Oracle):
    """Proposes architectures; knows nothing of models, training or files.

    To write a search strategy, override `propose`. A proposal should be a
    function of the space, the finished trials and the generator it is
    given, and of nothing else: then it needs no state of its own, and a
    search that was killed continues exactly as if it had not been.

    Any oracle runs in `keras_nas.Tuner` and in KerasTuner's own tuners.

    Args:
        objective: A string (`"val_accuracy"`), a `keras_tuner.Objective`
            such as a cost, or a list of them. With a list, the search is for
            the Pareto front: oracles that are made for a single objective
            follow a random direction in each proposal, see `loss`. `None` if
            the evaluation returns a single float to minimise.
        max_trials: Integer, the number of trials to run; `None` for no
            limit. The search ends earlier when the space is exhausted.
        hyperparameters: Optional `keras_tuner.HyperParameters` that fix or
            register hyperparameters in advance.
        tune_new_entries: Boolean, whether hyperparameters that are not in
            `hyperparameters` are searched; otherwise they keep their
            defaults.
        allow_new_entries: Boolean, whether the hypermodel may ask for
            hyperparameters that are not in `hyperparameters`.
        seed: Optional non-negative integer. The same seed gives the same
            search, 0 included, across a resume too.
        max_retries_per_trial: Integer, how often a trial that crashed is
            tried again.
        max_consecutive_failed_trials: Integer, the search stops with an
            error when this many trials in a row have failed; 10 by default,
            where KerasTuner gives up after 3.
        max_failed_share: Float in (0, 1], the search stops with an error
            when more than this share of the trials that have ended, at least
            10, has failed; 1 never does.
        max_rejections: Integer, the search stops with an error when this
            many proposals in a row violate the constraints of the tuner, or
            are rejected with a `FailedTrialError`.

    Example:

    >>> import keras_tuner
    >>> class Defaults(Oracle):
    ...     def propose(self, rng):
    ...         return {hp.name: hp.default for hp in self.get_space().space}
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("units", 8, 64)
    >>> oracle = Defaults("val_loss", max_trials=1, hyperparameters=space)
    >>> oracle.create_trial("tuner0").hyperparameters.values
    {'units': 8}
    """

    def __init__(
        self,
        objective=None,
        max_trials=10,
        hyperparameters=None,
        tune_new_entries=True,
        allow_new_entries=True,
        seed=None,
        max_retries_per_trial=0,
        max_consecutive_failed_trials=10,
        max_rejections=200,
        max_failed_share=0.8,
    ):
        if max_trials is not None:
            check_integer("max_trials", max_trials, minimum=1)
        check_integer("max_rejections", max_rejections, minimum=1)
        if seed is not None:
            check_integer("seed", seed, minimum=0)
        check_integer("max_retries_per_trial", max_retries_per_trial, 0)
        check_integer(
            "max_consecutive_failed_trials", max_consecutive_failed_trials, 1
        )
        is_number = isinstance(max_failed_share, numbers.Real)
        if not is_number or not 0 < max_failed_share <= 1:
            raise ValueError(
                "Invalid value received for argument `max_failed_share`. "
                "Expected a number above 0 and at most 1. Received: "
                f"max_failed_share={max_failed_share!r}"
            )
        super().__init__(
            objective=as_objective(objective),
            max_trials=max_trials,
            hyperparameters=hyperparameters,
            tune_new_entries=tune_new_entries,
            allow_new_entries=allow_new_entries,
            seed=1,  # Or it draws one from the global generator; see below.
            max_retries_per_trial=max_retries_per_trial,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
        # A random seed need not be the same when the search is resumed.
        self.seed_is_random = seed is None
        if seed is None:
            seed = int(np.random.default_rng().integers(2**31))
        # KerasTuner takes `seed=0` for "no seed".
        self.seed = self._seed_state = int(seed)
        # Printing is the tuner's business; KerasTuner's own tuners switch it
        # on with `search(verbose=1)`.
        self.verbose = 0
        self.max_rejections = max_rejections
        self.max_failed_share = max_failed_share
        self._directory = None
        self._begin_bookkeeping()

    def _begin_bookkeeping(self):
        # Apart from the constructor, for an oracle of KerasTuner's that is
        # repaired when it is made already.
        self._keys = {}  # Of every trial, by its id.
        self._losses, self._encodings, self._encoded_space = {}, {}, 0
        self._proposal = None  # The number of the one that is being made.
        self._known_direction = None, None
        self._enqueued, self._ever_enqueued = [], []
        self._default_is_enqueued = False
        self._imported, self._imported_state = [], []
        self._imported_space = 0  # Its size when they were compared with it.
        self._seen = set()
        # Set by a tuner that has constraints: a function of hyperparameter
        # values that returns a dict: "violation", 0.0 if it is feasible, the
        # "reason", and "ratios" of what was measured to the limits by name.
        self.screen = None
        # Set with it: a function that says whether to look no further. Among
        # few feasible architectures the next may be a long time to come.
        self.is_over = None
        # The limits of these constraints by name: of another search, if others.
        self.limits = {}
        self.infeasible = []
        self.ratios = {}  # Of the trials that were screened, by ID.
        # Set by oracles that end trials early: a rule of
        # `keras_nas.stopping` that the tuner asks after each epoch.
        self.stopping_rule = None
        # KerasTuner's `@synchronized` never unlocks after an exception.
        self._lock = threading.RLock()

    # What a search strategy is written with.

    def propose(self, rng):
        """Proposes the next architecture. Override this.

        Args:
            rng: `numpy.random.Generator`, the only source of randomness to
                use.

        Returns:
            Dict of the active hyperparameter values; those that it lacks are
            drawn. One that was tried before is replaced by a random new one.
            `None` leaves the proposal to chance.
        """
        raise NotImplementedError

    def completed_trials(self, last=None):
        """Returns the trials that have a score, in the order they ended.

        Those of an earlier project that were imported come first.

        Args:
            last: Optional integer; only so many of the most recent ones.
        """
        completed = itertools.chain(
            self._own_completed_trials(), reversed(self.imported_trials())
        )
        return list(itertools.islice(completed, last))[::-1]

    def imported_trials(self):
        """Returns the imported trials whose values the space has.

        They may become fewer when the space grows: only then is known what
        values a new hyperparameter can have.
        """
        if self._imported_space != len(self.hyperparameters.space):
            self._set_imported(self._imported_state)
        return self._imported

    def _own_completed_trials(self):
        """The trials of this search that have a score, latest first."""
        for trial_id in reversed(self.end_order):
            if self.trials[trial_id].status == TrialStatus.COMPLETED:
                yield self.trials[trial_id]

    def running_trials(self):
        """Returns the trials that were proposed and have not ended.

        To propose something else than what runs already is what makes a
        search with several workers worth it.
        """
        ended = set(self.end_order)
        return [self.trials[i] for i in self.start_order if i not in ended]

    @property
    def objectives(self):
        """List of the single objectives; one, unless a list was given."""
        return parts_of(self.objective)

    @property
    def is_multi_objective(self):
        """Whether the search is for a front: a list of several objectives.

        Not so if they were made one number, as by
        `keras_nas.objectives.SoftConstraint`.
        """
        return has_front(self.objective)

    def loss(self, trial):
        """Returns how good a completed trial is as a number to minimise.

        With several objectives, it is the augmented Chebyshev distance to the
        best values so far, in a direction of its own for each proposal
        (ParEGO): within `propose` it changes from one call to the next, and
        with the trials that end.
        """
        if self.is_multi_objective:
            return self.direction()(self.losses(trial))
        return (
            trial.score if self.objective.direction == "min" else -trial.score
        )

    def direction(self):
        """Returns the direction of the proposal that is being made.

        Outside of `propose`, all objectives count the same in it.

        Returns:
            Function of a tuple of losses, as `losses` returns it, that
            returns a float to minimise. For several objectives only.
        """
        key = self._proposal, len(self.end_order), len(self.imported_trials())
        if self._known_direction[0] != key:
            number = len(self.objectives)
            weights = np.full(number, 1 / number)
            if self._proposal is not None:
                stream = [self.seed, self._proposal, _DIRECTIONS_STREAM]
                weights = random_weights(number, np.random.default_rng(stream))
            seen = [self.losses(trial) for trial in self.completed_trials()]
            self._known_direction = key, ChebyshevDirection(seen, weights)
        return self._known_direction[1]

    def losses(self, trial):
        """Returns the objectives of a completed trial, each to be minimised.

        Args:
            trial: A trial that has a score.

        Returns:
            Tuple of floats, one an objective.
        """
        if len(self.objectives) == 1:
            return (self.loss(trial),)
        # Asked again for every proposal, of every trial.
        if trial.trial_id not in self._losses:
            self._losses[trial.trial_id] = tuple(
                float(trial.metrics.get_best_value(objective.name))
                * (1 if objective.direction == "min" else -1)
                for objective in self.objectives
            )
        return self._losses[trial.trial_id]

    def encodings(self, trials):
        """Encodes trials as vectors; see `architectures.encode`.

        Args:
            trials: List of trials.

        Returns:
            `float64` array of shape `(trials, columns)`.
        """
        space = self.hyperparameters
        if self._encoded_space != len(space.space):
            # The space has grown, and with it the vectors.
            self._encoded_space, self._encodings = len(space.space), {}
        for trial in trials:
            if trial.trial_id not in self._encodings:
                self._encodings[trial.trial_id] = architectures.encode(
                    trial.hyperparameters.values, space
                )
        rows = [self._encodings[trial.trial_id] for trial in trials]
        columns = len(architectures.encoding_columns(space))
        return np.array(rows, dtype="float64").reshape(len(rows), columns)

    def pareto_front(self, objectives=None):
        """Returns the completed trials that no other one dominates.

        Args:
            objectives: Optional list, see `objective_columns`.

        Returns:
            List of trials, in the order they ended.

        Raises:
            ValueError: If a name is not that of an objective.
        """
        columns = self.objective_columns(objectives)
        trials = list(self._own_completed_trials())[::-1]
        if not trials:
            return []
        losses = [[self.losses(t)[i] for i in columns] for t in trials]
        front = pareto.non_dominated(losses)
        return [t for t, is_in in zip(trials, front, strict=True) if is_in]

    def objective_columns(self, objectives=None):
        """Finds objectives among those of the search.

        Args:
            objectives: Optional name or `keras_tuner.Objective`, or a list of
                them. By default all of the search.

        Returns:
            List of integers, their places in what `losses` returns.

        Raises:
            ValueError: If one is no objective of the search.
        """
        known = [objective.name for objective in self.objectives]
        given = known if objectives is None else objectives
        if isinstance(given, (str, keras_tuner.Objective)):
            given = [given]
        is_list = isinstance(given, (list, tuple))
        names = [getattr(one, "name", one) for one in given] if is_list else []
        if not names or not all(name in known for name in names):
            raise ValueError(
                "Invalid value received for argument `objectives`. Expected a "
                f"list of some of {known}. Received: objectives={objectives!r}"
            )
        return [known.index(name) for name in names]

    def improvements(self, trials):
        """Tells which trials were better than all before them.

        With several objectives: which made the front grow.

        Args:
            trials: List of completed trials, in the order they ended.

        Returns:
            List of booleans.
        """
        best, improved = [], []
        for trial in trials:
            losses = self.compared_losses(trial)
            is_better = not any(
                all(a <= b for a, b in zip(one, losses, strict=True))
                for one in best
            )
            if is_better:
                best = [
                    one
                    for one in best
                    if any(a < b for a, b in zip(one, losses, strict=True))
                ]
                best.append(losses)
            improved.append(is_better)
        return improved

    def compared_losses(self, trial):
        """Returns the losses that decide which trial is better.

        Args:
            trial: A trial that has a score.

        Returns:
            Tuple of floats: those of a list of objectives, or else one.
        """
        if self.is_multi_objective:
            return self.losses(trial)
        return (self.loss(trial),)

    def recommend(self):
        """Returns the trial to take home, or `None` if none has succeeded.

        With several objectives it is the knee of the front.

        Where one training says little, the best score is the luckiest one.
        Oracles that have a model of the scores override this with the trial
        that is best by the model.
        """
        # Smoothing the scores for oracles without a model does not pay. With
        # noise, ridge regressions and Gaussian processes over the encodings
        # gained 0.01 points at most after 200 trials of evolution; without
        # noise, those that gained it lost up to 0.1 (a model that does not
        # fit looks like noise).
        best = self.get_best_trials(1)
        return best[0] if best else None

    # How a search can begin with what is known.

    def enqueue(self, values):
        """Proposes given architectures before all others.

        Those that were proposed or enqueued before are left out, so a script
        that is run again to resume a search does not repeat them.
        Hyperparameters that an architecture lacks are drawn, and those that
        the space gets to know during the search.

        Args:
            values: Dict of hyperparameter values by name, or a
                `keras_tuner.HyperParameters` that holds them, or a list of
                these.

        Raises:
            ValueError: If a name is unknown, or a value not in its range.
        """
        is_list = isinstance(values, (list, tuple))
        # All are checked before any is queued.
        wanted = [_values(one) for one in (values if is_list else [values])]
        with self._lock:
            for one in wanted:
                architectures.check_values(one, self.hyperparameters)
            for one in wanted:
                if one not in self._ever_enqueued:
                    self._ever_enqueued.append(dict(one))
                    self._enqueued.append(dict(one))

    def enqueue_default(self):
        """Proposes the default values of the space before all others.

        Once a search: when a script is run again, the space may have grown,
        and with it the default.
        """
        with self._lock:
            if not self._default_is_enqueued:
                self.enqueue(architectures.default(self.hyperparameters))
                self._default_is_enqueued = True

    def import_trials(self, project_dir):
        """Learns from the trials of an earlier search.

        They count neither as trials of this search nor as proposed: what was
        best may be tried again, now perhaps with more epochs. Importing the
        same project again changes nothing.

        Args:
            project_dir: String, the folder of a search whose trials have
                reported the same objective. Hyperparameters that this space
                lacks are ignored, and so are trials with a value that it does
                not have.

        Raises:
            ValueError: If there is no such folder, or no completed trial with
                the objective in it.
            RuntimeError: If a file of the project is damaged.
        """
        is_path = isinstance(project_dir, (str, os.PathLike))
        if not is_path or not tf.io.gfile.isdir(project_dir):
            raise ValueError(
                "Invalid value received for argument `project_dir`. Expected "
                "the folder of a search, the one that holds 'oracle.json'. "
                f"Received: project_dir={project_dir!r}"
                + (", which is no folder" if is_path else "")
            )
        names = [objective.name for objective in self.objectives]
        imported = []
        space = self.get_space()
        for trial in read_trials(project_dir).values():
            if (
                trial.status == TrialStatus.COMPLETED
                and all(trial.metrics.exists(name) for name in names)
                and architectures.is_known(trial.hyperparameters.values, space)
            ):
                values = trial.hyperparameters.values
                metrics = {
                    name: float(trial.metrics.get_best_value(name))
                    for name in names
                }
                # A search for one of the objectives knows no sum of them.
                metrics.setdefault(
                    self.objective.name, self.objective.get_value(metrics)
                )
                imported.append({"values": values, "metrics": metrics})
        if not imported:
            raise ValueError(
                f"There is nothing to import from '{project_dir}': it has no "
                f"completed trial with {names} and with values that this "
                "space has. Expected the folder of a search with the same "
                "objective, the one that holds 'oracle.json'."
            )
        with self._lock:
            self._set_imported(
                self._imported_state
                + [one for one in imported if one not in self._imported_state]
            )

    def _set_imported(self, state):
        self._imported_state = state
        self._imported = []
        self._imported_space = len(self.hyperparameters.space)
        for number, one in enumerate(state):
            if not architectures.is_known(one["values"], self.hyperparameters):
                continue
            hyperparameters = self.get_space()
            hyperparameters.values = dict(one["values"])
            trial = Trial(
                hyperparameters=hyperparameters,
                trial_id=f"imported_{number:04d}",
                status=TrialStatus.COMPLETED,
            )
            for name, value in one["metrics"].items():
                trial.metrics.register(name, self._directions().get(name))
                trial.metrics.update(name, value)
            trial.score = one["metrics"][self.objective.name]
            self._imported.append(trial)
        self._losses, self._encodings = {}, {}

    def _directions(self):
        return {part.name: part.direction for part in self.objectives} | {
            self.objective.name: self.objective.direction
        }

    def _next_enqueued(self, rng):
        while self._enqueued:
            values = architectures.complete(
                self._enqueued.pop(0), self.hyperparameters, rng
            )
            if not self.is_seen(values):
                return values
        return None

    def is_seen(self, values):
        """Whether an architecture was proposed before, finished or not."""
        return self._key(values) in self._seen

    def random_values(self, rng):
        """Draws an architecture that was not proposed before.

        Exact on small spaces: as long as one unseen architecture is left,
        it is found.

        Args:
            rng: `numpy.random.Generator`.

        Returns:
            Dict of hyperparameter values, or `None` if all architectures of
            the space have been proposed.
        """
        for _ in range(_MAX_COLLISIONS):
            values = architectures.sample(self.hyperparameters, rng)
            if not self.is_seen(values):
                return values
        # The walk meets each architecture once, so it ends after as many
        # steps as there are seen ones.
        for values in architectures.enumerate_architectures(
            self.hyperparameters, rng
        ):
            if not self.is_seen(values):
                return values
        return None

    # KerasTuner's protocol.

    def populate_space(self, trial_id):
        """Turns `propose` into KerasTuner's answer; see its `Oracle`."""
        rejected = 0
        while True:
            if rejected and self.is_over is not None and self.is_over():
                return {"status": TrialStatus.STOPPED, "values": None}
            response = self._propose_once()
            values = response["values"]
            if values is None and self.infeasible and not self.trials:
                raise RuntimeError(
                    self._explain_rejections(
                        "All architectures of the space that could be proposed"
                    )
                )
            if values is None or self.screen is None:
                return response
            screened = self.screen(values)
            if screened["violation"] <= 0:
                self.ratios[trial_id] = screened.get("ratios", {})
                return response
            self.infeasible.append(
                {
                    "values": values,
                    **screened,
                    # When it was found, for oracles that learn in order.
                    "ended_trials": len(self.end_order),
                }
            )
            self._seen.add(self._key(values))
            rejected += 1
            if rejected >= self.max_rejections:
                self.save()
                raise RuntimeError(
                    self._explain_rejections(f"{rejected} proposals in a row")
                )

    def _explain_rejections(self, what):
        nearest = min(self.infeasible, key=lambda one: one["violation"])
        kept = "Finished trials are kept. " if self.end_order else ""
        return (
            f"{what} violate the constraints, so the "
            "search ends. Expected constraints that a fair part of the space "
            f"meets. The nearest of {len(self.infeasible)} infeasible "
            f"architectures: {nearest['reason']}, with {nearest['values']}. "
            f"{kept}Relax the constraints, or add smaller options to the "
            "space, in a new search: `project_name=` or `overwrite=True`."
        )

    def _propose_once(self):
        # One independent stream of numbers a proposal: what was drawn for
        # the earlier ones need not be replayed on a resume.
        number = len(self.start_order) + len(self.infeasible)
        rng = np.random.default_rng([self.seed, number])
        values = self._next_enqueued(rng)
        if values is None:
            self._proposal = number
            try:
                values = self.propose(rng)
            finally:
                self._proposal = None
        if values is not None:
            # Draws what the proposal leaves open, as KerasTuner would
            # without a seed.
            values = architectures.complete(values, self.hyperparameters, rng)
        if values is None or self.is_seen(values):
            values = self.random_values(rng)
        if values is None:
            return {"status": TrialStatus.STOPPED, "values": None}
        return {"status": TrialStatus.RUNNING, "values": values}

    def create_trial(self, tuner_id):
        """Hands out the next trial; see `keras_tuner.Oracle`."""
        with self._lock:
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            self.tuner_ids.add(tuner_id)
            if self._retry_queue:
                trial = self._start_again(self._retry_queue.pop(0))
            else:
                trial = self._start_new()
            if trial.status != TrialStatus.RUNNING:
                if trial.status == TrialStatus.STOPPED:
                    self.tuner_ids.discard(tuner_id)
                return trial
            self.ongoing_trials[tuner_id] = trial
            # The trial's own file first: `reload` forgets a trial that the
            # oracle's file does not know, and then proposes it again.
            self._save_trial(trial)
            self.save()
            self._display.on_trial_begin(trial)
            return trial

    def update_trial(self, trial_id, metrics, step=0):
        """Records metrics of a running trial; see `keras_tuner.Oracle`."""
        with self._lock:
            metrics = dict(metrics)
            if self.objective.name not in metrics and self.objective.has_value(
                metrics
            ):
                # Several objectives are reported one by one.
                metrics[self.objective.name] = self.objective.get_value(metrics)
            self._check_objective_found(metrics)
            trial = self.trials[trial_id]
            directions = self._directions()
            with warnings.catch_warnings():
                # NumPy warns of NaN here; `end_trial` says it better.
                warnings.simplefilter("ignore", RuntimeWarning)
                for name, value in metrics.items():
                    if not trial.metrics.exists(name):
                        direction = directions.get(name) or direction_of(name)
                        trial.metrics.register(name, direction)
                    trial.metrics.update(name, value, step=step)
            self._save_trial(trial)
            return trial

    def end_trial(self, trial):
        """Ends a trial, or sends it for a retry; see `keras_tuner.Oracle`.

        A trial with a score that is NaN or infinite has failed.
        """
        with self._lock:
            record = self.trials[trial.trial_id]
            record.hyperparameters = trial.hyperparameters
            record.status = trial.status
            record.message = trial.message
            self.update_space(record.hyperparameters)
            if record.status == TrialStatus.COMPLETED:
                self._score(record)
            self._remember(record)
            # Its values may have been completed by the build.
            self._encodings.pop(record.trial_id, None)
            self._run_times[record.trial_id] += 1
            self._forget_ongoing(record.trial_id)
            if record.status == TrialStatus.INVALID:
                tries = self._run_times[record.trial_id]
                if tries <= self.max_retries_per_trial:
                    self._retry_queue.append(record.trial_id)
                else:
                    record.status = TrialStatus.FAILED
            if record.status in (TrialStatus.COMPLETED, TrialStatus.FAILED):
                self.end_order.append(record.trial_id)
            self._save_trial(record)
            self.save()
            self._display.on_trial_end(record)
            self._check_failures()

    def return_trial(self, trial_id):
        """Takes back a trial whose worker died, to hand it out again.

        That says nothing about the trial, so it does not count as one of its
        `max_retries_per_trial`.

        Args:
            trial_id: String, the ID of a running trial.
        """
        with self._lock:
            self._forget_ongoing(trial_id)
            self._retry_queue.append(trial_id)
            self.save()

    def get_best_trials(self, num_trials=1):
        """Returns the completed trials with the best scores, best first.

        With several objectives they stand in the order of
        `keras_nas.pareto.spread_order`: first the knee of the front, then its
        ends, then what fills the gaps best; trials that are dominated come
        last.

        Unlike KerasTuner's, the list is never filled up with trials that
        failed or still run.
        """
        # Among equals the first, as the list is turned round.
        trials = list(self._own_completed_trials())[::-1]
        if self.is_multi_objective:
            losses = [self.losses(trial) for trial in trials]
            order = pareto.spread_order(losses)[:num_trials]
            return [trials[index] for index in order]
        return sorted(trials, key=self.loss)[:num_trials]

    def get_state(self):
        """Returns what a resumed search has to know."""
        return super().get_state() | {
            "infeasible": self.infeasible,
            "ratios": self.ratios,
            "enqueued": self._enqueued,
            "ever_enqueued": self._ever_enqueued,
            "default_is_enqueued": self._default_is_enqueued,
            "imported": self._imported_state,
        }

    def set_state(self, state):
        """Restores what `get_state` returned."""
        super().set_state(state)
        self.infeasible = state.get("infeasible", [])
        self.ratios = state.get("ratios", {})
        self._enqueued = state.get("enqueued", [])
        self._ever_enqueued = state.get("ever_enqueued", [])
        self._default_is_enqueued = state.get("default_is_enqueued", False)
        self._set_imported(state.get("imported", []))

    def save(self):
        """Writes `oracle.json`, if the oracle belongs to a project."""
        if self._directory is not None:
            storage.write_json(self._get_oracle_fname(), self.get_state())

    def catch_up(self):
        """Reloads if the project is not as this oracle has left it.

        Another process, or another tuner of this one, may have searched in
        it since.

        Returns:
            Bool, whether that was so.
        """
        path = self._get_oracle_fname()
        state = storage.read_json(path)
        with storage.explained(path, "the state of a search"):
            is_changed = any(
                state[name] != getattr(self, name)
                for name in ("start_order", "end_order")
            )
        if is_changed:
            self.reload()
        return is_changed

    def reload(self):
        """Reads the project's state and makes its files agree.

        A process can be killed between writing a trial's file and the
        oracle's. Then a trial that the oracle does not know is forgotten
        (it is proposed again, identically), one that ended is ended, and
        one that was running is run again.
        """
        state = storage.read_json(self._get_oracle_fname())
        trials = read_trials(self._project_dir)
        path = self._get_oracle_fname()
        with storage.explained(
            path, "the state of a search whose trials all have a file"
        ):
            self._adopt(state, trials)

    # The parts of the above.

    def _adopt(self, state, trials):
        missing = [i for i in state["start_order"] if i not in trials]
        if missing:
            path = os.path.join(self._get_trial_dir(missing[0]), "trial.json")
            storage.read_json(path)  # Raises, as there is no such file.
        self.trials = {i: trials[i] for i in state["start_order"]}
        self.set_state(state)
        self._keys, self._seen = {}, self._infeasible_keys()
        ended = {
            trial_id
            for trial_id, trial in self.trials.items()
            if trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        }
        self.end_order = [i for i in self.end_order if i in ended]
        waiting = []
        for trial_id, trial in self.trials.items():
            self._remember(trial)
            if trial_id in self.end_order:
                continue
            if trial_id in ended:
                self.update_space(trial.hyperparameters)
                self.end_order.append(trial_id)
            else:
                waiting.append(trial_id)
        self._retry_queue = waiting
        self.ongoing_trials = {}

    def _start_new(self):
        if self.max_trials and len(self.trials) >= self.max_trials:
            response = {"status": TrialStatus.STOPPED}
        else:
            response = self.populate_space(f"{len(self.trials):04d}")
        hyperparameters = self.get_space()
        hyperparameters.values = dict(response.get("values") or {})
        trial = Trial(
            hyperparameters=hyperparameters,
            trial_id=f"{len(self.trials):04d}",
            status=response["status"],
        )
        if trial.status == TrialStatus.RUNNING:
            self.trials[trial.trial_id] = trial
            self.start_order.append(trial.trial_id)
            self._remember(trial)
        return trial

    def _start_again(self, trial_id):
        # A fresh record: what a failed run reported must not count.
        trial = Trial(
            hyperparameters=self.trials[trial_id].hyperparameters,
            trial_id=trial_id,
            status=TrialStatus.RUNNING,
        )
        self.trials[trial_id] = trial
        self._encodings.pop(trial_id, None)
        return trial

    def _score(self, trial):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            self.score_trial(trial)
            values = {self.objective.name: trial.score} | {
                part.name: trial.metrics.get_best_value(part.name)
                for part in self.objectives
                if trial.metrics.exists(part.name)
            }
        wrong = [
            name
            for name, value in reversed(values.items())
            if value is None or not np.isfinite(value)
        ]
        if wrong:
            trial.status = TrialStatus.INVALID
            is_measured = any(
                hasattr(part, "measure")
                for part in self.objectives
                if part.name == wrong[0]
            )
            trial.message = (
                f"The objective `{wrong[0]}` is {values[wrong[0]]}. "
                "Expected a finite number; "
                + (
                    "its cost was measured so of this model."
                    if is_measured
                    else "often the learning rate is too high or the loss "
                    "divides by zero."
                )
            )
            trial.score = None
        else:
            trial.score = float(trial.score)  # KerasTuner's is NumPy's.

    def _remember(self, trial):
        hyperparameters = trial.hyperparameters
        hyperparameters.values = architectures.active_values(
            hyperparameters.values, hyperparameters
        )
        key = self._key(hyperparameters.values)
        replaces = self._keys.get(trial.trial_id, key) != key
        self._keys[trial.trial_id] = key
        self._seen.add(key)
        if replaces:
            # The build has asked for more hyperparameters than proposed.
            self._seen = set(self._keys.values()) | self._infeasible_keys()
        # KerasTuner's own record of the same, for a project that is opened
        # with KerasTuner later. Its `_record_values` would drop a value whose
        # name is registered under several conditions.
        own_key = self._compute_values_hash(hyperparameters.values)
        self._tried_so_far.add(own_key)
        self._id_to_hash[trial.trial_id] = own_key

    def _infeasible_keys(self):
        return {self._key(one["values"]) for one in self.infeasible}

    def _key(self, values):
        return architectures.canonical_key(values, self.hyperparameters)

    def _forget_ongoing(self, trial_id):
        for tuner_id, trial in list(self.ongoing_trials.items()):
            if trial.trial_id == trial_id:
                del self.ongoing_trials[tuner_id]

    def _check_failures(self):
        self._check_first_failures()
        self._check_consecutive_failures()
        trials = [self.trials[trial_id] for trial_id in self.end_order]
        ended = [trial for trial in trials if not _is_rejected(trial)]
        failed = [t for t in ended if t.status == TrialStatus.FAILED]
        is_too_much = len(failed) > self.max_failed_share * len(ended)
        # Said when a trial fails, and not again by each one after a resume.
        has_just_failed = failed and failed[-1] is trials[-1]
        if (
            len(ended) >= _MIN_TRIALS_OF_SHARE
            and is_too_much
            and has_just_failed
        ):
            raise RuntimeError(
                f"{len(failed)} of {len(ended)} trials have failed, more than "
                f"`max_failed_share={self.max_failed_share}` allows. All "
                "finished trials are kept; mend the cause, or raise the "
                "share, and call `search()` again. The last failure:\n"
                f"{failed[-1].message or ''}"
            )

    def _check_first_failures(self):
        first = [self.trials[i] for i in self.end_order[:_FIRST_TRIALS]]
        # A trial that reported a score, though not a finite one, did run: the
        # next may have a better learning rate.
        if len(self.end_order) == _FIRST_TRIALS and all(
            trial.status == TrialStatus.FAILED
            and not trial.metrics.exists(self.objective.name)
            and _error(trial) == _error(first[0]) != ""
            and not any(name in _error(trial) for name in _VERDICTS)
            for trial in first
        ):
            raise RuntimeError(
                f"The first {_FIRST_TRIALS} trials all failed with the same "
                "error, so most likely it does not depend on the "
                "hyperparameters. Mend the cause and search again with "
                "`overwrite=True` or another `project_name`; if it does "
                "depend on them, run the same script again, and the search "
                f"goes on. The error:\n{first[-1].message}"
            )

    def _check_consecutive_failures(self):
        failed, rejected = [], []
        for trial_id in reversed(self.end_order):
            trial = self.trials[trial_id]
            if trial.status != TrialStatus.FAILED:
                break
            (rejected if _is_rejected(trial) else failed).append(trial)
        for trials, what, limit in (
            (failed, "have failed", "max_consecutive_failed_trials"),
            # A space may well hold more models that are too large than not.
            (rejected, "were rejected", "max_rejections"),
        ):
            if len(trials) >= getattr(self, limit):
                raise RuntimeError(
                    f"{len(trials)} trials in a row {what}, which is the "
                    f"limit set by `{limit}`. All finished trials are kept; "
                    "mend the cause and call `search()` again. The last "
                    f"failure:\n{trials[0].message or ''}"
                )

    def _save_trial(self, trial):
        if self._directory is not None:
            folder = self._get_trial_dir(trial.trial_id)
            path = os.path.join(folder, "trial.json")
            storage.write_json(path, trial.get_state())


def _error(trial):
    """The line of a traceback that names the error, without its numbers.

    The shapes, labels and node names in it differ from trial to trial.
    """
    line = (trial.message or "").strip().rpartition("\n")[2]
    return re.sub(r"\d+", "#", line)


def _is_rejected(trial):
    """Whether a candidate was not wanted, which is no failure."""
    return trial.status == TrialStatus.FAILED and _REJECTION in _error(trial)


def _values(given):
    """What was given to `enqueue`, as a dict of values."""
    if isinstance(given, keras_tuner.HyperParameters):
        return given.values
    if not isinstance(given, dict):
        raise ValueError(
            "Invalid value received for argument `values`. Expected a dict of "
            "hyperparameter values by name, a `keras_tuner.HyperParameters`, "
            f"or a list of these. Received: {given!r}"
        )
    return given


def check_integer(name, value, minimum):
    """Raises a `ValueError` unless `value` is an integer, large enough."""
    is_integer = isinstance(value, (int, np.integer))
    if not is_integer or isinstance(value, bool) or value < minimum:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected an "
            f"integer of at least {minimum}. Received: {name}={value!r}"
        )


def check_probability(name, value):
    """Raises a `ValueError` unless `value` is a number from 0 to 1."""
    if not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float "
            f"from 0 to 1. Received: {name}={value!r}"
        )
