import keras_tuner
import pytest

import keras_nas as nas
from keras_nas.tuners.exploration import explore
from keras_nas_tests.tuners.tiny_searches import make_model


def explore_counting(register):
    """Explores a space; returns (names, number of builds, all values)."""
    seen = []

    def build(hp):
        register(hp)
        seen.append(dict(hp.values))
        return "model"

    space, model = explore(build, keras_tuner.HyperParameters())
    assert model == "model"
    return [hp.name for hp in space.space], seen, space


def test_a_space_without_conditions_takes_one_build():
    def register(hp):
        hp.Int("a", 1, 3)
        hp.Boolean("b")

    names, seen, space = explore_counting(register)
    assert names == ["a", "b"]
    assert seen == [{"a": 1, "b": False}]
    assert space.values == {"a": 1, "b": False}


@pytest.mark.parametrize("k", [2, 5, 12])
def test_k_mutually_exclusive_scopes_take_k_builds(k):
    branches = [f"branch{i}" for i in range(k)]

    def register(hp):
        branch = hp.Choice("branch", branches)
        for name in branches:
            with hp.conditional_scope("branch", [name]):
                if branch == name:
                    hp.Int(f"{name}_units", 1, 9)

    names, seen, _ = explore_counting(register)
    assert len(seen) == k
    assert names == ["branch", *(f"{branch}_units" for branch in branches)]
    assert [values["branch"] for values in seen] == branches


def test_scopes_that_are_entered_together_take_no_builds_of_their_own():
    def register(hp):
        depth = hp.Int("depth", 0, 8, default=8)
        for i in range(depth):
            with hp.conditional_scope("depth", list(range(i + 1, 9))):
                hp.Int(f"units{i}", 1, 9)

    names, seen, _ = explore_counting(register)
    assert len(seen) == 1
    assert len(names) == 9


def test_nested_scopes_are_found_to_the_bottom():
    def register(hp):
        if hp.Choice("kind", ["dense", "conv"]) == "conv":
            with hp.conditional_scope("kind", ["conv"]):
                if hp.Boolean("norm"):
                    with hp.conditional_scope("norm", [True]):
                        if hp.Choice("which", ["batch", "layer"]) == "layer":
                            with hp.conditional_scope("which", ["layer"]):
                                hp.Float("epsilon", 1e-6, 1e-3)
                        else:
                            with hp.conditional_scope("which", ["layer"]):
                                pass
                else:
                    with hp.conditional_scope("norm", [True]):
                        pass
        else:
            with hp.conditional_scope("kind", ["conv"]):
                pass

    names, seen, space = explore_counting(register)
    assert names == ["kind", "norm", "which", "epsilon"]
    assert len(seen) == 4
    assert seen[-1] == {
        "kind": "conv",
        "norm": True,
        "which": "layer",
        "epsilon": 1e-6,
    }
    # Afterwards the space stands at its defaults.
    assert space.values == {"kind": "dense"}


def test_a_scope_out_of_reach_ends_the_exploration():
    def register(hp):
        hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["no such kind"]):
            hp.Int("never", 1, 9)

    names, seen, _ = explore_counting(register)
    assert "kind" in names
    assert len(seen) <= 2


def test_hyperparameters_registered_in_advance_stay_as_they_are():
    given = keras_tuner.HyperParameters()
    given.Fixed("a", 7)

    space, model = explore(lambda hp: hp.Int("a", 1, 3), given)
    assert model == 7
    assert [type(hp).__name__ for hp in space.space] == ["Fixed"]
    assert [hp.name for hp in given.space] == ["a"]


def build_declared(hp):
    """Enters every scope in every build, as KerasTuner documents it."""
    kind = hp.Choice("kind", ["plain", "deep"])
    units = None
    with hp.conditional_scope("kind", ["plain"]):
        if kind == "plain":
            units = hp.Choice("plain_units", [10, 20, 30])
    with hp.conditional_scope("kind", ["deep"]):
        if kind == "deep":
            units = hp.Choice("deep_units", [2, 3])
    return make_model(units)


def build_undeclared(hp):
    """Enters a scope only where it is active."""
    if hp.Choice("kind", ["plain", "deep"]) == "plain":
        with hp.conditional_scope("kind", ["plain"]):
            units = hp.Choice("plain_units", [10, 20, 30])
    else:
        with hp.conditional_scope("kind", ["deep"]):
            units = hp.Choice("deep_units", [2, 3])
    return make_model(units)


def build_same_name(hp):
    """Uses one name under two conditions."""
    kind = hp.Choice("kind", ["plain", "deep"])
    units = None
    with hp.conditional_scope("kind", ["plain"]):
        if kind == "plain":
            units = hp.Choice("units", [10, 20, 30])
    with hp.conditional_scope("kind", ["deep"]):
        if kind == "deep":
            units = hp.Choice("units", [2, 3])
    return make_model(units)


class ScoredByWidth(nas.evaluators.Evaluator):
    def evaluate(self, candidate):
        return {"val_loss": float(candidate.build().layers[0].units)}


@pytest.mark.parametrize(
    "build", [build_declared, build_undeclared, build_same_name]
)
def test_every_branch_of_a_conditional_space_is_searched(tmp_path, build):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=20,
        seed=0,
        evaluator=ScoredByWidth(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    trials = tuner.oracle.trials.values()
    assert {trial.status for trial in trials} == {"COMPLETED"}
    # Each architecture once, with the values that it was built with.
    assert sorted(trial.score for trial in trials) == [2, 3, 10, 20, 30]
    for trial in trials:
        kind, units = trial.hyperparameters.values.values()
        assert units == trial.score
        assert kind == ("plain" if units >= 10 else "deep")
