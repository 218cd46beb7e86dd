import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import build

TUNERS = [nas.PredictorGuided, nas.ParetoPredictor]


@pytest.mark.parametrize("tuner_class", TUNERS)
def test_the_arguments_reach_the_oracle(tmp_path, tuner_class):
    def columns(values):
        return {"values": len(values)}

    tuner = tuner_class(
        build,
        "val_loss",
        max_trials=40,
        num_initial_points=7,
        columns=columns,
        seed=0,
        max_retries_per_trial=2,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    expected = getattr(nas.oracles, f"{tuner_class.__name__}Oracle")
    assert type(oracle) is expected
    assert (oracle.max_trials, oracle.seed) == (40, 0)
    assert oracle.num_initial_points == 7
    assert oracle.columns is columns
    assert oracle.max_retries_per_trial == 2


@pytest.mark.parametrize("tuner_class", TUNERS)
def test_bad_arguments_are_named_before_a_folder_is_made(tmp_path, tuner_class):
    for wrong in ({"num_initial_points": 0}, {"columns": "params"}):
        (name,) = wrong
        with pytest.raises(ValueError, match=f"`{name}`"):
            tuner_class(build, "val_loss", directory=tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_it_finds_the_best_of_a_space(tmp_path):
    class Ones(nas.PredictorGuided):
        def run_trial(self, trial):
            return float(sum(trial.hyperparameters.values.values()))

    space = keras_tuner.HyperParameters()
    for i in range(8):
        space.Choice(f"digit{i}", [0, 1, 2])
    tuner = Ones(
        objective=keras_tuner.Objective("sum", "max"),
        hyperparameters=space,
        max_trials=40,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    # One of 6,561.
    assert tuner.oracle.get_best_trials()[0].score == 16
