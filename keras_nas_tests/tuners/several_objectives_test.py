"""Searches for a front: what a tuner measures, keeps, shows and gives."""

import dataclasses
import os
import pathlib
import time

import keras
import keras_tuner
import pytest

import keras_nas as nas
from keras_nas.tuners.candidate_costs import CandidateCosts
from keras_nas.tuners.learning_curves import LearningCurves
from keras_nas_tests.tuners.tiny_searches import (
    UNITS,
    Scripted,
    X,
    Y,
    build,
    make_model,
    trials_of,
)

# The model of tiny_searches has 4 * units + 1 parameters.


class Counted(nas.costs.Parameters):
    """Writes down whatever it is asked to measure."""

    def __init__(self, max_parameters=None):
        super().__init__(max_parameters)
        self.measured = []

    def measure(self, model):
        value = super().measure(model)
        self.measured.append(value)
        return value


class Accuracy(nas.evaluators.Evaluator):
    """Looks values up by units, and builds no model."""

    def __init__(self, *accuracies):
        self.accuracies = dict(zip(UNITS, accuracies, strict=False))

    def evaluate(self, candidate):
        value = self.accuracies[candidate.hyperparameters["units"]]
        if isinstance(value, Exception):
            raise value
        return {"val_accuracy": value}


# With 5, 9, 13, ... parameters: 4 and 6 are dominated, 3 is the knee.
ACCURACIES = (0.1, 0.2, 0.7, 0.6, 0.75, 0.75)
FRONT = [(0.75, 21), (0.7, 13), (0.2, 9), (0.1, 5)]


def make(tmp_path, objective=None, tuner=nas.RandomSearch, **arguments):
    defaults = {
        "max_trials": 6,
        "seed": 0,
        "evaluator": Accuracy(*ACCURACIES),
        "directory": tmp_path,
    }
    objective = objective or ["val_accuracy", nas.costs.Parameters()]
    return tuner(build, objective, **(defaults | arguments))


def searched(tmp_path, *args, **kwargs):
    tuner = make(tmp_path, *args, **kwargs)
    tuner.search(verbose=0)
    return tuner


def units_of(trials):
    return [trial.hyperparameters["units"] for trial in trials]


def metrics_of(tuner, name):
    return {
        trial.hyperparameters["units"]: trial.metrics.get_best_value(name)
        for trial in tuner.oracle.trials.values()
        if trial.status == "COMPLETED"
    }


def expected_parameters(units=UNITS):
    return {unit: 4 * unit + 1 for unit in units}


# What is measured


