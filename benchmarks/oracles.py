r"""Measures search strategies on a published table of trained architectures.

    python -m benchmarks.oracles --table nasbench201_cifar10.csv.gz \
        --oracle evolution,random,optuna-tpe --evaluations 200 --seeds 100 \
        --json results.json --csv results.csv --figure results.png

Nothing is trained, see `benchmarks/tables.py`. Oracles of keras_nas and their
peers (`benchmarks/strategies.py`) get the same space, budget and seeds in one
run, and know nothing of the table but what they have evaluated.

- An *evaluation* is a new architecture. A peer may propose one again; it is
  told the same result and has lost nothing but time. It is taken to be stuck
  after 100 repetitions in a row, or ten times the evaluations in total.
- *Regret* is the best value of the first objective in the table less the true
  value of the best architecture so far, in the units of the metric.
- With `--noise seed`, one evaluation is one training run: the column
  `val_accuracy_seed0` of NAS-Bench-201, or one of the three runs of
  NAS-Bench-Macro, drawn once for each architecture and seed. Then `regret` is
  that of the architecture that the oracle recommends, which is the one with
  the best score if it has no method `recommend`. `incumbent_regret` is always
  that of the best score, and both are of true values.
- *Hypervolume*, with two objectives or more, is that of all architectures
  evaluated as a share of that of the true front. The reference point is the
  median plus 10 points for an error (an accuracy, turned round), and the 99%
  quantile for anything else, both over the whole table. With noise, it is the
  true hypervolume of what looks like the front.
- An architecture without a number for an objective is a failed trial, and an
  evaluation like any other.
- *Milliseconds a proposal* is the time in `create_trial` (of Optuna: in `ask`
  and the suggestions), the mean of a search without its first proposal, the
  median over the searches. No strategy writes files.

`OUT` of `--json` is `{"results": [...], ...}` with one entry an oracle:
`oracle`, `regret`, `standard_error` (of the regret) and `hypervolume` (or
null) by number of evaluations, `ms_per_proposal`, and more. After Ctrl-C it
holds the searches that had finished.
"""

import argparse
import concurrent.futures
import csv
import json
import math
import multiprocessing
import os
import platform
import shlex
import signal
import sys
import time
import traceback

import keras_tuner
import numpy as np

from benchmarks import strategies, tables
from keras_nas import pareto

# Bounds for a strategy that proposes what it knows.
_MAX_REPETITIONS_IN_A_ROW = 100
_MAX_PROPOSALS_AN_EVALUATION = 10

_TOP_SHARE = 0.001
# Of the normal distribution, two-sided.
_Z_95 = 1.96

# A search is to use one core: others run beside it.
_ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    )
}


