import concurrent.futures
import functools
import json
import os
import random
import threading
import time

import keras_tuner
import numpy as np
import pytest

from keras_nas import architectures, oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    OBJECTIVES,
    ORACLES,
    Project,
    any_loss,
    finish,
    finish_with,
    keys,
    rich_space,
    search,
    small_space,
    toy_loss,
    toy_metrics,
    toy_space,
)

pytestmark = pytest.mark.parametrize("create", ORACLES, ids=str)

TRIALS = 14


def in_other_thread(function):
    """Calls from another thread, which a lock that was kept would block."""
    results = []
    thread = threading.Thread(
        target=lambda: results.append(function()), daemon=True
    )
    thread.start()
    thread.join(timeout=10)
    assert results, "The oracle is still locked."
    return results[0]


def stored(project, trial_id):
    path = project.directory / "project" / f"trial_{trial_id}" / "trial.json"
    return json.loads(path.read_text())


# What it is


def test_it_is_a_keras_tuner_oracle(create):
    assert isinstance(create(), keras_tuner.Oracle)


def test_it_prints_nothing_and_without_a_project_writes_nothing(
    create, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    oracle = create(rich_space(), max_retries_per_trial=1)
    search(oracle, trials=6)
    finish(oracle, oracle.create_trial("tuner0"), float("nan"))
    finish(oracle, oracle.create_trial("tuner0"), None, "INVALID", "broken")
    oracle.save()
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


# Proposals


def test_proposals_are_inside_the_space_and_hold_only_active_values(create):
    space = rich_space()
    grids = {
        "classes": [10],
        "op": ["conv", "pool", "dense"],
        "kernel": [1, 3, 5],
        "bn": [True, False],
        "units": [8, 16, 32],
        "depth": [1, 2, 3],
        "width2": [8, 16, 32, 64],
        "width3": [8, 16, 32, 64],
    }
    for values in search(create(space), trials=30):
        expected = {"classes", "op", "depth", "lr"}
        expected |= {"kernel", "bn"} if values["op"] == "conv" else set()
        expected |= {"momentum"} if values.get("bn") else set()
        expected |= {"units"} if values["op"] == "dense" else set()
        expected |= {f"width{i}" for i in range(2, values["depth"] + 1)}
        assert set(values) == expected
        for name in expected & set(grids):
            assert values[name] in grids[name]
        assert 1e-4 <= values["lr"] <= 1e-1
        assert 0.9 <= values.get("momentum", 0.9) <= 0.99


def test_the_trial_holds_the_values_for_a_build(create):
    trial = create(rich_space()).create_trial("tuner0")
    hp = trial.hyperparameters
    assert hp.get("op") == hp.values["op"]
    assert hp.Choice("op", ["conv", "pool", "dense"]) == hp.values["op"]
    with hp.conditional_scope("op", ["dense"]):
        units = hp.Choice("units", [8, 16, 32])
    assert units == hp.values.get("units")


def test_a_small_space_is_visited_once_each_and_then_the_search_stops(create):
    space = small_space()
    oracle = create(space, max_trials=100)
    proposals = search(oracle)
    assert len(proposals) == 16
    assert set(keys(proposals, space)) == set(
        keys(architectures.enumerate_architectures(space), space)
    )
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert oracle.create_trial("another").status == "STOPPED"
    assert len(oracle.trials) == 16


def test_nothing_is_proposed_twice_while_trials_fail_and_run(create):
    space = small_space()
    oracle = create(space, max_trials=100, max_consecutive_failed_trials=100)
    proposals = []
    for _ in range(4):
        trials = [oracle.create_trial(f"tuner{i}") for i in range(4)]
        assert len({trial.trial_id for trial in trials}) == 4
        proposals += [trial.hyperparameters.values for trial in trials]
        for trial, status in zip(
            trials,
            ("COMPLETED", "FAILED", "COMPLETED", "INVALID"),
            strict=True,
        ):
            loss = 0.5 if status == "COMPLETED" else None
            finish(oracle, trial, loss, status)
    assert len(set(keys(proposals, space))) == 16
    assert oracle.create_trial("tuner0").status == "STOPPED"


def test_an_exhausted_space_stops_a_tuner_while_others_still_run(create):
    oracle = create(small_space(), max_trials=100)
    running = [oracle.create_trial(f"tuner{i}") for i in range(16)]
    assert {trial.status for trial in running} == {"RUNNING"}
    assert oracle.create_trial("tuner16").status == "STOPPED"
    for trial in reversed(running):
        finish(oracle, trial, 0.5)
    assert oracle.create_trial("tuner16").status == "STOPPED"
    assert len(oracle.get_best_trials(100)) == 16


def test_a_space_without_a_choice_has_one_trial(create):
    space = keras_tuner.HyperParameters()
    space.Fixed("classes", 10)
    assert search(create(space)) == [{"classes": 10}]


def test_max_trials_ends_the_search(create):
    oracle = create(rich_space(), max_trials=9)
    assert len(search(oracle)) == 9
    assert oracle.remaining_trials() == 0


def test_without_max_trials_the_search_goes_on(create):
    oracle = create(rich_space(), max_trials=None)
    assert len(search(oracle, trials=70)) == 70


def test_a_tuner_that_asks_again_gets_its_running_trial(create):
    oracle = create(rich_space())
    trial = oracle.create_trial("tuner0")
    assert oracle.create_trial("tuner0") is trial
    assert oracle.create_trial("tuner1").trial_id != trial.trial_id


def test_hyperparameters_discovered_during_a_build_are_searched(create):
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool"])
    oracle = create(space, max_trials=100)
    proposals = []
    for _ in range(60):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        hp = trial.hyperparameters
        with hp.conditional_scope("op", ["conv"]):
            if hp.get("op") == "conv":
                hp.Choice("kernel", [1, 3, 5])
        hp.Int("units", 1, 4)
        proposals.append(dict(hp.values))
        finish(oracle, trial, any_loss(hp.values))
    # conv with 3 kernels and pool, each with 4 units.
    assert len({tuple(sorted(p.items())) for p in proposals}) == 16
    assert len(proposals) == 16
    assert {hp.name for hp in oracle.get_space().space} == {
        "op",
        "kernel",
        "units",
    }


def test_new_entries_can_be_kept_out_of_the_search(create):
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool"])
    oracle = create(space, tune_new_entries=False)
    for _ in range(2):
        trial = oracle.create_trial("tuner0")
        assert trial.hyperparameters.Int("units", 1, 4) == 1
        finish(oracle, trial, 0.5)
    assert oracle.create_trial("tuner0").status == "STOPPED"
    assert [hp.name for hp in oracle.get_space().space] == ["op"]


# Seeds


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_search(create, seed):
    first = search(create(rich_space(), seed=seed), trials=TRIALS)
    assert first == search(create(rich_space(), seed=seed), trials=TRIALS)


def test_different_seeds_give_different_searches(create):
    # KerasTuner's seeds s and s + 1 gave nearly the same sequence, and 0 any.
    searches = [
        search(create(toy_space(), seed=seed), trials=TRIALS)
        for seed in range(5)
    ]
    proposals = [
        json.dumps(values, sort_keys=True) for values in sum(searches, start=[])
    ]
    # Two of a million architectures may meet, as evolution goes uphill.
    assert len(set(proposals)) >= len(proposals) - 1


def test_without_a_seed_two_searches_differ(create):
    first, second = (
        search(create(toy_space(), seed=None), trials=3) for _ in range(2)
    )
    assert first != second


def test_proposals_depend_on_no_clock_and_no_global_random_state(
    create, monkeypatch
):
    def run(number):
        clock = iter(range(number * 10**6, number * 10**6 + 10**5))
        monkeypatch.setattr(time, "time", lambda: float(next(clock)))
        oracle = create(rich_space())
        proposals = []
        for step in range(TRIALS):
            random.seed(number * 100 + step)
            np.random.seed(number * 100 + step)
            trial = oracle.create_trial("tuner0")
            proposals.append(dict(trial.hyperparameters.values))
            random.random()
            finish(oracle, trial, any_loss(trial.hyperparameters.values))
        return proposals

    assert run(1) == run(2)


def test_a_search_leaves_the_global_random_state_alone(create):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    search(create(rich_space()), trials=TRIALS)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


# Resuming


def finish_with_any_loss(oracle, trial):
    finish(oracle, trial, any_loss(trial.hyperparameters.values))


def killed_between_trials(project, start):
    oracle = start()
    finish_with_any_loss(oracle, oracle.create_trial("tuner0"))


def killed_while_a_trial_runs(project, start):
    oracle = start()
    trial = oracle.create_trial("tuner0")
    resumed = start()
    again = resumed.create_trial("tuner0")
    assert again.trial_id == trial.trial_id
    assert again.hyperparameters.values == trial.hyperparameters.values
    finish_with_any_loss(resumed, again)


def killed_after_metrics_came_in(project, start):
    oracle = start()
    trial = oracle.create_trial("tuner0")
    oracle.update_trial(trial.trial_id, {"loss": -100.0}, step=3)
    resumed = start()
    again = resumed.create_trial("tuner0")
    assert again.trial_id == trial.trial_id
    finish_with_any_loss(resumed, again)
    assert again.score == any_loss(again.hyperparameters.values)


def killed_between_the_files_of_a_new_trial(project, start):
    oracle = start()
    trial = project.losing_last_write(lambda: oracle.create_trial("tuner0"))
    resumed = start()
    again = resumed.create_trial("tuner0")
    assert again.trial_id == trial.trial_id
    assert again.hyperparameters.values == trial.hyperparameters.values
    finish_with_any_loss(resumed, again)


def killed_between_the_files_of_a_finished_trial(project, start):
    oracle = start()
    trial = oracle.create_trial("tuner0")
    project.losing_last_write(lambda: finish_with_any_loss(oracle, trial))


def killed_between_the_files_of_a_failed_trial(project, start):
    oracle = start()
    trial = oracle.create_trial("tuner0")
    project.losing_last_write(
        lambda: finish(oracle, trial, None, "FAILED", "broken")
    )


INTERRUPTIONS = [
    killed_between_trials,
    killed_while_a_trial_runs,
    killed_after_metrics_came_in,
    killed_between_the_files_of_a_new_trial,
    killed_between_the_files_of_a_finished_trial,
    killed_between_the_files_of_a_failed_trial,
]


@pytest.mark.parametrize("interrupt", INTERRUPTIONS)
def test_a_search_interrupted_at_every_trial_goes_on_as_if_it_was_not(
    create, tmp_path, interrupt
):
    arguments = {"max_trials": 10, "max_consecutive_failed_trials": 100}
    fails = interrupt is killed_between_the_files_of_a_failed_trial

    uninterrupted = create(rich_space(), **arguments)
    for number in range(10):
        trial = uninterrupted.create_trial("tuner0")
        if fails and number % 2:
            finish(uninterrupted, trial, None, "FAILED", "broken")
        else:
            finish_with_any_loss(uninterrupted, trial)

    project = Project(tmp_path)

    def start():
        return project.open(create(rich_space(), **arguments))

    for number in range(10):
        oracle = start()
        assert len(oracle.trials) == len(oracle.end_order) == number
        if fails and not number % 2:
            finish_with_any_loss(oracle, oracle.create_trial("tuner0"))
        else:
            interrupt(project, start)

    resumed = start()
    assert resumed.create_trial("tuner0").status == "STOPPED"
    assert resumed.end_order == uninterrupted.end_order
    for trial_id, trial in uninterrupted.trials.items():
        again = resumed.trials[trial_id]
        assert again.hyperparameters.values == trial.hyperparameters.values
        assert (again.status, again.score) == (trial.status, trial.score)
    assert [trial.trial_id for trial in resumed.get_best_trials(3)] == [
        trial.trial_id for trial in uninterrupted.get_best_trials(3)
    ]


def test_several_running_trials_are_run_again_after_a_kill(create, tmp_path):
    project = Project(tmp_path)
    oracle = project.open(create(rich_space()))
    search(oracle, trials=5)
    running = [oracle.create_trial(f"tuner{i}") for i in range(3)]
    finish_with_any_loss(oracle, running[1])

    resumed = project.open(create(rich_space()))
    again = [resumed.create_trial(f"worker{i}") for i in range(3)]
    assert [trial.trial_id for trial in again] == ["0005", "0007", "0008"]
    for trial, before in zip(again, (running[0], running[2]), strict=False):
        assert trial.hyperparameters.values == before.hyperparameters.values


def test_discovered_hyperparameters_survive_a_resume(create, tmp_path):
    def run(oracle, trials):
        for _ in range(trials):
            trial = oracle.create_trial("tuner0")
            trial.hyperparameters.Int("late", 1, 50)
            finish_with_any_loss(oracle, trial)

    uninterrupted = create(small_space())
    run(uninterrupted, 10)
    project = Project(tmp_path)
    for _ in range(5):
        run(project.open(create(small_space())), 2)
    resumed = project.open(create(small_space()))
    assert [t.hyperparameters.values for t in resumed.trials.values()] == [
        t.hyperparameters.values for t in uninterrupted.trials.values()
    ]


def test_what_a_lost_write_discovered_is_discovered_on_the_resume(
    create, tmp_path
):
    project = Project(tmp_path)
    oracle = project.open(create(small_space()))
    trial = oracle.create_trial("tuner0")
    trial.hyperparameters.Int("late", 1, 50)
    project.losing_last_write(lambda: finish_with_any_loss(oracle, trial))
    resumed = project.open(create(small_space()))
    assert "late" in {hp.name for hp in resumed.get_space().space}
    proposals = search(resumed, trials=8)
    assert len({values["late"] for values in proposals}) > 1


def test_a_retry_is_still_waiting_after_a_resume(create, tmp_path):
    project = Project(tmp_path)
    arguments = {"max_retries_per_trial": 1}
    oracle = project.open(create(rich_space(), **arguments))
    search(oracle, trials=2)
    trial = oracle.create_trial("tuner0")
    finish(oracle, trial, None, "INVALID", "broken")

    resumed = project.open(create(rich_space(), **arguments))
    again = resumed.create_trial("tuner0")
    assert again.trial_id == trial.trial_id
    finish(resumed, again, None, "INVALID", "broken")
    assert resumed.trials[trial.trial_id].status == "FAILED"


def test_an_exhausted_search_is_still_exhausted_after_a_resume(
    create, tmp_path
):
    project = Project(tmp_path)
    search(project.open(create(small_space(), max_trials=100)))
    resumed = project.open(create(small_space(), max_trials=100))
    assert resumed.create_trial("tuner0").status == "STOPPED"


def test_a_resumed_search_keeps_its_seed(create, tmp_path):
    project = Project(tmp_path)
    expected = search(create(rich_space(), seed=3), trials=10)
    search(project.open(create(rich_space(), seed=3)), trials=5)
    resumed = project.open(create(rich_space(), seed=None))
    assert search(resumed, trials=5) == expected[5:]


@pytest.mark.parametrize(
    "damage, problem",
    [
        (lambda file: file.write_text(""), "it is empty"),
        (lambda file: file.write_text("{}"), "Expected the state of a"),
        (lambda file: file.write_text("[1]"), "Expected the state of a"),
        (lambda file: file.unlink(), "there is no such file"),
    ],
    ids=["empty", "no state", "list", "missing"],
)
def test_a_damaged_project_is_an_error_that_names_the_file(
    create, tmp_path, damage, problem
):
    project = Project(tmp_path)
    search(project.open(create(rich_space())), trials=2)
    damage(project.file)
    oracle = create(rich_space())
    oracle._set_project_dir(str(tmp_path), "project")
    with pytest.raises(RuntimeError, match=problem) as raised:
        oracle.reload()
    assert str(project.file) in str(raised.value)


# Failures


def test_a_failed_trial_is_not_run_again_and_never_the_best(create):
    oracle = create(rich_space(), max_retries_per_trial=3)
    failed = oracle.create_trial("tuner0")
    finish(oracle, failed, -100.0, "FAILED", "out of memory")
    record = oracle.trials[failed.trial_id]
    assert (record.status, record.score) == ("FAILED", None)
    assert record.message == "out of memory"
    assert oracle.get_best_trials(5) == []
    search(oracle, trials=6)
    assert len(oracle.trials) == 7
    best = oracle.get_best_trials(100)
    assert len(best) == 6
    assert failed.trial_id not in {trial.trial_id for trial in best}


def test_an_invalid_trial_is_tried_again_as_often_as_asked(create):
    oracle = create(rich_space(), max_retries_per_trial=2)
    trial = oracle.create_trial("tuner0")
    values = dict(trial.hyperparameters.values)
    for _ in range(2):
        finish(oracle, trial, None, "INVALID", "crashed")
        assert oracle.end_order == []
        again = oracle.create_trial("tuner0")
        assert again.trial_id == trial.trial_id
        assert again.hyperparameters.values == values
        assert again.status == "RUNNING"
        trial = again
    finish(oracle, trial, None, "INVALID", "crashed")
    assert oracle.trials[trial.trial_id].status == "FAILED"
    assert oracle.trials[trial.trial_id].message == "crashed"
    assert oracle.create_trial("tuner0").trial_id != trial.trial_id


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("direction", ["min", "max"])
def test_a_score_that_is_not_finite_fails_the_trial_with_a_reason(
    create, score, direction, tmp_path
):
    project = Project(tmp_path)
    objective = keras_tuner.Objective("reward", direction)
    oracle = project.open(create(rich_space(), objective=objective))
    good = oracle.create_trial("tuner0")
    finish(oracle, good, 0.5)
    bad = oracle.create_trial("tuner0")
    finish(oracle, bad, score)
    assert oracle.trials[bad.trial_id].status == "FAILED"
    assert oracle.trials[bad.trial_id].score is None
    assert f"`reward` is {score}" in oracle.trials[bad.trial_id].message
    best = oracle.get_best_trials(10)
    assert [trial.trial_id for trial in best] == [good.trial_id]
    state = stored(project, bad.trial_id)
    assert state["status"] == "FAILED"
    assert "finite" in state["message"]
    search(oracle, trials=6)
    assert len(oracle.end_order) == 8


def test_a_search_that_starts_with_nan_goes_on(create):
    # The learning rate may have been too high three times.
    oracle = create(rich_space())
    for _ in range(5):
        finish(oracle, oracle.create_trial("tuner0"), float("nan"))
    search(oracle, trials=5)
    assert len(oracle.get_best_trials(100)) == 5


def test_three_equal_failures_at_the_start_end_the_search_with_the_error(
    create,
):
    oracle = create(rich_space())
    message = 'Traceback ...\n  File "a.py", line {}\nValueError: wrong shape'
    for line in range(2):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, None, "INVALID", message.format(line))
    trial = oracle.create_trial("tuner0")
    with pytest.raises(RuntimeError, match="ValueError: wrong shape") as raised:
        finish(oracle, trial, None, "INVALID", message.format(2))
    assert "first 3 trials all failed with the same error" in str(raised.value)


