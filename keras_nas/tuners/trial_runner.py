"""Runs one trial: what a tuner knows that a worker needs."""

import copy
import itertools
import math
import os
import time

import keras
import keras_tuner
from keras_tuner.engine.tuner import maybe_distribute
from keras_tuner.errors import (
    FailedTrialError,
    FatalTypeError,
    FatalValueError,
)

from keras_nas.compile_arguments import replace_compile_arguments
from keras_nas.costs import Cost
from keras_nas.evaluators import Candidate
from keras_nas.objectives.parts import parts_of
from keras_nas.tuners.candidate_costs import CandidateCosts
from keras_nas.tuners.candidate_objective import CandidateObjective
from keras_nas.tuners.distribution_strategy import (
    adapt_to_strategy,
    check_strategy,
)
from keras_nas.tuners.keras_settings import clear_session
from keras_nas.tuners.replica_average import ReplicaAverage


class TrialRunner:
    """Builds models and makes candidates for an evaluator.

    It holds everything about a search but the search itself: no oracle, no
    project, no progress. So it can be sent to another process, and a trial
    runs there as it runs here.

    Args:
        hypermodel: `keras_tuner.HyperModel`.
        evaluator: `keras_nas.evaluators.Evaluator`.
        objective: `keras_tuner.Objective`.
        optimizer: Optional optimizer that replaces the compiled one.
        loss: Optional loss that replaces the compiled one.
        metrics: Optional metrics that replace the compiled ones.
        distribution_strategy: Optional `tf.distribute.Strategy`.
        max_model_size: Optional integer, trainable parameters.
        trial_timeout: Optional number of seconds that a trial may take.
        seed: Optional integer; seeds every training if given.
        stopping_rule: Optional `keras_nas.stopping.StoppingRule`.
        costs: List of `keras_nas.costs.Cost`, what is measured of each
            candidate.

    Example:

    >>> import keras_tuner
    >>> class Small(keras_tuner.HyperModel):
    ...     def build(self, hp):
    ...         units = hp.Int("units", 1, 8)
    ...         return keras.Sequential(
    ...             [keras.Input((2,)), keras.layers.Dense(units)])
    >>> runner = TrialRunner(Small(), None, None, optimizer="sgd", loss="mse")
    >>> runner.build(keras_tuner.HyperParameters()).compiled
    True
    """

    def __init__(
        self,
        hypermodel,
        evaluator,
        objective,
        optimizer=None,
        loss=None,
        metrics=None,
        distribution_strategy=None,
        max_model_size=None,
        trial_timeout=None,
        seed=None,
        stopping_rule=None,
        costs=(),
    ):
        check_strategy(distribution_strategy)
        self.hypermodel = hypermodel
        self.evaluator = evaluator
        self.objective = objective
        self.optimizer = optimizer
        self.loss = loss
        self.metrics = metrics
        self.distribution_strategy = distribution_strategy
        self.max_model_size = max_model_size
        self.trial_timeout = trial_timeout
        self.seed = seed
        self.stopping_rule = stopping_rule
        self.costs = list(costs)

    def build(self, hp):
        """Builds and compiles the model of `hp`, in the strategy's scope.

        Args:
            hp: `keras_tuner.HyperParameters`.

        Returns:
            `keras.Model`.

        Raises:
            keras_tuner.errors.FatalTypeError: If the hypermodel does not
                build a Keras 3 model.
        """
        with maybe_distribute(self.distribution_strategy):
            model = self.hypermodel.build(hp)
            check_model(model)
            replace_compile_arguments(
                model, self.optimizer, self.loss, self.metrics
            )
            adapt_to_strategy(model)
        return model

    def costs_of(self, hp, known=None):
        """Makes what measures the costs of a candidate.

        Args:
            hp: `keras_tuner.HyperParameters` of the candidate.
            known: Optional dict, what was measured before.

        Returns:
            `keras_nas.tuners.candidate_costs.CandidateCosts`.
        """

        def build():
            clear_session()
            return self.build(hp)

        return CandidateCosts(self.costs, build, known)

    def objective_of(self, costs):
        """Returns the objective of the search, for one candidate.

        Args:
            costs: `CandidateCosts` of the candidate.

        Returns:
            `keras_tuner.Objective`.
        """
        if any(isinstance(part, Cost) for part in parts_of(self.objective)):
            return CandidateObjective(self.objective, costs)
        return self.objective

    def candidate(
        self,
        hp,
        number,
        directory,
        fit_args,
        fit_kwargs,
        learning_curves,
        callbacks=(),
        note=lambda line: None,
        is_interrupted=lambda: False,
        costs=None,
    ):
        """Makes what an evaluator gets to know about a trial.

        Args:
            hp: `keras_tuner.HyperParameters` of the trial.
            number: Integer, the number of the trial in the search.
            directory: String, the folder of the trial.
            fit_args: Positional arguments of `search()`.
            fit_kwargs: Keyword arguments of `search()`.
            learning_curves: `keras_nas.tuners.learning_curves.LearningCurves`
                of the project.
            callbacks: Callbacks of the tuner's own, for every training.
            note: Function that shows a line to the user.
            is_interrupted: Function that returns whether the user has
                pressed Ctrl-C.
            costs: Optional `CandidateCosts` of the trial.

        Returns:
            `keras_nas.evaluators.Candidate`.
        """
        costs = costs or self.costs_of(hp)
        fit_kwargs = dict(fit_kwargs)
        user_callbacks = fit_kwargs.pop("callbacks", None) or []
        if not isinstance(user_callbacks, (list, tuple)):
            user_callbacks = [user_callbacks]  # As `model.fit` takes it.
        runs = itertools.count()
        started_s = time.monotonic()

        def build():
            clear_session()
            run = next(runs)
            # A training then gives the same result whether or not the
            # process was restarted before it,
            self._set_seed(number, run)
            model = self.build(hp)
            self._check_size(model)
            costs.measure(model)
            # and whether or not anything was, or had to be, measured.
            self._set_seed(number, run, 1)
            return model

        def fit(model, callbacks, **changes):
            # A `fit` of the user's may compile, or train without Keras.
            with maybe_distribute(self.distribution_strategy):
                return self.hypermodel.fit(
                    hp,
                    model,
                    *fit_args,
                    callbacks=callbacks,
                    **(fit_kwargs | changes),
                )

        def report(epochs):
            if self.stopping_rule is None:
                return False
            measured = costs.values()
            logs = [measured | logs for logs in epochs]
            learning_curves.write(directory, number, logs)
            others = learning_curves.read()
            curve = others.pop(number)
            return bool(self.stopping_rule.should_stop(curve, others, number))

        def all_callbacks(execution, of_user=True):
            copies = _copied(list(user_callbacks)) if of_user else []
            _separate_tensorboards(copies, hp, f"{number:04d}", execution)
            if self.trial_timeout:
                copies.append(_Timeout(self.trial_timeout, started_s))
            if self.max_model_size:
                copies.append(_SizeLimit(self._check_size))
            if self.distribution_strategy is not None:
                # First, so that those of the user see one model too.
                copies.insert(0, ReplicaAverage())
            return [*copies, *callbacks]

        return Candidate(
            hyperparameters=hp,
            objective=self.objective_of(costs),
            directory=directory,
            build=build,
            fit=fit,
            callbacks=all_callbacks,
            report=report,
            can_resume=not overrides_fit(self.hypermodel),
            build_from=self.build,
            scope=lambda: maybe_distribute(self.distribution_strategy),
            seed=self.seed,
            note=note,
            is_interrupted=is_interrupted,
        )

    def _set_seed(self, *numbers):
        if self.seed is not None:
            keras.utils.set_random_seed(hash((self.seed, *numbers)) % 2**31)

    def _check_size(self, model):
        if not self.max_model_size or not model.built:
            return
        size = sum(math.prod(w.shape) for w in model.trainable_weights)
        if size > self.max_model_size:
            raise FailedTrialError(
                f"The model has {size:,} trainable parameters, more than "
                f"`max_model_size={self.max_model_size:,}`."
            )


