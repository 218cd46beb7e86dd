"""Measures what a search costs beside its trainings: time and memory.

    python -m benchmarks.engine --json engine.json
    python -m benchmarks.engine --json engine.json --only speedup,overhead

Every search runs in a new process, and what is compared is measured in the
same call of this program. Trials train small networks on the digits of
scikit-learn; all architectures of a space have the same layers, so that one
search does about what another does. On two cores it takes ten minutes.

`speedup`: the same trials, some seconds each, with `workers=1`, `workers=2`
and in the process of the search (`workers=None`).

- `speedup`: the time of `search()` with one worker, divided by that with two.
- `threads`: what TensorFlow has for a trial: workers share the cores out, so
  one worker has all of them. `cores_used`: the processor time of a training by
  its wall time. Small networks keep about one core busy, whatever they get.
- Where the time goes: the time of the search, times the number of places for
  trials, is `tracing_s` (by how much the first epoch of each training took
  longer than the others) + `training_s` (the rest of the epochs) + `other_s`
  (the place waits for its process, loads, builds, saves, or finds no trial
  left to run).
- `start_cpu_s`: the processor time of all worker processes before their
  training: Python, imports, the build. A process starts while the trial before
  it still runs, so this costs time only where no core is free.

`memory`: the resident memory of the process that searches, after every trial.

- `growth_mb`: what it has after the last trial, beyond the median of what it
  had after each of the first five. `growth_in_all_mb`: beyond what it had
  before the tuner was made, when one model had been built in it.
- `keras_nas` with `workers=1`, KerasTuner's `RandomSearch`, which has no
  workers, and `keras_nas` without, as a search runs by default.

`overhead`: a bare loop of `build` and `fit`, `keras_nas.RandomSearch` and
`keras_tuner.RandomSearch`, with a tiny network and few images. The three
processes take turns, a trial each, so that a slow moment of the machine hits
all, and all have built as many models; each is the first as often.

- `trial_ms`: the median time from the end of a trial to the end of the next,
  less the waiting for the turn.
- `overhead_ms`: the median of what a trial took beyond the trial of the bare
  loop in the same round, with its quartiles; `overhead_cpu_ms`: the same in
  processor time, to which a busy machine does less.
- `overhead_in_all_ms`: what all took beyond the bare loop, from before the
  constructor to after the search, divided by the number of trials. What
  happens once, such as the checks of `keras_nas`, is in it.
- The bare loop has the architectures that `keras_nas` proposes; KerasTuner
  draws its own with the same seed.

`others_cores`, of each: how many cores other programs kept busy meanwhile, on
average. Times are worth little where it is far from 0. MB are 1e6 bytes.
Memory and load are read from `/proc`, so this runs on Linux only.
"""

import contextlib
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import keras
import keras_tuner
import tensorflow as tf
from absl import app, flags
from sklearn.datasets import load_digits

import keras_nas

_TUNERS = {
    "keras_nas": keras_nas.RandomSearch,
    "kerastuner": keras_tuner.RandomSearch,
}
_ENGINES = ("bare", *_TUNERS)
_OBJECTIVE = "val_accuracy"
# Of 1,797; the others validate.
_TRAINING_IMAGES = 1347
# Where the training is to be the smallest part of a trial.
_FEW_IMAGES = 128
# The memory after each of these is what growth is counted from.
_FIRST_TRIALS = 5
_PROGRESS_EVERY = 20


