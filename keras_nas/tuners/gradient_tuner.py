"""What the tuners that search by gradient share."""

import inspect
import json
import os
import time

import keras
from keras_tuner.engine.tuner import maybe_distribute

from keras_nas import architectures, storage
from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)
from keras_nas.oracles import Oracle
from keras_nas.supernet import SharingError, Supernet
from keras_nas.supernet.fit_data import split_validation
from keras_nas.supernet.gradient import AlphaStopping, SearchData
from keras_nas.supernet.gradient.most_probable import (
    most_probable_architectures,
)
from keras_nas.tuners.arguments import check_positive, oracle_arguments
from keras_nas.tuners.progress import format_duration, format_values
from keras_nas.tuners.trial_task import made_data
from keras_nas.tuners.tuner import Tuner

_STATE_FILE = "gradient_search.npz"
_RESULT_FILE = "gradient_search.json"

# What `fit` takes that says nothing to a search by gradient.
_OF_TRIALS_ONLY = {
    *("callbacks", "epochs", "initial_epoch", "shuffle", "verbose"),
    *("validation_batch_size", "validation_data", "validation_freq"),
    *("validation_steps",),
}
_OF_BOTH = {
    *("batch_size", "sample_weight", "steps_per_epoch", "validation_split"),
    *("x", "y"),
}

# How far from an even chance, on the way to certainty, a search has at least
# to come to have found something.
_UNIFORM = 0.1

# Architectures that may violate the constraints, one after the other.
_MAX_INFEASIBLE = 1000


