"""A tuner tells of its search as the files of its project do."""

import pytest

import keras_nas as nas
from keras_nas.reports import SearchResults
from keras_nas_tests.reports.html_report_test import embedded
from keras_nas_tests.tuners.tiny_searches import X, Y, make_model


class ScoredByUnits(nas.evaluators.Evaluator):
    def evaluate(self, candidate):
        candidate.build()
        units = candidate.hyperparameters["units"]
        if units == 2:
            raise ValueError("two is <too> few")
        return {"val_loss": 1 / units}


def build(hp):
    return make_model(hp.Choice("units", [1, 2, 3, 4]))


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    tuner = nas.RandomSearch(
        build,
        ["val_loss", nas.Parameters()],
        max_trials=4,
        seed=0,
        evaluator=ScoredByUnits(),
        directory=tmp_path_factory.mktemp("searched"),
        project_name="tiny",
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    return tuner


def test_the_report_shows_the_search_and_its_best_models(searched, tmp_path):
    path = tmp_path / "report.html"
    searched.report(path, num_models=2)
    page = path.read_text(encoding="utf-8")
    data = embedded(page)
    assert data["strategy"] == "RandomOracle"
    assert data["objectives"] == ["val_loss", "parameters"]
    front = [trial.trial_id for trial in searched.pareto_front()]
    assert [data["trials"][number]["id"] for number in data["front"]] == front
    assert data["progress"] == searched.hypervolume()
    assert data["failures"] == [["ValueError: two is <too> few", 1]]
    assert data["spent_s"] > 0
    assert page.count('<svg class="model"') == 2
    best, _ = searched.get_best_hyperparameters(2)
    assert f"{3 * best['units']:,} parameters" in page
    assert f"units={best['units']}" in page
    best_id = data["trials"][data["best"]]["id"]
    assert f"Trial {best_id}: val_loss " in page
    assert best_id == searched.oracle.get_best_trials(1)[0].trial_id


def test_how_many_models_are_drawn(searched, tmp_path):
    searched.report(tmp_path / "report.html", num_models=0)
    assert (tmp_path / "report.html").exists()
    for wrong in ("a", -1, 1.5):
        with pytest.raises(ValueError, match="`num_models`"):
            searched.report(tmp_path / "other.html", num_models=wrong)
    assert not (tmp_path / "other.html").exists()


def test_the_files_say_the_same(searched):
    read = SearchResults.read(searched.project_dir)
    assert read.objectives == {"val_loss": "min", "parameters": "min"}
    assert read.progress() == searched.hypervolume()
    assert read.failures() == [("ValueError: two is <too> few", 1)]
    assert read.spent_s > 0
    assert "multi_objective" not in read.metrics


def test_the_dataframe_has_a_row_a_trial(searched):
    pytest.importorskip("pandas")
    table = searched.results_dataframe()
    assert table["hp:units"].tolist() == [
        trial.hyperparameters["units"]
        for trial in searched.oracle.trials.values()
    ]
    done = table[table["status"] == "COMPLETED"]
    assert (done["val_loss"] == 1 / done["hp:units"]).all()
    assert (done["parameters"] == 4 * done["hp:units"] + 1).all()


def test_one_can_be_made_before_the_search_and_without_a_drawing(tmp_path):
    def build_once(hp):
        return build(hp)

    tuner = nas.RandomSearch(
        build_once, "val_loss", directory=tmp_path, max_trials=1, seed=0,
        evaluator=ScoredByUnits(),
    )  # fmt: skip
    tuner.report(tmp_path / "before.html")
    assert embedded((tmp_path / "before.html").read_text())["trials"] == []
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)

    def fail(hp):
        raise KeyError("<gone>")

    tuner.hypermodel.build = fail
    tuner.report(tmp_path / "after.html")
    page = (tmp_path / "after.html").read_text()
    assert "It cannot be drawn: &#x27;&lt;gone&gt;&#x27;" in page
    with pytest.raises(ValueError, match="it is a folder"):
        tuner.report(tmp_path)