def test_a_cost_is_a_metric_beside_those_of_the_training(tmp_path):
    cost = Counted()
    tuner = nas.RandomSearch(
        build, ["val_loss", cost], max_trials=6, seed=0, directory=tmp_path
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    assert metrics_of(tuner, "parameters") == expected_parameters()
    assert sorted(cost.measured) == list(expected_parameters().values())
    losses = metrics_of(tuner, "val_loss")
    for trial in tuner.oracle.trials.values():
        units = trial.hyperparameters["units"]
        parameters = 4 * units + 1
        assert tuner.oracle.losses(trial) == (losses[units], parameters)
        assert trial.score == pytest.approx(losses[units] + parameters)
        (model,) = tuner.get_best_models()
    # The best epoch is that of the loss, and its weights were kept.
    (best,) = tuner.oracle.get_best_trials(1)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(
        best.metrics.get_best_value("val_loss")
    )


@pytest.mark.parametrize("tuner", [nas.RandomSearch, nas.NSGA2, nas.ASHA])
def test_an_evaluator_that_builds_nothing_need_not_know_of_costs(
    tmp_path, tuner
):
    cost = Counted()
    tuner = searched(tmp_path, ["val_accuracy", cost], tuner)
    assert metrics_of(tuner, "parameters") == expected_parameters()
    assert sorted(cost.measured) == list(expected_parameters().values())


def test_a_cost_alone_is_an_objective(tmp_path):
    tuner = nas.RandomSearch(
        build,
        nas.costs.Parameters(),
        max_trials=6,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(X, Y, epochs=3, verbose=0)
    assert tuner.get_best_hyperparameters()[0]["units"] == 1
    best = tuner.oracle.get_best_trials(1)[0]
    assert best.score == 5
    # No epoch is better than another: the last one has learnt most.
    assert best.best_step == 2


def test_a_scalarised_objective_is_optimised(tmp_path):
    objective = nas.objectives.SoftConstraint(
        "val_accuracy", nas.costs.Parameters(), target=13, beta=-1
    )
    tuner = searched(tmp_path, objective)
    scores = metrics_of(tuner, "soft_constraint")
    # The 3 is on the target; the 5 has 0.75 * 13 / 21.
    assert scores[3] == 0.7
    assert scores[5] == pytest.approx(0.75 * 13 / 21)
    assert tuner.get_best_hyperparameters()[0]["units"] == 3
    front = [tuner.oracle.losses(trial) for trial in tuner.pareto_front()]
    assert front == [(-accuracy, cost) for accuracy, cost in FRONT]


def test_a_scalarised_objective_chooses_the_epoch_and_the_weights(tmp_path):
    objective = nas.objectives.WeightedChebyshev(
        ["val_loss", nas.costs.Parameters()], ideal=[0, 0], nadir=[1, 1000]
    )
    tuner = nas.RandomSearch(
        build, objective, max_trials=2, seed=0, directory=tmp_path
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    for trial in tuner.oracle.trials.values():
        loss = trial.metrics.get_best_value("val_loss")
        cost = trial.metrics.get_best_value("parameters") / 1000
        losses = [0.5 * loss, 0.5 * cost]
        expected = max(losses) + 0.05 * sum(losses)
        assert trial.score == pytest.approx(expected)
        model = tuner.load_model(trial)
        assert model.evaluate(X, Y, verbose=0) == pytest.approx(loss)


def test_constraints_are_metrics_and_measured_once(tmp_path):
    limit = Counted(17)
    tuner = searched(tmp_path, ["val_accuracy", Counted()], constraints=[limit])
    assert metrics_of(tuner, "parameters") == expected_parameters([1, 2, 3, 4])
    # All in the screening, none in the trials.
    assert sorted(limit.measured) == list(expected_parameters().values())
    assert tuner.runner.costs[0].measured == []
    assert len(tuner.oracle.infeasible) == 2
    assert units_of(tuner.pareto_front()) == [3, 2, 1]


def test_a_constraint_alone_is_a_metric_too(tmp_path):
    tuner = searched(
        tmp_path, "val_accuracy", constraints=[nas.costs.Parameters(13)]
    )
    assert metrics_of(tuner, "parameters") == expected_parameters([1, 2, 3])


def test_a_limit_in_a_list_of_objectives_is_a_constraint(tmp_path):
    tuner = searched(tmp_path, ["val_accuracy", nas.costs.Parameters(13)])
    assert set(metrics_of(tuner, "parameters")) == {1, 2, 3}
    target = nas.objectives.SoftConstraint(
        "val_accuracy", nas.costs.Parameters(13)
    )
    tuner = searched(tmp_path, target, project_name="soft")
    assert set(metrics_of(tuner, "parameters")) == set(UNITS)


def test_a_killed_trial_is_measured_again(tmp_path):
    class Killed(Accuracy):
        def evaluate(self, candidate):
            raise KeyboardInterrupt

    arguments = {"constraints": [nas.costs.Parameters(17)]}
    tuner = make(tmp_path, evaluator=Killed(), **arguments)
    with pytest.raises(KeyboardInterrupt):
        tuner.search(verbose=0)
    resumed = searched(tmp_path, **arguments)
    whole = searched(tmp_path, project_name="whole", **arguments)
    assert trials_of(resumed) == trials_of(whole)
    names = ("parameters", "val_accuracy", "multi_objective")
    for name in names:
        assert metrics_of(resumed, name) == metrics_of(whole, name)


def test_a_candidate_that_cannot_be_measured_has_failed(tmp_path):
    class Picky(nas.costs.Parameters):
        def measure(self, model):
            if model.count_params() == 9:
                raise ValueError("nine is not measured")
            return super().measure(model)

    for name, objective, constraints in (
        ("objective", ["val_accuracy", Picky()], []),
        ("constraint", "val_accuracy", [Picky(1000)]),
    ):
        tuner = searched(
            tmp_path, objective, constraints=constraints, project_name=name
        )
        failed = [
            trial
            for trial in tuner.oracle.trials.values()
            if trial.status == "FAILED"
        ]
        assert units_of(failed) == [2]
        assert "nine is not measured" in failed[0].message


def test_a_model_without_a_shape_cannot_be_measured(tmp_path):
    def build_shapeless(hp):
        units = hp.Choice("units", [1, 2])
        model = keras.Sequential([keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model

    tuner = nas.RandomSearch(
        build_shapeless,
        ["val_loss", nas.costs.Parameters()],
        directory=tmp_path,
    )
    with pytest.raises(ValueError, match="in the `objective`.*`keras.Input"):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)


def test_shared_weights_are_scored_and_costs_measured(tmp_path):
    def build_shared(hp):
        x = inputs = keras.Input((2,))
        x = nas.layers.Dense(hp.Choice("units", [1, 2, 4]))(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile("sgd", "mse")
        return model

    tuner = nas.RandomSearch(
        build_shared,
        ["val_loss", nas.costs.Parameters()],
        max_trials=3,
        seed=0,
        evaluator=nas.evaluators.WeightSharing(epochs=1),
        constraints=[nas.costs.Flops(1000)],
        directory=tmp_path,
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    units = [1, 2, 4]
    assert metrics_of(tuner, "parameters") == expected_parameters(units)
    assert set(metrics_of(tuner, "flops")) == set(units)
    assert len(tuner.get_best_models(3)) == len(tuner.pareto_front())


def test_an_overridden_run_trial_need_not_know_of_costs(tmp_path):
    class Own(nas.RandomSearch):
        def run_trial(self, trial):
            return {
                "val_accuracy": ACCURACIES[trial.hyperparameters["units"] - 1]
            }

    tuner = searched(tmp_path, tuner=Own, evaluator=None)
    assert metrics_of(tuner, "parameters") == expected_parameters()


def test_workers_measure_and_are_told_what_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())

    def run(project_name, **arguments):
        tuner = nas.RandomSearch(
            build,
            ["val_loss", nas.costs.Parameters()],
            max_trials=3,
            seed=0,
            constraints=[nas.costs.Flops(1000)],
            directory=tmp_path,
            project_name=project_name,
        )
        tuner.search(X, Y, validation_data=(X, Y), verbose=0, **arguments)
        return tuner

    here, there = run("here"), run("there", workers=1)
    assert trials_of(there) == trials_of(here)
    for name in ("parameters", "flops", "val_loss"):
        assert metrics_of(there, name) == metrics_of(here, name)


def test_what_was_measured_is_not_measured_again():
    def build_nothing():
        raise AssertionError

    cost = Counted()
    costs = CandidateCosts([cost, nas.costs.Flops()], build_nothing)
    costs.measure(make_model(2))
    costs.measure(make_model(3))
    assert costs.values() == {"parameters": 9.0, "flops": 2 * 4 + 2 + 4 + 1}
    assert cost.measured == [9]
    known = CandidateCosts([cost], build_nothing, costs.known)
    assert known.values() == {"parameters": 9.0}


# Mistakes


def test_two_costs_of_one_name_are_one_metric(tmp_path):
    class Other(nas.costs.Cost):
        name = "parameters"

    with pytest.raises(ValueError, match="Two costs are called `parameters`"):
        make(tmp_path, constraints=[Other(3)])
    with pytest.raises(ValueError, match="Two costs are called"):
        make(
            tmp_path,
            "val_loss",
            constraints=[Other(3), nas.costs.Parameters(5)],
        )


def test_the_name_of_a_cost_is_not_measured(tmp_path):
    tuner = nas.RandomSearch(
        build, ["val_loss", "flops"], max_trials=2, directory=tmp_path
    )
    with pytest.raises(ValueError, match=r"give the object, such as .*Flops"):
        tuner.search(X, Y, validation_data=(X, Y))


def test_what_the_evaluator_forgets_is_named_and_no_cost(tmp_path):
    class Forgetful(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            return {"accuracy": 0.5}

    tuner = make(tmp_path, evaluator=Forgetful())
    with pytest.raises(ValueError, match="The objective `val_accuracy` is not"):
        tuner.search(verbose=0)


def test_another_weight_is_another_search(tmp_path):
    def objective(target):
        cost = nas.costs.Parameters()
        return nas.objectives.SoftConstraint("val_accuracy", cost, target)

    searched(tmp_path, objective(13), max_trials=2)
    searched(tmp_path, objective(13), max_trials=3)
    with pytest.raises(ValueError, match=r"target=13(.|\n)*target=14"):
        make(tmp_path, objective(14))


# What comes out


def test_the_front_stands_in_the_order_of_the_first_objective(tmp_path):
    tuner = searched(tmp_path)
    trials = tuner.pareto_front()
    assert units_of(trials) == [5, 3, 2, 1]
    front = [tuner.oracle.losses(trial) for trial in trials]
    assert front == [(-accuracy, cost) for accuracy, cost in FRONT]
    one = searched(tmp_path, "val_accuracy", project_name="one")
    assert set(units_of(one.pareto_front())) == {5, 6}


def test_a_front_can_be_that_of_some_objectives(tmp_path):
    """One search for several devices: each has a front of its own."""
    tuner = searched(tmp_path)
    both = ["parameters", "val_accuracy"]
    assert units_of(tuner.pareto_front(both)) == [1, 2, 3, 5]
    assert units_of(tuner.pareto_front(["parameters"])) == [1]
    assert set(units_of(tuner.pareto_front(["val_accuracy"]))) == {5, 6}
    assert set(units_of(tuner.pareto_front("val_accuracy"))) == {5, 6}
    cost = nas.costs.Parameters()
    assert units_of(tuner.pareto_front([cost, "val_accuracy"])) == [1, 2, 3, 5]
    assert units_of(tuner.pareto_front(cost)) == [1]
    for wrong in (["latency_ms"], [], "latency_ms", nas.Latency(), [[cost]], 3):
        with pytest.raises(ValueError, match="list of some of"):
            tuner.pareto_front(wrong)


def test_the_best_are_the_knee_the_ends_and_what_lies_between(tmp_path):
    tuner = searched(tmp_path)
    # Shares of the front: 3 has (0.08, 0.5), 2 has (0.85, 0.25).
    best = tuner.get_best_hyperparameters(6)
    assert [hp["units"] for hp in best] == [3, 5, 1, 2]
    assert tuner.oracle.recommend().hyperparameters["units"] == 3
    every = units_of(tuner.oracle.get_best_trials(6))
    assert every[:4] == [3, 5, 1, 2]
    assert set(every[4:]) == {4, 6}


class TrainedAccuracy(Accuracy):
    """Trains for a model with weights, and looks up what it is worth."""

    def evaluate(self, candidate):
        loss = keras_tuner.Objective("val_loss", "min")
        trained = dataclasses.replace(candidate, objective=loss)
        nas.evaluators.Training().evaluate(trained)
        return super().evaluate(candidate)


def test_weights_of_the_front_are_kept_and_walked_along(tmp_path):
    evaluator = TrainedAccuracy(*ACCURACIES)
    tuner = make(tmp_path, evaluator=evaluator, keep_weights=1)
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)

    def has_weights(trial):
        folder = pathlib.Path(tuner.get_trial_dir(trial.trial_id))
        return (folder / "checkpoint.weights.h5").exists()

    kept = [t for t in tuner.oracle.trials.values() if has_weights(t)]
    assert set(units_of(kept)) == {1, 2, 3, 5}
    models = tuner.get_best_models(10)
    assert [m.count_params() for m in models] == [13, 21, 5, 9]
    dominated = tuner.oracle.get_best_trials(6)[-1]
    with pytest.raises(RuntimeError, match="`keep_weights=1`.*of the front"):
        tuner.load_model(dominated)
    with pytest.raises(
        ValueError, match=r"`tuner.pareto_front\(\)`.*trial='0000'"
    ):
        tuner.load_model("0000")


def test_the_hypervolume_grows_with_the_front(tmp_path):
    tuner = make(tmp_path, max_trials=3)
    for units in (1, 3, 4):
        tuner.oracle.enqueue({"units": units})
    assert tuner.hypervolume() == []
    tuner.search(verbose=0)
    # 0.1 for 5, then 0.7 for 13; 0.6 for 17 is dominated.
    reference = [0.0, 20]
    first = 0.1 * 15
    second = first + 0.6 * 7
    assert tuner.hypervolume(reference) == pytest.approx(
        [first, second, second]
    )
    # The worst is 0.1 and 17; a tenth of the ranges 0.6 and 12 beyond it.
    worst = [0.1 - 0.06, 17 + 1.2]
    assert tuner.hypervolume() == pytest.approx(tuner.hypervolume(worst))
    assert min(tuner.hypervolume()) > 0
    for bad in (5, [1, 2, 3], [0.1, float("nan")], ["a", 1]):
        with pytest.raises(ValueError, match="`reference`"):
            tuner.hypervolume(bad)


def test_one_objective_has_a_hypervolume_too(tmp_path):
    tuner = searched(tmp_path, "val_accuracy")
    volumes = tuner.hypervolume([0.0])
    assert volumes == sorted(volumes)
    assert volumes[-1] == pytest.approx(0.75)


# While it runs


def test_lines_show_objectives_and_the_front(tmp_path, capsys):
    tuner = make(tmp_path, max_trials=2)
    for units in (3, 4):
        tuner.oracle.enqueue({"units": units})
    tuner.search(verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert "objective val_accuracy (max), parameters (min)," in lines[0]
    first = (
        "trial 1/2 | val_accuracy 0.7, parameters 13 | best front of 1 trial"
    )
    assert lines[1].startswith(f"{first} |")
    assert "val_accuracy 0.6, parameters 17 | best front of 1" in lines[2]
    tuner.results_summary()
    lines = capsys.readouterr().out.splitlines()
    assert "1 trial on the Pareto front" in lines[2]
    assert "val_accuracy 0.7, parameters 13 | units=3" in lines[3]
    assert lines[4].endswith("units=4 | dominated")


def test_lines_show_a_scalarised_objective_with_its_parts(tmp_path, capsys):
    objective = nas.objectives.SoftConstraint(
        "val_accuracy", nas.costs.Parameters(), target=13
    )
    tuner = make(tmp_path, objective, max_trials=1)
    tuner.oracle.enqueue({"units": 3})
    tuner.search(verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert "soft_constraint 0.7 (val_accuracy 0.7, parameters 13)" in lines[1]
    assert "| best 0.7 (trial 1) |" in lines[1]


@pytest.mark.parametrize(
    ("patience", "expected"), [(1, [3, 4]), (2, [3, 4, 5, 6, 2, 1])]
)
def test_patience_waits_for_the_front_to_grow(tmp_path, patience, expected):
    tuner = make(tmp_path, patience=patience)
    for units in (3, 4, 5, 6, 2, 1):
        tuner.oracle.enqueue({"units": units})
    tuner.search(verbose=0)
    assert units_of(tuner.oracle.trials.values()) == expected


def test_a_stopping_rule_compares_by_fronts(tmp_path):
    class Recorded(nas.stopping.StoppingRule):
        def __init__(self):
            self.asked = []

        def should_stop(self, curve, others, number):
            self.asked.append((curve, others))
            return len(curve) == 2 and curve[-1] > 0.5

    rule = Recorded()
    tuner = nas.RandomSearch(
        build,
        ["val_loss", nas.costs.Parameters()],
        max_trials=4,
        seed=0,
        stopping_rule=rule,
        directory=tmp_path,
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=3, verbose=0)
    for curve, others in rule.asked:
        places = sorted([curve[0], *(other[0] for other in others.values())])
        number = len(places)
        assert places == pytest.approx([i / number for i in range(number)])
    assert len(rule.asked[-1][1]) == 3
    curves = LearningCurves(tuner.project_dir, tuner.oracle.objective)
    assert sorted(c[0] for c in curves.read().values()) == [0, 0.25, 0.5, 0.75]


def test_successive_halving_runs_with_several_objectives(tmp_path):
    tuner = nas.ASHA(
        build,
        ["val_loss", nas.costs.Parameters()],
        max_trials=6,
        reduction_factor=2,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=4, verbose=0)
    done = [t.status for t in tuner.oracle.trials.values()]
    assert done == ["COMPLETED"] * 6
    stopped = [
        trial
        for trial in tuner.oracle.trials.values()
        if trial.metrics.exists("stopped_epoch")
    ]
    assert 0 < len(stopped) < 6


def test_a_search_with_a_thousand_trials_is_measured_in_a_moment(tmp_path):
    names = ["a", "b"]
    objectives = [keras_tuner.Objective(name, "min") for name in names]
    space = keras_tuner.HyperParameters()
    space.Float("x", 0.0, 1.0)
    tuner = nas.RandomSearch(
        Scripted(),
        objectives,
        hyperparameters=space,
        max_trials=1000,
        seed=0,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    oracle._directory = None  # Without files.
    for _ in range(1000):
        trial = oracle.create_trial("tuner0")
        x = trial.hyperparameters["x"]
        metrics = {"a": x + 0.1 * (x * 1000 % 1), "b": (1 - x) ** 2}
        oracle.update_trial(trial.trial_id, metrics)
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    started_s = time.monotonic()
    volumes = tuner.hypervolume()
    best = tuner.get_best_hyperparameters(5)
    assert time.monotonic() - started_s < 5
    assert len(volumes) == 1000
    assert volumes == sorted(volumes)
    assert len(best) == 5
