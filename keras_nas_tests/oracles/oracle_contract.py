"""What every oracle has to keep: who takes part, and the means to check it.

A new oracle joins `oracle_contract_test.py` with one line in `ORACLES`, and
`multi_objective_contract_test.py` with one in `MULTI_OBJECTIVE`: a list of
objectives is for all of them.
"""

import dataclasses
import json
import zlib

import keras_tuner

from keras_nas import architectures, oracles

# More than any search of the tests can have.
MAX_PROPOSALS = 2000

OBJECTIVE = keras_tuner.Objective("loss", "min")

# Of `toy_metrics`.
OBJECTIVES = [
    keras_tuner.Objective("right", "max"),
    keras_tuner.Objective("cost", "min"),
]


@dataclasses.dataclass(eq=False)
class Participant:
    """An oracle that takes part.

    Args:
        oracle: The class.
        arguments: Arguments to test it with.
        early: Arguments that make it leave its random start within a few
            trials; not used where its quality is measured.
        beats_random: Whether it claims to.
        seeds: By how many searches that is measured; fewer for an oracle
            that takes its time, and is far better.
    """

    oracle: type
    arguments: dict = dataclasses.field(default_factory=dict)
    early: dict = dataclasses.field(default_factory=dict)
    beats_random: bool = True
    seeds: int = 20
    spreads: bool = True

    def __call__(self, space=None, **arguments):
        """Creates the oracle for a short search in a space."""
        return self.at_its_best(space, **(self.early | arguments))

    def at_its_best(self, space, **arguments):
        """Creates the oracle for a long search in a space."""
        defaults = {
            "objective": OBJECTIVE,
            "max_trials": 30,
            "seed": 0,
            "hyperparameters": space,
        }
        return self.oracle(**(defaults | self.arguments | arguments))

    def __str__(self):
        given = ",".join(
            f"{name}={getattr(v, '__name__', v)}"
            for name, v in self.arguments.items()
        )
        return f"{self.oracle.__name__}({given})"


def count_columns(values):
    """Something that is known before a trial, for some architectures."""
    return {"values": len(values)} if len(values) % 2 else None


ORACLES = [
    Participant(oracles.RandomOracle, beats_random=False),
    Participant(oracles.ASHAOracle, beats_random=False),
    Participant(
        oracles.RegularizedEvolutionOracle, early={"population_size": 4}
    ),
    Participant(
        oracles.RegularizedEvolutionOracle,
        {"crossover_probability": 0.5},
        early={"population_size": 4},
    ),
    Participant(
        oracles.BayesianOptimizationOracle, early={"num_initial_points": 4}
    ),
    Participant(
        oracles.PredictorGuidedOracle,
        early={"num_initial_points": 4},
        seeds=4,
    ),
    Participant(
        oracles.PredictorGuidedOracle,
        {"columns": count_columns},
        early={"num_initial_points": 4},
        # As the one above, for these columns are of no help.
        beats_random=False,
    ),
    Participant(oracles.ParetoBayesianOracle, early={"num_initial_points": 4}),
    Participant(oracles.NSGA2Oracle, early={"population_size": 4}),
    Participant(oracles.LocalSearchOracle, early={"initial_trials": 3}),
    Participant(
        oracles.MonteCarloTreeSearchOracle, early={"initial_trials": 3}
    ),
    Participant(oracles.ReinforcementLearningOracle),
    Participant(oracles.ReinforcementLearningOracle, {"algorithm": "ppo"}),
]

MULTI_OBJECTIVE = [
    Participant(
        oracles.ParetoPredictorOracle,
        early={"num_initial_points": 4},
        seeds=3,
    ),
    Participant(oracles.ParetoBayesianOracle, early={"num_initial_points": 4}),
    Participant(oracles.NSGA2Oracle, early={"population_size": 4}),
    # Made for one objective: a random direction for each proposal.
    Participant(
        oracles.RegularizedEvolutionOracle, early={"population_size": 4}
    ),
    Participant(
        oracles.BayesianOptimizationOracle,
        early={"num_initial_points": 4},
        seeds=3,
    ),
    Participant(oracles.LocalSearchOracle, early={"initial_trials": 3}),
    Participant(
        oracles.MonteCarloTreeSearchOracle, early={"initial_trials": 3}
    ),
    Participant(oracles.ReinforcementLearningOracle, spreads=False),
    Participant(
        oracles.ReinforcementLearningOracle,
        {"algorithm": "ppo"},
        spreads=False,
    ),
]


