"""Measures searches for a device: objectives, constraints, latency tables.

    python -m benchmarks.hardware --json OUT --table nasbench201_cifar10.csv.gz

`fronts`: searches of NAS-Bench-201 for accuracy and latency on a device, both
from the table. Ours run as a user runs them: a tuner with `objective=[
"val_accuracy", cost]`, whose evaluator looks the accuracy up. `hypervolume` is
that of the front found, as a share of the front of the whole table; the
reference point is that of `benchmarks.oracles`. Means over the seeds.

`constrained`: the best accuracy within a limit on the latency, which
`--feasible_share` of the architectures meet; ours with `constraints=[cost]`.
Ours turn candidates away before they become a trial. The peers know no such
thing, so it is done for them: what they propose beyond the limit is not
counted, and told to them as a violation (`constraints_func` of Optuna).
`regret` is how much less accuracy than the best within the limit.

`latency_table`: a latency table of a MobileNet space on this machine, its error
on `--test_models` random int8 models that it has learnt nothing from, and the
rank correlation of FLOPs with their latency.

`fashion`: see `benchmarks.device_search`.
"""

import argparse
import concurrent.futures
import functools
import multiprocessing
import os
import tempfile
import time

import keras
import numpy as np

import keras_nas as nas
from benchmarks import device_search, strategies, tables
from benchmarks.oracles import Benchmark
from benchmarks.parts import chosen_parts, run_parts, say

PARTS = ("fronts", "constrained", "latency_table", "fashion")
OURS = {
    "fronts": ("ParetoBayesian", "NSGA2", "RegularizedEvolution"),
    "constrained": (
        "BayesianOptimization",
        "LocalSearch",
        "RegularizedEvolution",
    ),
}
PEERS = ("optuna-nsga2", "optuna-tpe", "random")
CHECKPOINTS = (50, 100, 200)
# Proposals of a peer for each one that is counted, that end its search.
_MAX_PROPOSALS = 100


def _parser():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--json", metavar="OUT", help="file for the results")
    add("--only", default=",".join(PARTS), help="some of these, by commas")
    add("--table", help="NAS-Bench-201 with latencies, see benchmarks.oracles")
    add("--device", default="pixel3", help="prefix of a column with latencies")
    add("--searches", help="names, by commas; all by default")
    add("--evaluations", type=int, default=200)
    add("--seeds", type=int, default=50)
    add("--feasible_share", type=float, default=0.25)
    add("--jobs", type=int, default=os.cpu_count())
    add("--calibration_models", type=int, default=8, help="of that table")
    add("--test_models", type=int, default=30, help="of the latency table")
    device_search.add_options(parser)
    return parser


OPTIONS = _parser().parse_args([])


class TableLatency(nas.costs.Cost):
    """Looks up the latency of the architecture that a model stands for."""

    def __init__(self, table, column, max_ms=None):
        self.name = column
        super().__init__(max_ms)
        self.table = table

    def measure(self, model):
        """Returns milliseconds."""
        number = int(model.name.rpartition("_")[2])
        return float(self.table.metrics[self.name][number])


class TableAccuracy(nas.evaluators.Evaluator):
    """Looks up the accuracy of a candidate."""

    def __init__(self, table):
        self.table = table

    def evaluate(self, candidate):
        """Returns percent."""
        number = self.table.number(candidate.hyperparameters.values)
        accuracy = float(self.table.metrics["val_accuracy"][number])
        return {"val_accuracy": accuracy}


def build(table, hp):
    """Builds an empty model that stands for an architecture of the table."""
    values = {
        name: hp.Choice(name, list(options), ordered=False)
        for name, options in table.operations.items()
    }
    inputs = keras.Input((1,))
    name = f"architecture_{table.number(values)}"
    model = keras.Model(inputs, inputs, name=name)
    model.compile(loss="mse")
    return model


def search_with_tuner(name, table, column, seed, limit=None):
    """Searches as a user does; returns the numbers of the trials in order."""
    objective = "val_accuracy"
    constraints = [TableLatency(table, column, limit)] if limit else []
    if not limit:
        objective = [objective, TableLatency(table, column)]
    with tempfile.TemporaryDirectory() as directory:
        tuner = getattr(nas, name)(
            functools.partial(build, table),
            objective=objective,
            constraints=constraints,
            evaluator=TableAccuracy(table),
            max_trials=OPTIONS.evaluations,
            max_rejections=2_000,
            seed=seed,
            directory=directory,
        )
        data = np.zeros((2, 1)), np.zeros((2, 1))
        tuner.search(*data, validation_data=data, verbose=0)
        return [
            table.number(tuner.oracle.trials[i].hyperparameters.values)
            for i in tuner.oracle.end_order
        ]


