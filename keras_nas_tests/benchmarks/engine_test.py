"""The engine benchmark measures what it says, on what it says."""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import engine

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(search_s=0.0, phases=(), spent_s=(), architectures=({"units": 8},)):
    """What `run_search` returns, as far as it matters."""
    return {
        "search_s": search_s,
        "phases": phases,
        "spent_s": spent_s,
        "spent_cpu_s": [second / 2 for second in spent_s],
        "resident_mb": [0.0] * (len(spent_s) - 1),
        "architectures": list(architectures),
    }


def training(*moments_s, threads=1):
    return {
        "moments_s": moments_s,
        "threads": threads,
        "training_cpu_s": (moments_s[-1] - moments_s[0]) / 2,
        "cpu_before_s": 3.0,
    }


def test_where_the_time_of_workers_goes():
    # First epochs of 4 and 5 seconds, others of 1 and 2.
    phases = [training(10, 14, 15, 16, 17), training(20, 25, 27)]
    runs = {
        "one_worker": run(20.0, phases),
        "two_workers": run(12.5, phases),
        "in_process": run(16.0, phases),
    }
    figures = engine.compare_workers(runs)
    assert figures.pop("speedup") == 20.0 / 12.5
    for name, other_s, start_cpu_s in (
        ("one_worker", 20.0 - 14, 6.0),
        ("two_workers", 2 * 12.5 - 14, 6.0),
        ("in_process", 16.0 - 14, None),
    ):
        assert figures[name] == {
            "search_s": runs[name]["search_s"],
            "threads": 1,
            "cores_used": 0.5,
            "mean_trial_s": 7.0,
            "tracing_s": 3 + 3,
            "training_s": 4 + 4,
            "other_s": other_s,
            "start_cpu_s": start_cpu_s,
        }


def test_growth_is_counted_from_the_median_of_the_first_trials():
    resident_mb = [110.0, 90.0, 112.0, 111.0, 113.0, 300.0, 120.0]
    assert engine.describe_growth(100.0, resident_mb) == {
        "before_mb": 100.0,
        "first_trials_mb": [110.0, 90.0, 112.0, 111.0, 113.0],
        "last_trial_mb": 120.0,
        "growth_mb": 9.0,
        "growth_in_all_mb": 20.0,
    }


def test_overhead_is_what_a_trial_takes_beyond_the_bare_one_of_its_round():
    # The machine is slow in the third round, for both. The first trial, and
    # what comes after the last, count in all only.
    bare = run(spent_s=[3.0, 1.0, 9.0, 2.0, 0.0])
    ours = run(spent_s=[5.0, 1.25, 9.5, 2.25, 0.5])
    runs = {"bare": bare, "keras_nas": ours, "kerastuner": bare}
    figures = engine.compare_engines(runs)
    assert figures["keras_nas"] == {
        "trial_ms": 2250.0,
        "overhead_ms": 250.0,
        "overhead_quartiles_ms": [250.0, 375.0],
        "overhead_cpu_ms": 125.0,
        "overhead_in_all_ms": (2000 + 250 + 500 + 250 + 500) / 4,
    }
    assert figures["bare"]["overhead_ms"] == 0
    assert figures["bare"]["trial_ms"] == 2000


def test_searches_of_different_architectures_are_not_compared():
    other = run(spent_s=[1.0] * 4, architectures=[{"units": 9}])
    runs = dict.fromkeys(("bare", "kerastuner"), run(spent_s=[1.0] * 4))
    with pytest.raises(RuntimeError, match="different architectures"):
        engine.compare_engines(runs | {"keras_nas": other})
    runs = dict.fromkeys(("one_worker", "in_process"), run())
    with pytest.raises(RuntimeError, match="different architectures"):
        engine.compare_workers(runs | {"two_workers": other})


def test_the_table_has_a_column_for_each_run():
    table = engine.format_table(
        {"trials": 2, "a": {"x_s": 1.0, "y": None}, "b": {"x_s": 2, "y": [3.0]}}
    )
    assert table.splitlines() == [
        "trials 2",
        "        a  b",
        "x_s  1.00  2",
        "y       -  3",
    ]


def test_resident_memory_sees_an_array():
    before_mb = engine.resident_mb()
    array = np.ones(8_000_000)  # 64 MB.
    assert 50 < engine.resident_mb() - before_mb < 80
    del array


def test_own_work_is_not_that_of_others():
    work = "import time\nwhile time.process_time() < 1: pass"
    cores = os.cpu_count()
    others = engine.OtherWork()
    started_s = time.monotonic()
    processes = [
        subprocess.Popen([sys.executable, "-c", work]) for _ in range(cores)
    ]
    for process in processes:
        assert process.wait() == 0
    # A second on each core: at most the rest of the time was for others.
    rest = 1 - 1 / (time.monotonic() - started_s)
    assert -0.1 < others.cores() / cores < rest + 0.1


def test_workers_and_the_bare_loop_train_what_is_proposed():
    search = {"model": "tiny", "trials": 2, "epochs": 2, "images": 32}
    bare = engine.run_search("bare", **search, seed=3)
    seen = engine.run_search(
        "keras_nas", **search, seed=3, workers=2, has_phases=True
    )
    assert len(bare["architectures"]) == 2
    assert seen["architectures"] == bare["architectures"]
    other = engine.run_search("kerastuner", **search, seed=4)
    assert other["architectures"] != bare["architectures"]
    for one in (bare, seen, other):
        assert len(one["spent_s"]) == 3
        assert len(one["resident_mb"]) == 2
    assert sum(seen["spent_s"]) >= seen["search_s"]
    assert [len(phases["moments_s"]) for phases in seen["phases"]] == [3, 3]
    for phases in seen["phases"]:
        assert phases["moments_s"] == sorted(phases["moments_s"])
        assert phases["threads"] == max(1, os.cpu_count() // 2)
        # Python has started and TensorFlow was imported in it.
        assert phases["cpu_before_s"] > 0.5


def test_three_engines_take_turns(tmp_path):
    path = tmp_path / "engine.json"
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", "--only=overhead"]
        + ["--overhead_trials=3", "--overhead_epochs=1", f"--json={path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    figures = json.loads(path.read_text())
    assert sorted(figures) == ["environment", "overhead"]
    overhead = figures["overhead"]
    assert (overhead["trials"], overhead["epochs"]) == (3, 1)
    for name in ("bare", "keras_nas", "kerastuner"):
        assert overhead[name]["trial_ms"] > 0
        assert name in process.stdout
    assert overhead["bare"]["overhead_in_all_ms"] == 0


def test_why_a_search_failed_is_told():
    with pytest.raises(RuntimeError, match="KeyError: 'huge'"):
        engine.run_apart(
            engine="bare", model="huge", trials=2, epochs=1, images=32, seed=1
        )