def build_network(hp):
    """Builds a convolutional network for digits of 8 by 8 pixels."""
    activation = hp.Choice("activation", ["relu", "elu", "silu"])
    x = inputs = keras.Input((8, 8, 1))
    for stage in range(3):
        x = keras.layers.Conv2D(
            hp.Int(f"filters{stage}", 24, 40, step=4),
            hp.Choice(f"kernel_size{stage}", [3, 5]),
            padding="same",
            use_bias=False,
        )(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Activation(activation)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return _compiled(inputs, x)


def build_tiny(hp):
    """Builds a network of two dense layers for the same digits."""
    x = inputs = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(
        hp.Int("units", 8, 64), hp.Choice("activation", ["relu", "elu", "silu"])
    )(x)
    return _compiled(inputs, x)


_BUILDS = {"network": build_network, "tiny": build_tiny}


class Phases(keras.callbacks.Callback):
    """Writes when the epochs of a training ended to a file of its own.

    Args:
        folder: String, where to.
    """

    def __init__(self, folder):
        super().__init__()
        self._folder = folder

    def on_train_begin(self, logs=None):
        """Reads the clocks."""
        self._cpu_before_s = time.process_time()
        self._moments_s = [time.monotonic()]

    def on_epoch_end(self, epoch, logs=None):
        """Notes the end of an epoch, validation included."""
        self._moments_s.append(time.monotonic())

    def on_train_end(self, logs=None):
        """Writes the file."""
        threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS", 0))
        phases = {
            "threads": threads or os.cpu_count(),
            "moments_s": self._moments_s,
            "cpu_before_s": self._cpu_before_s,
            "training_cpu_s": time.process_time() - self._cpu_before_s,
        }
        name = f"phases_{os.getpid()}_{time.monotonic_ns()}.json"
        pathlib.Path(self._folder, name).write_text(json.dumps(phases))


class Watch:
    """Notes the time and the memory of each trial of this process.

    Args:
        trials: Integer, how many there will be.
        takes_turns: Boolean. If `True`, every trial waits for a line from the
            standard input, and says by a line that it waits.
    """

    def __init__(self, trials, takes_turns=False):
        self._trials = trials
        self._takes_turns = takes_turns
        self.spent_s = []
        self.spent_cpu_s = []
        self.resident_mb = []

    def begin(self):
        """Starts the clock of a trial."""
        if self._takes_turns:
            print("waiting", flush=True)
            sys.stdin.readline()
        self._began_cpu_s = time.process_time()
        self._began_s = time.monotonic()

    def end_trial(self):
        """Notes what the trial took; begins the next."""
        self.end()
        self.resident_mb.append(resident_mb())
        done = len(self.resident_mb)
        if not self._takes_turns and done % _PROGRESS_EVERY == 0:
            print(f"    {done} of {self._trials} trials", flush=True)
        self.begin()

    def end(self):
        """Notes what has passed since the clock was started."""
        self.spent_s.append(time.monotonic() - self._began_s)
        self.spent_cpu_s.append(time.process_time() - self._began_cpu_s)


class OtherWork:
    """Tells what else has kept the machine busy since this was made."""

    def __init__(self):
        self._before = self._read()

    def cores(self):
        """Returns how many cores were busy with it, on average."""
        passed_s, busy_s, own_s = (
            after_s - before_s
            for before_s, after_s in zip(
                self._before, self._read(), strict=True
            )
        )
        return (busy_s - own_s) / passed_s

    def _read(self):
        machine, *_ = pathlib.Path("/proc/stat").read_text().splitlines()
        user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(
            int, machine.split()[1:9]
        )
        ticks = user + nice + system + sum(interrupts_and_stolen)
        # With the processes that this one has started, once they have ended.
        own_s = sum(os.times()[:4])
        return time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), own_s


class Loop:
    """A search without a tuner: build and fit, build and fit.

    Args:
        build: Function of `keras_tuner.HyperParameters` that returns a model.
        architectures: List of `keras_tuner.HyperParameters`.
        watch: `Watch`, which is told of the end of every trial.
    """

    def __init__(self, build, architectures, watch):
        self._build = build
        self._architectures = architectures
        self._watch = watch

    def search(self, **fit):
        """Trains the architectures."""
        for hp in self._architectures:
            self._build(hp).fit(**fit)
            self._watch.end_trial()


def resident_mb():
    """Returns the resident memory of this process."""
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("Expected a line `VmRSS:` in /proc/self/status.")


