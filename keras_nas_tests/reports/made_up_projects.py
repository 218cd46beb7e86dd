"""Projects of searches that never took place."""

import json

import keras_tuner
import numpy as np
from keras_tuner.engine.trial import Trial


def make_trial(trial_id, space, values, metrics=None, **state):
    """A trial as a tuner stores it: `metrics` are (value, direction)."""
    space = space.copy()
    space.values = dict(values)
    trial = Trial(space, trial_id, state.pop("status", "COMPLETED"))
    for name, (value, direction) in (metrics or {}).items():
        trial.metrics.register(name, direction)
        trial.metrics.update(name, value)
    trial.score = state.pop("score", None)
    trial.message = state.pop("message", None)
    assert not state
    return trial


def write_project(folder, space, trials, objective=None, end_order=None):
    """Writes the files: of keras_nas if an objective is given."""
    ids = [trial.trial_id for trial in trials]
    state = {
        "hyperparameters": space.get_config(),
        "start_order": ids,
        "end_order": ids if end_order is None else end_order,
    }
    folder.mkdir(parents=True)
    if objective:
        state["infeasible"] = [{"values": {}}] * 3
        tuner = {"spent_s": 400.0, "preparation_s": 100.0}
        (folder / "tuner0.json").write_text(json.dumps(tuner))
        fingerprint = {"oracle": "NSGA2Oracle", "objective": objective}
        (folder / "keras_nas.json").write_text(json.dumps(fingerprint))
    (folder / "oracle.json").write_text(json.dumps(state))
    for trial in trials:
        inner = folder / f"trial_{trial.trial_id}"
        inner.mkdir()
        (inner / "trial.json").write_text(json.dumps(trial.get_state()))


def write_large_project(folder, num_trials=200):
    """A search with 22 hyperparameters, two objectives and failures."""
    space = keras_tuner.HyperParameters()
    for index in range(16):
        space.Choice(f"block_{index}", ["conv3x3", "mbconv", "skip"])
    space.Int("units", 16, 256, step=16)
    space.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    space.Boolean("squeeze")
    space.Choice("head", ["flat", "dense"])
    space.Int("head_units", 8, 64, parent_name="head", parent_values=["dense"])
    space.Float("dropout", 0.0, 0.5, step=0.1)
    rng = np.random.default_rng(0)
    trials = []
    for number in range(num_trials):
        values = {hp.name: hp.prob_to_value(rng.random()) for hp in space.space}
        if values["head"] == "flat":
            del values["head_units"]
        if number % 17 == 5:
            trials.append(
                make_trial(
                    f"{number:04d}",
                    space,
                    values,
                    status="FAILED",
                    message="Traceback (most recent call last):\n"
                    '  File "search.py", line 9\n'
                    "ValueError: too deep\n",
                )
            )
            continue
        latency = 1 + values["units"] / 64 + 2 * values["squeeze"]
        latency *= 1 + 0.2 * (values["block_0"] == "mbconv")
        accuracy = 0.9 - 0.4 / latency - 0.02 * rng.random()
        accuracy -= 0.02 * abs(np.log10(values["learning_rate"]) + 2)
        metrics = {
            "val_accuracy": (accuracy, "max"),
            "latency_ms": (latency, "min"),
            "val_loss": (1 - accuracy, "min"),
            "parameters": (1000 * values["units"], "min"),
        }
        trials.append(
            make_trial(f"{number:04d}", space, values, metrics, score=0.5)
        )
    write_project(
        folder, space, trials, "val_accuracy (max) + latency_ms (min)"
    )