def rich_space():
    """All kinds of hyperparameters, with scopes two deep."""
    space = keras_tuner.HyperParameters()
    space.Fixed("classes", 10)
    space.Choice("op", ["conv", "pool", "dense"])
    with space.conditional_scope("op", ["conv"]):
        space.Int("kernel", 1, 5, step=2)
        space.Boolean("bn")
        with space.conditional_scope("bn", [True]):
            space.Float("momentum", 0.9, 0.99)
    with space.conditional_scope("op", ["dense"]):
        space.Choice("units", [8, 16, 32])
    space.Int("depth", 1, 3)
    for block in (2, 3):
        with space.conditional_scope("depth", list(range(block, 4))):
            space.Int(f"width{block}", 8, 64, step=2, sampling="log")
    space.Float("lr", 1e-4, 1e-1, sampling="log")
    return space


def small_space():
    """A conditional space of 2 x (1 + 3 + 2 x 2) = 16 architectures."""
    space = keras_tuner.HyperParameters()
    space.Boolean("skip")
    space.Choice("op", ["none", "pool", "conv"])
    space.Int("size", 1, 3, parent_name="op", parent_values=["pool"])
    with space.conditional_scope("op", ["conv"]):
        space.Choice("units", [8, 16])
        space.Choice("act", ["relu", "gelu"])
    return space


def toy_space():
    """4**10 architectures; see `toy_loss`."""
    space = keras_tuner.HyperParameters()
    for number in range(10):
        space.Choice(f"op{number}", ["a", "b", "c", "d"])
    return space


def toy_loss(values):
    """0 at best; each wrong operation costs 1, on average 7.5 in all."""
    target = "abcdabcdab"
    return float(
        sum(values[f"op{i}"] != letter for i, letter in enumerate(target))
    )


def toy_metrics(values):
    """What is right, as in `toy_loss`, and what that costs.

    A "b" costs 1, a "c" 2 and a "d" 3. The front begins with the three "a"s
    that cost nothing, (3, 0), and ends with all that is right, (10, 13): in
    between, three "b"s cost 1 each, two "c"s 2 each and two "d"s 3 each.
    """
    return {
        "right": 10 - toy_loss(values),
        "cost": float(sum(map("abcd".index, values.values()))),
    }


def any_loss(values):
    """A loss without meaning that depends on nothing but the values."""
    text = json.dumps(values, sort_keys=True)
    return zlib.crc32(text.encode()) % 1000 / 1000


def finish(oracle, trial, loss=None, status="COMPLETED", message=None):
    """Ends a trial as a tuner does."""
    if loss is not None:
        oracle.update_trial(trial.trial_id, {oracle.objective.name: loss})
    trial.status, trial.message = status, message
    oracle.end_trial(trial)


def finish_with(oracle, trial, metrics):
    """Ends a trial that has completed, with several metrics."""
    oracle.update_trial(trial.trial_id, metrics)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def search(oracle, loss=any_loss, trials=None):
    """Runs an oracle until it stops, or so many trials.

    Returns:
        List of what it proposed, a dict of values for each trial.
    """
    proposals = []
    while trials is None or len(proposals) < trials:
        trial = oracle.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        proposals.append(dict(trial.hyperparameters.values))
        assert len(proposals) <= MAX_PROPOSALS, "The search never stops."
        finish(oracle, trial, loss(trial.hyperparameters.values))
    return proposals


def keys(proposals, space):
    """The canonical keys of a list of proposals."""
    return [architectures.canonical_key(values, space) for values in proposals]


class Project:
    """A project directory, and what may happen to a process that uses it."""

    def __init__(self, directory):
        self.directory = directory
        self.file = directory / "project" / "oracle.json"

    def open(self, oracle):
        """Gives the project to an oracle, as a tuner does."""
        oracle._set_project_dir(str(self.directory), "project")
        if self.file.exists():
            oracle.reload()
        else:
            oracle.save()
        return oracle

    def losing_last_write(self, act):
        """Acts, then goes back to the `oracle.json` of before.

        That is what a process leaves that is killed after it has written the
        trial's file and before it writes the oracle's.
        """
        before = self.file.read_bytes()
        result = act()
        assert self.file.read_bytes() != before
        self.file.write_bytes(before)
        return result
