"""Kills searches at random moments and counts what the engine has lost.

    python -m benchmarks.faults --kills 200 --engine keras_nas --json out.json

A search of 40 trials with an objective of one millisecond, so that nearly all
of the time goes into the engine's own bookkeeping, runs in a process of its
own, which gets a `SIGKILL` and is started again on the same project until the
search ends; then the next search begins, until the kills have been made. The
last search goes on to its end, so that the last kill is judged too. A process
lives for a time drawn uniformly from a window of half an uninterrupted search,
counted from its start: reading the project is hit as well as writing it.
Where the kill comes after the end of the search, it is none.

What is true is known without the engine. A process appends each event as a
line to a log outside the project, forced to the disk: `opened` with the trials
that the engine found, `begin` and `end` of an evaluation, `acknowledged` when
`oracle.end_trial` has returned. A line cut by the kill has not happened.

- `kills`: processes that a `SIGKILL` ended.
- `lost`: trials whose end was acknowledged and that are missing, not
  `COMPLETED`, or have another score, once the project was opened again. A
  trial that was running at the kill may be lost.
- `repeated`: trials whose evaluation began again after their end was
  acknowledged. A trial killed between `end` and `acknowledged` may run again.
- `unreadable`: resumes in which opening the project raised an error, or the
  search did that was to go on. The project is deleted and its search started
  anew then; what that loses counts here, not as lost or repeated.
- `differing`: searches whose trials, in order, are not those of an
  uninterrupted search with the same seed.

Each trial counts once as lost and once as repeated, however often it is. A
finished search is opened a last time, which counts as a resume.

`keras_nas` takes turns with `RandomOracle` and `RegularizedEvolutionOracle`,
whose proposals depend on the trials before; `kerastuner` is KerasTuner's
`Tuner` with its `RandomSearchOracle`. All searches have the same space.

Processes are forked from one that has imported TensorFlow and run nothing of
it, which spares the import. That is sound: the only threads there are belong
to the idle pools of OpenBLAS, which prepares itself for a fork, and of
TensorFlow a search uses the file functions, which need no thread.
`--seed` fixes the kill moments as shares of the window. The window is measured
and printed, and shrinks when a search proves faster; with `--window_s` it is
given, and the moments are the same in every run.
"""

import collections
import contextlib
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import tempfile
import time

import keras_tuner
from absl import app, flags

import keras_nas

_ENGINES = {
    "keras_nas": (
        keras_nas.Tuner,
        [
            keras_nas.oracles.RandomOracle,
            keras_nas.oracles.RegularizedEvolutionOracle,
        ],
    ),
    "kerastuner": (
        keras_tuner.Tuner,
        [keras_tuner.oracles.RandomSearchOracle],
    ),
}
_FIGURES = [
    "kills",
    "lost",
    "repeated",
    "unreadable",
    "differing",
    "searches",
]
_OBJECTIVE_S = 1e-3
_SEARCH_SEED = 1
# Uninterrupted searches of each oracle, to measure the window.
_REPEATS = 3
# A process that takes longer than this hangs.
_LIMIT_S = 120


class Log:
    """A file of events, one JSON object a line, that survives the process."""

    def __init__(self, path):
        self.path = path

    def write(self, event, **details):
        """Appends an event; returns when it is on the disk."""
        line = json.dumps({"event": event} | details) + "\n"
        mode = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.path, mode)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self):
        """Returns the events whose lines are whole."""
        if not self.path.exists():
            return []
        # What follows the last line break is empty or cut.
        lines = self.path.read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines]


class Ledger:
    """Compares what was acknowledged with what is there after a resume."""

    def __init__(self):
        self.lost = set()
        self.repeated = set()
        self._start = -1
        self.start_anew()

    def start_anew(self):
        """Forgets what was acknowledged: a new project begins."""
        self._start += 1
        self._acknowledged = {}

    def enter(self, events):
        """Takes in the events of one process, in their order."""
        for event in events:
            if event["event"] == "opened":
                found = {i: tuple(rest) for i, *rest in event["trials"]}
                for trial_id, score in self._acknowledged.items():
                    if found.get(trial_id, ())[:2] != ("COMPLETED", score):
                        self.lost.add((self._start, trial_id))
            elif event["event"] == "begin":
                if event["trial_id"] in self._acknowledged:
                    self.repeated.add((self._start, event["trial_id"]))
            elif event["event"] == "acknowledged":
                self._acknowledged[event["trial_id"]] = event["score"]