@pytest.mark.parametrize(
    "messages",
    [
        ["ValueError: a", "ValueError: b", "ValueError: a"],
        [None, None, None],
    ],
    ids=["different errors", "unknown errors"],
)
def test_other_failures_at_the_start_do_not_end_the_search(create, messages):
    oracle = create(rich_space())
    for message in messages:
        finish(oracle, oracle.create_trial("tuner0"), None, "FAILED", message)
    assert len(search(oracle, trials=3)) == 3


def test_equal_failures_later_do_not_end_the_search(create):
    oracle = create(rich_space())
    search(oracle, trials=1)
    for _ in range(5):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, None, "FAILED", "ValueError: a")
    assert len(search(oracle, trials=3)) == 3


def test_too_many_failures_in_a_row_end_the_search(create):
    oracle = create(rich_space(), max_consecutive_failed_trials=4)
    for number in range(3):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, None, "FAILED", f"ValueError: {chr(97 + number)}")
    search(oracle, trials=1)
    for number in range(3):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, None, "FAILED", f"ValueError: {number}")
    trial = oracle.create_trial("tuner0")
    with pytest.raises(RuntimeError, match="4 trials in a row") as raised:
        finish(oracle, trial, None, "FAILED", "ValueError: last straw")
    assert "`max_consecutive_failed_trials`" in str(raised.value)
    assert "last straw" in str(raised.value)