class GradientTuner(Tuner):
    """Learns probabilities of options, then trains the most probable ones.

    The first part trains a `Supernet` of the build, on the data that is given
    to `search()` and for `search_epochs`. What it finds is then trained from
    scratch, as the trials of any tuner are. Both parts show their progress,
    and go on where they were when a search is run again.

    Subclasses make the search: `make_search` and `search_arguments`.

    Args:
        hypermodel: A function `build(hp)` that returns a compiled
            `keras.Model` with a graph, or a `keras_tuner.HyperModel`.
        objective: String, or `keras_tuner.Objective`: what trials are
            compared by.
        max_trials: Integer, how many of the most probable architectures are
            trained from scratch.
        search_epochs: Integer, how long the supernet is trained.
        warmup_epochs: Integer, how many of these train its weights alone.
        alpha_split: Float between 0 and 1, the share of the training data
            that the probabilities are learnt from, and the weights of the
            supernet are not.
        alpha_optimizer: Optional function without arguments that returns a
            `keras.optimizers.Optimizer`, for the logits of the probabilities
            (alphas). By default Adam with a learning rate of 3e-4 and
            `beta_1=0.5`. The weights are trained with the optimizer that
            `build` compiles.
        alpha_regularization: Float, the L2 penalty on the alphas.
        cost: Optional dict from names of hyperparameters to dicts from
            values to numbers, such as measured latencies, or a function; see
            `keras_nas.supernet.gradient.ExpectedCost`.
        cost_weight: Float, how many times the expected cost is added to the
            loss of the alphas.
        early_stopping: Optional `keras_nas.supernet.gradient.AlphaStopping`.
        fixed: Optional dict from names of hyperparameters to values that are
            not searched, such as a learning rate.
        seed: Optional non-negative integer; the same seed gives the same
            search.
        **kwargs: Arguments of `keras_nas.Tuner` and of
            `keras_nas.oracles.Oracle`.

    Raises:
        ValueError: If an argument is wrong.
    """

    def __init__(
        self,
        hypermodel=None,
        objective=None,
        max_trials=1,
        search_epochs=50,
        warmup_epochs=0,
        alpha_split=0.5,
        alpha_optimizer=None,
        alpha_regularization=1e-3,
        cost=None,
        cost_weight=0.0,
        early_stopping=None,
        fixed=None,
        seed=None,
        **kwargs,
    ):
        if search_epochs is None:
            search_epochs = 0  # Is refused.
        check_positive("search_epochs", search_epochs, is_whole=True)
        if warmup_epochs not in range(search_epochs):
            raise ValueError(
                "Invalid value received for argument `warmup_epochs`. "
                "Expected an integer from 0 to below `search_epochs="
                f"{search_epochs}`. Received: warmup_epochs={warmup_epochs!r}"
            )
        check_number("alpha_split", alpha_split, 0, 1, is_open=True)
        check_number("alpha_regularization", alpha_regularization, 0)
        check_number("cost_weight", cost_weight, 0)
        if (cost is None) != (cost_weight == 0):
            raise ValueError(
                "`cost` and `cost_weight` belong together. Expected both, a "
                "table of costs and a weight above 0, or neither. Received: "
                f"cost={cost!r}, cost_weight={cost_weight!r}"
            )
        if early_stopping is not None and not isinstance(
            early_stopping, AlphaStopping
        ):
            raise ValueError(
                "Invalid value received for argument `early_stopping`. "
                "Expected a rule such as "
                "`keras_nas.supernet.SkipStopping()`. Received: "
                f"early_stopping={early_stopping!r}"
            )
        if alpha_optimizer is not None and (
            isinstance(alpha_optimizer, keras.optimizers.Optimizer)
            or not callable(alpha_optimizer)
        ):
            raise ValueError(
                "Invalid value received for argument `alpha_optimizer`. "
                "Expected a function that makes an optimizer, such as "
                "`lambda: keras.optimizers.Adam(3e-4)`. Received: "
                f"alpha_optimizer={alpha_optimizer!r}"
            )
        evaluator = kwargs.get("evaluator")
        if evaluator is not None and not evaluator.trains_candidates:
            raise ValueError(
                f"{type(self).__name__} finds architectures by gradient, with "
                "a supernet of its own, and trains them from scratch. "
                "Expected no `evaluator`, or one that trains, such as "
                "`keras_nas.evaluators.Training(...)`. Received: evaluator="
                f"{type(evaluator).__name__}"
            )
        self.search_epochs = search_epochs
        self.alpha_split = alpha_split
        self.fixed = dict(fixed or {})
        self._search_arguments = {
            "warmup_epochs": warmup_epochs,
            "alpha_optimizer": alpha_optimizer,
            "alpha_regularization": alpha_regularization,
            "cost": cost,
            "cost_weight": cost_weight,
            "early_stopping": early_stopping,
        }
        self._gradient_search = self._data = None
        oracle = _EnqueuedOracle(
            objective=objective,
            max_trials=max_trials,
            seed=seed,
            **oracle_arguments(kwargs),
        )
        super().__init__(oracle=oracle, hypermodel=hypermodel, **kwargs)

    # To be overridden.

    def make_search(self, supernet, **arguments):
        """Returns the `GradientSearch`.

        Args:
            supernet: Compiled `keras_nas.Supernet`.
            **arguments: Arguments of `GradientSearch`.
        """
        raise NotImplementedError

    def search_arguments(self):
        """Returns the arguments of the algorithm, as JSON can hold them."""
        return {}

    # What a user calls.

    def search(self, *fit_args, alpha_data=None, **fit_kwargs):
        """Searches; resumes if the project has been searched before.

        Args:
            *fit_args: Positional arguments of `model.fit`: the data.
            alpha_data: Optional data that the probabilities are learnt from:
                a tuple `(x, y)`, or a `tf.data.Dataset` of batches. By
                default a part of the training data, `alpha_split`.
            **fit_kwargs: Keyword arguments of `model.fit`, such as
                `validation_data` and `epochs`, which is how long trials
                train, and of `keras_nas.Tuner.search`.

        Raises:
            ValueError: If the data cannot be used.
            SharingError: If `build` searches something that cannot be
                weighed by probabilities.
        """
        if "KERASTUNER_ORACLE_IP" in os.environ:
            raise ValueError(
                f"{type(self).__name__} trains one supernet and cannot search "
                "with KerasTuner's chief and workers. Expected none; "
                "`search(workers=...)` is possible."
            )
        # All that can go wrong does so before a project is touched.
        if not self._has_result() or self._is_to_be_emptied:
            self._data = self._make_data(fit_args, fit_kwargs, alpha_data)
            self._gradient_search = self._make_search()
            self._gradient_search.check_data(self._data)
        else:
            self._check_config(self._result()["config"])
        super().search(*fit_args, **fit_kwargs)

    def on_search_begin(self):
        """Searches by gradient, and hands on what that finds."""
        super().on_search_begin()
        started_s = time.monotonic()
        with self._interruption.handled():
            if not self._has_result():
                self._search_by_gradient()
        # Trials to come take none of it.
        self._preparation_s += time.monotonic() - started_s
        if self._has_result():
            self._gradient_search = self._data = None
            self.oracle.enqueue(self._found(self.oracle.max_trials))

    @property
    def search_history(self):
        """List of dicts, what the search by gradient has measured."""
        if self._has_result():
            return self._result()["history"]
        search = self._gradient_search
        return [] if search is None else search.history

    @property
    def probabilities(self):
        """Dict from hyperparameters to dicts from values to probabilities.

        Raises:
            RuntimeError: If the search by gradient is not over.
        """
        result = self._result()
        return {
            name: dict(zip(choices, result["probabilities"][name], strict=True))
            for name, choices in result["choices"].items()
        }

    # The parts of the above.

    def _search_by_gradient(self):
        search = self._gradient_search
        self._restore(search)
        started_s = time.monotonic()
        before = len(search.history)
        while not search.is_finished and not self._reason_to_stop():
            logs = search.run_epoch(self._data)
            write_nested_arrays(
                self._path(_STATE_FILE),
                search.get_state() | {"config": self._config()},
            )
            spent_s = time.monotonic() - started_s
            done = len(search.history)
            left_s = spent_s / (done - before) * (self.search_epochs - done)
            self._progress.note(
                f"search epoch {done}/{self.search_epochs} | "
                f"{format_values(logs)} | spent "
                f"{format_duration(self._elapsed_s())}, left "
                f"~{format_duration(left_s)}"
            )
        if not search.is_finished:
            return
        if len(search.history) < self.search_epochs:
            self._progress.note(
                f"The search by gradient was stopped early by "
                f"{type(search.early_stopping).__name__}."
            )
        self._tell_of_uniform(search.probabilities())
        storage.write_json(
            self._path(_RESULT_FILE),
            {
                "config": self._config(),
                "history": search.history,
                "choices": search.space.choices,
                "probabilities": search.probabilities(),
            },
        )
        storage.remove(self._path(_STATE_FILE))

    def _tell_of_uniform(self, probabilities):
        """Warns where the search has decided next to nothing."""
        options = [p for p in probabilities.values() if len(p) > 1]
        highest = sum(map(max, options)) / len(options)
        even = sum(1 / len(p) for p in options) / len(options)
        if highest - even > _UNIFORM * (1 - even):
            return
        self._progress.note(
            "The probabilities are still near uniform: the highest of each "
            f"hyperparameter is {highest:.3f} on average, and an even chance "
            f"{even:.3f}. What is most probable is little better than chance. "
            "Search longer (`search_epochs`), learn the probabilities faster "
            "(`alpha_optimizer=lambda: keras.optimizers.Adam(0.01)`), or train "
            "more of what is found (`max_trials`)."
        )

    def _make_search(self):
        with maybe_distribute(self.distribution_strategy):
            return self._make_search_in_scope()

    def _make_search_in_scope(self):
        if self.runner.seed is not None:
            keras.utils.set_random_seed(self.runner.seed)
        try:
            supernet = Supernet(
                self.runner.build, fixed=self.fixed, seed=self.oracle.seed
            )
        except SharingError as error:
            # It tells what to do for those who make a supernet themselves.
            text = str(error).replace(
                "Supernet(build, fixed=", f"{type(self).__name__}(..., fixed="
            )
            raise SharingError(text) from error
        self._check_space(supernet)
        arguments = dict(self._search_arguments)
        if make_optimizer := arguments.pop("alpha_optimizer"):
            arguments["alpha_optimizer"] = make_optimizer()
        return self.make_search(
            supernet,
            epochs=self.search_epochs,
            seed=self.oracle.seed,
            **arguments,
        )

    def _make_data(self, fit_args, fit_kwargs, alpha_data):
        fit_args, fit_kwargs = made_data(fit_args, fit_kwargs)
        of_fit = inspect.signature(keras.Model.fit).parameters
        given = inspect.signature(keras.Model.fit).bind_partial(
            None,
            *fit_args,
            **{k: v for k, v in fit_kwargs.items() if k in of_fit},
        )
        given = dict(list(given.arguments.items())[1:])
        unknown = {
            name
            for name, value in given.items()
            if value is not None and name not in _OF_TRIALS_ONLY | _OF_BOTH
        }
        if unknown or given.get("x") is None:
            raise ValueError(
                f"{type(self).__name__} does not know what to make of "
                f"{sorted(unknown) or 'no data'} in `search()`. Expected "
                "arrays or a `tf.data.Dataset`, and besides some of "
                f"{sorted(_OF_TRIALS_ONLY | _OF_BOTH)}."
            )
        x, y, weight = (given.get(n) for n in ("x", "y", "sample_weight"))
        share = given.get("validation_split")
        if share:
            # The rest validates trials.
            (x, y, weight), _ = split_validation(x, y, weight, share)
        return SearchData(
            x,
            y,
            weight,
            batch_size=given.get("batch_size") or 32,
            alpha_split=self.alpha_split,
            alpha_data=alpha_data,
            steps_per_epoch=given.get("steps_per_epoch"),
            seed=self.oracle.seed,
        )

    def _check_space(self, supernet):
        """Raises if the oracle would not take what the supernet finds."""
        known = {}
        for parameter in self.oracle.get_space().space:
            values = architectures.finite_values(parameter)
            known.setdefault(parameter.name, set()).update(values or ())
        for name, choices in supernet.architecture_space.choices.items():
            if not known.get(name, set()).issuperset(choices):
                raise ValueError(
                    f"`build` searches the hyperparameter {name!r} among "
                    f"{choices}, and `hyperparameters` or "
                    "`tune_new_entries=False` allow "
                    f"{sorted(known.get(name, ()), key=str)}. A search by "
                    f"gradient takes `fixed={{{name!r}: ...}}` for that."
                )

    def _found(self, count):
        """Returns the most probable architectures that are feasible."""
        found, infeasible = [], 0
        for values in most_probable_architectures(
            self.probabilities, self.oracle.get_space(), self.fixed
        ):
            if self.constraints and self._screen(values)["violation"] > 0:
                infeasible += 1
                if infeasible == _MAX_INFEASIBLE:
                    break
                continue
            found.append(values)
            if count and len(found) == count:
                break
        if not found:
            raise RuntimeError(
                f"None of the {infeasible} most probable architectures meets "
                "the constraints. Expected constraints that a fair part of "
                "the space meets, or a `cost` that leads the search there."
            )
        return found

    def _restore(self, search):
        path = self._path(_STATE_FILE)
        if not storage.exists(path):
            return
        state = read_nested_arrays(path)
        if not state:
            raise RuntimeError(
                f"Cannot read '{path}': it is damaged. Remove the file to "
                "begin the search by gradient anew."
            )
        self._check_config(state["config"])
        search.set_state(state)
        done = f"{len(search.history)} of {self.search_epochs}"
        self._progress.note(f"Resumed after {done} epochs of the search.")

    def _config(self):
        rule = self._search_arguments["early_stopping"]
        cost = self._search_arguments["cost"]
        make_optimizer = self._search_arguments["alpha_optimizer"]
        return {
            "tuner": type(self).__name__,
            "search_epochs": self.search_epochs,
            "alpha_split": self.alpha_split,
            "fixed": {name: repr(v) for name, v in self.fixed.items()},
            **self._search_arguments,
            **self.search_arguments(),
            # A function cannot be compared with that of another process.
            "cost": "function" if callable(cost) else repr(cost),
            "alpha_optimizer": "default" if make_optimizer is None else "own",
            "early_stopping": rule and [type(rule).__name__, rule.get_config()],
        }

    def _check_config(self, then):
        now = json.loads(json.dumps(self._config()))
        changes = [
            f"`{name}` was {then.get(name)!r}, is {value!r}"
            for name, value in now.items()
            if then.get(name) != value
        ]
        if changes:
            listing = "".join(f"\n  - {change}" for change in changes)
            raise ValueError(
                f"The project in '{self.project_dir}' belongs to another "
                f"search:{listing}\nChange the script back to resume it, or "
                "start a new search with another `project_name` or "
                "`overwrite=True`."
            )

    def _has_result(self):
        return storage.exists(self._path(_RESULT_FILE))

    def _result(self):
        if not self._has_result():
            raise RuntimeError(
                "The search by gradient is not over yet. Call `search()` "
                "first, or again if it was interrupted."
            )
        return storage.read_json(self._path(_RESULT_FILE))

    def _path(self, name):
        return os.path.join(self.project_dir, name)


class _EnqueuedOracle(Oracle):
    """Proposes what was enqueued, and ends."""

    def propose(self, rng):
        return None

    def random_values(self, rng):
        return None


def check_number(name, value, low, high=float("inf"), is_open=False):
    """Raises a `ValueError` unless `value` is a number in a range.

    Args:
        name: String, the name of the argument.
        value: What was received.
        low: Number, the lower end of the range.
        high: Number, its upper end.
        is_open: Boolean, whether the ends are left out.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if (
        not is_number
        or not low <= value <= high
        or (is_open and value in (low, high))
    ):
        ends = "above {} and below {}" if is_open else "from {} to {}"
        if high == float("inf"):
            ends = "above {}" if is_open else "of at least {}"
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"number {ends.format(low, high)}. Received: {name}={value!r}"
        )