class Search:
    """One search on disk, which is run by one process after another.

    Args:
        tuner_class: Class of the tuner.
        oracle_class: Class of the oracle.
        trials: Integer, the number of trials.
        folder: `pathlib.Path` of the search; its project and its logs get
            folders in it.
    """

    def __init__(self, tuner_class, oracle_class, trials, folder):
        self._tuner_class = tuner_class
        self._oracle_class = oracle_class
        self._trials = trials
        self._folder = folder
        self._processes = 0
        folder.mkdir()

    def run(self, kill_after_s=None):
        """Runs the search in a process, perhaps not to its end.

        Args:
            kill_after_s: Optional float, the life of the process.

        Returns:
            A pair: `"killed"`, `"finished"` or `"raised"`, and the events.
        """
        log = Log(self._folder / f"process_{self._processes}.log")
        self._processes += 1
        process = multiprocessing.get_context("fork").Process(
            target=self._work, args=(log,)
        )
        process.start()
        process.join(_LIMIT_S if kill_after_s is None else kill_after_s)
        # Nothing happens to a process that has ended in the meantime.
        process.kill()
        process.join()
        events = log.read()
        if process.exitcode == -signal.SIGKILL and kill_after_s is not None:
            return "killed", events
        outcome = events[-1]["event"] if events else None
        if outcome not in ("finished", "raised"):
            raise RuntimeError(
                f"The process ended with code {process.exitcode} and the last "
                f"event {outcome}; it was not killed, or hung."
            )
        return outcome, events

    def delete_project(self):
        """Deletes the project; the logs stay."""
        shutil.rmtree(self._folder / "project")

    def _work(self, log):
        with contextlib.redirect_stdout(open(os.devnull, "w")):
            try:
                tuner = self._make_tuner(log)
                log.write("opened", trials=_list_trials(tuner.oracle))
                tuner.search(verbose=0)
            except Exception as error:
                log.write("raised", reason=f"{type(error).__name__}: {error}")
                sys.exit(1)
        log.write("finished")

    def _make_tuner(self, log):
        class LoggedOracle(self._oracle_class):
            def end_trial(self, trial):
                super().end_trial(trial)
                score = self.trials[trial.trial_id].score
                log.write("acknowledged", trial_id=trial.trial_id, score=score)

        class LoggedTuner(self._tuner_class):
            def run_trial(self, trial, *args, **kwargs):
                evaluation = {
                    "trial_id": trial.trial_id,
                    "values": trial.hyperparameters.values,
                }
                log.write("begin", **evaluation)
                time.sleep(_OBJECTIVE_S)
                score = _score(trial.hyperparameters.values)
                log.write("end", **evaluation)
                return {"score": score}

        oracle = LoggedOracle(
            objective=keras_tuner.Objective("score", "min"),
            max_trials=self._trials,
            hyperparameters=_make_space(),
            seed=_SEARCH_SEED,
        )
        return LoggedTuner(
            oracle, directory=str(self._folder), project_name="project"
        )


class Window:
    """The longest life of a process: half of the shortest search seen.

    Other work on the machine only ever makes a search longer, and a window
    measured in a slow moment would let most searches end before their kill.

    Args:
        given_s: Optional float, the window if it is not to be measured.
    """

    def __init__(self, given_s=None):
        self._is_given = given_s is not None
        self.size_s = given_s if self._is_given else float("inf")

    def fit(self, search_s):
        """Takes in the time of a search that one process has run."""
        if not self._is_given:
            self.size_s = min(self.size_s, search_s / 2)