def test_a_search_that_ended_with_failures_can_be_taken_up_again(
    create, tmp_path
):
    project = Project(tmp_path)
    arguments = {"max_consecutive_failed_trials": 2}
    oracle = project.open(create(rich_space(), **arguments))
    search(oracle, trials=3)
    finish(oracle, oracle.create_trial("tuner0"), None, "FAILED", "a")
    with pytest.raises(RuntimeError, match="in a row"):
        finish(oracle, oracle.create_trial("tuner0"), None, "FAILED", "b")
    for again in (oracle, project.open(create(rich_space(), **arguments))):
        assert again.end_order == ["0000", "0001", "0002", "0003", "0004"]
        trial = again.create_trial("tuner0")
        assert trial.trial_id == "0005"
    finish(again, trial, 0.5)
    assert len(again.get_best_trials(10)) == 4


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda oracle, trial: oracle.update_trial("0000", {}), ValueError),
        (
            lambda oracle, trial: oracle.update_trial("0000", {"loss": "bad"}),
            ValueError,
        ),
        (
            lambda oracle, trial: oracle.update_trial("9999", {"loss": 1.0}),
            KeyError,
        ),
        (lambda oracle, trial: oracle.end_trial(None), AttributeError),
        (lambda oracle, trial: oracle.create_trial([]), TypeError),
    ],
    ids=["no objective", "no number", "no trial", "None", "no tuner"],
)
def test_an_oracle_can_be_used_after_an_error(create, call, error):
    oracle = create(rich_space())
    trial = oracle.create_trial("tuner0")
    with pytest.raises(error):
        call(oracle, trial)
    in_other_thread(lambda: oracle.create_trial("tuner1"))
    finish(oracle, trial, 0.5)
    assert oracle.get_best_trials()[0].trial_id == trial.trial_id
    assert len(search(oracle, trials=3)) == 3