def run_search(
    engine,
    model,
    trials,
    epochs,
    images,
    seed,
    workers=None,
    has_phases=False,
    takes_turns=False,
):
    """Runs one search in this process, which should be a new one.

    Args:
        engine: String, `"bare"`, `"keras_nas"` or `"kerastuner"`.
        model: String, `"network"` or `"tiny"`.
        trials: Integer, the number of trials.
        epochs: Integer, the epochs of each.
        images: Integer, how many images to train with.
        seed: Integer, the seed of the search.
        workers: Optional integer, the workers of `keras_nas`.
        has_phases: Boolean, whether to note the phases of each training.
        takes_turns: Boolean, whether every trial waits for its turn.

    Returns:
        Dict of what was seen, for JSON: `search_s`; `spent_s`, a list of what
        each trial took and, last, what came after them, and `spent_cpu_s`, the
        same in processor time; `before_mb`, and `resident_mb` after each
        trial; the values of the `architectures`; and the `phases` of the
        trainings.
    """
    build = _BUILDS[model]
    # Whoever builds the first model of a process has to wait for TensorFlow.
    space = keras_tuner.HyperParameters()
    build(space)
    watch = Watch(trials, takes_turns)
    with tempfile.TemporaryDirectory() as folder:
        arguments = _load_data(images) | {"epochs": epochs, "verbose": 0}
        if has_phases:
            arguments["callbacks"] = [Phases(folder)]
        if workers is not None:
            arguments["workers"] = workers
        drawn = _draw(space, trials, seed)
        before_mb = resident_mb()
        watch.begin()
        if engine == "bare":
            search = Loop(build, drawn, watch)
        else:
            search = _make_tuner(engine, build, trials, seed, folder, watch)
        started_s = time.monotonic()
        search.search(**arguments)
        search_s = time.monotonic() - started_s
        watch.end()
        if len(watch.resident_mb) != trials:
            raise RuntimeError(
                f"Expected {trials} trials. Received: "
                f"{len(watch.resident_mb)} of {engine}"
            )
        if engine != "bare":
            ended = sorted(search.oracle.trials.items())
            drawn = [trial.hyperparameters for _, trial in ended]
        return {
            "search_s": search_s,
            "spent_s": watch.spent_s,
            "spent_cpu_s": watch.spent_cpu_s,
            "before_mb": before_mb,
            "resident_mb": watch.resident_mb,
            "architectures": [hp.values for hp in drawn],
            "phases": [
                json.loads(path.read_text())
                for path in pathlib.Path(folder).glob("phases_*.json")
            ],
        }


def measure_speedup(trials, epochs, seed):
    """Runs the same trials with one worker, with two and without."""
    runs = {}
    for name, workers in (
        ("one_worker", 1),
        ("two_workers", 2),
        ("in_process", None),
    ):
        print(f"speedup: {trials} trials, {name}", flush=True)
        runs[name] = run_apart(
            engine="keras_nas",
            model="network",
            trials=trials,
            epochs=epochs,
            images=_TRAINING_IMAGES,
            seed=seed,
            workers=workers,
            has_phases=True,
        )
    return {"trials": trials, "epochs": epochs} | compare_workers(runs)


def measure_memory(trials, epochs, seed):
    """Watches the memory of the process that searches."""
    figures = {"trials": trials, "epochs": epochs}
    for name, engine, workers in (
        ("keras_nas_one_worker", "keras_nas", 1),
        ("kerastuner", "kerastuner", None),
        ("keras_nas_in_process", "keras_nas", None),
    ):
        print(f"memory: {trials} trials, {name}", flush=True)
        run = run_apart(
            engine=engine,
            model="network",
            trials=trials,
            epochs=epochs,
            images=_FEW_IMAGES,
            seed=seed,
            workers=workers,
        )
        figures[name] = describe_growth(run["before_mb"], run["resident_mb"])
    return figures


def measure_overhead(trials, epochs, seed):
    """Lets the three engines take turns."""
    print(f"overhead: {trials} trials of each, in turns", flush=True)
    searches = {
        engine: {
            "engine": engine,
            "model": "tiny",
            "trials": trials,
            "epochs": epochs,
            "images": _FEW_IMAGES,
            "seed": seed,
            "takes_turns": True,
        }
        for engine in _ENGINES
    }
    runs = run_in_turns(searches, trials)
    return {"trials": trials, "epochs": epochs} | compare_engines(runs)


def compare_workers(runs):
    """Turns searches with one worker, with two and without into figures.

    Args:
        runs: Dict of what `run_search` has returned, by `"one_worker"`,
            `"two_workers"` and `"in_process"`.

    Returns:
        Dict of the figures that the docstring of this file explains.
    """
    one, two = runs["one_worker"], runs["two_workers"]
    for run in runs.values():
        _check_same(one, run)
    figures = {"speedup": one["search_s"] / two["search_s"]}
    for name, run in runs.items():
        places = 2 if name == "two_workers" else 1
        all_epochs_s = [
            [after - before for before, after in itertools.pairwise(moments_s)]
            for moments_s in (phases["moments_s"] for phases in run["phases"])
        ]
        whole_s = sum(map(sum, all_epochs_s))
        tracing_s = sum(
            first_s - statistics.median(others_s)
            for first_s, *others_s in all_epochs_s
        )

        def total(name, run=run):
            return sum(phases[name] for phases in run["phases"])

        figures[name] = {
            "search_s": run["search_s"],
            "threads": max(phases["threads"] for phases in run["phases"]),
            "cores_used": total("training_cpu_s") / whole_s,
            "mean_trial_s": whole_s / len(all_epochs_s),
            "tracing_s": tracing_s,
            "training_s": whole_s - tracing_s,
            "other_s": places * run["search_s"] - whole_s,
            # In the process of the search it would be all its past.
            "start_cpu_s": None
            if name == "in_process"
            else total("cpu_before_s"),
        }
    return figures