def search_with_peer(name, table, column, seed, limit=None):
    """Searches with a peer; returns what was counted, in order."""
    objectives = [strategies.keras_tuner.Objective("val_accuracy", "max")]
    if limit is None:
        objectives.append(strategies.keras_tuner.Objective(column, "min"))
    search = strategies.STRATEGIES[name].start(
        strategies.Problem(
            table.space(), objectives, 10**6, seed, constrained=bool(limit)
        )
    )
    numbers, proposals = {}, 0
    while len(numbers) < OPTIONS.evaluations:
        values = search.propose()
        proposals += 1
        # Repetitions, and what is beyond the limit, are not counted.
        if values is None or proposals > _MAX_PROPOSALS * OPTIONS.evaluations:
            break
        number = table.number(values)
        metrics = {
            objective.name: float(table.metrics[objective.name][number])
            for objective in objectives
        }
        if limit is None:
            search.report(metrics)
        else:
            latency_ms = table.metrics[column][number]
            violation = max(0.0, latency_ms / limit - 1.0)
            search.report(metrics, violation)
            if violation:
                continue
        numbers.setdefault(number)
    return list(numbers)


def measure_fronts():
    """Compares hypervolumes."""
    table, column = _table()
    benchmark = Benchmark(
        table,
        [("val_accuracy", "max"), (column, "min")],
        OPTIONS.evaluations,
        _checkpoints(),
    )
    losses = benchmark.losses(table.metrics)

    def score(numbers):
        front = losses[numbers]
        front = front[nas.pareto.non_dominated(front)]
        volume = nas.pareto.hypervolume(front, benchmark.reference)
        return volume / benchmark.best_hypervolume

    return _compare("fronts", table, column, None, score, "hypervolume")


def measure_constrained():
    """Compares the best accuracy within a limit."""
    table, column = _table()
    latencies = table.metrics[column]
    limit = float(np.nanquantile(latencies, OPTIONS.feasible_share))
    accuracies = table.metrics["val_accuracy"]
    best = np.nanmax(accuracies[latencies <= limit])

    def score(numbers):
        return best - accuracies[numbers].max()

    result = _compare("constrained", table, column, limit, score, "regret")
    return result | {"limit_ms": limit, "best_accuracy": float(best)}


def measure_latency_table():
    """Measures a table of a MobileNet space, and its error."""
    space = nas.search_spaces.HyperMobileNet((28, 28, 1), 10)
    started_s = time.perf_counter()
    table = nas.costs.LatencyTable.measure(
        space,
        num_calibration_models=OPTIONS.calibration_models,
        num_test_models=OPTIONS.test_models,
    )
    error = table.error
    return {
        "pieces": len(table),
        "test_models": error.num_models,
        "rank_correlation": error.rank_correlation,
        "mean_error": error.mean_error,
        "flops_rank_correlation": error.flops_rank_correlation,
        "scale": table.scale,
        "offset_ms": table.offset_ms,
        "took_s": time.perf_counter() - started_s,
    }


def _compare(part, table, column, limit, score, field):
    names = [*OURS[part], *PEERS]
    if OPTIONS.searches:
        names = [n for n in OPTIONS.searches.split(",") if n in names]
    results = {}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        OPTIONS.jobs, context, _begin_process, (vars(OPTIONS),)
    ) as pool:
        for name in names:
            run = functools.partial(_run, name, table, column, limit)
            started_s = time.perf_counter()
            runs = list(pool.map(run, range(OPTIONS.seeds)))
            took_s = time.perf_counter() - started_s
            results[name] = {
                f"{field}_at_{at}": _mean_and_error(
                    [score(numbers[:at]) for numbers in runs]
                )
                for at in _checkpoints()
            }
            say(f"{part}: {name}: {results[name]}, {took_s:.0f} s")
    return {"seeds": OPTIONS.seeds, "column": column, "searches": results}


def _run(name, table, column, limit, seed):
    search = search_with_peer if name in PEERS else search_with_tuner
    return search(name, table, column, seed, limit)


def _begin_process(options):
    vars(OPTIONS).update(options)


def _checkpoints():
    within = [at for at in CHECKPOINTS if at < OPTIONS.evaluations]
    return [*within, OPTIONS.evaluations]


def _mean_and_error(values):
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if values[1:] else 0.0
    return {"mean": float(np.mean(values)), "standard_error": float(error)}


def _table():
    column = f"{OPTIONS.device}_latency_ms"
    return tables.load(OPTIONS.table, ("val_accuracy", column)), column


def main(arguments=None):
    """Measures what it is told to."""
    parser = _parser()
    vars(OPTIONS).update(vars(parser.parse_args(arguments)))
    only = chosen_parts(parser, "--only", OPTIONS.only, PARTS)
    if OPTIONS.table is None and {"fronts", "constrained"} & set(only):
        parser.error("--table: expected NAS-Bench-201. Received: none")
    if OPTIONS.folder is None and "fashion" in only:
        parser.error("--folder: expected a folder. Received: none")
    measures = {
        "fronts": measure_fronts,
        "constrained": measure_constrained,
        "latency_table": measure_latency_table,
        "fashion": lambda: device_search.measure(OPTIONS),
    }
    run_parts("benchmarks.hardware", measures, only, OPTIONS.json)


if __name__ == "__main__":
    main()
