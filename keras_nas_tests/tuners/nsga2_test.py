import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import build


def test_the_arguments_reach_the_oracle(tmp_path):
    tuner = nas.NSGA2(
        build,
        "val_loss",
        max_trials=40,
        population_size=9,
        num_initial_points=4,
        crossover_probability=0.25,
        mutation_probability=0.75,
        seed=0,
        max_retries_per_trial=2,
        directory=tmp_path,
    )
    oracle = tuner.oracle
    assert type(oracle) is nas.oracles.NSGA2Oracle
    assert (oracle.max_trials, oracle.seed) == (40, 0)
    assert (oracle.population_size, oracle.num_initial_points) == (9, 4)
    assert oracle.crossover_probability == 0.25
    assert oracle.mutation_probability == 0.75
    assert oracle.max_retries_per_trial == 2


def test_a_bad_argument_is_named_before_a_folder_is_made(tmp_path):
    with pytest.raises(ValueError, match="`mutation_probability`"):
        nas.NSGA2(build, "val_loss", mutation_probability=2, directory=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_front_of_a_search_is_a_choice_between_objectives(tmp_path):
    class Digits(nas.NSGA2):
        def run_trial(self, trial):
            digits = list(trial.hyperparameters.values.values())
            return {"sum": float(sum(digits)), "ones": digits.count(1)}

    space = keras_tuner.HyperParameters()
    for i in range(6):
        space.Choice(f"digit{i}", [0, 1, 2, 3], ordered=False)
    tuner = Digits(
        objective=[
            keras_tuner.Objective("sum", "min"),
            keras_tuner.Objective("ones", "max"),
        ],
        hyperparameters=space,
        max_trials=120,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    front = {tuner.oracle.losses(t) for t in tuner.oracle.pareto_front()}
    # As many ones, and nothing else: (k, -k) is the true front.
    assert len(front) >= 5
    assert all(total + minus_ones <= 1 for total, minus_ones in front)
