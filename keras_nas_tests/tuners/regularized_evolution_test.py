import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import build


def test_the_arguments_reach_the_oracle(tmp_path):
    tuner = nas.RegularizedEvolution(
        build,
        "val_loss",
        max_trials=40,
        population_size=9,
        tournament_size=3,
        crossover_probability=0.25,
        seed=0,
        max_retries_per_trial=2,
        max_consecutive_failed_trials=5,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert type(oracle) is nas.oracles.RegularizedEvolutionOracle
    assert (oracle.max_trials, oracle.seed) == (40, 0)
    assert (oracle.population_size, oracle.tournament_size) == (9, 3)
    assert oracle.crossover_probability == 0.25
    assert oracle.max_retries_per_trial == 2
    assert oracle.max_consecutive_failed_trials == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"population_size": 1},
        {"tournament_size": 0},
        {"population_size": 4, "tournament_size": 5},
        {"crossover_probability": 1.5},
        {"max_trials": 0},
    ],
)
def test_bad_arguments_are_named_before_a_folder_is_made(tmp_path, arguments):
    name = list(arguments)[-1]
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        nas.RegularizedEvolution(
            build, "val_loss", directory=tmp_path, **arguments
        )
    assert list(tmp_path.iterdir()) == []


def test_evolution_closes_in_on_the_best_architectures(tmp_path):
    """Its last trials are better than its first, which were random."""

    class Ones(nas.RegularizedEvolution):
        def run_trial(self, trial):
            return float(sum(trial.hyperparameters.values.values()))

    space = keras_tuner.HyperParameters()
    for i in range(8):
        space.Choice(f"digit{i}", [0, 1, 2])
    tuner = Ones(
        objective=keras_tuner.Objective("sum", "max"),
        hyperparameters=space,
        max_trials=60,
        population_size=12,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    scores = [tuner.oracle.trials[i].score for i in tuner.oracle.start_order]
    assert len(scores) == 60
    # 8 on average in a random architecture, as the first 6 are; 16 at best.
    assert sum(scores[-12:]) / 12 > sum(scores[:6]) / 6 + 3
    assert max(scores) >= 14
