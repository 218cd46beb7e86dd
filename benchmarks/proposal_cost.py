"""Times the proposals of oracles next to KerasTuner's random oracle.

    python -m benchmarks.proposal_cost --json proposal_cost.json

A space of 20 hyperparameters (10 Choice, 5 Int, 5 Float) is searched with a
score that costs nothing. At 50, 200 and 500 finished trials, the median time
of `populate_space` is taken (the algorithm alone), and of a whole trial
(`create_trial`, `update_trial`, `end_trial`, with the state files written).
The oracles take turns, so that a slow moment of the machine hits all.
"""

import json
import statistics
import tempfile
import time

import keras_tuner
from absl import app, flags

from keras_nas import oracles

_JSON = flags.DEFINE_string("json", None, "File to write the figures to.")
_AT = flags.DEFINE_list("at", ["50", "200", "500"], "Numbers of trials.")
_REPEATS = flags.DEFINE_integer("repeats", 50, "Proposals timed at each.")

_ORACLES = {
    "keras_nas random": oracles.RandomOracle,
    "keras_nas evolution": oracles.RegularizedEvolutionOracle,
    "keras_nas bayesian": oracles.BayesianOptimizationOracle,
    "keras_nas predictor": oracles.PredictorGuidedOracle,
    "kerastuner random": keras_tuner.oracles.RandomSearchOracle,
}


def make_space():
    """Returns the space of 20 hyperparameters."""
    space = keras_tuner.HyperParameters()
    for i in range(10):
        space.Choice(f"choice{i}", ["a", "b", "c", "d"])
    for i in range(5):
        space.Int(f"int{i}", 1, 64)
    for i in range(5):
        space.Float(f"float{i}", 1e-4, 1e-1, sampling="log")
    return space


def run_trial(oracle):
    """Runs one trial with a free score."""
    trial = oracle.create_trial("tuner0")
    values = trial.hyperparameters.values
    score = sum(values[f"int{i}"] for i in range(5))
    oracle.update_trial(trial.trial_id, {"val_loss": score})
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def main(argv):
    """Runs the benchmark."""
    del argv
    at = [int(number) for number in _AT.value]
    searches = {}
    for name, oracle_class in _ORACLES.items():
        searches[name] = oracle_class(
            objective=keras_tuner.Objective("val_loss", "min"),
            max_trials=2 * max(at) + _REPEATS.value,
            hyperparameters=make_space(),
            seed=1,
        )
        searches[name].verbose = 0
        # KerasTuner's oracle cannot run without a project directory.
        searches[name]._set_project_dir(tempfile.mkdtemp(), "project")
    results = []
    print(f"{'oracle':22}{'trials':>8}{'proposal ms':>14}{'trial ms':>12}")
    for number in at:
        times = {name: ([], []) for name in searches}
        for oracle in searches.values():
            while len(oracle.end_order) < number:
                run_trial(oracle)
        for _ in range(_REPEATS.value):
            for name, oracle in searches.items():
                started_s = time.perf_counter()
                oracle.populate_space("next")
                proposed_s = time.perf_counter()
                run_trial(oracle)
                ended_s = time.perf_counter()
                times[name][0].append(1e3 * (proposed_s - started_s))
                times[name][1].append(1e3 * (ended_s - proposed_s))
        for name, (proposal_ms, trial_ms) in times.items():
            row = {
                "oracle": name,
                "trials": number,
                "proposal_ms": statistics.median(proposal_ms),
                "trial_ms": statistics.median(trial_ms),
            }
            results.append(row)
            print(
                f"{name:22}{number:8}{row['proposal_ms']:14.2f}"
                f"{row['trial_ms']:12.2f}"
            )
    if _JSON.value:
        with open(_JSON.value, "w") as file:
            json.dump({"results": results}, file, indent=2)


if __name__ == "__main__":
    app.run(main)