class Benchmark:
    """A table with the question that is asked of it.

    Args:
        table: `benchmarks.tables.Table`.
        objectives: List of pairs: the name of a metric, and `"min"` or
            `"max"`.
        evaluations: Integer, the distinct architectures a search evaluates.
        checkpoints: Increasing list of integers up to `evaluations`.
        columns: Names of the metrics that oracles may look at in advance;
            see `tables.matching`.
    """

    def __init__(self, table, objectives, evaluations, checkpoints, columns=()):
        self.table = table
        self.objectives = objectives
        self.evaluations = evaluations
        self.checkpoints = checkpoints
        self.columns = columns
        metric, direction = objectives[0]
        sign = 1 if direction == "min" else -1
        # The first objective as a loss, from 0 for the best.
        losses = sign * table.metrics[metric]
        self.regrets = losses - np.nanmin(losses)
        top = max(1, math.ceil(_TOP_SHARE * np.isfinite(losses).sum()))
        self.top_regret = np.sort(self.regrets)[top - 1]
        if len(objectives) > 1:
            losses = self.losses(table.metrics)
            self.reference = self._reference(losses)
            self.best_hypervolume = pareto.hypervolume(
                losses[np.isfinite(losses).all(axis=1)], self.reference
            )
            if not self.best_hypervolume > 0:
                raise ValueError(
                    f"There is no hypervolume of {objectives}: no architecture "
                    "is better than the reference point in all of them. "
                    f"Expected numbers that differ. The point: {self.reference}"
                )

    def losses(self, metrics):
        """Stacks the objectives, to be minimised: a row an architecture."""
        return np.stack(
            [
                metrics[name] if direction == "min" else -metrics[name]
                for name, direction in self.objectives
            ],
            axis=1,
        )

    def run(self, name, seed):
        """Runs one search.

        Args:
            name: String, the name of a strategy.
            seed: Integer, of the search and of the noise.

        Returns:
            Dict of what was measured.
        """
        strategy = strategies.STRATEGIES[name]
        columns = self.columns_of(strategy)
        search = strategy.start(
            strategies.Problem(
                space=self.table.space(),
                objectives=[
                    keras_tuner.Objective(name, direction)
                    for name, direction in self.objectives
                ],
                evaluations=self.evaluations,
                seed=seed,
                columns=Columns(self.table, columns) if columns else None,
            )
        )
        # The same noise for all strategies, and apart from their own numbers.
        rng = np.random.default_rng([seed, len(self.table)])
        metrics = self.table.with_noise(rng)
        found = self._search(search, metrics)
        return self._judge(found, metrics)

    def columns_of(self, strategy):
        """Lists the columns that a strategy may look at in advance."""
        return tables.matching(
            self.columns or strategy.columns, self.table.metrics
        )

    def _search(self, search, metrics):
        order, recommended, times_s = {}, {}, []
        repetitions = in_a_row = 0
        bound = _MAX_PROPOSALS_AN_EVALUATION * self.evaluations
        while (
            len(order) < self.evaluations
            and len(order) + repetitions < bound
            and in_a_row < _MAX_REPETITIONS_IN_A_ROW
        ):
            started_s = time.perf_counter()
            values = search.propose()
            times_s.append(time.perf_counter() - started_s)
            if values is None:
                break
            number = self.table.number(values)
            if number in order:
                repetitions += 1
                in_a_row += 1
                search.report(order[number])
                continue
            in_a_row = 0
            told = {
                name: float(metrics[name][number])
                for name, _ in self.objectives
            }
            if not all(map(math.isfinite, told.values())):
                told = None
            order[number] = told
            search.report(told)
            # Of several objectives, no single architecture is the best.
            if len(self.objectives) == 1 and len(order) in self.checkpoints:
                values = search.recommend()
                if values is not None:
                    recommended[len(order)] = self.table.number(values)
        return {
            "numbers": np.array(list(order), dtype=int),
            "recommended": recommended,
            "repetitions": repetitions,
            "ms_per_proposal": 1e3 * np.mean(times_s[1:] or times_s),
        }

    def _judge(self, found, metrics):
        numbers, recommended = found.pop("numbers"), found.pop("recommended")
        if not len(numbers):
            raise RuntimeError("The search has proposed nothing.")
        # A search that ended early keeps what it had.
        padding = (0, self.evaluations - len(numbers))
        scores = self.losses(metrics)[numbers]
        is_valid = np.isfinite(scores).all(axis=1)
        incumbent = _running_best(np.where(is_valid, scores[:, 0], np.inf))
        incumbent_regret = np.where(
            is_valid[incumbent],
            self.regrets[numbers[incumbent]],
            np.nanmax(self.regrets),  # Nothing was found yet.
        )
        incumbent_regret = np.pad(incumbent_regret, padding, "edge")
        recommended_regret = {
            at: self.regrets[recommended[at]]
            if at in recommended
            else incumbent_regret[at - 1]
            for at in self.checkpoints
        }
        is_top = is_valid & (self.regrets[numbers] <= self.top_regret)
        hypervolume = None
        if len(self.objectives) > 1:
            truth = self.losses(self.table.metrics)[numbers]
            hypervolume = np.pad(
                self._hypervolumes(truth, scores, is_valid), padding, "edge"
            )
        return found | {
            "evaluations": len(numbers),
            "failed": int((~is_valid).sum()),
            "incumbent_regret": incumbent_regret,
            "recommended_regret": recommended_regret,
            "evaluations_to_top": (
                int(is_top.argmax()) + 1 if is_top.any() else math.inf
            ),
            "hypervolume": hypervolume,
        }

    def _hypervolumes(self, truth, scores, is_valid):
        shares = []
        for end in range(1, len(truth) + 1):
            kept = np.flatnonzero(is_valid[:end])
            if is_valid[end - 1] or not shares:
                kept = kept[pareto.non_dominated(scores[kept])]
                volume = pareto.hypervolume(truth[kept], self.reference)
                shares.append(volume / self.best_hypervolume)
            else:
                shares.append(shares[-1])
        return np.array(shares)

    def _reference(self, losses):
        return np.array(
            [
                np.nanmedian(column) + 10
                if "accuracy" in name
                else np.nanquantile(column, 0.99)
                for (name, _), column in zip(
                    self.objectives, losses.T, strict=True
                )
            ]
        )


