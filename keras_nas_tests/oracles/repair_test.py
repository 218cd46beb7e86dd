"""KerasTuner's own oracles, with the bookkeeping of keras_nas."""

import json

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas import architectures, storage
from keras_nas.oracles.repair import repair
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    any_loss,
    finish,
    keys,
    search,
    small_space,
)


def random_search(**arguments):
    return keras_tuner.oracles.RandomSearchOracle(
        OBJECTIVE, hyperparameters=small_space(), **arguments
    )


def bayesian(**arguments):
    return keras_tuner.oracles.BayesianOptimizationOracle(
        OBJECTIVE,
        hyperparameters=small_space(),
        num_initial_points=4,
        **arguments,
    )


def hyperband(max_trials=None, **arguments):
    oracle = keras_tuner.oracles.HyperbandOracle(
        OBJECTIVE, hyperparameters=small_space(), max_epochs=4, **arguments
    )
    oracle.max_trials = max_trials
    return oracle


def grid_search(seed=None, **arguments):
    return keras_tuner.oracles.GridSearchOracle(
        OBJECTIVE, hyperparameters=small_space(), **arguments
    )


ORACLES = [random_search, bayesian, hyperband, grid_search]


def repaired(create, max_trials=5):
    oracle = create(max_trials=max_trials, seed=1)
    repair(oracle)
    return oracle


def trials_of(oracle):
    return [
        (
            trial.trial_id,
            trial.status,
            trial.score,
            trial.hyperparameters.values,
        )
        for trial in (oracle.trials[i] for i in oracle.start_order)
    ]


@pytest.mark.parametrize("create", ORACLES)
def test_the_proposals_stay_those_of_kerastuner(create, tmp_path, capsys):
    plain = create(max_trials=5, seed=1)
    expected = search(Project(tmp_path).open(plain))
    assert search(repaired(create)) == expected
    assert len(expected) == 5


@pytest.mark.parametrize("create", ORACLES)
def test_the_object_and_its_class_are_recognised(create):
    oracle = create(max_trials=5)
    cls, name = type(oracle), type(oracle).__name__
    repair(oracle)
    assert isinstance(oracle, cls)
    assert isinstance(oracle, nas.oracles.Oracle)
    assert type(oracle).__name__ == name
    mended = type(oracle)
    repair(oracle)
    assert type(oracle) is mended


def test_an_oracle_of_keras_nas_is_left_alone():
    oracle = nas.oracles.RandomOracle(OBJECTIVE)
    repair(oracle)
    assert type(oracle) is nas.oracles.RandomOracle


def test_what_hyperband_notes_beside_the_hyperparameters_is_kept(tmp_path):
    oracle = Project(tmp_path).open(repaired(hyperband, max_trials=None))
    epochs = [values["tuner/epochs"] for values in search(oracle)]
    assert max(epochs) == 4
    assert min(epochs) < 4
    reloaded = Project(tmp_path).open(repaired(hyperband, max_trials=None))
    assert trials_of(reloaded) == trials_of(oracle)
    promoted = [
        trial
        for trial in reloaded.trials.values()
        if "tuner/trial_id" in trial.hyperparameters.values
    ]
    assert promoted


def test_all_of_a_small_space_is_found():
    proposals = search(repaired(random_search, max_trials=None))
    assert len(proposals) == 16
    assert len(set(keys(proposals, small_space()))) == 16


class KilledError(BaseException):
    """Stands for the end of the process: nothing may be written after it."""


def run(oracle, ended):
    """Runs an oracle to its end; no trial in `ended` may come again."""
    while True:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            return
        assert trial.trial_id not in ended
        finish(oracle, trial, any_loss(trial.hyperparameters.values))
        ended.append(trial.trial_id)


@pytest.mark.parametrize("create", [random_search, hyperband])
def test_a_search_killed_before_any_of_its_writes_goes_on(
    create, tmp_path, monkeypatch
):
    write = storage.write_atomically
    whole = search(repaired(create, 3))
    for number_of_writes in range(1, 99):
        folder = tmp_path / str(number_of_writes)
        folder.mkdir()
        left = number_of_writes
        ended = []

        def write_some(path, function):
            nonlocal left
            left -= 1
            if left <= 0:
                raise KilledError
            write(path, function)

        with monkeypatch.context() as patch:
            patch.setattr(storage, "write_atomically", write_some)
            try:
                run(Project(folder).open(repaired(create, 3)), ended)
            except KilledError:
                has_ended = False
            else:
                has_ended = True
        resumed = Project(folder).open(repaired(create, 3))
        run(resumed, ended)
        values = [values for *_, values in trials_of(resumed)]
        assert values == whole, number_of_writes
        assert {status for _, status, *_ in trials_of(resumed)} == {"COMPLETED"}
        if has_ended:
            break
    assert has_ended
    assert number_of_writes > 9


@pytest.mark.parametrize("create", ORACLES)
def test_a_project_can_be_opened_by_kerastuner(create, tmp_path):
    search(Project(tmp_path).open(repaired(create)), trials=3)
    opened = Project(tmp_path).open(create(max_trials=5))
    assert len(opened.trials) == 3
    assert {trial.status for trial in opened.trials.values()} == {"COMPLETED"}


@pytest.mark.parametrize("create", ORACLES)
def test_lost_trials_run_again(create):
    oracle = repaired(create)
    trial = oracle.create_trial("tuner0")
    values = dict(trial.hyperparameters.values)
    oracle.return_trial(trial.trial_id)
    again = oracle.create_trial("tuner1")
    assert again.trial_id == trial.trial_id
    assert again.hyperparameters.values == values


def test_a_strategy_of_the_user_keeps_its_own_methods(tmp_path):
    ended = []

    class Own(keras_tuner.Oracle):
        def populate_space(self, trial_id):
            return {"status": "RUNNING", "values": {"skip": True, "op": "none"}}

        def end_trial(self, trial):
            super().end_trial(trial)
            ended.append(self.trials[trial.trial_id].status)

        def get_state(self):
            return super().get_state() | {"own": 1}

    oracle = Own(OBJECTIVE, max_trials=3, hyperparameters=small_space())
    repair(oracle)
    project = Project(tmp_path)
    # A strategy that repeats itself on purpose may do so.
    assert len(search(project.open(oracle), lambda _: 1.0)) == 3
    assert ended == ["COMPLETED"] * 3
    state = json.loads(project.file.read_text())
    assert state["own"] == 1
    assert state["ongoing_trials"] == {}


def test_values_are_inside_the_space():
    for values in search(repaired(random_search, max_trials=None)):
        assert architectures.active_values(values, small_space()) == values


@pytest.mark.parametrize("create", ORACLES)
def test_what_only_our_oracles_can_do_is_refused(create, tmp_path):
    oracle = repaired(create)
    with pytest.raises(ValueError, match="`enqueue` needs an oracle of keras"):
        oracle.enqueue({"skip": True})
    with pytest.raises(ValueError, match="`import_trials` needs"):
        oracle.import_trials(str(tmp_path))
