"""Times the proposals of oracles, ours and their peers.

    python -m benchmarks.proposal_cost --json proposal_cost.json
    python -m benchmarks.proposal_cost --oracle evolution,optuna-tpe --at 500

A space of 20 hyperparameters (10 Choice, 5 Int, 5 Float) is searched with a
score that costs nothing. At 50, 200, 500 and 1,000 finished trials, the median
time of `populate_space` is taken (the algorithm alone; of Optuna, `ask` and the
suggestions), and of a whole trial (`create_trial`, `update_trial`, `end_trial`,
with the state files written, which Optuna has none of). The oracles take
turns, so that a slow moment of the machine hits all; one that has used up its
`--seconds` at a number of trials stops there, after three repeats at least.

NSGA-II and the oracles whose names begin with `pareto` have two objectives, the
others one.

The history is the oracle's own. Only KerasTuner's Bayesian oracle, which would
take an hour for that, gets random trials.

For figures to compare, use one thread: `OMP_NUM_THREADS=1 python -m ...`.
"""

import json
import statistics
import tempfile
import time

import keras_tuner
from absl import app, flags

from benchmarks import strategies

_JSON = flags.DEFINE_string("json", None, "File to write the figures to.")
_AT = flags.DEFINE_list(
    "at", ["50", "200", "500", "1000"], "Numbers of trials."
)
_REPEATS = flags.DEFINE_integer("repeats", 50, "Proposals timed at each.")
_SECONDS = flags.DEFINE_float(
    "seconds", 20, "Longest time for the proposals of one oracle at each."
)
_ORACLE = flags.DEFINE_list(
    "oracle",
    ["ours", "kerastuner-random", "kerastuner-bayesian"],
    "Names out of benchmarks/strategies.py.",
)

_MIN_REPEATS = 3


def make_space():
    """Returns the space of 20 hyperparameters."""
    space = keras_tuner.HyperParameters()
    for i in range(10):
        space.Choice(f"choice{i}", ["a", "b", "c", "d"])
    for i in range(5):
        space.Int(f"int{i}", 1, 64)
    for i in range(5):
        space.Float(f"float{i}", 1e-4, 1e-1, sampling="log")
    return space


def objectives_of(name):
    """How many objectives a strategy is timed with: what it is made for."""
    is_multi = name.startswith("pareto") or name.endswith("nsga2")
    return 2 if is_multi else 1


class TimedSearch:
    """A search that takes the time of each of its proposals.

    Args:
        strategy: `benchmarks.strategies.Strategy`.
        evaluations: Integer, how many trials there will be at most.
        objectives: Integer, 1 or 2.
    """

    def __init__(self, strategy, evaluations, objectives=1):
        names = ["val_loss", "latency_ms"][:objectives]
        self._objectives = [keras_tuner.Objective(n, "min") for n in names]
        self._search = strategy.start(
            strategies.Problem(
                make_space(), self._objectives, evaluations, seed=1
            )
        )
        self._oracle = getattr(self._search, "oracle", None)
        self.trials = 0
        self.proposal_ms = None
        if self._oracle is None:
            self._search.propose = self._timed(self._search.propose)
        else:
            self._oracle.populate_space = self._timed(
                self._oracle.populate_space
            )
            self._oracle._set_project_dir(tempfile.mkdtemp(), "project")

    def fill(self, number):
        """Runs trials until there are so many."""
        bayesian = keras_tuner.oracles.BayesianOptimizationOracle
        is_slow = isinstance(self._oracle, bayesian)
        if is_slow:
            self._oracle.num_initial_points = number
        while self.trials < number:
            self.run_trial()
        if is_slow:
            self._oracle.num_initial_points = None

    def run_trial(self):
        """Runs one trial with a free score."""
        values = self._search.propose()
        loss = sum(values[f"int{i}"] for i in range(5))
        scores = [loss, 100 * values["float0"]]
        self._search.report(
            {
                objective.name: float(score)
                for objective, score in zip(
                    self._objectives, scores, strict=False
                )
            }
        )
        self.trials += 1

    def _timed(self, function):
        def timed(*args):
            started_s = time.perf_counter()
            result = function(*args)
            self.proposal_ms = 1e3 * (time.perf_counter() - started_s)
            return result

        return timed


def measure(search, times, repeats, seconds):
    """Runs one more trial and adds its times, unless there are enough."""
    spent_s = sum(trial_ms for _, trial_ms in times) / 1e3
    is_over = len(times) >= _MIN_REPEATS and spent_s >= seconds
    if len(times) >= repeats or is_over:
        return
    started_s = time.perf_counter()
    search.run_trial()
    trial_ms = 1e3 * (time.perf_counter() - started_s)
    times.append((search.proposal_ms, trial_ms))


def main(argv):
    """Runs the benchmark."""
    del argv
    at = sorted(int(number) for number in _AT.value)
    try:
        # Two objectives, for those that need them.
        selected, left_out = strategies.select(_ORACLE.value, objectives=2)
    except ValueError as error:
        raise app.UsageError(str(error)) from error
    for name, reason in left_out.items():
        print(f"Left out: {name} {reason}.")
    evaluations = max(at) + len(at) * _REPEATS.value
    searches = {
        name: TimedSearch(strategy, evaluations, objectives_of(name))
        for name, strategy in selected.items()
    }
    results = []
    print(f"{'oracle':22}{'trials':>8}{'proposal ms':>14}{'trial ms':>12}")
    for number in at:
        times = {name: [] for name in searches}
        for search in searches.values():
            search.fill(number)
        for _ in range(_REPEATS.value):
            for name, search in searches.items():
                measure(search, times[name], _REPEATS.value, _SECONDS.value)
        for name, pairs in times.items():
            proposal_ms, trial_ms = map(
                statistics.median, zip(*pairs, strict=True)
            )
            row = {
                "oracle": name,
                "trials": number,
                "objectives": objectives_of(name),
                "proposal_ms": proposal_ms,
                "trial_ms": trial_ms,
                "repeats": len(pairs),
            }
            results.append(row)
            print(
                f"{name:22}{number:8}{row['proposal_ms']:14.2f}"
                f"{row['trial_ms']:12.2f}",
                flush=True,
            )
    if _JSON.value:
        with open(_JSON.value, "w") as file:
            json.dump({"results": results}, file, indent=2)


if __name__ == "__main__":
    app.run(main)
