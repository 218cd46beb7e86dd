"""Projects go back and forth between KerasTuner and keras_nas."""

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import (
    UNITS,
    X,
    Y,
    batches,
    build,
    make_model,
    trials_of,
)


class ByUnits(keras_tuner.HyperModel):
    """A hypermodel that both score by the number of units."""

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        return float(hp.get("units"))


def make(tuner_class, directory, max_trials, hypermodel=None):
    return tuner_class(
        hypermodel or ByUnits(),
        "val_loss",
        max_trials=max_trials,
        seed=4,
        directory=directory,
        project_name="shared",
    )


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (keras_tuner.RandomSearch, nas.RandomSearch),
        (nas.RandomSearch, keras_tuner.RandomSearch),
        (keras_tuner.RandomSearch, nas.RegularizedEvolution),
    ],
)
def test_a_project_of_the_one_is_continued_by_the_other(
    tmp_path, first, second
):
    begun = make(first, tmp_path, 3)
    begun.search(verbose=0)
    units = [values["units"] for *_, values in trials_of(begun)]
    continued = make(second, tmp_path, 5)
    assert trials_of(continued) == trials_of(begun)
    best = continued.get_best_hyperparameters()[0]["units"]
    assert best == min(units)
    continued.search(verbose=0)
    assert trials_of(continued)[:3] == trials_of(begun)
    statuses = [status for _, status, *_ in trials_of(continued)]
    assert statuses == ["COMPLETED"] * 5
    units = [values["units"] for *_, values in trials_of(continued)]
    # Neither repeats what the other has tried.
    assert len(set(units)) == 5
    assert set(units) <= set(UNITS)


def test_and_back_again(tmp_path):
    make(keras_tuner.RandomSearch, tmp_path, 2).search(verbose=0)
    make(nas.RandomSearch, tmp_path, 3).search(verbose=0)
    make(keras_tuner.RandomSearch, tmp_path, 4).search(verbose=0)
    tuner = make(nas.RandomSearch, tmp_path, 6)
    tuner.search(verbose=0)
    assert sorted(score for *_, score, _ in trials_of(tuner)) == UNITS


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (keras_tuner.RandomSearch, nas.RandomSearch),
        (nas.RandomSearch, keras_tuner.RandomSearch),
    ],
)
def test_the_best_model_of_the_one_is_loaded_by_the_other(
    tmp_path, first, second
):
    tuner = make(first, tmp_path, 1, build)
    tuner.search(batches(), validation_data=batches(), epochs=2, verbose=0)
    other = make(second, tmp_path, 1, build)
    (model,) = other.get_best_models()
    (trial,) = other.oracle.trials.values()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(
        trial.score, rel=1e-5
    )


def test_a_changed_space_is_noticed_in_a_project_of_keras_tuner(tmp_path):
    def build_fewer(hp):
        return make_model(hp.Choice("units", [1, 2]))

    make(keras_tuner.RandomSearch, tmp_path, 2).search(verbose=0)
    with pytest.raises(ValueError, match=r"was Choice\('units'.*is Choice"):
        make(nas.RandomSearch, tmp_path, 3, build_fewer)
    # KerasTuner itself still opens it.
    assert len(make(keras_tuner.RandomSearch, tmp_path, 2).oracle.trials) == 2