class Columns:
    """What is known of an architecture in advance.

    Args:
        table: `benchmarks.tables.Table`.
        names: Names of metrics of the table.
    """

    def __init__(self, table, names):
        self.table = table
        self.names = names

    def __call__(self, values):
        """Returns a dict of numbers; NaN where there is none."""
        number = self.table.number(values)
        return {n: float(self.table.metrics[n][number]) for n in self.names}


def summarize(name, runs, benchmark, noise):
    """Turns the runs of one strategy into an entry of the results."""
    incumbent = np.array([run["incumbent_regret"] for run in runs])
    recommended = np.array(
        [
            [run["recommended_regret"][at] for at in benchmark.checkpoints]
            for run in runs
        ]
    )
    at = np.array(benchmark.checkpoints) - 1
    regret = recommended if noise else incumbent[:, at]
    to_top = np.median([run["evaluations_to_top"] for run in runs])
    mean, error = _mean_and_error(incumbent)

    def by_checkpoint(figures):
        keys = map(str, benchmark.checkpoints)
        return dict(zip(keys, map(_number, figures), strict=True))

    entry = {
        "oracle": name,
        "seeds": len(runs),
        "regret": by_checkpoint(_mean_and_error(regret)[0]),
        "standard_error": by_checkpoint(_mean_and_error(regret)[1]),
        "hypervolume": None,
        "ms_per_proposal": float(
            np.median([run["ms_per_proposal"] for run in runs])
        ),
        "evaluations_to_top_0.1_percent": _number(to_top),
        "share_reaching_top_0.1_percent": float(
            np.mean([run["evaluations_to_top"] < math.inf for run in runs])
        ),
        "incumbent_regret": by_checkpoint(mean[at]),
        "incumbent_standard_error": by_checkpoint(error[at]),
        "recommended_regret": by_checkpoint(_mean_and_error(recommended)[0]),
        "recommended_standard_error": by_checkpoint(
            _mean_and_error(recommended)[1]
        ),
        "evaluations": float(np.mean([run["evaluations"] for run in runs])),
        "failed": float(np.mean([run["failed"] for run in runs])),
        "repetitions": float(np.mean([run["repetitions"] for run in runs])),
        "regret_by_seed": {
            str(number): [_number(one) for one in regret[:, i]]
            for i, number in enumerate(benchmark.checkpoints)
        },
        "regret_curve": _curve(mean, error),
    }
    if len(benchmark.objectives) > 1:
        hypervolume = np.array([run["hypervolume"] for run in runs])
        mean, error = _mean_and_error(hypervolume)
        entry |= {
            "hypervolume": by_checkpoint(mean[at]),
            "hypervolume_standard_error": by_checkpoint(error[at]),
            "hypervolume_curve": _curve(mean, error),
        }
    return entry


