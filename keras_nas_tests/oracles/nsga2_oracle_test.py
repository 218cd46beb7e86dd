import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    finish,
    finish_with,
    search,
)

TWO = [keras_tuner.Objective("x", "min"), keras_tuner.Objective("y", "min")]


def wide_space(genes=20):
    """Two random architectures agree in about one gene of ten."""
    space = keras_tuner.HyperParameters()
    for number in range(genes):
        space.Choice(f"g{number}", list("abcdefghij"))
    return space


def nsga2(objective=None, **arguments):
    defaults = {"max_trials": 60, "hyperparameters": wide_space(), "seed": 0}
    return oracles.NSGA2Oracle(objective or TWO, **(defaults | arguments))


def run(oracle, points):
    """Runs one trial a point; None is a failure. Returns the proposals."""
    proposals = []
    for point in points:
        trial = oracle.create_trial("tuner0")
        proposals.append(dict(trial.hyperparameters.values))
        if point is None:
            finish(oracle, trial, None, "FAILED", f"error {len(proposals)}")
        else:
            finish_with(oracle, trial, dict(zip("xy", point, strict=True)))
    return proposals


def parent(child, proposals):
    """The number of the one from which a child differs in one gene."""
    differences = [sum(child[n] != p[n] for n in child) for p in proposals]
    assert differences.count(1) == 1
    return differences.index(1)


def parent_counts(points, seeds, objective=None, **arguments):
    """How often each of the trials with these points becomes the parent."""
    counts = [0] * len(points)
    for seed in range(seeds):
        oracle = nsga2(
            objective,
            seed=seed,
            num_initial_points=len(points),
            crossover_probability=0.0,
            mutation_probability=1.0,
            **arguments,
        )
        *first, child = run(oracle, [*points, points[0]])
        counts[parent(child, first)] += 1
    return counts


def all_parents(*arguments, **keywords):
    counts = parent_counts(*arguments, **keywords)
    return {number for number, count in enumerate(counts) if count}


def test_it_is_random_until_there_are_enough():
    random = oracles.RandomOracle(
        OBJECTIVE, hyperparameters=wide_space(), seed=0, max_trials=6
    )
    oracle = nsga2(num_initial_points=6, crossover_probability=0.0)
    *first, child = run(oracle, [(1, 1)] * 7)
    assert first == search(random)
    assert parent(child, first) in range(6)


def test_the_population_is_filled_front_by_front():
    # Fronts: trials 0 and 3; 1 and 4; 2 alone.
    points = [(1, 4), (2, 5), (9, 9), (4, 1), (5, 2)]
    assert all_parents(points, 30, population_size=2) == {0, 3}
    assert all_parents(points, 40, population_size=4) == {0, 1, 3, 4}
    assert all_parents(points, 60, population_size=5) == {0, 1, 2, 3, 4}


def test_the_crowded_ones_of_the_last_front_have_no_place():
    # One front with the ends 0 and 4. The crowding distances of the others,
    # with a range of 10 in both objectives:
    # 1: (2 - 0) / 10 + (10 - 7) / 10 = 0.5,
    # 2: (7 - 1) / 10 + (8 - 2) / 10 = 1.2,
    # 3: (10 - 2) / 10 + (7 - 0) / 10 = 1.5.
    points = [(0, 10), (1, 8), (2, 7), (7, 2), (10, 0)]
    assert all_parents(points, 60, population_size=4) == {0, 2, 3, 4}
    # Trial 1 has left; 2: 0.7 + 0.8, and 3: 0.8 + 0.7. The better ones stand
    # first, and 3 was an end before 4 came.
    assert all_parents(points, 40, population_size=3) == {0, 3, 4}


def test_a_tournament_is_won_by_the_better_front_then_by_the_lonelier():
    # In the order of who wins: the ends 0 and 1; 2 with (10 - 4) / 10 twice;
    # 3 with (6 - 0) / 10 and (10 - 4) / 10, so equal, but later; then 4 of
    # the second front. Number k is the better one of two draws of five with
    # a chance of (9, 7, 5, 3, 1) / 25.
    points = [(0, 10), (10, 0), (6, 4), (4, 6), (9, 9)]
    counts = parent_counts(points, 125)
    assert counts == pytest.approx([45, 35, 25, 15, 5], abs=15)


def test_the_best_survive_however_old_they_are():
    points = [(0, 0), (1, 1), *[(9, 9)] * 20]
    assert all_parents(points, 15, population_size=2) == {0, 1}


