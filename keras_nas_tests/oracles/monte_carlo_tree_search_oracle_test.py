import keras_tuner
import numpy as np
import pytest

from keras_nas import oracles
from keras_nas.oracles import monte_carlo_tree_search_oracle
from keras_nas_tests.oracles.oracle_contract import OBJECTIVE, finish, search


def two_choices(options=3):
    space = keras_tuner.HyperParameters()
    for name in "ab":
        space.Choice(name, list(range(options)), ordered=False)
    return space


def tree_search(space, **arguments):
    defaults = {"max_trials": 100, "seed": 0}
    return oracles.MonteCarloTreeSearchOracle(
        OBJECTIVE, hyperparameters=space, **(defaults | arguments)
    )


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(monte_carlo_tree_search_oracle, "_NOISE", 0.0)


def after(oracle, known):
    """Tells (a, b, loss) one by one; returns what is proposed then."""
    for a, b, loss in known:
        oracle.enqueue({"a": a, "b": b})
        finish(oracle, oracle.create_trial("tuner0"), loss)
    return oracle.create_trial("tuner0").hyperparameters.values


# Rewards are 5/6, 1/2, 1/6 by rank.
KNOWN = [(0, 1, 1.0), (0, 0, 2.0), (1, 0, 3.0)]


def test_the_option_with_the_highest_confidence_bound_is_taken(no_noise):
    """Computed by hand, with one AMAF visit and exploration 1.

    Decision a: visits 2, 1, 0; sums 8/6, 1/6, 0; AMAF, with one average
    success more, (8/6 + 1/2) / 3, (1/6 + 1/2) / 2, 1/2. So the bounds are
    (8/6 + 11/18) / 3 + sqrt(log(4) / 3) = 1.33, 0.25 + sqrt(log(4) / 2) =
    1.08 and 0.5 + sqrt(log(4)) = 1.68: option 2. No trial is below it, so of
    b counts AMAF alone: (4/6 + 1/2) / 3 = 0.39, (5/6 + 1/2) / 2 = 0.67 and
    0.5: option 1.
    """
    oracle = tree_search(
        two_choices(), initial_trials=3, exploration=1.0, amaf_visits=1
    )
    assert after(oracle, KNOWN) == {"a": 2, "b": 1}


def test_below_a_node_its_own_trials_count_and_those_elsewhere(no_noise):
    """Computed by hand, with one AMAF visit and exploration 1.2.

    Rewards are 7/8, 5/8, 3/8, 1/8, on average 1/2. Decision a:
    (7/8 + 11/16) / 2 + 1.2 * sqrt(log(5) / 2) = 1.86,
    (8/8 + 4/8) / 3 + 1.2 * sqrt(log(5) / 3) = 1.38,
    (1/8 + 5/16) / 2 + 1.2 * sqrt(log(5) / 2) = 1.30. So it is 0, with one
    trial below, of b=0. There, b has with AMAF of all four trials
    (7/8 + 11/16) / 2 + 1.2 * sqrt(log(2) / 2) = 1.49,
    (4/8 + 1/2) / 3 + 1.2 * sqrt(log(2)) = 1.33,
    (5/8 + 1/2) / 2 + 1.2 * sqrt(log(2)) = 1.56. So it is 2.
    """
    oracle = tree_search(
        two_choices(), initial_trials=4, exploration=1.2, amaf_visits=1
    )
    known = [(0, 0, 1.0), (1, 2, 2.0), (1, 1, 3.0), (2, 1, 4.0)]
    assert after(oracle, known) == {"a": 0, "b": 2}


def test_plain_uct_takes_each_option_once_first(no_noise):
    oracle = tree_search(
        two_choices(), initial_trials=3, exploration=1.0, amaf_visits=0
    )
    known = [(0, 1, 1.0), (0, 0, 2.0), (2, 0, 3.0)]
    assert after(oracle, known)["a"] == 1


def test_a_conditional_decision_is_judged_where_it_was_asked():
    """`units` of conv and of dense are two decisions of the same name."""
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "dense"])
    for op in ("conv", "dense"):
        with space.conditional_scope("op", [op]):
            space.Choice("units", list(range(10)))
    space.Float("rate", 0.0, 1.0)
    oracle = tree_search(space)

    def loss(values):
        best = 2 if values["op"] == "conv" else 8
        return abs(values["units"] - best) + (values["op"] == "conv") * 0.1

    last = search(oracle, loss)[-40:]
    for op, best in (("conv", 2), ("dense", 8)):
        units = [v["units"] for v in last if v["op"] == op]
        assert units == [] or units.count(best) / len(units) > 0.5
    assert [v["op"] for v in last].count("dense") > 20


def test_the_ranges_of_numbers_become_narrow_where_it_is_good():
    space = keras_tuner.HyperParameters()
    space.Float("rate", 1e-4, 1.0, sampling="log")
    space.Int("units", 1, 1000)

    def error(values):
        return (
            abs(np.log10(values["rate"]) + 1) / 4
            + abs(values["units"] - 300) / 1000
        )

    first, last = [], []
    for seed in range(5):
        errors = list(map(error, search(tree_search(space, seed=seed), error)))
        first += errors[:10]
        last += errors[-30:]
    assert np.mean(first) > 0.4
    assert np.mean(last) < 0.15


def test_it_avoids_what_fails_and_what_is_infeasible():
    space = keras_tuner.HyperParameters()
    space.Choice("op", list("abcd"))
    space.Choice("act", list("xyz"))
    space.Float("rate", 0.0, 1.0)
    oracle = tree_search(space, max_consecutive_failed_trials=100)
    oracle.screen = lambda values: {
        "violation": float(values["act"] == "x"),
        "reason": "size",
    }
    ops = []
    for number in range(60):
        trial = oracle.create_trial("tuner0")
        values = trial.hyperparameters.values
        ops.append(values["op"])
        if values["op"] == "a":
            finish(oracle, trial, None, "FAILED", f"error {number}")
        else:
            finish(oracle, trial, values["rate"])
    assert ops[:10].count("a") > 0
    assert ops[-30:].count("a") <= 2
    # A third of the random ones; then hardly any.
    assert 2 <= len(oracle.infeasible) <= 20


def test_trials_side_by_side_are_not_alike():
    oracle = tree_search(two_choices(10), initial_trials=5)
    search(oracle, lambda v: float(v["a"] + v["b"]), trials=20)
    trials = [oracle.create_trial(f"tuner{i}") for i in range(10)]
    values = {tuple(t.hyperparameters.values.values()) for t in trials}
    assert len(values) == 10


@pytest.mark.parametrize(
    "name, value",
    [
        ("exploration", -0.1),
        ("exploration", float("nan")),
        ("exploration", "1"),
        ("amaf_visits", -1),
        ("amaf_visits", 0.5),
        ("initial_trials", 0),
    ],
)
def test_a_bad_argument_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"argument `{name}`") as raised:
        oracles.MonteCarloTreeSearchOracle(OBJECTIVE, **{name: value})
    assert f"Received: {name}={value!r}" in str(raised.value)
