import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import ScoredByUnits, build


def test_the_arguments_reach_the_oracle(tmp_path):
    tuner = nas.RandomSearch(
        build,
        keras_tuner.Objective("val_loss", "max"),
        max_trials=7,
        seed=0,
        max_retries_per_trial=2,
        max_consecutive_failed_trials=5,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert type(oracle) is nas.oracles.RandomOracle
    assert oracle.objective == keras_tuner.Objective("val_loss", "max")
    assert (oracle.max_trials, oracle.seed) == (7, 0)
    assert oracle.max_retries_per_trial == 2
    assert oracle.max_consecutive_failed_trials == 5


def test_a_small_space_is_searched_once_and_then_the_search_ends(tmp_path):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=50,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    scores = [trial.score for trial in tuner.oracle.trials.values()]
    assert sorted(scores) == [1, 2, 3, 4, 5, 6]


def test_new_hyperparameters_may_be_forbidden(tmp_path):
    space = keras_tuner.HyperParameters()
    space.Int("layers", 1, 3)
    with pytest.raises(RuntimeError, match="`allow_new_entries` is `False`"):
        nas.RandomSearch(
            build,
            "val_loss",
            hyperparameters=space,
            allow_new_entries=False,
            tune_new_entries=False,
            directory=tmp_path,
        )


def test_new_hyperparameters_may_be_left_at_their_defaults(tmp_path):
    def build_two(hp):
        hp.Choice("rate", [0.5, 0.25])
        return build(hp)

    space = keras_tuner.HyperParameters()
    space.Choice("rate", [0.5, 0.25])
    tuner = nas.RandomSearch(
        build_two,
        "val_loss",
        max_trials=9,
        hyperparameters=space,
        tune_new_entries=False,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    trials = tuner.oracle.trials.values()
    assert sorted(t.hyperparameters["rate"] for t in trials) == [0.25, 0.5]
    assert {t.hyperparameters["units"] for t in trials} == {1}