def describe_growth(before_mb, resident_mb):
    """Says how the memory of a process has grown.

    Args:
        before_mb: Float, the resident memory before the search.
        resident_mb: List of floats, the resident memory after each trial.

    Returns:
        Dict of the figures that the docstring of this file explains.
    """
    first_mb, last_mb = resident_mb[:_FIRST_TRIALS], resident_mb[-1]
    return {
        "before_mb": before_mb,
        "first_trials_mb": first_mb,
        "last_trial_mb": last_mb,
        "growth_mb": last_mb - statistics.median(first_mb),
        "growth_in_all_mb": last_mb - before_mb,
    }


def compare_engines(runs):
    """Turns searches of the three engines that took turns into figures.

    Args:
        runs: Dict of what `run_search` has returned, by engine: `"bare"`,
            `"keras_nas"` and `"kerastuner"`.

    Returns:
        Dict of the figures that the docstring of this file explains.
    """
    _check_same(runs["bare"], runs["keras_nas"])
    bare = runs["bare"]
    figures = {}
    for engine, run in runs.items():
        overhead_ms = _beyond_ms(run["spent_s"], bare["spent_s"])
        overhead_cpu_ms = _beyond_ms(run["spent_cpu_s"], bare["spent_cpu_s"])
        in_all_s = sum(run["spent_s"]) - sum(bare["spent_s"])
        figures[engine] = {
            "trial_ms": 1e3 * statistics.median(run["spent_s"][1:-1]),
            "overhead_ms": statistics.median(overhead_ms),
            "overhead_quartiles_ms": statistics.quantiles(
                overhead_ms, method="inclusive"
            )[::2],
            "overhead_cpu_ms": statistics.median(overhead_cpu_ms),
            "overhead_in_all_ms": 1e3 * in_all_s / len(run["resident_mb"]),
        }
    return figures


def run_apart(**search):
    """Calls `run_search` in a process of its own; returns what it returned."""
    with tempfile.TemporaryDirectory() as folder:
        with _started(search, folder) as process:
            process.wait()
        return _result(process, folder)


def run_in_turns(searches, trials):
    """Calls `run_search` in several processes that take turns.

    Args:
        searches: Dict of dicts of arguments, by name.
        trials: Integer, the trials of each.

    Returns:
        Dict of what `run_search` returned, by name.
    """
    with contextlib.ExitStack() as stack:
        processes, folders = [], []
        for search in searches.values():
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            folders.append(folder)
            processes.append(
                stack.enter_context(
                    _started(
                        search,
                        folder,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                        text=True,
                    )
                )
            )
        for process, folder in zip(processes, folders, strict=True):
            _wait_for_turn(process, folder)
        # The last turn is for what a search does after its trials.
        for number in range(trials + 1):
            for turn in range(len(processes)):
                index = (number + turn) % len(processes)
                process = processes[index]
                print("go", file=process.stdin, flush=True)
                if number < trials:
                    _wait_for_turn(process, folders[index])
                else:
                    process.wait()
            if number and number % _PROGRESS_EVERY == 0:
                print(f"    {number} of {trials} trials", flush=True)
        return {
            name: _result(process, folder)
            for name, process, folder in zip(
                searches, processes, folders, strict=True
            )
        }


def format_table(figures):
    """Formats figures for a person, with a column for each dict in them.

    Args:
        figures: Dict of numbers, and of dicts that have the same keys.

    Returns:
        String, several lines.
    """
    columns = {k: v for k, v in figures.items() if isinstance(v, dict)}
    settings = ", ".join(
        f"{name} {_format_value(value)}"
        for name, value in figures.items()
        if name not in columns
    )
    rows = [["", *columns]]
    for name in next(iter(columns.values())):
        values = [column[name] for column in columns.values()]
        rows.append([name, *map(_format_value, values)])
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = [settings]
    for name, *cells in rows:
        aligned = [
            cell.rjust(width)
            for cell, width in zip(cells, widths[1:], strict=True)
        ]
        lines.append("  ".join([name.ljust(widths[0]), *aligned]))
    return "\n".join(lines)