def test_a_child_has_its_genes_from_two_parents():
    mixed = 0
    for seed in range(30):
        oracle = nsga2(
            seed=seed,
            num_initial_points=2,
            crossover_probability=1.0,
            mutation_probability=0.0,
        )
        first, second, child = run(oracle, [(1, 2), (2, 1), (0, 0)])
        assert child not in (first, second)
        foreign = [n for n in child if child[n] not in (first[n], second[n])]
        # A child of one parent and itself is known, so it is mutated.
        assert len(foreign) <= 1
        shares = [sum(child[n] == p[n] for n in child) for p in (first, second)]
        mixed += min(shares) >= 4 and not foreign
    # The two are different in half of the cases.
    assert 8 <= mixed <= 22


def test_failed_trials_are_no_parents():
    points = [(1, 2), None, None, (2, 1), None]
    assert all_parents(points, 20) == {0, 3}


def test_a_maximised_objective_is_turned_round():
    objectives = [
        keras_tuner.Objective("x", "max"),
        keras_tuner.Objective("y", "min"),
    ]
    # Trial 1 dominates 0, 2 and 3; trial 4 has the least y.
    points = [(1, 4), (9, 1), (5, 5), (2, 2), (0, 0)]
    found = all_parents(points, 20, objectives, population_size=2)
    assert found == {1, 4}


def test_with_one_objective_the_best_are_the_parents():
    for seed in range(10):
        oracle = nsga2(
            OBJECTIVE,
            seed=seed,
            population_size=2,
            num_initial_points=6,
            crossover_probability=0.0,
            mutation_probability=1.0,
        )
        proposals = []
        for loss in (5, 1, 4, 2, 3, 6, 0):
            trial = oracle.create_trial("tuner0")
            proposals.append(dict(trial.hyperparameters.values))
            finish(oracle, trial, loss)
        assert parent(proposals.pop(), proposals) in (1, 3)


def test_it_breeds_its_way_to_the_feasible_region():
    def screen(values):
        missing = 8 - list(values.values()).count("a")
        return {
            "violation": max(0.0, missing / 8),
            "reason": f"{missing} are missing",
        }

    rejected = []
    for seed in range(5):
        oracle = nsga2(seed=seed, max_rejections=5000)
        oracle.screen = screen
        run(oracle, [(1, 1)])
        rejected.append(len(oracle.infeasible))
    # At least 8 of 20 genes are an "a": by the binomial distribution, one
    # random draw in 2,400 is feasible.
    assert np.mean(rejected) < 240


@pytest.mark.parametrize("completed", [0, 1, 2])
def test_infeasible_ones_fill_the_places_that_are_left(completed):
    near, far = ({f"g{i}": letter for i in range(20)} for letter in "ab")
    found = set()
    for seed in range(20):
        oracle = nsga2(
            seed=seed,
            population_size=2,
            num_initial_points=max(1, completed),
            crossover_probability=0.0,
            mutation_probability=1.0,
        )
        feasible = run(oracle, [(9, 9)] * completed)
        oracle.infeasible = [
            {"values": far, "violation": 2.0, "reason": ""},
            {"values": near, "violation": 1.0, "reason": ""},
        ]
        (child,) = run(oracle, [(0, 0)])
        found.add(parent(child, [near, far, *feasible]))
    assert found == [{0, 1}, {0, 2}, {2, 3}][completed]


def test_the_random_start_is_not_larger_than_the_population():
    assert oracles.NSGA2Oracle(TWO).population_size == 15
    assert oracles.NSGA2Oracle(TWO).num_initial_points == 10
    assert oracles.NSGA2Oracle(TWO, population_size=2).num_initial_points == 2


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("population_size", 1, "an integer of at least 2"),
        ("num_initial_points", 0, "an integer of at least 1"),
        ("crossover_probability", 1.1, "a float from 0 to 1"),
        ("mutation_probability", -0.1, "a float from 0 to 1"),
        ("mutation_probability", "0.5", "a float from 0 to 1"),
    ],
)
def test_a_bad_argument_is_an_error_that_says_what_was_expected(
    name, value, expected
):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        oracles.NSGA2Oracle(TWO, **{name: value})
    message = " ".join(str(raised.value).split())
    assert f"Expected {expected}" in message
    assert f"Received: {name}={value!r}" in message
