"""Candidates that are too expensive are never trained."""

import re
import signal

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.progress_test import Terminal
from keras_nas_tests.tuners.tiny_searches import (
    ScoredByUnits,
    build,
    trials_of,
)

# The model of tiny_searches has 2 * units + units + units + 1 parameters.


def make(tmp_path, max_parameters, tuner=nas.RandomSearch, **arguments):
    defaults = {
        "constraints": [nas.costs.Parameters(max_parameters)],
        "max_trials": 6,
        "seed": 0,
    }
    arguments = defaults | arguments
    return tuner(
        build,
        "val_loss",
        evaluator=ScoredByUnits(),
        directory=tmp_path,
        **arguments,
    )


@pytest.mark.parametrize("tuner", [nas.RandomSearch, nas.RegularizedEvolution])
def test_only_feasible_candidates_become_trials(tmp_path, capsys, tuner):
    tuner = make(tmp_path, 13, tuner)
    tuner.search()
    tried = {t.hyperparameters["units"] for t in tuner.oracle.trials.values()}
    assert tried == {1, 2, 3}
    rejected = {one["values"]["units"] for one in tuner.oracle.infeasible}
    assert rejected == {4, 5, 6}
    out = capsys.readouterr().out
    assert "3 candidates violated the constraints and cost no trial" in out
    assert "The space is exhausted" in out


