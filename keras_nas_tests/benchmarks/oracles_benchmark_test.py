"""The benchmark of oracles: what its figures are, and its contract."""

import csv
import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import oracles, strategies, tables
from keras_nas_tests.benchmarks.table_files import (
    digit_sum,
    write_macro,
    write_nasbench201,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = list(tables.NASBENCH201)
OPERATIONS = next(iter(tables.NASBENCH201.values()))


def values_of(cell):
    return {
        name: OPERATIONS[int(digit)]
        for name, digit in zip(NAMES, cell, strict=True)
    }


class ScriptedSearch:
    """Proposes given cells and keeps what it is told."""

    def __init__(self, problem, cells, recommended=None):
        self.problem = problem
        self.told = []
        self._cells = iter(cells)
        self._recommended = recommended

    def propose(self):
        cell = next(self._cells, None)
        return None if cell is None else values_of(cell)

    def report(self, metrics):
        self.told.append(metrics)

    def recommend(self):
        return self._recommended and values_of(self._recommended)


@pytest.fixture
def script(monkeypatch):
    """Adds a strategy `scripted`; returns the searches it has started."""

    def add(*cells, recommended=None):
        searches = []

        def start(problem):
            own = cells[problem.seed] if isinstance(cells[0], list) else cells
            searches.append(ScriptedSearch(problem, own, recommended))
            return searches[-1]

        monkeypatch.setitem(
            strategies.STRATEGIES, "scripted", strategies.Strategy(start)
        )
        return searches

    return add


def run(path, tmp_path, *arguments, oracle="scripted", code=0):
    """Runs the benchmark in this process; returns the report."""
    out = tmp_path / "out.json"
    returned = oracles.main(
        ["--table", str(path), "--oracle", oracle, "--jobs", "0"]
        + ["--json", str(out), *arguments]
    )
    assert returned == code
    return json.loads(out.read_text())


@pytest.fixture
def table(tmp_path):
    """Accuracy 50 to 74: the sum of the digits above 50."""
    return write_nasbench201(
        tmp_path / "table.csv",
        {
            "val_accuracy": lambda cell: 50 + digit_sum(cell),
            "val_accuracy_seed0": lambda cell: 99 if cell == "000000" else 60,
            "latency_ms": lambda cell: 1 + digit_sum(cell),
            "same_ms": lambda cell: 3,
            "gaps_ms": lambda cell: "" if cell[0] == "4" else digit_sum(cell),
            "proxy_x": lambda cell: "" if cell[0] == "0" else int(cell) ** 2,
        },
    )


# Regret


def test_regret_is_the_distance_of_the_best_so_far(script, table, tmp_path):
    searches = script("000001", "000000", "003000", "000020", "444443")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=5"),
        "--checkpoints=1,2,3,4,5",
    )
    (entry,) = report["results"]
    # The best cell has 74.
    assert entry["regret"] == {"1": 23, "2": 23, "3": 21, "4": 21, "5": 1}
    assert entry["standard_error"] == dict.fromkeys("12345")
    assert entry["regret_curve"]["mean"] == [23, 23, 21, 21, 1]
    assert entry["hypervolume"] is None
    assert entry["ms_per_proposal"] >= 0
    (search,) = searches
    assert search.told == [
        {"val_accuracy": accuracy} for accuracy in (51, 50, 53, 52, 73)
    ]
    assert search.problem.evaluations == 5


def test_means_and_errors_are_over_the_seeds(script, table, tmp_path):
    script(["000000", "000004"], ["000002", "000001"], ["000000", "000000"])
    report = run(
        *(table, tmp_path, "--seeds=3", "--evaluations=2", "--checkpoints=1,2")
    )
    (entry,) = report["results"]
    # 24, 22, 24 and then 20, 22, 24: the last search ends early.
    assert entry["regret"] == pytest.approx({"1": 70 / 3, "2": 22})
    assert entry["standard_error"] == pytest.approx(
        {"1": np.sqrt(4 / 3 / 3), "2": np.sqrt(4 / 3)}
    )
    assert entry["regret_by_seed"] == {"1": [24, 22, 24], "2": [20, 22, 24]}
    half = 1.96 * np.sqrt(4 / 3)
    assert entry["regret_curve"]["low"][1] == pytest.approx(22 - half)
    assert entry["regret_curve"]["high"][1] == pytest.approx(22 + half)
    assert entry["seeds"] == 3


