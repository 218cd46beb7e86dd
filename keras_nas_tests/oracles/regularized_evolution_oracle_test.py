import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    any_loss,
    finish,
    search,
)


def wide_space(genes=20):
    """Two random architectures agree in about one gene of ten."""
    space = keras_tuner.HyperParameters()
    for number in range(genes):
        space.Choice(f"g{number}", list("abcdefghij"))
    return space


def evolution(population_size, tournament_size, **arguments):
    defaults = {
        "max_trials": 40,
        "hyperparameters": wide_space(),
        "seed": 0,
        "num_initial_points": population_size,
    }
    return oracles.RegularizedEvolutionOracle(
        OBJECTIVE,
        population_size=population_size,
        tournament_size=tournament_size,
        **(defaults | arguments),
    )


def distance(first, second):
    """The number of genes in which two architectures differ."""
    return sum(first[name] != second[name] for name in first)


def run(oracle, losses):
    """Runs one trial a loss; None is a failure. Returns the proposals."""
    proposals = []
    for loss in losses:
        trial = oracle.create_trial("tuner0")
        proposals.append(dict(trial.hyperparameters.values))
        if loss is None:
            finish(oracle, trial, None, "FAILED", f"error {len(proposals)}")
        else:
            finish(oracle, trial, loss)
    return proposals


def test_it_is_random_until_the_population_is_full():
    oracle = evolution(8, 8)
    proposals = run(oracle, range(12))
    expected = search(
        oracles.RandomOracle(
            OBJECTIVE, hyperparameters=wide_space(), seed=0, max_trials=8
        )
    )
    assert proposals[:8] == expected
    for index, child in enumerate(proposals[8:], start=8):
        assert min(distance(child, p) for p in proposals[:index]) == 1


@pytest.mark.parametrize("tournament_size", [1, 2, 5])
def test_a_child_differs_in_one_gene_from_one_of_the_last_p_trials(
    tournament_size,
):
    proposals = search(evolution(5, tournament_size))
    assert len(proposals) == 40
    for index in range(5, 40):
        population = proposals[index - 5 : index]
        distances = [distance(proposals[index], other) for other in population]
        assert min(distances) == 1


def test_a_tournament_of_everyone_is_won_by_the_best():
    proposals = search(evolution(5, 5), any_loss)
    for index in range(5, 40):
        best = min(proposals[index - 5 : index], key=any_loss)
        assert distance(proposals[index], best) == 1


def test_the_best_is_the_highest_score_if_the_objective_is_maximised():
    oracle = oracles.RegularizedEvolutionOracle(
        keras_tuner.Objective("score", "max"),
        population_size=5,
        tournament_size=5,
        num_initial_points=5,
        hyperparameters=wide_space(),
        seed=0,
        max_trials=40,
    )
    proposals = search(oracle, any_loss)
    for index in range(5, 40):
        best = max(proposals[index - 5 : index], key=any_loss)
        assert distance(proposals[index], best) == 1


def test_a_tournament_of_one_picks_anyone_of_the_population():
    ages = set()
    for seed in range(30):
        proposals = run(evolution(4, 1, seed=seed), [1, 2, 3, 4, 5])
        ages |= {
            index
            for index in range(4)
            if distance(proposals[4], proposals[index]) == 1
        }
    assert ages == {0, 1, 2, 3}


def test_the_worst_never_wins_a_tournament_of_two():
    for seed in range(30):
        proposals = run(evolution(4, 2, seed=seed), [1, 9, 2, 3, 4])
        assert distance(proposals[4], proposals[1]) > 1


def test_the_oldest_die_however_good_they_are():
    # Of three, the best is the parent: trial 0 (loss 0) of trial 3 alone,
    # for then trials 1, 2, 3 are left, with 5, 6, 100: trial 1; then 2, 3, 4
    # with 6, 100, 50: trial 2; then 3, 4, 5 with 100, 50, 60: trial 4.
    proposals = run(evolution(3, 3), [0, 5, 6, 100, 50, 60, 70])
    parents = [
        [
            i
            for i in range(child)
            if distance(proposals[child], proposals[i]) == 1
        ]
        for child in range(3, 7)
    ]
    assert parents == [[0], [1], [2], [4]]


def test_failed_trials_have_no_place_in_the_population():
    # Three of the first five fail, so trials 1 and 3 are all there is.
    proposals = run(evolution(5, 2), [None, 7, None, 3, None, 4, None, 5])
    assert distance(proposals[5], proposals[3]) == 1
    # Of trials 1, 3, 5 two compete, so 1, the worst, is no parent.
    for child in (6, 7):
        assert distance(proposals[child], proposals[1]) > 1
        assert 1 in [distance(proposals[child], proposals[i]) for i in (3, 5)]


def test_it_stays_random_while_nothing_has_succeeded():
    oracle = evolution(2, 2)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(6)]
    values = [trial.hyperparameters.values for trial in trials]
    for index, one in enumerate(values):
        assert all(distance(one, other) > 5 for other in values[:index])
    finish(oracle, trials[4], 1.0)
    child = oracle.create_trial("another").hyperparameters.values
    assert distance(child, values[4]) == 1


def test_the_order_in_which_trials_end_is_their_age():
    oracle = evolution(2, 2)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(3)]
    values = [trial.hyperparameters.values for trial in trials]
    # Trial 1 is the best, but ended first.
    for index, loss in ((1, 0.0), (2, 5.0), (0, 3.0)):
        finish(oracle, trials[index], loss)
    child = oracle.create_trial("tuner0").hyperparameters.values
    assert distance(child, values[0]) == 1


