import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    any_loss,
    finish,
    rich_space,
    search,
    toy_loss,
    toy_space,
)

both = pytest.mark.parametrize("algorithm", ["reinforce", "ppo"])


def learner(space, algorithm="reinforce", **arguments):
    defaults = {"max_trials": 200, "seed": 0}
    return oracles.ReinforcementLearningOracle(
        OBJECTIVE,
        hyperparameters=space,
        algorithm=algorithm,
        **(defaults | arguments),
    )


def op_and_rate():
    """Endlessly many architectures, of which the first decision matters."""
    space = keras_tuner.HyperParameters()
    space.Choice("op", list("abcd"))
    space.Float("rate", 0.0, 1.0)
    return space


@both
def test_what_is_rewarded_becomes_more_likely(algorithm):
    oracle = learner(op_and_rate(), algorithm)
    proposals = search(
        oracle, lambda v: (v["op"] != "c") + abs(v["rate"] - 0.7)
    )
    ops = [values["op"] for values in proposals]
    assert ops[:40].count("c") < 30
    assert ops[-50:].count("c") > 40
    errors = [abs(values["rate"] - 0.7) for values in proposals]
    # 0.29 at random, and 0.03 in the middle of the best range.
    assert np.mean(errors[-50:]) < 0.12


@both
def test_a_decision_may_depend_on_an_earlier_one(algorithm):
    """Each decision alone says nothing: only agreeing is rewarded."""
    space = keras_tuner.HyperParameters()
    space.Choice("first", ["a", "b"])
    space.Choice("second", ["a", "b"])
    space.Float("rate", 0.0, 1.0)
    agreeing = []
    for seed in range(5):
        oracle = learner(space, algorithm, seed=seed)
        proposals = search(oracle, lambda v: v["first"] != v["second"])
        agreeing += [v["first"] == v["second"] for v in proposals[-50:]]
    assert np.mean(agreeing) > 0.8


@both
def test_what_fails_becomes_less_likely(algorithm):
    oracle = learner(
        op_and_rate(), algorithm, max_consecutive_failed_trials=100
    )
    ops = []
    for number in range(120):
        trial = oracle.create_trial("tuner0")
        values = trial.hyperparameters.values
        ops.append(values["op"])
        if values["op"] == "b":
            finish(oracle, trial, None, "FAILED", f"error {number}")
        else:
            finish(oracle, trial, any_loss(values))
    assert ops[:40].count("b") >= 4
    assert ops[-40:].count("b") <= 3


@both
def test_what_is_infeasible_becomes_less_likely(algorithm):
    oracle = learner(op_and_rate(), algorithm)
    oracle.screen = lambda values: {
        "violation": float(values["op"] in "ab"),
        "reason": "size",
    }
    found = []
    for _ in range(100):
        trial = oracle.create_trial("tuner0")
        finish(oracle, trial, any_loss(trial.hyperparameters.values))
        found.append(len(oracle.infeasible))
    # Half of all, at random: one before each trial.
    assert found[19] >= 5
    assert found[99] - found[59] <= 8


@both
def test_a_resume_knows_what_was_infeasible_and_when(algorithm, tmp_path):
    def open_project(directory):
        directory.mkdir(exist_ok=True)
        oracle = learner(op_and_rate(), algorithm)
        oracle.screen = lambda values: {
            "violation": float(values["op"] in "ab"),
            "reason": "size",
        }
        return Project(directory).open(oracle)

    whole = search(open_project(tmp_path / "whole"), any_loss, trials=24)
    parts = []
    for _ in range(6):
        resumed = open_project(tmp_path / "parts")
        parts += search(resumed, any_loss, trials=4)
    assert parts == whole
    assert len(resumed.infeasible) > 3


@both
def test_the_unit_and_the_spread_of_the_objective_do_not_matter(algorithm):
    expected = search(learner(toy_space(), algorithm), toy_loss, trials=40)
    for other in (lambda x: 1e-6 * x - 7, lambda x: 10.0**x):
        assert expected == search(
            learner(toy_space(), algorithm),
            lambda values, other=other: other(toy_loss(values)),
            trials=40,
        )


