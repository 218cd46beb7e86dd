"""Search strategies by name: those of keras_nas and their peers.

Each is driven in the same way: `propose` an architecture, `report` what was
measured of it. A new oracle joins `STRATEGIES` with one line.
"""

import dataclasses
import importlib.util
import warnings
from collections.abc import Callable

import keras_tuner
import numpy as np

from keras_nas import oracles

VIOLATION = "violation"


@dataclasses.dataclass(frozen=True)
class Problem:
    """What a strategy is told before it begins.

    Attributes:
        space: `keras_tuner.HyperParameters`.
        objectives: List of `keras_tuner.Objective`.
        evaluations: Integer, how many architectures will be evaluated.
        seed: Integer.
        columns: Optional function of hyperparameter values that returns a
            dict of numbers which are known without an evaluation.
        constrained: Boolean, whether violations of a constraint are reported.
    """

    space: keras_tuner.HyperParameters
    objectives: list
    evaluations: int
    seed: int
    columns: Callable | None = None
    constrained: bool = False

    @property
    def objective(self):
        """The objectives as an oracle takes them."""
        one, *others = self.objectives
        return [one, *others] if others else one


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How to begin a search, and what has to be installed for that.

    Attributes:
        start: Function of a `Problem` that returns a search: an object with
            `propose()`, `report(metrics)` and `recommend()`.
        packages: Names of modules that the strategy imports.
        is_ours: Boolean, whether it is part of keras_nas.
        columns: Names of the columns of the table that it cannot do without,
            and looks at unless others are asked for; see `tables.matching`.
        min_objectives: Integer, 2 for what makes no sense with one.
    """

    start: Callable
    packages: tuple = ()
    is_ours: bool = False
    columns: tuple = ()
    min_objectives: int = 1

    def missing_packages(self):
        """Lists the packages that are not installed."""
        return [p for p in self.packages if not importlib.util.find_spec(p)]


class OracleSearch:
    """Drives any `keras_tuner.Oracle`, without a project and a model."""

    def __init__(self, oracle):
        self.oracle = oracle
        self._trial = None

    def propose(self):
        """Returns hyperparameter values; `None` when the search has ended."""
        self._trial = self.oracle.create_trial("benchmark")
        if self._trial.status != "RUNNING":
            return None
        return dict(self._trial.hyperparameters.values)

    def report(self, metrics, violation=0.0):
        """Ends the evaluation; without metrics, the architecture failed."""
        if metrics is None or violation:
            self._trial.status = "INVALID"
            # On purpose, so that an oracle does not take it for a mistake.
            self._trial.message = (
                "keras_tuner.errors.FailedTrialError: it cannot be measured"
            )
        else:
            self.oracle.update_trial(self._trial.trial_id, metrics)
            self._trial.status = "COMPLETED"
        self.oracle.end_trial(self._trial)

    def recommend(self):
        """Returns the values that the oracle recommends, if it does."""
        if not hasattr(self.oracle, "recommend"):
            return None
        recommended = self.oracle.recommend()
        if isinstance(recommended, str):
            recommended = self.oracle.trials[recommended]
        if hasattr(recommended, "hyperparameters"):
            recommended = recommended.hyperparameters.values
        return recommended


class OptunaSearch:
    """Drives an Optuna sampler."""

    def __init__(self, problem, sampler):
        import optuna

        self._failed = optuna.trial.TrialState.FAIL
        self._problem = problem
        directions = [f"{o.direction}imize" for o in problem.objectives]
        self._study = optuna.create_study(
            sampler=sampler, directions=directions
        )

    def propose(self):
        """Returns hyperparameter values."""
        self._trial = self._study.ask()
        return {hp.name: self._suggest(hp) for hp in self._problem.space.space}

    def report(self, metrics, violation=0.0):
        """Ends the evaluation; without metrics, the architecture failed."""
        if self._problem.constrained:
            self._trial.set_user_attr(VIOLATION, violation)
        if metrics is None:
            self._study.tell(self._trial, state=self._failed)
            return
        scores = [metrics[o.name] for o in self._problem.objectives]
        self._study.tell(self._trial, scores)

    def recommend(self):
        """Optuna recommends nothing but the best score."""
        return None

    def _suggest(self, hp):
        kind = type(hp).__name__
        if kind == "Choice":
            return self._trial.suggest_categorical(hp.name, list(hp.values))
        if kind == "Boolean":
            return self._trial.suggest_categorical(hp.name, [False, True])
        suggest = {
            "Int": self._trial.suggest_int,
            "Float": self._trial.suggest_float,
        }[kind]
        step = {} if hp.step is None else {"step": hp.step}
        return suggest(
            hp.name,
            hp.min_value,
            hp.max_value,
            log=hp.sampling == "log",
            **step,
        )


def ours(
    oracle_class,
    takes_columns=False,
    columns=(),
    min_objectives=1,
    **arguments,
):
    """Describes an oracle of keras_nas.

    Args:
        oracle_class: The class.
        takes_columns: Boolean, whether it has an argument `columns`.
        columns: Names of columns, see `Strategy`.
        min_objectives: Integer, see `Strategy`.
        **arguments: Further arguments, where its defaults are not meant.
    """

    def start(problem):
        known = {"columns": problem.columns} if takes_columns else {}
        return OracleSearch(
            oracle_class(
                objective=problem.objective,
                max_trials=problem.evaluations,
                hyperparameters=problem.space,
                seed=problem.seed,
                max_consecutive_failed_trials=problem.evaluations,
                **known,
                **arguments,
            )
        )

    return Strategy(
        start,
        is_ours=True,
        min_objectives=min_objectives,
        columns=tuple(columns),
    )


def kerastuner_oracle(oracle_class, packages=()):
    """Describes an oracle of KerasTuner."""

    class Oracle(oracle_class):
        """Runs without a project directory too, like ours."""

        _directory = None

        def save(self, *args, **kwargs):
            if self._directory is not None:
                super().save(*args, **kwargs)

        def _save_trial(self, *args, **kwargs):
            if self._directory is not None:
                super()._save_trial(*args, **kwargs)

        def update_trial(self, trial_id, metrics, step=0):
            # `keras_tuner.Tuner` is what adds up several objectives.
            if self.objective.name not in metrics:
                total = self.objective.get_value(metrics)
                metrics = metrics | {self.objective.name: total}
            return super().update_trial(trial_id, metrics, step)

    def start(problem):
        # Neighbouring seeds give KerasTuner nearly the same numbers, and 0
        # is none.
        seed = 1 + int(np.random.default_rng(problem.seed).integers(2**31 - 1))
        oracle = Oracle(
            objective=problem.objective,
            # It may repeat itself, which is not counted.
            max_trials=None,
            hyperparameters=problem.space,
            seed=seed,
            max_consecutive_failed_trials=problem.evaluations + 1,
        )
        oracle.verbose = 0
        return OracleSearch(oracle)

    return Strategy(start, packages=tuple(packages))


def _violations(trial):
    """What Optuna's samplers ask for: above 0 beyond a constraint."""
    return (trial.user_attrs[VIOLATION],)


