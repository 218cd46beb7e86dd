"""The benchmark of proposal times runs and prints what it says."""

import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import proposal_cost, strategies

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_times_are_taken_at_each_number_of_trials(tmp_path):
    out = tmp_path / "out.json"
    names = ["random", "kerastuner-bayesian", "nsga2"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.proposal_cost", "--at=3,5"]
        + ["--repeats=2", "--seconds=0", f"--json={out}"]
        + [f"--oracle={','.join(names)}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())["results"]
    found = [(row["oracle"], row["trials"]) for row in results]
    assert found == [(name, n) for n in (3, 5) for name in names]
    for row in results:
        assert 0 < row["proposal_ms"] <= row["trial_ms"]
        assert row["repeats"] == 2
        assert row["objectives"] == (2 if row["oracle"] == "nsga2" else 1)
        assert f"{row['proposal_ms']:.2f}" in done.stdout


@pytest.mark.parametrize(
    ("name", "losses"), [("random", 1), ("nsga2", 2), ("pareto-bayesian", 2)]
)
def test_what_is_for_several_objectives_is_timed_with_two(name, losses):
    search = proposal_cost.TimedSearch(
        strategies.STRATEGIES[name], 5, proposal_cost.objectives_of(name)
    )
    search.fill(2)
    for trial in search._oracle.completed_trials():
        assert len(search._oracle.losses(trial)) == losses