def test_a_repeated_proposal_is_no_evaluation(script, table, tmp_path):
    searches = script("000001", "000001", "000002", "000001", "000003")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=3"),
        "--checkpoints=1,2,3",
    )
    (entry,) = report["results"]
    assert entry["regret"] == {"1": 23, "2": 22, "3": 21}
    assert entry["repetitions"] == 2
    # But it is told the same again.
    told = [metrics["val_accuracy"] for metrics in searches[0].told]
    assert told == [51, 51, 52, 51, 53]


def test_a_strategy_that_repeats_itself_for_ever_is_stopped(
    script, table, tmp_path
):
    searches = script(*["000001"] * 5000)
    report = run(table, tmp_path, "--seeds=1", "--evaluations=200")
    (entry,) = report["results"]
    assert entry["regret"] == {"50": 23, "100": 23, "200": 23}
    assert entry["evaluations"] == 1
    assert len(searches[0].told) == 101


def test_evaluations_to_the_top(script, tmp_path):
    # Best 15624, as the number of a cell counts; the top 0.1% are 16 cells.
    path = write_nasbench201(
        tmp_path / "t.csv", {"val_accuracy": lambda cell: int(cell, 5)}
    )
    script(
        ["000000", "444413", "444414", "444444"],
        ["444440", "000000", "000001", "000002"],
        ["000000", "000001", "000002", "444413"],
    )
    arguments = ["--evaluations=4", "--checkpoints=4"]
    report = run(path, tmp_path, *arguments, "--seeds=3")
    (entry,) = report["results"]
    assert entry["evaluations_to_top_0.1_percent"] == 3
    assert entry["share_reaching_top_0.1_percent"] == pytest.approx(2 / 3)
    report = run(path, tmp_path, *arguments, "--seeds=1", "--first_seed=2")
    (entry,) = report["results"]
    assert entry["evaluations_to_top_0.1_percent"] is None


def test_a_metric_can_be_minimised(script, table, tmp_path):
    script("000004", "000001", "000003")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=3"),
        *("--objective=latency_ms", "--checkpoints=1,2,3"),
    )
    assert report["results"][0]["regret"] == {"1": 4, "2": 1, "3": 1}
    script("000004", "000001")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=2"),
        *("--objective=latency_ms:max", "--checkpoints=2"),
    )
    assert report["results"][0]["regret"] == {"2": 20}


# Noise


def test_with_noise_the_true_value_of_the_recommended_counts(
    script, table, tmp_path
):
    arguments = ["--seeds=1", "--evaluations=3", "--checkpoints=1,2,3"]
    searches = script("000003", "000000", "444444")
    report = run(table, tmp_path, *arguments, "--noise=seed")
    (entry,) = report["results"]
    # The scores are 60, 99, 60, so the luckiest is 000000.
    told = [metrics["val_accuracy"] for metrics in searches[0].told]
    assert told == [60, 99, 60]
    assert entry["regret"] == {"1": 21, "2": 24, "3": 24}
    assert entry["incumbent_regret"] == entry["regret"]
    script("000003", "000000", "444444", recommended="444440")
    report = run(table, tmp_path, *arguments, "--noise=seed")
    (entry,) = report["results"]
    assert entry["regret"] == {"1": 4, "2": 4, "3": 4}
    assert entry["recommended_regret"] == entry["regret"]
    assert entry["incumbent_regret"] == {"1": 21, "2": 24, "3": 24}
    # Without noise, the best of what was found is known.
    report = run(table, tmp_path, *arguments)
    (entry,) = report["results"]
    assert entry["regret"] == {"1": 21, "2": 21, "3": 0}


