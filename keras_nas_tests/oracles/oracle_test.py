"""The base of all oracles, and the defects of KerasTuner it repairs."""

import json
import os
import pathlib
import random
import subprocess
import sys
import threading

import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial

from keras_nas import architectures, oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    any_loss,
    finish,
    keys,
    rich_space,
    search,
    small_space,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]


def flat_space():
    space = keras_tuner.HyperParameters()
    space.Choice("a", [1, 2, 3])
    space.Choice("b", [1, 2, 3])
    return space


class Proposing(oracles.Oracle):
    """Proposes what it is told, a value or a function of the generator."""

    def __init__(self, proposal, **kwargs):
        arguments = {"hyperparameters": flat_space(), "seed": 0} | kwargs
        super().__init__(OBJECTIVE, **arguments)
        self.proposal = proposal

    def propose(self, rng):
        if callable(self.proposal):
            return self.proposal(rng)
        return self.proposal


# Writing a strategy


def test_the_base_class_proposes_nothing():
    oracle = oracles.Oracle(OBJECTIVE, hyperparameters=flat_space())
    with pytest.raises(NotImplementedError):
        oracle.create_trial("tuner0")


def test_a_proposal_is_what_is_tried():
    trial = Proposing({"a": 3, "b": 2}).create_trial("tuner0")
    assert trial.hyperparameters.values == {"a": 3, "b": 2}


def test_a_proposal_may_hold_inactive_junk_and_numpy_numbers(tmp_path):
    oracle = Project(tmp_path).open(
        Proposing({"a": np.int64(3), "b": 2.0, "gone": object()})
    )
    trial = oracle.create_trial("tuner0")
    assert trial.hyperparameters.values == {"a": 3, "b": 2}


def test_a_repeated_proposal_is_replaced_until_the_space_is_exhausted():
    proposals = search(Proposing({"a": 3, "b": 2}))
    assert proposals[0] == {"a": 3, "b": 2}
    assert len(set(keys(proposals, flat_space()))) == len(proposals) == 9


def test_a_proposal_of_none_is_left_to_chance():
    first, second = (search(Proposing(None)) for _ in range(2))
    assert first == second
    assert len(set(keys(first, flat_space()))) == len(first) == 9


def test_what_a_proposal_leaves_open_is_drawn_from_the_seed():
    # KerasTuner fills it with unseeded numbers.
    space = rich_space()
    searches = [
        search(
            Proposing({"op": "conv"}, hyperparameters=space, seed=seed),
            trials=5,
        )
        for seed in (0, 0, 1)
    ]
    assert searches[0] == searches[1] != searches[2]
    assert len(set(keys(searches[0], space))) == 5
    for values in searches[0]:
        assert values["op"] == "conv"
        assert architectures.encode(values, space).shape
        assert {"kernel", "bn", "depth", "lr"} <= set(values)


def test_each_proposal_has_its_own_generator():
    # However much one proposal draws, the others get the same numbers.
    def numbers(draws):
        seen = []

        def propose(rng):
            seen.append(rng.random())
            rng.random(draws)

        oracle = Proposing(propose)
        search(oracle, trials=4)
        return seen

    assert numbers(0) == numbers(100)
    assert len(set(numbers(0))) == 4


def test_trials_that_run_side_by_side_have_generators_of_their_own():
    seen = []
    oracle = Proposing(lambda rng: seen.append(rng.random()))
    for number in range(4):
        oracle.create_trial(f"tuner{number}")
    assert len(set(seen)) == 4


def test_completed_trials_come_in_the_order_they_ended():
    oracle = Proposing(None)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(5)]
    for index, status in (
        (3, "COMPLETED"),
        (1, "FAILED"),
        (4, "COMPLETED"),
        (0, "COMPLETED"),
    ):
        finish(oracle, trials[index], 0.5, status)
    ended = [trial.trial_id for trial in oracle.completed_trials()]
    assert ended == ["0003", "0004", "0000"]


@pytest.mark.parametrize("direction, sign", [("min", 1), ("max", -1)])
def test_the_loss_of_a_trial_is_to_be_minimised(direction, sign):
    oracle = oracles.RandomOracle(
        keras_tuner.Objective("score", direction), hyperparameters=flat_space()
    )
    trial = oracle.create_trial("tuner0")
    finish(oracle, trial, 0.25)
    assert oracle.loss(oracle.completed_trials()[0]) == sign * 0.25


def test_seen_is_what_was_proposed_in_whatever_form():
    oracle = Proposing({"a": 1, "b": 2})
    assert not oracle.is_seen({"a": 1, "b": 2})
    trial = oracle.create_trial("tuner0")
    assert oracle.is_seen({"b": 2.0, "a": np.int64(1), "gone": 0})
    assert not oracle.is_seen({"a": 2, "b": 1})
    finish(oracle, trial, None, "FAILED")
    assert oracle.is_seen({"a": 1, "b": 2})


