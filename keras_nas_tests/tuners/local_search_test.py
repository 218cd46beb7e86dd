import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import build


def test_the_arguments_reach_the_oracle(tmp_path):
    tuner = nas.LocalSearch(
        build,
        "val_loss",
        max_trials=40,
        initial_trials=4,
        restart_after=2.5,
        patience=3,
        seed=0,
        max_retries_per_trial=2,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert type(oracle) is nas.oracles.LocalSearchOracle
    assert (oracle.max_trials, oracle.seed) == (40, 0)
    assert oracle.initial_trials == 4
    assert oracle.restart_after == 2.5
    # The tuner's: trials without a better one before the search ends.
    assert tuner.patience == 3
    assert oracle.max_retries_per_trial == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"initial_trials": 0},
        {"restart_after": 0},
        {"patience": 0},
        {"max_trials": 0},
    ],
)
def test_bad_arguments_are_named_before_a_folder_is_made(tmp_path, arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        nas.LocalSearch(build, "val_loss", directory=tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_it_closes_in_on_the_best_architectures(tmp_path):
    """Its last trials are better than its first, which were random."""

    class Ones(nas.LocalSearch):
        def run_trial(self, trial):
            return float(sum(trial.hyperparameters.values.values()))

    space = keras_tuner.HyperParameters()
    for i in range(8):
        space.Choice(f"digit{i}", [0, 1, 2])
    tuner = Ones(
        objective=keras_tuner.Objective("sum", "max"),
        hyperparameters=space,
        max_trials=80,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    scores = [tuner.oracle.trials[i].score for i in tuner.oracle.start_order]
    assert len(scores) == 80
    # 8 on average in a random architecture, 16 at best.
    assert sum(scores[-10:]) / 10 > sum(scores[:10]) / 10 + 2
    assert max(scores) >= 13
