import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    finish,
    rich_space,
    search,
)


def space_of(genes, values):
    space = keras_tuner.HyperParameters()
    for number in range(genes):
        space.Choice(f"g{number}", list(values), ordered=False)
    return space


def local_search(space, **arguments):
    defaults = {"max_trials": 100, "seed": 0, "initial_trials": 1}
    return oracles.LocalSearchOracle(
        OBJECTIVE, hyperparameters=space, **(defaults | arguments)
    )


def distance(first, second):
    return sum(first[name] != second[name] for name in first)


def propose(oracle):
    trial = oracle.create_trial("tuner0")
    return trial, dict(trial.hyperparameters.values)


def run(oracle, losses):
    """Runs one trial a loss; None is a failure. Returns the proposals."""
    proposals = []
    for loss in losses:
        trial, values = propose(oracle)
        proposals.append(values)
        if loss is None:
            finish(oracle, trial, None, "FAILED", f"error {len(proposals)}")
        else:
            finish(oracle, trial, loss)
    return proposals


def test_it_begins_at_random_and_goes_on_from_the_best():
    oracle = local_search(space_of(12, range(8)), initial_trials=4)
    proposals = run(oracle, [3, 1, 2, 4, 5, 6])
    for index in range(4):
        others = proposals[:index]
        assert all(distance(proposals[index], other) > 3 for other in others)
    assert distance(proposals[4], proposals[1]) == 1
    assert distance(proposals[5], proposals[1]) == 1


def test_a_better_neighbour_is_followed_at_once():
    proposals = run(local_search(space_of(12, range(8))), range(20, 0, -1))
    for index in range(1, 20):
        assert distance(proposals[index], proposals[index - 1]) == 1


def test_failed_trials_are_never_followed():
    losses = [5, None, 6, None, None, 7, None, 8, None, 9]
    proposals = run(local_search(space_of(12, range(8))), losses)
    assert all(distance(p, proposals[0]) == 1 for p in proposals[1:])


def test_after_all_neighbours_of_the_best_come_those_of_the_next_best():
    oracle = local_search(space_of(2, range(3)), restart_after=100)
    first, *rest = run(oracle, [0, 9, 8, 1, 7])
    # All four neighbours; the third of them is the next best.
    assert all(distance(values, first) == 1 for values in rest)
    proposals = run(oracle, [10, 10, 10, 10])
    assert [distance(p, rest[2]) for p in proposals[:2]] == [1, 1]
    assert oracle.create_trial("tuner0").status == "STOPPED"


def test_a_climb_without_success_ends_and_another_begins_at_random():
    # 6 x 2 neighbours; a climb ends after 6 trials that are no better.
    space = space_of(6, range(3))
    proposals = run(local_search(space, restart_after=0.5), [0] + 10 * [1, 2])
    expected = search(
        oracles.RandomOracle(OBJECTIVE, hyperparameters=space, seed=0),
        trials=8,
    )
    assert all(distance(p, proposals[0]) == 1 for p in proposals[1:7])
    assert proposals[7] == expected[7]
    assert distance(proposals[7], proposals[0]) > 1
    # The new climb has its own best, however good that of the old one is.
    assert all(distance(p, proposals[7]) == 1 for p in proposals[8:14])
    assert distance(proposals[14], proposals[7]) > 1


def test_success_prolongs_a_climb():
    space = space_of(6, range(3))
    losses = [0] + [1] * 5 + [-1] + [1] * 6
    proposals = run(local_search(space, restart_after=0.5), losses)
    assert all(distance(p, proposals[6]) == 1 for p in proposals[7:])