def test_the_oracle_may_recommend_a_trial_its_id_or_values():
    class Recommending(strategies.oracles.RandomOracle):
        def recommend(self):
            return self.recommended

    oracle = Recommending(
        "val_loss", hyperparameters=tables.Table("", {"a": "xy"}, {}).space()
    )
    search = strategies.OracleSearch(oracle)
    values = search.propose()
    search.report({"val_loss": 1.0})
    for recommended in ("0000", oracle.trials["0000"], values):
        oracle.recommended = recommended
        assert search.recommend() == values
    oracle.recommended = None
    assert search.recommend() is None


def test_noise_of_macro_is_the_same_for_every_strategy(monkeypatch, tmp_path):
    path = write_macro(
        tmp_path / "t.json",
        mean_acc=lambda key: 90.0,
        test_acc=lambda key: [1.0, 2.0, 3.0],
    )
    searches = []
    cells = [dict.fromkeys(tables.NASBENCH_MACRO, "identity")]
    for layer in tables.NASBENCH_MACRO:
        cells.append(cells[-1] | {layer: "mbconv_e3_k3"})

    class Search(ScriptedSearch):
        def propose(self):
            return next(self._cells)

    def start(problem):
        searches.append(Search(problem, cells))
        return searches[-1]

    for name in ("one", "other"):
        monkeypatch.setitem(
            strategies.STRATEGIES, name, strategies.Strategy(start)
        )
    run(
        *(path, tmp_path, "--noise=seed", "--evaluations=9", "--seeds=2"),
        oracle="one,other",
    )
    told = [[m["val_accuracy"] for m in search.told] for search in searches]
    assert told[0] == told[1]
    assert told[2] == told[3]
    assert told[0] != told[2]
    assert set(told[0] + told[2]) == {1.0, 2.0, 3.0}


# Several objectives


def test_hypervolume_is_the_share_of_the_true_front(script, table, tmp_path):
    # Error and latency of a cell of digit sum s: 50 - s and 1 + s, so every
    # cell is on the front. The median of s is 12, its 99% quantile 20.
    script("444443", "444300", "000000", "444444")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=4"),
        *("--objective=val_accuracy,latency_ms", "--checkpoints=1,2,3,4"),
    )
    (entry,) = report["results"]
    sums = [digit_sum(key) for key in tables.keys(tables.NASBENCH201)]
    assert np.median(sums) == 12
    assert np.quantile(sums, 0.99) == 20
    # The reference is an error of 38 + 10 and a latency of 21, so a cell of s
    # dominates s - 2 by 20 - s. The front is a staircase of steps 1 wide.
    whole = sum(20 - s for s in range(3, 20))
    assert entry["hypervolume"] == pytest.approx(
        {
            "1": 0,  # s = 23 is outside.
            "2": 13 * 5 / whole,  # s = 15.
            "3": 13 * 5 / whole,  # s = 0 is outside.
            "4": 13 * 5 / whole,
        }
    )
    assert entry["regret"] == {"1": 1, "2": 1, "3": 1, "4": 0}
    assert entry["hypervolume_curve"]["mean"][1] == entry["hypervolume"]["2"]


def test_both_objectives_are_told_and_a_gap_is_a_failure(
    script, table, tmp_path
):
    searches = script("400000", "000001", "444444")
    report = run(
        *(table, tmp_path, "--seeds=1", "--evaluations=3"),
        *("--objective=val_accuracy,gaps_ms", "--checkpoints=1,2,3"),
    )
    (entry,) = report["results"]
    expected = {"val_accuracy": 51, "gaps_ms": 1}
    assert searches[0].told == [None, expected, None]
    directions = [(o.name, o.direction) for o in searches[0].problem.objectives]
    assert directions == [("val_accuracy", "max"), ("gaps_ms", "min")]
    # A failure has no regret, but took an evaluation; the worst is 24.
    assert entry["regret"] == {"1": 24, "2": 23, "3": 23}
    assert entry["failed"] == 2