def test_random_values_finds_the_last_unseen_architecture():
    oracle = Proposing(None)
    seen = search(oracle, trials=8)
    values = oracle.random_values(np.random.default_rng(0))
    assert not oracle.is_seen(values)
    assert len(set(keys([*seen, values], flat_space()))) == 9
    search(oracle)
    assert oracle.random_values(np.random.default_rng(0)) is None


# Storage


def state_of(project):
    return json.loads(project.file.read_text())


def test_every_call_leaves_the_files_up_to_date(tmp_path):
    project = Project(tmp_path)
    oracle = project.open(Proposing(None))
    trial = oracle.create_trial("tuner0")
    assert state_of(project)["ongoing_trials"] == {"tuner0": "0000"}
    file = tmp_path / "project" / "trial_0000" / "trial.json"
    assert json.loads(file.read_text())["status"] == "RUNNING"
    finish(oracle, trial, 0.25)
    assert state_of(project)["end_order"] == ["0000"]
    record = json.loads(file.read_text())
    assert (record["status"], record["score"]) == ("COMPLETED", 0.25)
    assert record["hyperparameters"]["values"] == trial.hyperparameters.values


def test_no_temporary_files_stay_behind(tmp_path):
    search(Project(tmp_path).open(Proposing(None)), trials=5)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"oracle.json", "trial.json"}


def test_a_trial_that_ended_but_whose_file_was_not_written_runs_again(
    tmp_path,
):
    # A full disk, say, when the trial ended, and a later write that worked.
    project = Project(tmp_path)
    oracle = project.open(Proposing(None))
    search(oracle, trials=2)
    file = tmp_path / "project" / "trial_0001" / "trial.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"status": "RUNNING", "score": None}))
    resumed = project.open(Proposing(None))
    assert resumed.end_order == ["0000"]
    assert resumed.create_trial("tuner0").trial_id == "0001"


def test_an_error_while_writing_is_told_and_the_oracle_goes_on(tmp_path):
    project = Project(tmp_path)
    oracle = project.open(Proposing(None))
    trial = oracle.create_trial("tuner0")
    file = tmp_path / "project" / "trial_0000" / "trial.json"
    file.unlink()
    file.mkdir()
    with pytest.raises(Exception, match="trial.json"):
        oracle.update_trial(trial.trial_id, {"loss": 1.0})
    file.rmdir()
    finish(oracle, trial)
    assert oracle.get_best_trials()[0].score == 1.0


# Defects of KerasTuner 1.4.8


def test_seed_0_is_a_seed():
    first, second = (
        search(
            oracles.RandomOracle(
                OBJECTIVE, hyperparameters=rich_space(), seed=0
            )
        )
        for _ in range(2)
    )
    assert first == second
    assert oracles.RandomOracle(OBJECTIVE, seed=0).seed == 0


def test_neighbouring_seeds_give_unrelated_searches():
    space = keras_tuner.HyperParameters()
    space.Float("x", 0, 1)
    columns = [
        [
            values["x"]
            for values in search(
                oracles.RandomOracle(
                    OBJECTIVE, hyperparameters=space, seed=seed, max_trials=40
                )
            )
        ]
        for seed in (3, 4)
    ]
    shifted = [columns[0][1:], columns[1][:-1]]
    assert not set(columns[0]) & set(columns[1])
    assert abs(np.corrcoef(shifted)[0, 1]) < 0.4
    assert abs(np.corrcoef(columns)[0, 1]) < 0.4


def test_more_than_20_collisions_do_not_exhaust_a_space():
    space = keras_tuner.HyperParameters()
    for name in "abcd":
        space.Choice(name, [1, 2, 3, 4])
    proposals = search(
        oracles.RandomOracle(
            OBJECTIVE, max_trials=None, hyperparameters=space, seed=0
        )
    )
    assert len(set(keys(proposals, space))) == len(proposals) == 256


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_lock_is_free_after_an_error(error):
    def propose(rng):
        raise error("broken strategy")

    oracle = Proposing(propose)
    with pytest.raises(error, match="broken strategy"):
        oracle.create_trial("tuner0")
    oracle.proposal = {"a": 1, "b": 1}
    trials = []
    thread = threading.Thread(
        target=lambda: trials.append(oracle.create_trial("tuner1")), daemon=True
    )
    thread.start()
    thread.join(timeout=10)
    assert [trial.trial_id for trial in trials] == ["0000"]


def test_an_ended_trial_is_forgotten_before_the_state_is_saved(tmp_path):
    project = Project(tmp_path)
    oracle = project.open(Proposing(None))
    for status in ("COMPLETED", "FAILED", "INVALID"):
        finish(oracle, oracle.create_trial("tuner0"), 0.5, status)
        assert state_of(project)["ongoing_trials"] == {}
        assert oracle.ongoing_trials == {}


def test_the_trial_that_ends_a_search_with_an_error_is_saved(tmp_path):
    project = Project(tmp_path)
    oracle = project.open(Proposing(None, max_consecutive_failed_trials=1))
    trial = oracle.create_trial("tuner0")
    with pytest.raises(RuntimeError, match="in a row"):
        finish(oracle, trial, None, "FAILED", "broken")
    state = state_of(project)
    assert (state["end_order"], state["ongoing_trials"]) == (["0000"], {})
    resumed = project.open(Proposing(None))
    assert resumed.trials["0000"].status == "FAILED"
    assert resumed.trials["0000"].message == "broken"
    assert resumed.create_trial("tuner0").trial_id == "0001"