def test_crossover_combines_two_parents_before_the_mutation():
    both = 0
    for seed in range(20):
        oracle = evolution(2, 1, seed=seed, crossover_probability=1.0)
        first, second, child = run(oracle, [1, 2, 3])
        foreign = [
            name
            for name in child
            if child[name] not in (first[name], second[name])
        ]
        assert len(foreign) <= 1
        shares = [20 - distance(child, parent) for parent in (first, second)]
        both += min(shares) >= 5
    # In half of the cases one parent wins both tournaments.
    assert 4 <= both <= 16


def test_crossover_happens_as_often_as_asked():
    def combined(probability):
        count = 0
        for seed in range(40):
            oracle = evolution(
                2, 1, seed=seed, crossover_probability=probability
            )
            first, second, child = run(oracle, [1, 2, 3])
            count += min(distance(child, p) for p in (first, second)) > 1
        return count

    # Half of the crossovers are between one parent and itself.
    assert combined(0.0) == 0
    assert combined(1.0) == pytest.approx(20, abs=9)
    assert combined(0.5) == pytest.approx(10, abs=7)


def test_an_exhausted_neighbourhood_is_left():
    # 24 of 25 neighbours of the only parent are known after a while.
    space = keras_tuner.HyperParameters()
    for name in "abc":
        space.Choice(name, list(range(6)), ordered=False)
    oracle = evolution(2, 2, hyperparameters=space, max_trials=1000)
    proposals = search(oracle, lambda values: float(sum(values.values())))
    assert len({tuple(p.values()) for p in proposals}) == len(proposals) == 216


@pytest.mark.parametrize(
    "population_size, tournament_size, num_initial_points",
    [(2, 2, 2), (5, 4, 2), (15, 12, 7), (20, 16, 10)],
)
def test_the_default_sizes_follow_that_of_the_population(
    population_size, tournament_size, num_initial_points
):
    oracle = oracles.RegularizedEvolutionOracle(
        OBJECTIVE, population_size=population_size
    )
    assert oracle.tournament_size == tournament_size
    assert oracle.num_initial_points == num_initial_points


def test_the_default_population_is_small():
    oracle = oracles.RegularizedEvolutionOracle(OBJECTIVE)
    assert oracle.population_size == 15
    assert oracle.crossover_probability == 0


def test_the_random_start_can_be_shorter_than_the_population():
    proposals = run(evolution(8, 8, num_initial_points=3), [3, 1, 2, 5, 4])
    assert distance(proposals[2], proposals[1]) > 5
    assert distance(proposals[3], proposals[1]) == 1
    assert distance(proposals[4], proposals[1]) == 1


def test_it_breeds_its_way_to_the_feasible_region():
    def screen(values):
        missing = 8 - list(values.values()).count("a")
        return {
            "violation": max(0.0, missing / 8),
            "reason": f"{missing} are missing",
        }

    rejected = []
    for seed in range(5):
        oracle = oracles.RegularizedEvolutionOracle(
            OBJECTIVE,
            hyperparameters=wide_space(),
            seed=seed,
            max_rejections=5000,
        )
        oracle.screen = screen
        run(oracle, [1])
        rejected.append(len(oracle.infeasible))
    # At least 8 of 20 genes are an "a": by the binomial distribution, one
    # random draw in 2,400 is feasible.
    assert np.mean(rejected) < 240


def test_infeasible_ones_lose_against_any_that_has_completed():
    near, far = ({f"g{i}": letter for i in range(20)} for letter in "ab")
    oracle = evolution(5, 5, num_initial_points=2)
    infeasible = [
        {"values": far, "violation": 2.0, "reason": ""},
        {"values": near, "violation": 1.0, "reason": ""},
    ]
    oracle.infeasible = infeasible
    first, second = run(oracle, [1e9, 3])
    assert distance(first, near) == 1
    assert distance(second, first) == 1


def test_a_mutated_number_takes_small_steps_and_large_ones():
    space = keras_tuner.HyperParameters()
    space.Float("x", 0.0, 1.0)
    steps = []
    for seed in range(200):
        oracle = evolution(2, 2, hyperparameters=space, seed=seed)
        # The middle, and something worse.
        oracle.enqueue([{"x": 0.5}, {"x": 0.0}])
        *_, child = run(oracle, [0, 1, 2])
        steps.append(abs(child["x"] - 0.5))
    # Half of them are uniform, of which 0.4 are within 0.2; the others are
    # normal with a deviation of 0.1, of which 0.95 are within 0.2.
    assert np.mean(np.array(steps) < 0.2) == pytest.approx(0.68, abs=0.1)


def test_100_trials_are_the_default():
    assert oracles.RegularizedEvolutionOracle(OBJECTIVE).max_trials == 100


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("population_size", 1, "an integer of at least 2"),
        ("population_size", 2.5, "an integer of at least 2"),
        ("population_size", "5", "an integer of at least 2"),
        ("tournament_size", 0, "an integer of at least 1"),
        ("tournament_size", 1.5, "an integer of at least 1"),
        ("num_initial_points", 0, "an integer of at least 1"),
        ("tournament_size", 21, "an integer from 1 to `population_size`"),
        ("crossover_probability", -0.1, "a float from 0 to 1"),
        ("crossover_probability", 1.1, "a float from 0 to 1"),
        ("crossover_probability", float("nan"), "a float from 0 to 1"),
        ("crossover_probability", "0.5", "a float from 0 to 1"),
    ],
)
def test_a_bad_argument_is_an_error_that_says_what_was_expected(
    name, value, expected
):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        oracles.RegularizedEvolutionOracle(OBJECTIVE, **{name: value})
    message = " ".join(str(raised.value).split())
    assert f"Expected {expected}" in message
    assert f"Received: {name}={value!r}" in message