@pytest.mark.parametrize(
    "algorithm, first_lesson", [("reinforce", 2), ("ppo", 5)]
)
def test_it_learns_from_trials_when_they_end(algorithm, first_lesson):
    """PPO after every 5; of a single one REINFORCE can make no comparison."""

    def proposals(loss):
        oracle = learner(
            toy_space(), algorithm, learning_rate=20.0, entropy_bonus=0.0
        )
        return search(oracle, loss, trials=12)

    one = proposals(lambda values: float(values["op0"] != "a"))
    other = proposals(lambda values: float(values["op9"] != "b"))
    assert one[:first_lesson] == other[:first_lesson]
    assert (
        one[first_lesson : first_lesson + 5]
        != (other[first_lesson : first_lesson + 5])
    )


def test_running_trials_teach_nothing_yet():
    oracle = learner(toy_space())
    running = [oracle.create_trial(f"tuner{i}") for i in range(6)]
    untaught = search(learner(toy_space(), max_trials=None), any_loss, trials=1)
    assert running[0].hyperparameters.values == untaught[0]
    # The order in which they end is the order of the lessons.
    again = learner(toy_space())
    same = [again.create_trial(f"tuner{i}") for i in range(6)]
    for number in (5, 0, 3):
        for one, trials in ((oracle, running), (again, same)):
            values = trials[number].hyperparameters.values
            finish(one, trials[number], toy_loss(values))
    following = [
        one.create_trial("another").hyperparameters.values
        for one in (oracle, again)
    ]
    assert following[0] == following[1]


@both
def test_workers_side_by_side_learn_too(algorithm):
    oracle = learner(toy_space(), algorithm)
    losses = []
    for _ in range(50):
        trials = [oracle.create_trial(f"tuner{i}") for i in range(4)]
        for trial in reversed(trials):
            losses.append(toy_loss(trial.hyperparameters.values))
            finish(oracle, trial, losses[-1])
    # 7.5 at random.
    assert np.mean(losses[:20]) > 6
    assert np.mean(losses[-20:]) < 5


@both
def test_the_weights_are_the_same_after_a_resume(algorithm, tmp_path):
    """Also in the middle of a batch, and after the space has grown."""

    def run(oracle, trials):
        proposals = []
        for _ in range(trials):
            trial = oracle.create_trial("tuner0")
            if len(oracle.trials) > 7:
                trial.hyperparameters.Int("late", 1, 100)
            values = trial.hyperparameters.values
            proposals.append(dict(values))
            finish(oracle, trial, any_loss(values))
        return proposals

    whole = run(learner(rich_space(), algorithm), 21)
    parts = []
    for _ in range(7):
        oracle = Project(tmp_path).open(learner(rich_space(), algorithm))
        parts += run(oracle, 3)
    assert parts == whole


def test_the_entropy_bonus_keeps_it_from_making_up_its_mind():
    def different(entropy_bonus):
        oracle = learner(
            op_and_rate(), entropy_bonus=entropy_bonus, max_trials=300
        )
        proposals = search(oracle, lambda v: float(v["op"] != "a"))
        return sum(values["op"] != "a" for values in proposals[-100:])

    assert different(0.0) < 10
    assert different(2.0) > 20


@pytest.mark.parametrize(
    "algorithm, learning_rate, entropy_bonus",
    [("reinforce", 0.3, 0.1), ("ppo", 0.5, 0.02)],
)
def test_the_defaults_are_those_of_the_algorithm(
    algorithm, learning_rate, entropy_bonus
):
    oracle = oracles.ReinforcementLearningOracle(algorithm=algorithm)
    assert oracle.learning_rate == learning_rate
    assert oracle.entropy_bonus == entropy_bonus


@pytest.mark.parametrize(
    "name, value",
    [
        ("algorithm", "dqn"),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", "0.1"),
        ("entropy_bonus", -0.1),  # 0 is allowed; see above.
        ("units", 0),
        ("units", 2.5),
    ],
)
def test_a_bad_argument_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        oracles.ReinforcementLearningOracle(OBJECTIVE, **{name: value})
    assert f"Received: {name}={value!r}" in str(raised.value)