def test_a_retry_after_nan_counts_with_a_fresh_record():
    oracle = Proposing(None, max_retries_per_trial=1)
    trial = oracle.create_trial("tuner0")
    finish(oracle, trial, float("nan"))
    again = oracle.create_trial("tuner0")
    assert again.trial_id == trial.trial_id
    assert not again.metrics.exists("loss")
    assert again.message is None
    finish(oracle, again, 0.25)
    best = oracle.get_best_trials()
    assert [(trial.trial_id, trial.score) for trial in best] == [("0000", 0.25)]


def test_what_a_crashed_run_reported_does_not_count_in_the_retry():
    oracle = Proposing(None, max_retries_per_trial=1)
    trial = oracle.create_trial("tuner0")
    finish(oracle, trial, -100.0, "INVALID", "crashed after an epoch")
    finish(oracle, oracle.create_trial("tuner0"), 0.25)
    assert oracle.get_best_trials()[0].score == 0.25


def test_best_trials_are_never_filled_up_with_failed_or_running_ones():
    oracle = Proposing(None)
    finish(oracle, oracle.create_trial("tuner0"), None, "FAILED", "broken")
    oracle.create_trial("tuner0")
    assert oracle.get_best_trials(5) == []


def test_retries_wait_in_the_order_they_failed():
    oracle = Proposing(None, max_retries_per_trial=1)
    for trial in [oracle.create_trial(f"tuner{i}") for i in range(3)]:
        finish(oracle, trial, None, "INVALID", "broken")
    again = [oracle.create_trial(f"tuner{i}").trial_id for i in range(3)]
    assert again == ["0000", "0001", "0002"]


def test_a_trial_keeps_its_values_through_kerastuners_protocol(capsys):
    # It comes back with children before parents.
    for seed in range(10):
        oracle = oracles.RandomOracle(
            OBJECTIVE, hyperparameters=rich_space(), seed=seed
        )
        trial = oracle.create_trial("tuner0")
        values = dict(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {"loss": 0.5})
        received = Trial.from_proto(trial.to_proto())
        received.status = "COMPLETED"
        oracle.end_trial(received)
        best = oracle.get_best_trials()[0]
        assert best.hyperparameters.values == pytest.approx(values)
        assert len(oracle.get_space().space) == len(rich_space().space)
    capsys.readouterr()  # KerasTuner prints the conditions.


KILLED_SEARCH = """
import os, pathlib, random, signal, sys, time
from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE, Project, any_loss, finish, rich_space
)

directory = pathlib.Path(sys.argv[1])
create = lambda: oracles.RegularizedEvolutionOracle(
    OBJECTIVE,
    max_trials=60,
    population_size=4,
    hyperparameters=rich_space(),
    seed=0,
)
log = os.open(directory / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def work():
    oracle = Project(directory).open(create())
    while True:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            return
        os.write(log, f"begin {trial.trial_id}\\n".encode())
        finish(oracle, trial, any_loss(trial.hyperparameters.values))
        os.write(log, f"end {trial.trial_id}\\n".encode())

rng = random.Random(0)
Project(directory).open(create())
for kill in range(25):
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(0.01 + 0.08 * rng.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
work()
"""


def test_no_finished_trial_runs_again_however_often_a_search_is_killed(
    tmp_path,
):
    # KerasTuner could not reload the project after 121 of 200 kills, and ran
    # a completed trial again after 20.
    run = subprocess.run(
        [sys.executable, "-c", KILLED_SEARCH, tmp_path],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    ended = set()
    for line in (tmp_path / "log").read_text().splitlines():
        event, trial_id = line.split()
        assert trial_id not in ended
        if event == "end":
            ended.add(trial_id)

    oracle = oracles.RegularizedEvolutionOracle(
        OBJECTIVE,
        max_trials=60,
        population_size=4,
        hyperparameters=rich_space(),
        seed=0,
    )
    resumed = Project(tmp_path).open(oracle)
    assert len(resumed.end_order) == 60
    uninterrupted = oracles.RegularizedEvolutionOracle(
        OBJECTIVE,
        max_trials=60,
        population_size=4,
        hyperparameters=rich_space(),
        seed=0,
    )
    assert [
        resumed.trials[trial_id].hyperparameters.values
        for trial_id in resumed.end_order
    ] == search(uninterrupted, any_loss)


def test_the_global_generators_have_no_say_when_a_trial_is_stored(tmp_path):
    values = []
    for number in range(2):
        random.seed(number)
        oracle = Project(tmp_path / str(number)).open(
            Proposing({"op": "none"}, hyperparameters=small_space())
        )
        values.append(oracle.create_trial("tuner0").hyperparameters.values)
    assert values[0] == values[1]