def markdown(report):
    """Writes the results as a table, with how they were made."""
    results = report["results"]
    if not results:
        return "No search has finished."
    checkpoints = list(results[0]["regret"])
    kind = " of the recommended" if report["noise"] != "none" else ""
    columns = [f"regret{kind} at {at}" for at in checkpoints]
    has_volume = results[0]["hypervolume"] is not None
    if has_volume:
        columns += [f"hypervolume at {at}" for at in checkpoints]
    columns += ["evaluations to the top 0.1%", "ms a proposal", "seeds"]
    lines = [
        "| oracle | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for entry in results:
        cells = [
            _with_error(entry["regret"][at], entry["standard_error"][at])
            for at in checkpoints
        ]
        if has_volume:
            cells += [
                _with_error(
                    entry["hypervolume"][at],
                    entry["hypervolume_standard_error"][at],
                )
                for at in checkpoints
            ]
        to_top = entry["evaluations_to_top_0.1_percent"]
        cells += [
            "not reached" if to_top is None else f"{to_top:.0f}",
            f"{entry['ms_per_proposal']:.2f}",
            str(entry["seeds"]),
        ]
        lines.append(f"| {entry['oracle']} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Means and standard errors over the seeds, medians in the two columns "
        "behind them. Made with",
        "",
        f"    {report['command']}",
        "",
        f"in {report['wall_s']:.0f} s on {report['machine']}.",
    ]
    return "\n".join(lines)


def write_csv(report, path):
    """Writes the curves: a line for each oracle and number of evaluations."""
    header = ["oracle", "evaluations", "seeds"]
    curves = ["regret", "hypervolume"]
    header += [
        f"{curve}{part}"
        for curve in curves
        for part in ("", "_standard_error", "_low95", "_high95")
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for entry in report["results"]:
            for i in range(report["evaluations"]):
                row = [entry["oracle"], i + 1, entry["seeds"]]
                for name in curves:
                    curve = entry.get(f"{name}_curve")
                    row += [
                        curve[part][i] if curve else ""
                        for part in ("mean", "standard_error", "low", "high")
                    ]
                writer.writerow(row)


def draw(report, path):
    """Draws regret, or hypervolume, against evaluations."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    is_multi = any(entry["hypervolume"] for entry in report["results"])
    which = "hypervolume_curve" if is_multi else "regret_curve"
    # Ten strong colours first, then their pale twins.
    colours = pyplot.get_cmap("tab20").colors
    colours = colours[::2] + colours[1::2]
    # A log scale has no zero: below this, all is as good as found.
    floor = 1e-3
    for i, entry in enumerate(report["results"]):
        curve = {
            part: np.array(numbers, dtype=float)
            for part, numbers in entry[which].items()
        }
        if is_multi:  # The distance to 1, so that the end can be seen.
            curve = {
                "mean": 1 - curve["mean"],
                "low": 1 - curve["high"],
                "high": 1 - curve["low"],
            }
        evaluations = np.arange(1, len(curve["mean"]) + 1)
        is_ours = strategies.STRATEGIES[entry["oracle"]].is_ours
        colour = colours[i % len(colours)]
        axes.plot(
            evaluations,
            np.maximum(curve["mean"], floor),
            label=entry["oracle"],
            color=colour,
            linestyle="-" if is_ours else "--",
        )
        axes.fill_between(
            evaluations,
            np.maximum(curve["low"], floor),
            np.maximum(curve["high"], floor),
            color=colour,
            alpha=0.2,
            linewidth=0,
        )
    axes.set_yscale("log")
    axes.set_xlabel("distinct evaluations")
    name = report["objectives"][0][0]
    axes.set_ylabel(
        "hypervolume missing, share of the true front's"
        if is_multi
        else f"regret, {name}"
    )
    axes.set_title(f"{report['table']}, mean and 95% band")
    axes.legend(fontsize="small", ncols=2)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def main(argv=None):
    """Runs the benchmark; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        selected, left_out = strategies.select(
            options.oracle, len(options.objective)
        )
        benchmark = _benchmark(options, selected)
        _check_outputs(options)
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    for name, strategy in list(selected.items()):
        if strategy.columns and not benchmark.columns_of(strategy):
            left_out[name] = f"needs columns {', '.join(strategy.columns)}"
            del selected[name]
    for name, reason in left_out.items():
        print(f"Left out: {name} {reason}.")
    if not selected:
        parser.error("no oracle is left to run")
    started_s = time.perf_counter()
    runs, errors, is_interrupted = _run_all(
        benchmark,
        list(selected),
        range(options.first_seed, options.first_seed + options.seeds),
        options.jobs,
    )
    report = {
        "results": [
            summarize(name, runs[name], benchmark, options.noise != "none")
            for name in selected
            if runs[name]
        ],
        "table": benchmark.table.name,
        "objectives": benchmark.objectives,
        "noise": options.noise,
        "evaluations": options.evaluations,
        "seeds": options.seeds,
        "first_seed": options.first_seed,
        "left_out": left_out,
        "errors": errors,
        "is_interrupted": is_interrupted,
        "wall_s": time.perf_counter() - started_s,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()}",
        "command": shlex.join(["python", "-m", "benchmarks.oracles"])
        + " "
        + shlex.join(arguments),
    }
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
    if options.csv:
        write_csv(report, options.csv)
    if options.figure and report["results"]:
        draw(report, options.figure)
    print(markdown(report))
    for name, messages in errors.items():
        print(
            f"\n{len(messages)} searches of {name} failed. The first:\n"
            f"{messages[0]}"
        )
    if is_interrupted:
        print("\nInterrupted: these are the searches that had finished.")
        return 130
    return 1 if errors else 0


def _parser():
    def names(text):
        return [name for name in text.split(",") if name]

    def positive(text):
        number = int(text)
        if number < 1:
            raise argparse.ArgumentTypeError(f"{text} is not positive")
        return number

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.oracles",
        description=__doc__.partition("\n")[0],
        epilog="See the head of benchmarks/oracles.py, and docs/benchmarks.md.",
    )
    add = parser.add_argument
    add("--table", required=True, help="path of the table")
    add("--format", choices=tables.FORMATS, help="guessed by default")
    add(
        "--oracle",
        type=names,
        required=True,
        metavar="NAME[,NAME]",
        help=f"{', '.join(strategies.STRATEGIES)}; all, ours, peers",
    )
    add(
        "--objective",
        type=names,
        default=["val_accuracy"],
        metavar="NAME[,NAME]",
        help="columns; an accuracy is to be large and anything else small, "
        "unless NAME:max or NAME:min says so (default: val_accuracy)",
    )
    add(
        "--noise",
        choices=["none", "seed"],
        default="none",
        help="seed: an evaluation is one training run, and the regret is the "
        "true one of the recommended architecture (default: none, the mean "
        "of all runs)",
    )
    add(
        "--columns",
        type=names,
        default=[],
        metavar="NAME[,NAME]",
        help="columns that oracles may look at before an evaluation; NAME* "
        "for all that begin so (default: proxy_* for predictor-proxies)",
    )
    add("--evaluations", type=positive, default=200)
    add("--seeds", type=positive, default=100, help="searches an oracle")
    add("--first_seed", type=int, default=0)
    add(
        "--checkpoints",
        type=lambda text: sorted({positive(t) for t in names(text)}),
        help="evaluations to report at, beside the last (default: 50,100,200; "
        "those beyond --evaluations are left out)",
    )
    add(
        "--jobs",
        type=int,
        default=os.cpu_count(),
        help="processes (default: all cores); 0 for none but this",
    )
    add("--json", metavar="OUT", help="file for the results")
    add("--csv", metavar="OUT", help="file for the curves")
    add("--figure", metavar="OUT", help="file for a figure, by matplotlib")
    return parser