# Strategies


def available(name):
    return not strategies.STRATEGIES[name].missing_packages()


@pytest.mark.parametrize("name", list(strategies.STRATEGIES))
@pytest.mark.parametrize("objectives", ["val_accuracy", "val_accuracy,gaps_ms"])
def test_every_strategy_runs_and_repeats_itself_with_a_seed(
    name, objectives, table, tmp_path
):
    count = objectives.count(",") + 1
    if not available(name):
        pytest.skip("a package is not installed")
    if count < strategies.STRATEGIES[name].min_objectives:
        pytest.skip("it needs several objectives")
    # A second a proposal, once their model begins after 18 and 10 trials.
    number = {"kerastuner-bayesian": 12, "optuna-gp": 12}.get(name, 26)
    entries = [
        run(
            *(table, tmp_path, f"--objective={objectives}", "--seeds=2"),
            f"--evaluations={number}",
            oracle=name,
        )["results"][0]
        for _ in range(2)
    ]
    assert entries[0]["regret_by_seed"] == entries[1]["regret_by_seed"]
    assert entries[0]["regret_curve"] == entries[1]["regret_curve"]
    # Only a peer can go round in circles.
    if strategies.STRATEGIES[name].is_ours or count == 1:
        assert entries[0]["evaluations"] == number
    curve = entries[0]["regret_curve"]["mean"]
    assert curve[0] > curve[-1]
    assert curve == sorted(curve, reverse=True)
    if count == 2:
        assert entries[0]["failed"] > 0
        assert 0 < entries[0]["hypervolume"][str(number)] <= 1


def test_oracles_get_what_they_ask_for(table, tmp_path, monkeypatch):
    asked = {}

    class WithColumns(strategies.oracles.RandomOracle):
        def __init__(self, columns=None, greed=0, **kwargs):
            asked.update(kwargs, columns=columns, greed=greed)
            super().__init__(**kwargs)

    monkeypatch.setitem(
        strategies.STRATEGIES,
        "with-columns",
        strategies.ours(WithColumns, takes_columns=True, greed=3),
    )
    run(
        *(table, tmp_path, "--columns=latency_ms,gaps_ms", "--evaluations=3"),
        *("--seeds=1", "--first_seed=7"),
        oracle="with-columns",
    )
    assert asked["seed"] == 7
    assert asked["max_trials"] == 3
    assert asked["greed"] == 3
    known = asked["columns"](values_of("400001"))
    assert known["latency_ms"] == 6
    assert np.isnan(known["gaps_ms"])


def test_columns_are_those_asked_for_or_those_a_strategy_needs(
    table, tmp_path, monkeypatch, capsys
):
    asked = {}

    def noting(name, **arguments):
        class WithColumns(strategies.oracles.RandomOracle):
            def __init__(self, columns=None, **kwargs):
                known = columns and columns(values_of("400001"))
                asked[name] = sorted(known or ())
                super().__init__(**kwargs)

        strategy = strategies.ours(WithColumns, takes_columns=True, **arguments)
        monkeypatch.setitem(strategies.STRATEGIES, name, strategy)

    noting("any")
    noting("needy", columns=["gaps*", "same*"])
    noting("lacking", columns=["nothing_*"])

    def run_all(*arguments):
        asked.clear()
        run(
            *(table, tmp_path, "--seeds=1", "--evaluations=1", *arguments),
            oracle="any,needy,lacking",
        )
        return asked

    assert run_all() == {"any": [], "needy": ["gaps_ms", "same_ms"]}
    assert "lacking needs columns nothing_*" in capsys.readouterr().out
    expected = dict.fromkeys(["any", "needy", "lacking"], ["latency_ms"])
    assert run_all("--columns=lat*") == expected
    # An objective that is known in advance.
    both = ("--objective=val_accuracy,latency_ms", "--columns=latency_ms")
    assert run_all(*both) == expected