# Objectives


@pytest.mark.parametrize("direction", ["min", "max"])
def test_the_best_trials_are_the_best_in_the_direction(create, direction):
    objective = keras_tuner.Objective("reward", direction)
    oracle = create(rich_space(), objective=objective)
    for score in (3.0, 1.0, 5.0, 2.0, 4.0, 0.5):
        finish(oracle, oracle.create_trial("tuner0"), score)
    scores = [trial.score for trial in oracle.get_best_trials(4)]
    assert scores == (
        [0.5, 1.0, 2.0, 3.0] if direction == "min" else [5.0, 4.0, 3.0, 2.0]
    )
    assert len(oracle.get_best_trials()) == 1


def test_maximising_is_minimising_the_negative(create):
    reward = keras_tuner.Objective("reward", "max")
    assert search(create(rich_space()), any_loss, TRIALS) == search(
        create(rich_space(), objective=reward),
        lambda values: -any_loss(values),
        TRIALS,
    )


def test_of_several_steps_the_best_one_counts(create):
    oracle = create(rich_space())
    trial = oracle.create_trial("tuner0")
    for step, loss in enumerate((0.9, 0.3, float("nan"), 0.7)):
        oracle.update_trial(trial.trial_id, {"loss": loss}, step=step)
    finish(oracle, trial)
    best = oracle.get_best_trials()[0]
    assert (best.score, best.best_step) == (0.3, 1)