def _benchmark(options, selected):
    objectives = []
    for text in options.objective:
        name, _, direction = text.partition(":")
        direction = direction or ("max" if "accuracy" in name else "min")
        if direction not in ("min", "max"):
            raise ValueError(
                f"Objective {text}: expected NAME, NAME:min or NAME:max."
            )
        objectives.append((name, direction))
    if not objectives:
        raise ValueError("--objective is empty. Expected the name of a column.")
    columns = options.columns or [
        column for one in selected.values() for column in one.columns
    ]
    table = tables.load(
        options.table,
        [name for name, _ in objectives] + columns,
        options.format,
        noise=options.noise != "none",
    )
    for column in options.columns:
        if not tables.matching([column], table.metrics):
            raise ValueError(f"--columns: no column of the table is {column}.")
    asked = options.checkpoints or [50, 100, 200]
    checkpoints = [n for n in asked if n <= options.evaluations]
    beyond = [n for n in asked if n > options.evaluations]
    if options.checkpoints and beyond:
        print(
            f"Left out: checkpoints {', '.join(map(str, beyond))}, beyond "
            f"--evaluations {options.evaluations}."
        )
    return Benchmark(
        table,
        objectives,
        options.evaluations,
        sorted({*checkpoints, options.evaluations}),
        options.columns,
    )