def test_names_of_groups_and_what_is_left_out(monkeypatch):
    selected, left_out = strategies.select(["ours", "evolution"])
    assert {"random", "evolution"} <= set(selected)
    assert not any(name.startswith("optuna") for name in selected)
    monkeypatch.setitem(
        strategies.STRATEGIES,
        "lacking",
        strategies.Strategy(start=None, packages=("json", "no_such_package")),
    )
    two = strategies.ours(strategies.oracles.RandomOracle, min_objectives=2)
    monkeypatch.setitem(strategies.STRATEGIES, "two", two)
    selected, left_out = strategies.select(["lacking", "two", "random"])
    assert list(selected) == ["random"]
    assert "needs no_such_package" in left_out["lacking"]
    assert left_out["two"] == "needs 2 objectives"
    selected, left_out = strategies.select(["two"], objectives=2)
    assert list(selected) == ["two"]


# The command line


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--oracle=evolution,evolutoin"], "called.*evolutoin.*optuna-tpe"),
        (["--oracle="], "Expected names"),
        (["--oracle=random", "--objective=speed"], "lacks.*'speed'.*It has"),
        (["--oracle=random", "--objective=a:up"], "a:up.*NAME:min"),
        (["--oracle=random", "--objective="], "objective is empty"),
        (
            ["--oracle=random", "--objective=val_accuracy,same_ms"],
            "no hypervolume.*same_ms",
        ),
        (["--oracle=random", "--columns=no_*"], "no column.*no_"),
        (["--oracle=random", "--seeds=0"], "0 is not positive"),
        (["--oracle=random", "--table=gone.csv"], "KERAS_NAS_DATA"),
        (["--oracle=random", "--format=nasbench_macro"], "not JSON"),
    ],
    ids=str,
)
def test_mistakes_are_explained(arguments, message, table, capsys):
    with pytest.raises(SystemExit) as error:
        oracles.main(["--table", str(table), *arguments])
    assert error.value.code == 2
    written = " ".join(capsys.readouterr().err.split())
    assert re.search(message, written), written


def test_a_search_that_raises_costs_nothing_but_itself(
    script, table, tmp_path, capsys
):
    script(["000001"], [None], ["000003"])
    arguments = ["--seeds=3", "--evaluations=1"]
    report = run(
        *(table, tmp_path, *arguments), oracle="scripted,random", code=1
    )
    first, second = report["results"]
    assert first["regret_by_seed"] == {"1": [23, 21]}
    assert second["seeds"] == 3
    assert "proposed nothing" in capsys.readouterr().out
    assert len(report["errors"]["scripted"]) == 1


def test_what_has_finished_survives_an_interruption(
    script, table, tmp_path, monkeypatch, capsys
):
    script("000001")
    start = strategies.STRATEGIES["scripted"].start

    def start_or_stop(problem):
        if problem.seed == 2:
            raise KeyboardInterrupt
        return start(problem)

    monkeypatch.setitem(
        strategies.STRATEGIES, "scripted", strategies.Strategy(start_or_stop)
    )
    report = run(table, tmp_path, "--seeds=9", "--evaluations=1", code=130)
    assert report["results"][0]["seeds"] == 2
    assert report["is_interrupted"]
    assert "Interrupted" in capsys.readouterr().out


def test_the_curves_the_figure_and_the_summary(script, table, tmp_path, capsys):
    script(["000001", "000003"], ["000003", "000001"])
    curves, figure = tmp_path / "curves.csv", tmp_path / "figure.png"
    has_matplotlib = importlib.util.find_spec("matplotlib")
    more = [f"--figure={figure}"] if has_matplotlib else []
    run(
        *(table, tmp_path, "--seeds=2", "--evaluations=2", f"--csv={curves}"),
        *("--checkpoints=1,2", *more),
        oracle="scripted,random",
    )
    with curves.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert rows[0]["oracle"] == "scripted"
    assert [row["evaluations"] for row in rows] == ["1", "2", "1", "2"]
    assert float(rows[0]["regret"]) == 22
    assert float(rows[0]["regret_standard_error"]) == 1
    assert float(rows[0]["regret_high95"]) == pytest.approx(23.96)
    assert rows[0]["hypervolume"] == ""
    out = capsys.readouterr().out
    assert "| scripted | 22.000 ± 1.000 | 21.000 ± 0.000 |" in out
    assert f"python -m benchmarks.oracles --table {table}" in out
    if has_matplotlib:
        assert figure.read_bytes()[1:4] == b"PNG"