def test_the_sum_of_several_objectives_is_the_score_as_in_kerastuner(create):
    objective = [
        keras_tuner.Objective("loss", "min"),
        keras_tuner.Objective("accuracy", "max"),
    ]
    oracle = create(rich_space(), objective=objective)
    for loss, accuracy in ((2.0, 0.5), (3.0, 0.5), (1.0, 0.9)):
        trial = oracle.create_trial("tuner0")
        oracle.update_trial(
            trial.trial_id, {"loss": loss, "accuracy": accuracy}
        )
        finish(oracle, trial)
    scores = [trial.score for trial in oracle.get_best_trials(3)]
    assert scores == pytest.approx([0.1, 1.5, 2.5])


# Quality


@functools.cache
def mean_best_loss(participant):
    """Of 60 trials in a space of 4**10 architectures, over its seeds."""
    best = []
    for seed in range(participant.seeds):
        oracle = participant.at_its_best(toy_space(), seed=seed, max_trials=60)
        search(oracle, toy_loss)
        best.append(oracle.get_best_trials()[0].score)
    return np.mean(best)


def test_it_beats_random_search_if_it_claims_to(create):
    if not create.beats_random:
        pytest.skip("It does not claim to.")
    # The standard error of each mean is 0.2, also over 4 seeds: what takes
    # only so many finds the best nearly always.
    assert mean_best_loss(create) < mean_best_loss(ORACLES[0]) - 1


# In KerasTuner's own tuner, and from several threads


