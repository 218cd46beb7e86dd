"""What is read from a project are the numbers that its files hold."""

import math
import warnings

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.reports import SearchResults
from keras_nas_tests.reports.made_up_projects import make_trial, write_project


@pytest.fixture
def space():
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["flat", "dense"])
    space.Int("units", 1, 9, parent_name="head", parent_values=["dense"])
    return space


def of_two_objectives(space):
    """The front is 0001 (knee), 0003, 0004; 0000 is dominated by 0001."""
    points = {
        "0000": (0.5, 5.0),
        "0001": (0.8, 3.0),
        "0003": (0.9, 10.0),
        "0004": (0.1, 1.0),
    }
    trials = [
        make_trial(
            trial_id,
            space,
            {"head": "dense", "units": 3},
            {"val_accuracy": (accuracy, "max"), "latency_ms": (ms, "min")},
            score=ms - accuracy,
        )
        for trial_id, (accuracy, ms) in points.items()
    ]
    failed = make_trial(
        "0002", space, {"head": "flat"}, status="FAILED", message="a\nbad: 1\n"
    )
    return [*trials[:2], failed, *trials[2:]]


def ids(trials):
    return [trial.trial_id for trial in trials]


def test_several_objectives_of_a_project_of_keras_nas(space, tmp_path):
    trials = of_two_objectives(space)
    folder = tmp_path / "search"
    write_project(
        folder, space, trials, "val_accuracy (max) + latency_ms (min)"
    )
    results = SearchResults.read(folder)
    assert results.name == "search"
    assert results.objectives == {"val_accuracy": "max", "latency_ms": "min"}
    assert ids(results.front()) == ["0003", "0001", "0004"]
    assert results.best().trial_id == "0001"
    assert results.failures() == [("bad: 1", 1)]
    assert results.statuses() == {"COMPLETED": 4, "FAILED": 1}
    assert results.infeasible == 3
    assert (results.spent_s, results.preparation_s) == (400.0, 100.0)
    # The reference is accuracy 0.1 - 0.08 and latency 10 + 0.9.
    volume = [0.48 * 5.9, 0.78 * 7.9, 0.78 * 7.9 + 0.1 * 0.9]
    np.testing.assert_allclose(results.progress()[:3], volume)
    assert results.progress()[3] == pytest.approx(volume[2] + 0.08 * 2)


def test_a_single_objective_of_keras_tuner_is_found_by_the_scores(
    space, tmp_path
):
    losses = [0.5, 0.25, 0.75]
    trials = [
        make_trial(
            f"{number}",
            space,
            {"head": "flat", "units": 5},
            {"loss": (0.1, "min"), "val_loss": (loss, "min")},
            score=loss,
        )
        for number, loss in enumerate(losses)
    ]
    folder = tmp_path / "search"
    write_project(folder, space, trials, end_order=["2", "0", "1"])
    results = SearchResults.read(folder)
    assert results.objectives == {"val_loss": "min"}
    assert ids(results.completed()) == ["2", "0", "1"]
    assert results.progress() == [0.75, 0.5, 0.25]
    assert ids(results.front()) == ["1"]
    # `units` is not active.
    assert results.trials[0].values == {"head": "flat"}
    named = SearchResults.read(folder, ["loss", "val_loss"])
    assert list(named.objectives) == ["loss", "val_loss"]


def test_an_objective_to_be_maximised_grows(space, tmp_path):
    trials = [
        make_trial(str(i), space, {}, {"accuracy": (a, "max")}, score=a)
        for i, a in enumerate([0.5, 0.25, 0.75])
    ]
    write_project(tmp_path / "search", space, trials)
    results = SearchResults.read(tmp_path / "search")
    assert results.progress() == [0.5, 0.5, 0.75]
    assert results.best().trial_id == "2"


def test_one_number_made_of_several_objectives_decides(space, tmp_path):
    trials = of_two_objectives(space)
    for trial, score in zip(trials, (0.1, 0.2, None, 0.3, 0.0), strict=True):
        trial.score = score
        if score is not None:
            trial.metrics.register("soft_constraint", "max")
            trial.metrics.update("soft_constraint", score)
    folder = tmp_path / "search"
    described = "SoftConstraint(val_accuracy (max), latency_ms (min), w=-0.07)"
    write_project(folder, space, trials, described)
    results = SearchResults.read(folder)
    assert results.objectives == {"val_accuracy": "max", "latency_ms": "min"}
    assert results.best().trial_id == "0003"


