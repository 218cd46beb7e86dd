"""The fault benchmark kills, resumes, and counts what it says it counts."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks.faults import Ledger, Log

ROOT = pathlib.Path(__file__).resolve().parents[2]


def opened(**trials):
    listed = [[i, status, score, {}] for i, (status, score) in trials.items()]
    return {"event": "opened", "trials": listed}


def event(name, trial_id="t0", **details):
    return {"event": name, "trial_id": trial_id} | details


RAN = [
    opened(),
    event("begin"),
    event("end"),
    event("acknowledged", score=0.5),
]


@pytest.mark.parametrize(
    "after, lost, repeated",
    [
        ([opened(t0=("COMPLETED", 0.5))], 0, 0),
        # A process that was killed before it had opened the project.
        ([], 0, 0),
        ([opened()], 1, 0),
        ([opened(t0=("RUNNING", None))], 1, 0),
        ([opened(t0=("COMPLETED", 0.25))], 1, 0),
        ([opened(t0=("COMPLETED", 0.5)), event("begin")], 0, 1),
        ([opened(), event("begin"), opened(), event("begin")], 1, 1),
        # What was not acknowledged may be gone and may run again.
        (
            [
                event("begin", "t1"),
                event("end", "t1"),
                opened(t0=("COMPLETED", 0.5)),
                event("begin", "t1"),
            ],
            0,
            0,
        ),
    ],
)
def test_what_is_lost_and_repeated(after, lost, repeated):
    ledger = Ledger()
    ledger.enter(RAN)
    ledger.enter(after)
    assert (len(ledger.lost), len(ledger.repeated)) == (lost, repeated)


def test_a_project_started_anew_has_lost_nothing():
    ledger = Ledger()
    ledger.enter(RAN)
    ledger.start_anew()
    ledger.enter(RAN)
    assert not ledger.lost
    assert not ledger.repeated


def test_a_line_that_was_cut_has_not_happened(tmp_path):
    log = Log(tmp_path / "log")
    assert log.read() == []
    log.write("begin", trial_id="t0")
    with log.path.open("a") as file:
        file.write('{"event": "end", "tri')
    assert log.read() == [event("begin")]


def test_both_engines_are_killed_and_resumed(tmp_path):
    # In processes of their own, side by side: here, TensorFlow may have run.
    runs = {
        engine: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults", "--kills=3"]
            + ["--trials=10", f"--engine={engine}"]
            + [f"--json={tmp_path / engine}.json"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for engine in ("keras_nas", "kerastuner")
    }
    for engine, process in runs.items():
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
        figures = json.loads((tmp_path / f"{engine}.json").read_text())
        assert figures["kills"] == 3
        assert figures["searches"] >= 1
        assert f"{engine}: 3 kills" in output
        if engine == "keras_nas":
            names = ["lost", "repeated", "unreadable", "differing"]
            assert [figures[name] for name in names] == [0, 0, 0, 0]