def test_what_is_turned_away_is_shown_meanwhile(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    tuner = make(tmp_path, 5, max_trials=1)
    for units in (6, 4, 1):
        tuner.oracle.enqueue({"units": units})
    tuner.search()
    lines = re.split("[\r\n]", terminal.getvalue())
    shown = [line.rstrip() for line in lines if "turned away" in line]
    assert shown == [
        "1 candidate turned away by the constraints; the last: parameters 25 "
        "of 5"[:79],
        "2 candidates turned away by the constraints; the last: parameters 17 "
        "of 5"[:79],
    ]


def test_ctrl_c_ends_the_looking_for_a_feasible_candidate(tmp_path, capsys):
    class Interrupting(nas.costs.Parameters):
        def measure(self, model):
            if model.layers[0].units == 5:
                signal.raise_signal(signal.SIGINT)
            return super().measure(model)

    def make_again(constraint):
        return nas.RandomSearch(
            build,
            "val_loss",
            max_trials=2,
            seed=0,
            evaluator=ScoredByUnits(),
            constraints=[constraint(5)],
            directory=tmp_path,
        )

    tuner = make_again(Interrupting)
    for units in (6, 5, 4, 1):
        tuner.oracle.enqueue({"units": units})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        tuner.search()
    finally:
        signal.signal(signal.SIGINT, before)
    assert "you asked for it" in capsys.readouterr().out
    # The one that was measured then is the last, and nothing is lost.
    assert [o["values"]["units"] for o in tuner.oracle.infeasible] == [6, 5]
    assert not tuner.oracle.trials
    tuner = make_again(nas.costs.Parameters)
    tuner.search(verbose=0)
    infeasible = [o["values"]["units"] for o in tuner.oracle.infeasible]
    assert infeasible[:3] == [6, 5, 4]
    (trial,) = tuner.oracle.trials.values()
    assert trial.hyperparameters["units"] == 1


def test_a_model_without_a_shape_cannot_be_measured(tmp_path):
    def build_shapeless(hp):
        units = hp.Choice("units", [1, 2])
        model = keras.Sequential([keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model

    tuner = nas.RandomSearch(
        build_shapeless,
        "val_loss",
        evaluator=ScoredByUnits(),
        constraints=[nas.costs.Parameters(10)],
        directory=tmp_path,
    )
    with pytest.raises(ValueError, match="`constraints`.*`keras.Input"):
        tuner.search(verbose=0)


def test_the_oracle_learns_how_far_a_candidate_was(tmp_path):
    tuner = make(tmp_path, 10)
    tuner.search(verbose=0)
    violations = {
        one["values"]["units"]: one["violation"]
        for one in tuner.oracle.infeasible
    }
    assert violations[5] == pytest.approx(2.1 - 1)
    reasons = [one["reason"] for one in tuner.oracle.infeasible]
    assert "parameters 21 of 10" in reasons


def test_too_tight_constraints_end_with_the_nearest_candidate(tmp_path):
    oracle = nas.oracles.RandomOracle("val_loss", seed=0, max_rejections=4)
    tuner = nas.Tuner(
        oracle,
        build,
        evaluator=ScoredByUnits(),
        constraints=[nas.costs.Parameters(2)],
        directory=tmp_path,
    )
    with pytest.raises(RuntimeError, match="4 proposals in a row violate"):
        tuner.search(verbose=0)
    assert len(oracle.infeasible) == 4
    nearest = min(one["values"]["units"] for one in oracle.infeasible)
    with pytest.raises(RuntimeError, match=f"'units': {nearest}}}"):
        tuner.search(verbose=0)


def test_a_resumed_search_knows_what_is_infeasible(tmp_path):
    whole = make(tmp_path, 17, project_name="whole")
    whole.search(verbose=0)
    for trials in (1, 2, 6):
        tuner = make(tmp_path, 17, project_name="parts", max_trials=trials)
        tuner.search(verbose=0)
    assert trials_of(tuner) == trials_of(whole)
    assert tuner.oracle.infeasible == whole.oracle.infeasible


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        "size",
        ["size"],
        nas.costs.Size(),
        nas.costs.DeviceProfile.load("cortex-m7"),
    ],
)
def test_what_is_no_constraint_is_refused(tmp_path, wrong):
    with pytest.raises(
        ValueError, match="`constraints`.*costs with.*Received: [3'<D]"
    ):
        make(tmp_path, None, constraints=wrong)


@pytest.mark.parametrize("limit", [16, 18, None])
def test_other_limits_are_another_search(tmp_path, limit):
    first = make(tmp_path, 17, max_trials=1)
    first.search(verbose=0)
    constraints = [nas.costs.Parameters(limit)] if limit else []
    with pytest.raises(ValueError, match="`constraints` was .*17.0.*, is "):
        make(tmp_path, None, constraints=constraints, max_trials=2)
    again = make(tmp_path, 17, max_trials=1)
    assert trials_of(again) == trials_of(first)


def test_no_constraints(tmp_path):
    tuner = make(tmp_path, None, constraints=None, max_trials=1)
    assert tuner.constraints == []


@pytest.mark.parametrize(
    "constraint", [nas.costs.Parameters(), 100, "parameters"]
)
def test_a_constraint_has_a_limit(tmp_path, constraint):
    with pytest.raises(ValueError, match="Expected costs with a limit"):
        nas.RandomSearch(
            build, "val_loss", constraints=[constraint], directory=tmp_path
        )


def test_a_constraint_that_all_meet_changes_no_training(tmp_path):
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")

    def losses(name, constraints):
        tuner = nas.RandomSearch(
            build,
            "val_loss",
            constraints=constraints,
            max_trials=2,
            seed=0,
            directory=tmp_path,
            project_name=name,
        )
        data = x, x[:, :1]
        tuner.search(*data, validation_data=data, epochs=1, verbose=0)
        return [trial.score for trial in tuner.oracle.trials.values()]

    assert losses("with", [nas.costs.Parameters(10**6)]) == losses("none", [])


@pytest.mark.parametrize("value", [float("inf"), 1e300])
def test_a_cost_without_bounds(tmp_path, value):
    class Memory(nas.costs.Cost):
        name = "memory"

        def measure(self, model):
            units = model.layers[0].units
            return value if units > 3 else float(units)

    tuner = make(
        tmp_path,
        None,
        nas.BayesianOptimization,
        constraints=[Memory(10)],
        num_initial_points=1,
    )
    tuner.search(verbose=0)
    tried = {t.hyperparameters["units"] for t in tuner.oracle.trials.values()}
    assert tried == {1, 2, 3}


def test_a_cost_may_tolerate_more_than_its_limit(tmp_path):
    class Tolerant(nas.costs.Parameters):
        def violation(self, value):
            return super().violation(value / 1.25)

    # 17 parameters are within the tolerance, and 21 are not.
    tuner = make(tmp_path, None, constraints=[Tolerant(16)])
    tuner.search(verbose=0)
    oracle = tuner.oracle
    ratios = {
        trial.hyperparameters["units"]: oracle.ratios[trial_id]["parameters"]
        for trial_id, trial in oracle.trials.items()
    }
    expected = {1: 5 / 16, 2: 9 / 16, 3: 13 / 16, 4: 1.0}
    assert ratios == pytest.approx(expected)


def test_a_cost_that_cannot_be_measured_is_known_before_the_search(tmp_path):
    class Unknown(nas.costs.Parameters):
        def check(self, model):
            raise ValueError(f"{model.layers[0].units} units are not known")

    for arguments in (
        {"constraints": [Unknown(10)], "objective": "val_loss"},
        {"objective": ["val_loss", Unknown()]},
        {"objective": nas.objectives.SoftConstraint("val_loss", Unknown(9))},
    ):
        with pytest.raises(ValueError, match="1 units are not known"):
            nas.RandomSearch(build, directory=tmp_path, **arguments)
    assert not list(tmp_path.iterdir())
