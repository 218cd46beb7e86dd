import keras_tuner
import numpy as np
import pytest

from keras_nas.oracles import ParetoPredictorOracle, PredictorGuidedOracle
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    any_loss,
    finish,
    search,
    toy_loss,
    toy_space,
)


def create(space=None, oracle=PredictorGuidedOracle, **arguments):
    defaults = {
        "objective": OBJECTIVE,
        "max_trials": 100,
        "seed": 0,
        "hyperparameters": space or toy_space(),
    }
    return oracle(**(defaults | arguments))


def best(proposals, loss):
    return min(map(loss, proposals))


def test_it_finds_the_best_of_a_million():
    oracle = create()
    assert best(search(oracle, toy_loss, trials=60), toy_loss) == 0


def test_what_is_known_in_advance_is_learnt_from():
    # Without a column there is nothing to learn.
    def columns(values):
        return {"proxy": 10 * any_loss(values) + 7, "noise": len(str(values))}

    informed = search(create(columns=columns), any_loss, trials=25)
    blind = search(create(), any_loss, trials=25)
    assert informed[:10] == blind[:10]
    # Losses are uniform from 0 to 1.
    assert np.median([any_loss(values) for values in informed[10:]]) < 0.25
    assert np.median([any_loss(values) for values in blind[10:]]) > 0.3


def test_columns_may_be_missing_for_good_ones():
    def columns(values):
        if values["op0"] == "a":  # As the best have it.
            return None
        return {"proxy": toy_loss(values), "nan": float("nan")}

    oracle = create(columns=columns)
    assert best(search(oracle, toy_loss, trials=40), toy_loss) <= 1


def test_columns_have_to_be_a_function():
    with pytest.raises(ValueError, match="`columns`.*Received: columns=3"):
        create(columns=3)


def test_a_resumed_search_trains_the_same_networks(tmp_path):
    whole = search(create(), toy_loss, trials=30)
    oracle = create()
    oracle._set_project_dir(str(tmp_path), "project")
    oracle.save()
    search(oracle, toy_loss, trials=24)  # Trained last after 23 trials.
    resumed = create()
    resumed._set_project_dir(str(tmp_path), "project")
    resumed.reload()
    assert search(resumed, toy_loss, trials=6) == whole[24:]


def test_a_search_with_columns_goes_on_as_if_it_was_not_interrupted(tmp_path):
    def columns(values):
        if values["op0"] == "a":
            return None
        return {"proxy": toy_loss(values) ** 2}

    whole = search(create(columns=columns), toy_loss, trials=18)
    project = Project(tmp_path)
    for number in range(0, 18, 3):
        oracle = project.open(create(columns=columns))
        # A recommendation in between changes nothing.
        oracle.recommend()
        assert search(oracle, toy_loss, trials=3) == whole[number : number + 3]


def test_imported_trials_may_lack_what_columns_need(tmp_path):
    earlier = keras_tuner.HyperParameters()
    for number in range(9):  # One less.
        earlier.Choice(f"op{number}", ["a", "b", "c", "d"])
    oracle = Project(tmp_path).open(create(earlier))
    search(oracle, lambda values: toy_loss(values | {"op9": "b"}), trials=30)

    def columns(values):
        return {"proxy": toy_loss(values)}

    oracle = create(columns=columns, num_initial_points=1)
    oracle.import_trials(tmp_path / "project")
    assert best(search(oracle, toy_loss, trials=10), toy_loss) == 0


def test_an_error_in_columns_ends_the_search_and_leaves_no_trace():
    broken = [True]

    def columns(values):
        if broken:
            raise OSError("the disk is gone")
        return {"proxy": toy_loss(values)}

    oracle = create(columns=columns)
    with pytest.raises(RuntimeError, match="`columns`.*OSError.*disk is gone"):
        search(oracle, toy_loss, trials=1)
    broken.clear()
    first = search(oracle, toy_loss, trials=11)
    broken.append(True)
    with pytest.raises(RuntimeError, match="`columns`"):
        search(oracle, toy_loss, trials=1)
    broken.clear()
    whole = search(create(columns=columns), toy_loss, trials=14)
    assert first + search(oracle, toy_loss, trials=3) == whole


def test_columns_of_a_space_that_grows():
    space = keras_tuner.HyperParameters()
    space.Choice("op0", ["a", "b"])

    def columns(values):
        return {"known": len(values), "proxy": any_loss(values)}

    oracle = create(space, columns=columns, num_initial_points=3)
    proposals = []
    for number in range(16):
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        if number:
            trial.hyperparameters.Int("late", 1, 4)
        proposals.append(dict(trial.hyperparameters.values))
        finish(oracle, trial, any_loss(trial.hyperparameters.values))
    late = [tuple(values.values()) for values in proposals if "late" in values]
    assert len(set(late)) == len(late) == 8


def test_it_recommends_by_the_networks_and_not_by_luck():
    def wrong(values):
        letters = zip("abcda", values.values(), strict=True)
        return sum(right != value for right, value in letters)

    space = keras_tuner.HyperParameters()
    for number in range(5):
        space.Choice(f"op{number}", ["a", "b", "c", "d"])
    luckiest, recommended = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        oracle = create(
            space, seed=seed, max_trials=None, num_initial_points=200
        )
        search(
            oracle,
            lambda values, rng=rng: wrong(values) + rng.standard_normal(),
            trials=200,
        )
        for trial, errors in (
            (oracle.get_best_trials(1)[0], luckiest),
            (oracle.recommend(), recommended),
        ):
            errors.append(wrong(trial.hyperparameters.values))
    assert np.mean(recommended) < np.mean(luckiest) - 0.25


def test_several_objectives():
    objectives = [
        keras_tuner.Objective("error", "min"),
        keras_tuner.Objective("speed", "max"),
    ]
    oracle = create(
        oracle=ParetoPredictorOracle,
        objective=objectives,
        columns=lambda values: {"latency": list(values.values()).count("a")},
    )
    for _ in range(60):
        trial = oracle.create_trial("tuner0")
        values = list(trial.hyperparameters.values.values())
        metrics = {
            "error": values.count("b") + 2 * values.count("c"),
            "speed": 10.0 - 3 * values.count("a"),
        }
        oracle.update_trial(trial.trial_id, metrics)
        finish(oracle, trial)
    front = {oracle.losses(trial) for trial in oracle.pareto_front()}
    # "a" is right and slow, "d" is both right and quick.
    assert front == {(0.0, -10.0)}