def command(table, out, *arguments):
    return [sys.executable, "-m", "benchmarks.oracles", f"--table={table}"] + [
        f"--json={out}",
        *arguments,
    ]


def test_a_process_finds_what_this_one_finds(table, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    arguments = ["--seeds=3", "--evaluations=30", "--checkpoints=10,30"]
    reports = [
        run(table, tmp_path, *arguments, jobs, oracle="random,evolution")
        for jobs in ("--jobs=0", "--jobs=1")
    ]
    for report in reports:
        names = [entry["oracle"] for entry in report["results"]]
        assert names == ["random", "evolution"]
    for one, other in zip(*[r["results"] for r in reports], strict=True):
        assert set(one["regret"]) == {"10", "30"}
        for key in ("regret", "standard_error", "regret_by_seed"):
            assert one[key] == other[key]


def test_ctrl_c_leaves_the_results(table, tmp_path):
    out = tmp_path / "out.json"
    process = subprocess.Popen(
        command(table, out, "--oracle=random", "--jobs=1", "--seeds=100000"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell may have told its children to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.default_int_handler
        ),
    )
    try:
        for line in process.stderr:
            if " of 100000 searches" in line:
                break
        process.send_signal(signal.SIGINT)
        written, _ = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, written
    assert "Interrupted" in written
    assert json.loads(out.read_text())["results"][0]["seeds"] >= 1


# The published tables, where they are


def test_random_search_on_the_published_tables(tmp_path):
    folder = os.environ.get("KERAS_NAS_DATA")
    if not folder:
        pytest.skip("KERAS_NAS_DATA is not set")
    for name, expected in {
        "nasbench201_cifar10.csv.gz": [0.815, 0.591, 0.427],
        "nasbench_macro_cifar10.json": [0.346, 0.257, 0.176],
    }.items():
        report = run(name, tmp_path, "--seeds=30", oracle="random")
        (entry,) = report["results"]
        for at, figure in zip(("50", "100", "200"), expected, strict=True):
            distance = abs(entry["regret"][at] - figure)
            assert distance < 4 * entry["standard_error"][at]


@pytest.mark.parametrize("name", ["json", "csv", "figure"])
def test_a_file_in_no_folder_is_refused_before_the_run(
    name, script, table, tmp_path, capsys
):
    searches = script("000001")
    path = tmp_path / "nowhere" / "out"
    with pytest.raises(SystemExit) as raised:
        oracles.main(
            ["--table", str(table), "--oracle=scripted", "--jobs=0"]
            + [f"--{name}={path}"]
        )
    assert raised.value.code == 2
    assert f"--{name}: there is no folder" in capsys.readouterr().err
    assert searches == []


def test_checkpoints_beyond_the_evaluations_are_said(
    script, table, tmp_path, capsys
):
    script("000001", "000002")
    arguments = (table, tmp_path, "--seeds=1", "--evaluations=2")
    report = run(*arguments, "--checkpoints=1,3,9")
    assert list(report["results"][0]["regret"]) == ["1", "2"]
    assert "Left out: checkpoints 3, 9, beyond" in capsys.readouterr().out
    # Those by default are nobody's wish.
    run(*arguments)
    assert "checkpoints" not in capsys.readouterr().out.split("Made with")[0]


def test_the_help_says_what_noise_is(capsys):
    with pytest.raises(SystemExit):
        oracles.main(["--help"])
    assert "one training run" in " ".join(capsys.readouterr().out.split())