def test_with_several_workers_a_restart_is_random_too(tmp_path):
    # 6 x 2 neighbours; a climb ends after 3 trials that are no better.
    space = space_of(6, range(3))
    arguments = {"restart_after": 0.25, "max_trials": 40}
    project = Project(tmp_path)
    oracle = project.open(local_search(space, **arguments))
    first, values = propose(oracle)
    finish(oracle, first, 0)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(6)]
    for trial in trials:
        assert distance(trial.hyperparameters.values, values) == 1
    for trial in trials[:3]:
        finish(oracle, trial, 1)
    # The climb is over; three neighbours still run.
    starts = [oracle.create_trial(f"new{i}") for i in range(2)]
    at_random = oracles.RandomOracle(OBJECTIVE, hyperparameters=space, seed=0)
    expected = search(at_random, trials=9)[7:]
    assert [trial.hyperparameters.values for trial in starts] == expected
    # They end first, one even better than all.
    for trial, loss in zip(trials[3:5], (1, -9), strict=True):
        finish(oracle, trial, loss)
    third = oracle.create_trial("third").hyperparameters.values
    for trial in trials[:5]:
        assert distance(third, trial.hyperparameters.values) > 1
    finish(oracle, starts[0], 5)
    finish(oracle, trials[5], -10)
    # The climb goes on from its own start, after a resume too.
    start = starts[0].hyperparameters.values
    child = oracle.create_trial("tuner8").hyperparameters.values
    assert distance(child, start) == 1
    oracle = project.open(local_search(space, **arguments))
    oracle._retry_queue = []
    child = oracle.create_trial("tuner9").hyperparameters.values
    assert distance(child, start) == 1


def test_the_value_that_did_best_elsewhere_comes_first():
    """Of the 9 other values of a gene, "a" is in good architectures."""

    def loss(values):
        return -float(list(values.values()).count("a"))

    found = []
    for seed in range(40):
        oracle = local_search(
            space_of(4, "abcdefghij"), initial_trials=30, seed=seed
        )
        proposals = search(oracle, loss, trials=30)
        best = min(proposals, key=loss)
        child = propose(oracle)[1]
        (changed,) = [name for name in child if child[name] != best[name]]
        if best[changed] != "a":
            found.append(child[changed])
    assert len(found) > 20
    # By chance, it would be one of 9.
    assert found.count("a") / len(found) > 1 / 3


def test_numbers_are_approached_in_steps():
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-5, 1.0, sampling="log")
    space.Int("units", 1, 1000)
    errors = []
    for seed in range(5):
        oracle = local_search(space, seed=seed, max_trials=60)
        search(
            oracle,
            lambda v: (
                abs(np.log10(v["rate"]) + 3) / 5 + abs(v["units"] - 700) / 1000
            ),
        )
        errors.append(oracle.get_best_trials()[0].score)
    # The best of 60 random ones is at 0.12 on average.
    assert np.mean(errors) < 0.04


def test_a_number_has_eight_neighbours():
    """So the other hyperparameters of the best have their turn too."""
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0.0, 1.0)
    space.Boolean("norm")
    oracle = local_search(space, restart_after=100)
    proposals = run(oracle, range(10))
    first = proposals[0]
    assert all(distance(p, first) == 1 for p in proposals[1:])
    assert sum(p["rate"] != first["rate"] for p in proposals) == 8


def test_conditional_hyperparameters_change_with_their_parents():
    oracle = local_search(rich_space(), max_trials=60)
    proposals = search(oracle, lambda v: -float(len(v)))
    # All that can be active at once: op=conv with bn, and depth 3.
    assert max(map(len, proposals)) == 9
    best = max(map(len, proposals[:20]))
    assert sum(map(len, proposals[30:])) / 30 > best - 2


def test_a_search_side_by_side_is_no_worse_than_half_as_good():
    space = space_of(8, "abcd")

    def loss(values):
        return -float(list(values.values()).count("a"))

    oracle = local_search(space, initial_trials=8, max_trials=80)
    while True:
        trials = [oracle.create_trial(f"tuner{i}") for i in range(4)]
        if trials[0].status == "STOPPED":
            break
        for trial in trials:
            finish(oracle, trial, loss(trial.hyperparameters.values))
    assert oracle.get_best_trials()[0].score == -8


@pytest.mark.parametrize(
    "max_trials, initial_trials", [(1, 1), (20, 4), (50, 10), (None, 10)]
)
def test_the_random_start_follows_the_budget(max_trials, initial_trials):
    oracle = oracles.LocalSearchOracle(OBJECTIVE, max_trials=max_trials)
    assert oracle.initial_trials == initial_trials


@pytest.mark.parametrize(
    "name, value",
    [
        ("initial_trials", 0),
        ("initial_trials", 1.5),
        ("restart_after", 0),
        ("restart_after", -1.0),
        ("restart_after", float("nan")),
        ("restart_after", "1"),
    ],
)
def test_a_bad_argument_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        oracles.LocalSearchOracle(OBJECTIVE, **{name: value})
    assert f"Received: {name}={value!r}" in str(raised.value)