def optuna_sampler(name, packages=(), **arguments):
    """Describes a sampler of Optuna by the name of its class."""

    def start(problem):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            # It says that its GP is experimental, once a search.
            warnings.simplefilter("ignore")
            constrained = {}
            if problem.constrained:
                constrained["constraints_func"] = _violations
            sampler = getattr(optuna.samplers, name)(
                seed=problem.seed, **arguments, **constrained
            )
        return OptunaSearch(problem, sampler)

    return Strategy(start, packages=("optuna", *packages))


STRATEGIES = {
    "random": ours(oracles.RandomOracle),
    "evolution": ours(oracles.RegularizedEvolutionOracle),
    "bayesian": ours(oracles.BayesianOptimizationOracle),
    "pareto-bayesian": ours(oracles.ParetoBayesianOracle),
    "predictor": ours(oracles.PredictorGuidedOracle, takes_columns=True),
    "predictor-proxies": ours(
        oracles.PredictorGuidedOracle, takes_columns=True, columns=["proxy_*"]
    ),
    "pareto-predictor": ours(
        oracles.ParetoPredictorOracle, takes_columns=True, min_objectives=2
    ),
    "nsga2": ours(oracles.NSGA2Oracle),
    "local": ours(oracles.LocalSearchOracle),
    "mcts": ours(oracles.MonteCarloTreeSearchOracle),
    "rl": ours(oracles.ReinforcementLearningOracle),
    # Peers.
    "kerastuner-random": kerastuner_oracle(
        keras_tuner.oracles.RandomSearchOracle
    ),
    "kerastuner-bayesian": kerastuner_oracle(
        keras_tuner.oracles.BayesianOptimizationOracle, ["scipy", "sklearn"]
    ),
    "optuna-tpe": optuna_sampler("TPESampler"),
    "optuna-gp": optuna_sampler("GPSampler", ["scipy", "torch"]),
    "optuna-nsga2": optuna_sampler("NSGAIISampler", population_size=20),
}


def select(names, objectives=1):
    """Turns names into strategies.

    Args:
        names: List of names; `all`, `ours` and `peers` stand for several.
        objectives: Integer, how many objectives there are.

    Returns:
        Dict of the names to `Strategy` objects, and a dict of the names
        that are left out to the reason.

    Raises:
        ValueError: If a name is unknown.
    """
    groups = {
        "all": list(STRATEGIES),
        "ours": [n for n, s in STRATEGIES.items() if s.is_ours],
        "peers": [n for n, s in STRATEGIES.items() if not s.is_ours],
    }
    unknown = [n for n in names if n not in groups and n not in STRATEGIES]
    if unknown or not names:
        raise ValueError(
            f"There is no oracle called {unknown}. Expected names out of "
            f"{list(STRATEGIES)}, or {list(groups)}."
        )
    chosen = [one for name in names for one in groups.get(name, [name])]
    selected = {name: STRATEGIES[name] for name in chosen}
    left_out = {}
    for name, strategy in list(selected.items()):
        missing = strategy.missing_packages()
        if missing:
            left_out[name] = f"needs {', '.join(missing)}, not installed here"
        elif objectives < strategy.min_objectives:
            left_out[name] = f"needs {strategy.min_objectives} objectives"
        if name in left_out:
            del selected[name]
    return selected, left_out