class ScoringTuner(keras_tuner.Tuner):
    """KerasTuner's tuner with a score in place of a training."""

    interrupt_at = None

    def run_trial(self, trial, **kwargs):
        if trial.trial_id == self.interrupt_at:
            raise KeyboardInterrupt
        return any_loss(trial.hyperparameters.values)


def test_it_runs_in_kerastuners_own_tuner_and_is_reloaded_there(
    create, tmp_path
):
    expected = search(create(rich_space(), max_trials=10))

    def tuner(max_trials):
        return ScoringTuner(
            create(rich_space(), max_trials=max_trials),
            directory=str(tmp_path),
            project_name="own",
        )

    tuner(4).search(verbose=0)
    interrupted = tuner(10)
    interrupted.interrupt_at = "0006"
    with pytest.raises(KeyboardInterrupt):
        interrupted.search(verbose=0)
    resumed = tuner(10)
    resumed.search(verbose=0)
    trials = resumed.oracle.trials
    assert [t.hyperparameters.values for t in trials.values()] == expected
    assert {t.status for t in trials.values()} == {"COMPLETED"}
    best = resumed.get_best_hyperparameters()[0]
    assert any_loss(best.values) == min(map(any_loss, expected))
    resumed.results_summary()


def test_kerastuners_own_tuner_prints_its_progress_if_asked(
    create, tmp_path, capsys
):
    tuner = ScoringTuner(
        create(rich_space(), max_trials=3), directory=str(tmp_path)
    )
    tuner.search(verbose=1)
    assert "Trial 3 Complete" in capsys.readouterr().out


def test_kerastuners_own_tuner_discovers_hyperparameters(create, tmp_path):
    class Discovering(keras_tuner.Tuner):
        def run_trial(self, trial, **kwargs):
            hp = trial.hyperparameters
            return hp.Int("units", 1, 3) + hp.Float("rate", 0, 1, step=0.5)

    tuner = Discovering(create(max_trials=100), directory=str(tmp_path))
    tuner.search(verbose=0)
    assert len(tuner.oracle.trials) == 9
    assert tuner.oracle.get_best_trials()[0].score == 1.0


def test_a_project_can_be_opened_by_kerastuners_random_search(create, tmp_path):
    ScoringTuner(
        create(rich_space(), max_trials=3), directory=str(tmp_path)
    ).search(verbose=0)
    theirs = ScoringTuner(
        keras_tuner.oracles.RandomSearchOracle(
            objective="loss", max_trials=6, hyperparameters=rich_space()
        ),
        directory=str(tmp_path),
    )
    assert len(theirs.oracle.trials) == 3
    assert theirs.oracle.get_best_trials()[0].score is not None


def test_several_threads_share_an_oracle(create, tmp_path):
    space = small_space()
    oracle = Project(tmp_path).open(create(space, max_trials=100))

    def work(tuner_id):
        proposals = []
        while True:
            trial = oracle.create_trial(tuner_id)
            if trial.status == "STOPPED":
                return proposals
            proposals.append(trial.hyperparameters.values)
            finish_with_any_loss(oracle, trial)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        lists = list(pool.map(work, [f"tuner{i}" for i in range(4)]))
    proposals = keys(sum(lists, start=[]), space)
    assert len(proposals) == len(set(proposals)) == 16
    assert sorted(oracle.end_order) == sorted(oracle.start_order)
    assert not oracle.ongoing_trials


# Arguments