def _check_outputs(options):
    """Raises before the run for what would fail after it."""
    for name in ("json", "csv", "figure"):
        path = getattr(options, name)
        folder = os.path.dirname(path or "") or os.curdir
        if path and not os.path.isdir(folder):
            raise ValueError(
                f"--{name}: there is no folder '{folder}'. Expected a file in "
                f"an existing one. Received: {path}"
            )
    if not options.figure:
        return
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "--figure needs matplotlib: pip install 'keras-nas[benchmarks]'"
        ) from error


def _run_all(benchmark, names, seeds, jobs):
    """Runs all searches; what has finished survives Ctrl-C."""
    runs = {name: {} for name in names}
    errors = {}
    is_interrupted = False
    # Seed by seed, so that all strategies see the machine in all its moods.
    tasks = [(name, seed) for seed in seeds for name in names]
    progress = _Progress(len(tasks))
    try:
        for name, seed, run, error in _outcomes(benchmark, tasks, jobs):
            if error is None:
                runs[name][seed] = run
            else:
                errors.setdefault(name, []).append(f"seed {seed}: {error}")
            progress.step()
    except KeyboardInterrupt:
        is_interrupted = True
    except concurrent.futures.BrokenExecutor as error:
        errors["(a worker)"] = [str(error)]
    progress.end()
    ordered = {
        name: [of_seed[seed] for seed in sorted(of_seed)]
        for name, of_seed in runs.items()
    }
    return ordered, errors, is_interrupted


def _outcomes(benchmark, tasks, jobs):
    if jobs < 1:
        _start_worker(benchmark)
        yield from (_run_task(task) for task in tasks)
        return
    environment = os.environ.copy()
    os.environ.update(_ONE_THREAD)
    # Fresh processes: TensorFlow and BLAS must read the limits above.
    executor = concurrent.futures.ProcessPoolExecutor(
        min(jobs, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(benchmark, True),
    )
    try:
        futures = [executor.submit(_run_task, task) for task in tasks]
        for future in concurrent.futures.as_completed(futures):
            yield future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        for name in _ONE_THREAD:
            os.environ.pop(name)
            if name in environment:
                os.environ[name] = environment[name]


_worker_benchmark = None


def _start_worker(benchmark, is_process=False):
    global _worker_benchmark
    _worker_benchmark = benchmark
    if is_process:
        # Ctrl-C is for the process that writes the results.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_task(task):
    name, seed = task
    try:
        return name, seed, _worker_benchmark.run(name, seed), None
    except Exception:
        return name, seed, None, traceback.format_exc()


class _Progress:
    """Says now and then how far it is."""

    def __init__(self, total, every_s=10):
        self._total = total
        self._every_s = every_s
        self._done = 0
        self._said = None
        self._started_s = time.monotonic()
        self._said_s = -math.inf

    def step(self):
        self._done += 1
        if time.monotonic() - self._said_s > self._every_s:
            self._say()

    def end(self):
        if self._done != self._said:
            self._say()

    def _say(self):
        self._said = self._done
        self._said_s = time.monotonic()
        print(
            f"{self._done} of {self._total} searches, "
            f"{self._said_s - self._started_s:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def _running_best(losses):
    """The position of the smallest number so far, of equal ones the first."""
    is_new = losses < np.minimum.accumulate(np.append(np.inf, losses))[:-1]
    return np.maximum.accumulate(np.where(is_new, np.arange(len(losses)), 0))


def _mean_and_error(samples):
    mean = samples.mean(axis=0)
    if len(samples) < 2:
        return mean, np.full(mean.shape, np.nan)
    return mean, samples.std(axis=0, ddof=1) / math.sqrt(len(samples))


def _curve(mean, error):
    half = _Z_95 * np.nan_to_num(error)
    curve = {
        "mean": mean,
        "standard_error": error,
        "low": mean - half,
        "high": mean + half,
    }
    return {k: [_number(one) for one in curve[k]] for k in curve}


def _number(value):
    """What JSON has for a number: null if there is none."""
    return float(value) if math.isfinite(value) else None


def _with_error(mean, error):
    return f"{mean:.3f}" + ("" if error is None else f" ± {error:.3f}")


if __name__ == "__main__":
    # What `timeout` or a scheduler sends is not to lose the results either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