def test_what_keras_tuner_itself_writes_is_read(tmp_path):
    def build(hp):
        hp.Int("units", 1, 9)
        return keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])

    class Scored(keras_tuner.RandomSearch):
        def run_trial(self, trial, **kwargs):
            return {"val_loss": float(trial.hyperparameters["units"])}

    tuner = Scored(
        build, "val_loss", 4, seed=0, directory=tmp_path, project_name="theirs"
    )
    tuner.search(verbose=0)
    results = SearchResults.read(tmp_path / "theirs")
    assert len(results.trials) == 4
    units = [trial.values["units"] for trial in results.completed()]
    assert results.progress() == np.minimum.accumulate(units).tolist()


def test_an_empty_project_and_one_that_only_failed_are_projects(
    space, tmp_path
):
    write_project(tmp_path / "empty", space, [])
    failed = make_trial("0", space, {}, status="FAILED", message=None)
    write_project(tmp_path / "failed", space, [failed], "val_loss (min)")
    for name, count in (("empty", 0), ("failed", 1)):
        results = SearchResults.read(tmp_path / name)
        assert len(results.trials) == count
        assert results.best() is None
        assert results.front() == results.progress() == []
    assert results.failures() == [("no message", 1)]


def test_scores_that_no_metric_explains_are_an_objective(space, tmp_path):
    trials = [
        make_trial(str(i), space, {}, {"loss": (9.0, "min")}, score=score)
        for i, score in enumerate([2.0, 1.0])
    ]
    write_project(tmp_path / "search", space, trials)
    results = SearchResults.read(tmp_path / "search")
    assert results.objectives == {"score": "min"}
    assert results.progress() == [2.0, 1.0]


def test_a_score_that_is_no_number_says_nothing(space, tmp_path):
    trials = [
        make_trial(str(i), space, {}, {"acc": (score, "max")}, score=score)
        for i, score in enumerate([0.5, 0.25])
    ]
    nothing = {"acc": (math.nan, "max")}
    trials.append(
        make_trial("2", space, {}, nothing, score=math.nan, status="FAILED")
    )
    write_project(tmp_path / "search", space, trials)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = SearchResults.read(tmp_path / "search")
    assert results.objectives == {"acc": "max"}
    assert results.best().trial_id == "0"


class _Difference(nas.objectives.ScalarizedObjective):
    """A number to be maximised that looks like a loss."""

    def __init__(self):
        error = keras_tuner.Objective("val_abs error", "min")
        super().__init__("difference", "max", [error, "val_loss"])

    def scalarize(self, error, loss):
        return loss + 0.0 * error

    def get_config(self):
        return {}


class _Evaluator(nas.evaluators.Evaluator):
    def evaluate(self, candidate):
        units = float(candidate.hyperparameters["units"])
        return {"val_loss": units, "val_abs error": -units}


@pytest.mark.parametrize(
    "objective",
    [
        keras_tuner.Objective("val_abs error", "min"),
        _Difference(),
        [keras_tuner.Objective("val_abs error", "min"), "val_loss"],
    ],
)
def test_what_a_tuner_knows_is_read_whatever_names_are(tmp_path, objective):
    def build(hp):
        units = hp.Int("units", 1, 9)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model

    tuner = nas.RandomSearch(
        build,
        objective=objective,
        max_trials=4,
        seed=0,
        evaluator=_Evaluator(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    results = SearchResults.read(tuner.project_dir)
    parts = getattr(objective, "objectives", None) or (
        objective if isinstance(objective, list) else [objective]
    )
    names = [getattr(part, "name", part) for part in parts]
    assert list(results.objectives) == names
    best = tuner.get_best_hyperparameters()[0]
    assert results.best().values == best.values


def test_mistakes_are_explained(space, tmp_path):
    with pytest.raises(ValueError, match="there is no such folder"):
        SearchResults.read(tmp_path / "nowhere")
    folder = tmp_path / "search"
    write_project(folder, space, [make_trial("0", space, {})])
    with pytest.raises(ValueError, match=f"Did you mean {folder}?"):
        SearchResults.read(tmp_path)
    with pytest.raises(ValueError, match="among .*Received: beauty"):
        SearchResults.read(folder, ["beauty"])
    (folder / "trial_0" / "trial.json").write_text('{"trial_id": "0"')
    with pytest.raises(RuntimeError, match="trial.json.*damaged"):
        SearchResults.read(folder)
    (folder / "trial_0" / "trial.json").write_text("[]")
    with pytest.raises(RuntimeError, match="the state of a trial"):
        SearchResults.read(folder)
    with pytest.raises(ValueError, match="at least one"):
        nas.reports.SearchResults([], [], space)