def main(argv):
    """Runs the benchmark, or one search of it."""
    del argv
    options = flags.FLAGS
    if options.search:
        seen = run_search(**json.loads(options.search))
        pathlib.Path(options.json).write_text(json.dumps(seen))
        return
    started_s = time.monotonic()
    figures = {}
    for name, measure in _FIGURES.items():
        if name in options.only:
            others = OtherWork()
            figures[name] = measure(
                options[f"{name}_trials"].value,
                options[f"{name}_epochs"].value,
                options.seed,
            )
            figures[name]["others_cores"] = others.cores()
    for name, of_name in figures.items():
        print(f"\n{name}: {format_table(of_name)}")
    figures["environment"] = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "keras_tuner": keras_tuner.__version__,
        "benchmark_s": time.monotonic() - started_s,
    }
    print(f"\n{figures['environment']}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


_FIGURES = {
    "speedup": measure_speedup,
    "memory": measure_memory,
    "overhead": measure_overhead,
}


def _compiled(inputs, x):
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def _load_data(images):
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
    validation = slice(_TRAINING_IMAGES, _TRAINING_IMAGES + images)
    return {
        "x": x[:images],
        "y": y[:images],
        "validation_data": (x[validation], y[validation]),
    }


def _draw(space, trials, seed):
    """Lists the architectures that `keras_nas.RandomSearch` proposes."""
    oracle = keras_nas.oracles.RandomOracle(
        objective=_OBJECTIVE,
        max_trials=trials,
        hyperparameters=space,
        seed=seed,
    )
    return [
        oracle.create_trial(str(number)).hyperparameters
        for number in range(trials)
    ]


def _make_tuner(engine, build, trials, seed, folder, watch):
    class WatchedTuner(_TUNERS[engine]):
        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            watch.end_trial()

    return WatchedTuner(
        build,
        objective=_OBJECTIVE,
        max_trials=trials,
        seed=seed,
        directory=folder,
    )


def _beyond_ms(own_s, bare_s):
    """What each trial took beyond its bare fellow, in milliseconds."""
    # The first holds the constructor as well, and after the last comes the
    # end of the search.
    return [
        1e3 * (one_s - other_s)
        for one_s, other_s in zip(own_s[1:-1], bare_s[1:-1], strict=True)
    ]


def _check_same(run, other):
    if run["architectures"] != other["architectures"]:
        raise RuntimeError(
            "Two searches have trained different architectures, so that "
            "their times cannot be compared."
        )


@contextlib.contextmanager
def _started(search, folder, **pipes):
    """A process that runs a search, and that does not outlive the block."""
    with open(os.path.join(folder, "stderr"), "w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.engine"]
            + [f"--search={json.dumps(search)}"]
            + [f"--json={os.path.join(folder, 'seen.json')}"],
            env={"TF_CPP_MIN_LOG_LEVEL": "3"} | os.environ,
            # TensorFlow's greetings, and the reason if it fails.
            stderr=stderr,
            **pipes,
        )
    # It closes the pipes as well.
    with process:
        try:
            yield process
        finally:
            process.kill()


def _wait_for_turn(process, folder):
    if process.stdout.readline() != "waiting\n":
        process.wait()
        _result(process, folder)
        raise RuntimeError("A search has ended before its last turn.")


def _result(process, folder):
    folder = pathlib.Path(folder)
    if process.returncode != 0:
        reason = (folder / "stderr").read_text()
        raise RuntimeError(
            f"A search ended with code {process.returncode}:\n{reason}"
        )
    return json.loads((folder / "seen.json").read_text())


def _format_value(value):
    if isinstance(value, list):
        return " ".join(f"{one:.0f}" for one in value)
    if isinstance(value, float):
        return f"{value:.2f}"
    return "-" if value is None else str(value)


if __name__ == "__main__":
    # Not above: a test may import this file beside another benchmark, and
    # all have a flag `json`.
    flags.DEFINE_string("json", None, "File to write the figures to.")
    flags.DEFINE_list("only", list(_FIGURES), "What to measure.")
    flags.register_validator(
        "only",
        lambda names: names and set(names) <= set(_FIGURES),
        f"Expected some of {','.join(_FIGURES)}.",
    )
    flags.DEFINE_integer("seed", 1, "Seed of the searches.", lower_bound=0)
    flags.DEFINE_integer("speedup_trials", 12, "Trials.", lower_bound=2)
    flags.DEFINE_integer("speedup_epochs", 8, "Of a trial.", lower_bound=2)
    flags.DEFINE_integer("memory_trials", 60, "Trials.", lower_bound=1)
    flags.DEFINE_integer("memory_epochs", 1, "Of a trial.", lower_bound=1)
    flags.DEFINE_integer("overhead_trials", 42, "Trials.", lower_bound=3)
    flags.DEFINE_integer("overhead_epochs", 3, "Of a trial.", lower_bound=1)
    flags.DEFINE_string("search", None, "For its own use: one search, as JSON.")
    app.run(main)