@pytest.mark.parametrize(
    "name, value",
    [
        ("max_trials", 0),
        ("max_trials", -1),
        ("max_trials", 2.5),
        ("max_trials", "10"),
        ("max_trials", True),
        ("seed", -1),
        ("seed", 0.5),
        ("seed", "0"),
        ("max_retries_per_trial", -1),
        ("max_consecutive_failed_trials", 0),
    ],
)
def test_a_bad_argument_is_an_error_that_names_it(create, name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        create(rich_space(), **{name: value})
    assert f"Received: {name}={value!r}" in str(raised.value)


def test_numpy_integers_are_good_arguments(create):
    oracle = create(rich_space(), max_trials=np.int64(3), seed=np.int32(0))
    assert search(oracle) == search(create(rich_space(), max_trials=3, seed=0))


def test_an_objective_without_a_known_direction_is_an_error(create):
    with pytest.raises(ValueError, match="direction"):
        create(rich_space(), objective="bananas")


# A search can begin with what is known.


def test_enqueued_architectures_come_first_and_only_once(create, tmp_path):
    space = toy_space()
    wanted = {f"op{i}": "b" for i in range(10)}
    partial = {"op0": "c", "op9": "c"}
    project = Project(tmp_path)
    oracle = project.open(create(space))
    oracle.enqueue(wanted)
    oracle.enqueue([partial, wanted])
    first = search(oracle, trials=1)
    # A resume goes on with the rest, also where the script enqueues again.
    oracle = project.open(create(space))
    oracle.enqueue([wanted, partial])
    second, third = search(oracle, trials=2)
    assert first == [wanted]
    assert second.items() >= partial.items()
    assert not third.items() >= partial.items()
    assert third != wanted


def test_the_default_can_come_first(create):
    oracle = create(rich_space())
    oracle.enqueue_default()
    (first,) = search(oracle, trials=1)
    assert first == {
        "classes": 10,
        "op": "conv",
        "kernel": 1,
        "bn": False,
        "depth": 1,
        "lr": 1e-4,
    }


@pytest.mark.parametrize("kills", [(1, 2, 5), (0, 3, 4)], ids=str)
def test_a_script_that_is_run_again_enqueues_nothing_twice(
    create, kills, tmp_path
):
    """Though the space has learnt more hyperparameters since."""

    def run(directory, kills):
        directory.mkdir(exist_ok=True)
        project, proposals = Project(directory), []
        for end in [*kills, 8]:
            space = keras_tuner.HyperParameters()
            space.Int("layers", 1, 3, default=2)
            space.Int("units0", 1, 99)
            oracle = project.open(create(space, max_trials=8))
            oracle.enqueue({"units0": np.int64(7)})
            oracle.enqueue_default()
            oracle.enqueue([{"layers": 3, "units0": 5}, {"units0": 7}])
            oracle.save()  # As `search()` does.
            while len(proposals) < end:
                trial = oracle.create_trial("tuner0")
                hp = trial.hyperparameters
                for number in range(hp.get("layers")):
                    hp.Int(f"units{number}", 1, 99)
                proposals.append(dict(hp.values))
                finish(oracle, trial, any_loss(hp.values))
            oracle.create_trial("tuner0")  # Killed while it runs.
        return proposals

    proposals = run(tmp_path / "whole", ())
    assert proposals[0]["units0"] == 7
    assert proposals[1].items() >= {"layers": 2, "units0": 1}.items()
    assert proposals[2].items() >= {"layers": 3, "units0": 5}.items()
    assert all(values["units0"] != 7 for values in proposals[1:3])
    assert sum("units1" in values for values in proposals) > 1
    assert run(tmp_path / "killed", kills) == proposals


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"width": 3}, "Unknown hyperparameter `width`.*'depth'"),
        ({"op": "max"}, "`op`.*one of .'conv', 'pool', 'dense'.*'max'"),
        ({"kernel": 2}, "`kernel`.*from 1 to 5 in steps of 2.*Received: 2"),
        ({"lr": 1.0}, "`lr`.*from 0.0001 to 0.1.*Received: 1.0"),
        ({"units": "8"}, "`units`.*Received: '8'"),
        ([{"op": "conv"}, {"op": 3}], "`op`.*Received: 3"),
        ("conv", "`values`.*keras_tuner.HyperParameters.*Received: 'conv'"),
        (None, "`values`.*Received: None"),
        ([3], "`values`.*Received: 3"),
    ],
)
def test_what_is_enqueued_is_in_the_space(create, values, complaint):
    oracle = create(rich_space())
    with pytest.raises(ValueError, match=complaint):
        oracle.enqueue(values)
    assert oracle.get_state()["enqueued"] == []


def test_hyperparameters_can_be_enqueued(create):
    hp = small_space()
    hp.values = {"skip": False, "op": "pool", "size": 2}
    oracle = create(small_space())
    oracle.enqueue(hp)
    other = hp.copy()
    other.values["size"] = 3
    oracle.enqueue([{"op": "none", "skip": True}, other, hp])
    proposals = search(oracle, trials=3)
    assert proposals == [hp.values, {"op": "none", "skip": True}, other.values]


def test_imported_trials_teach_and_do_not_count(create, tmp_path):
    space = toy_space()
    earlier = Project(tmp_path / "earlier")
    earlier.directory.mkdir()
    search(earlier.open(create(space, max_trials=12)), toy_loss)

    def begin():
        project = Project(tmp_path / "later")
        project.directory.mkdir(exist_ok=True)
        oracle = project.open(create(space, max_trials=5))
        oracle.import_trials(str(earlier.file.parent))
        return oracle

    oracle = begin()
    assert len(oracle.completed_trials()) == 12
    assert oracle.get_best_trials() == []
    first = search(oracle, toy_loss, trials=2)
    oracle = begin()  # As a script does that is run again.
    assert len(oracle.completed_trials()) == 14
    rest = search(oracle, toy_loss)
    assert len(first + rest) == 5
    assert len(oracle.get_best_trials(99)) == 5
    scores = [trial.score for trial in oracle.completed_trials()[:12]]
    known = [
        toy_loss(trial.hyperparameters.values)
        for trial in oracle.completed_trials()[:12]
    ]
    assert scores == known


def test_values_that_the_space_lacks_are_not_imported(create, tmp_path):
    wide = keras_tuner.HyperParameters()
    wide.Choice("op", ["a", "b", "removed"])
    wide.Int("size", 1, 9)
    earlier = Project(tmp_path)
    oracle = earlier.open(create(wide, max_trials=20))
    search(oracle, lambda values: float(values["size"]))
    narrow = keras_tuner.HyperParameters()
    narrow.Choice("op", ["a", "b"])
    narrow.Int("size", 2, 4)
    later = create(narrow, max_trials=6)
    later.import_trials(str(earlier.file.parent))
    kept = [
        trial
        for trial in oracle.completed_trials()
        if trial.hyperparameters.values["op"] != "removed"
        and 2 <= trial.hyperparameters.values["size"] <= 4
    ]
    assert len(later.completed_trials()) == len(kept) > 0
    for values in search(later, lambda values: float(values["size"])):
        assert values["op"] in ("a", "b")
        assert 2 <= values["size"] <= 4