def measure(engine, kills, trials=40, seed=1, window_s=None):
    """Kills searches of one engine and counts what went wrong.

    Args:
        engine: String, `"keras_nas"` or `"kerastuner"`.
        kills: Integer, how many kills to make.
        trials: Integer, the trials of a search.
        seed: Integer that fixes the moments of the kills.
        window_s: Optional float, the longest life of a process; measured
            by default.

    Returns:
        Dict of the figures that the docstring of this file explains.
    """
    tuner_class, oracle_classes = _ENGINES[engine]
    rng = random.Random(seed)
    figures = collections.Counter()
    reasons = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected = []
        window = Window(window_s)
        for oracle_class in oracle_classes:
            for repeat in range(_REPEATS):
                own_folder = folder / f"{oracle_class.__name__}_{repeat}"
                search = Search(tuner_class, oracle_class, trials, own_folder)
                found, search_s = _uninterrupted(search)
                window.fit(search_s)
            expected.append(found)
        print(f"{engine}: a process lives for up to {window.size_s:.3f} s")
        for number in itertools.count():
            if figures["kills"] >= kills:
                break
            turn = number % len(oracle_classes)
            search = Search(
                tuner_class,
                oracle_classes[turn],
                trials,
                folder / f"search_{number}",
            )
            ledger = Ledger()
            found = _interrupted(
                search, ledger, kills, window, rng, figures, reasons
            )
            figures["searches"] += 1
            figures["lost"] += len(ledger.lost)
            figures["repeated"] += len(ledger.repeated)
            figures["differing"] += found != expected[turn]
            shutil.rmtree(folder / f"search_{number}")
    for reason, count in reasons.most_common():
        print(f"  unreadable {count} times: {reason}")
    return {key: figures[key] for key in _FIGURES}


def main(argv):
    """Runs the benchmark."""
    del argv
    options = flags.FLAGS
    figures = measure(
        options.engine,
        options.kills,
        trials=options.trials,
        seed=options.seed,
        window_s=options.window_s,
    )
    listing = ", ".join(f"{count} {key}" for key, count in figures.items())
    print(f"{options.engine}: {listing}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=2)


def _uninterrupted(search):
    """Returns the trials and the time of a search nothing happens to."""
    times_s = []
    for _ in range(2):  # The second process only opens the project.
        started_s = time.perf_counter()
        outcome, events = search.run()
        times_s.append(time.perf_counter() - started_s)
        if outcome != "finished":
            raise RuntimeError(
                f"A search fails that was not killed: {events[-1]['reason']}"
            )
    return events[0]["trials"], times_s[0]


def _interrupted(search, ledger, kills, window, rng, figures, reasons):
    """Runs a search to its end over its kills; returns its trials."""
    is_resume = has_finished = False
    while True:
        kill_after_s = None
        if figures["kills"] < kills and not has_finished:
            kill_after_s = rng.uniform(0, window.size_s)
        started_s = time.perf_counter()
        outcome, events = search.run(kill_after_s)
        if outcome == "finished" and not is_resume:
            window.fit(time.perf_counter() - started_s)
        ledger.enter(events)
        if outcome == "raised":
            if not is_resume:
                raise RuntimeError(
                    f"A new search does not start: {events[-1]['reason']}"
                )
            figures["unreadable"] += 1
            # Without what differs from one search to the next.
            reason = re.sub(r"\S*/search_\d+/", "", events[-1]["reason"])
            reasons[re.sub(r"\d+", "#", reason.split("\n")[0])[:160]] += 1
            search.delete_project()
            ledger.start_anew()
            is_resume = has_finished = False
            continue
        is_resume = True
        if outcome == "killed":
            figures["kills"] += 1
            if figures["kills"] % 20 == 0:
                print(
                    f"  {figures['kills']} kills, {figures['searches']} "
                    f"searches finished, {figures['unreadable']} unreadable",
                    flush=True,
                )
        elif has_finished:
            return events[0]["trials"]
        else:
            has_finished = True


def _make_space():
    space = keras_tuner.HyperParameters()
    space.Choice("kind", ["a", "b", "c"])
    space.Int("units", 1, 64)
    space.Float("rate", 1e-4, 1e-1, sampling="log")
    return space


def _score(values):
    return "abc".index(values["kind"]) + values["units"] * values["rate"]


def _list_trials(oracle):
    """Lists the trials as JSON holds them, in the order of their numbers."""
    return [
        [trial_id, trial.status, trial.score, trial.hyperparameters.values]
        for trial_id, trial in sorted(oracle.trials.items())
    ]


if __name__ == "__main__":
    # Not above: a test may import this file beside another benchmark, and
    # all have a flag `json`.
    flags.DEFINE_integer("kills", 200, "Kills to make.", lower_bound=1)
    flags.DEFINE_enum("engine", "keras_nas", list(_ENGINES), "What to kill.")
    flags.DEFINE_string("json", None, "File to write the figures to.")
    flags.DEFINE_integer("trials", 40, "Trials of a search.", lower_bound=1)
    flags.DEFINE_integer("seed", 1, "Fixes the moments of the kills.")
    flags.DEFINE_float(
        "window_s", None, "Longest life of a process; measured by default."
    )
    app.run(main)