def overrides_fit(hypermodel):
    """Whether a hypermodel trains its models in a way of its own.

    Args:
        hypermodel: `keras_tuner.HyperModel`.
    """
    fit = getattr(hypermodel.fit, "__func__", hypermodel.fit)
    return fit is not keras_tuner.HyperModel.fit


def check_model(model):
    """Raises unless `model` is a Keras 3 model.

    Args:
        model: What a hypermodel has returned.
    """
    if isinstance(model, keras.Model):
        return
    hint = "Did you forget `return model`?"
    if type(model).__module__.split(".")[0] == "tf_keras":
        hint = "It is a Keras 2 model: build it with `import keras`."
    raise FatalTypeError(
        "Expected `build(hp)` to return a compiled `keras.Model`. Received: "
        f"{model!r} (of type {type(model).__name__}). {hint}"
    )


def timeout_message(timeout_s):
    """Says that a trial has taken too long.

    Example:

    >>> timeout_message(60)
    'The trial took longer than `trial_timeout=60` seconds.'
    """
    return f"The trial took longer than `trial_timeout={timeout_s}` seconds."


class TrialTimeoutError(FailedTrialError):
    """The trial took longer than `trial_timeout`."""


class _SizeLimit(keras.callbacks.Callback):
    """Checks models that get their weights only when they meet the data."""

    def __init__(self, check):
        super().__init__()
        self._check = check

    def on_train_begin(self, logs=None):
        self._check(self.model)

    def on_epoch_end(self, epoch, logs=None):
        self._check(self.model)


class _Timeout(keras.callbacks.Callback):
    """Ends a training that takes too long."""

    def __init__(self, timeout_s, started_s):
        super().__init__()
        self._timeout_s = timeout_s
        self._started_s = started_s

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self._started_s > self._timeout_s:
            raise TrialTimeoutError(timeout_message(self._timeout_s))


def _copied(callbacks):
    try:
        return copy.deepcopy(callbacks)
    except Exception as error:
        raise FatalValueError(
            "The callbacks given to `search()` are copied for every trial, "
            f"but this failed: {error}. Expected callbacks that "
            f"`copy.deepcopy` can copy. Received: callbacks={callbacks}"
        ) from error


def _separate_tensorboards(callbacks, hp, trial_id, execution):
    """Gives every training a folder of its own, and its hyperparameters."""
    for callback in list(callbacks):
        if not isinstance(callback, keras.callbacks.TensorBoard):
            continue
        from tensorboard.plugins.hparams import api as hparams

        callback.log_dir = os.path.join(
            str(callback.log_dir), trial_id, f"execution{execution}"
        )
        callbacks.append(
            hparams.KerasCallback(
                callback.log_dir, dict(hp.values), trial_id=trial_id
            )
        )