def test_imported_values_are_checked_again_when_the_space_grows(
    create, tmp_path
):
    wide = keras_tuner.HyperParameters()
    wide.Choice("op", ["a", "b"])
    wide.Choice("units", [8, 16, 32])
    wide.Int("size", 1, 9)
    earlier = Project(tmp_path / "earlier")
    earlier.directory.mkdir()
    oracle = earlier.open(create(wide, max_trials=30))
    search(oracle, lambda values: float(values["size"]))
    sizes = [t.hyperparameters.values for t in oracle.completed_trials()]
    fitting = [v for v in sizes if v["units"] < 32 and 2 <= v["size"] <= 4]
    assert 0 < len(fitting) < 30

    known = keras_tuner.HyperParameters()
    known.Choice("op", ["a", "b"])
    project = Project(tmp_path)
    later = project.open(create(known, max_trials=12))
    later.import_trials(str(earlier.file.parent))
    assert len(later.completed_trials()) == 30
    proposals = []
    for number in range(12):
        if number == 6:
            later.save()
            later = project.open(create(known, max_trials=12))
        trial = later.create_trial("tuner0")
        hp = trial.hyperparameters
        # The build asks for more than the space has.
        hp.Choice("units", [8, 16])
        hp.Int("size", 2, 4)
        proposals.append(dict(hp.values))
        finish(later, trial, any_loss(hp.values))
        assert len(later.imported_trials()) == len(fitting)
    for values in proposals:
        assert values["units"] in (8, 16)
        assert values["size"] in (2, 3, 4)


def test_a_project_of_another_objective_cannot_be_imported(create, tmp_path):
    project = Project(tmp_path)
    oracle = project.open(create(toy_space()))
    search(oracle, trials=2)
    other = create(
        toy_space(), objective=keras_tuner.Objective("val_accuracy", "max")
    )
    with pytest.raises(ValueError, match="nothing to import.*'val_accuracy'"):
        other.import_trials(str(project.file.parent))


def test_what_is_no_folder_cannot_be_imported(create, tmp_path):
    oracle = create(toy_space())
    for folder in (str(tmp_path / "nowhere"), None, 3):
        with pytest.raises(ValueError, match="argument `project_dir`"):
            oracle.import_trials(folder)


def test_a_search_for_one_objective_teaches_a_search_for_two(create, tmp_path):
    space = toy_space()
    earlier = Project(tmp_path).open(
        oracles.RandomOracle(OBJECTIVES[0], hyperparameters=space, seed=0)
    )
    trial = earlier.create_trial("tuner0")
    values = dict(trial.hyperparameters.values)
    metrics = toy_metrics(values)
    finish_with(earlier, trial, metrics)
    trial = earlier.create_trial("tuner0")
    finish_with(earlier, trial, {"right": 3.0})  # Of no use.
    later = create(space, objective=OBJECTIVES)
    later.import_trials(str(tmp_path / "project"))
    (imported,) = later.completed_trials()
    assert imported.hyperparameters.values == values
    assert later.losses(imported) == (-metrics["right"], metrics["cost"])
    assert imported.score == metrics["cost"] - metrics["right"]
    assert later.create_trial("tuner0").status == "RUNNING"


@pytest.mark.parametrize(
    "objective",
    [
        [],
        ["loss", "loss"],
        [OBJECTIVE, OBJECTIVE],
        ["val_loss", keras_tuner.Objective("val_loss", "max")],
    ],
)
def test_several_objectives_have_names_of_their_own(create, objective):
    with pytest.raises(ValueError, match="argument `objective`.*another name"):
        create(toy_space(), objective=objective)


def test_what_is_recommended_has_succeeded(create):
    oracle = create(toy_space())
    assert oracle.recommend() is None
    search(oracle, toy_loss)
    assert oracle.recommend() in oracle.get_best_trials(99)


def test_the_pareto_front_holds_what_nothing_beats(create):
    objectives = [
        keras_tuner.Objective("accuracy", "max"),
        keras_tuner.Objective("latency_ms", "min"),
    ]
    oracle = create(toy_space(), objective=objectives, max_trials=5)
    points = [(0.5, 3), (0.9, 9), (0.5, 2), (0.7, 9), (0.9, 9)]
    for accuracy, latency_ms in points:
        trial = oracle.create_trial("tuner0")
        metrics = {"accuracy": accuracy, "latency_ms": latency_ms}
        oracle.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    assert [t.trial_id for t in oracle.pareto_front()] == [
        "0001",
        "0002",
        "0004",
    ]
    last = oracle.completed_trials()[-1]
    assert oracle.losses(last) == (-0.9, 9.0)
