"""What makes a search the same search: checked when a project is resumed."""

import json
import os

from keras_nas import storage
from keras_nas.objectives import ScalarizedObjective
from keras_nas.objectives.parts import parts_of
from keras_nas.version import __version__

FILE = "keras_nas.json"
FORMAT_VERSION = 1


def fingerprint(oracle, space):
    """Describes a search by what must not change between two runs of it.

    Args:
        oracle: `keras_tuner.Oracle`.
        space: `keras_tuner.HyperParameters`, as explored before the search.

    Returns:
        A dict that JSON can hold.

    Example:

    >>> import keras_tuner
    >>> oracle = keras_tuner.oracles.RandomSearchOracle("val_loss", seed=3)
    >>> fingerprint(oracle, keras_tuner.HyperParameters())["objective"]
    'val_loss (min)'
    """
    objective = oracle.objective
    has_score = isinstance(objective, ScalarizedObjective)
    return {
        "format_version": FORMAT_VERSION,
        "keras_nas_version": __version__,
        "oracle": type(oracle).__name__,
        "objective": describe_objective(objective),
        # For those who read the project.
        "objectives": [[p.name, p.direction] for p in parts_of(objective)],
        "score_direction": objective.direction if has_score else None,
        "seed": oracle.seed,
        "constraints": getattr(oracle, "limits", {}),
        "space": [_config(hp) for hp in space.space],
    }


def check_fingerprint(project_dir, oracle, space):
    """Refuses to resume a project that belongs to another search.

    Args:
        project_dir: String, an existing project directory, perhaps made by
            KerasTuner itself.
        oracle: `keras_tuner.Oracle` of the new run.
        space: `keras_tuner.HyperParameters` of the new run.

    Raises:
        ValueError: If something differs; it says what, and what to do.
        RuntimeError: If a file of the project cannot be read.
    """
    path = os.path.join(project_dir, FILE)
    now = json.loads(json.dumps(fingerprint(oracle, space)))
    if storage.exists(path):
        then = storage.read_json(path)
        if not isinstance(then, dict) or "format_version" not in then:
            raise RuntimeError(
                f"Cannot read '{path}': it does not describe a search. "
                f"{_remedy()}"
            )
        if then["format_version"] > FORMAT_VERSION:
            raise ValueError(
                f"The project in '{project_dir}' was written by keras_nas "
                f"{then['keras_nas_version']}, whose files this version "
                f"({__version__}) does not know. Upgrade keras_nas, or use "
                "another `project_name`."
            )
        names = ["oracle", "objective"]
        # What was turned away would have to be judged anew, and trials that
        # are finished may be beyond the new limits.
        if "constraints" in then:  # Earlier versions did not note them.
            names.append("constraints")
        # KerasTuner's oracles do not tell whether their seed is random.
        if not getattr(oracle, "seed_is_random", True):
            names.append("seed")
        with storage.explained(path, "what a search was asked to do"):
            changes = _space_changes(then["space"], now["space"], True)
            changes += [
                f"`{name}` was {then[name]}, is {now[name]}"
                for name in names
                if then[name] != now[name]
            ]
    else:  # A project of KerasTuner's: only the space is known.
        path = os.path.join(project_dir, "oracle.json")
        state = storage.read_json(path)
        with storage.explained(path, "the state of a search"):
            then = state["hyperparameters"]["space"]
            changes = _space_changes(then, now["space"], complete=False)
    if changes:
        listing = "".join(f"\n  - {change}" for change in changes)
        raise ValueError(
            f"The project in '{project_dir}' belongs to another search:"
            f"{listing}\n{_remedy()} Nothing in the directory was changed."
        )


def write_fingerprint(project_dir, oracle, space):
    """Writes the fingerprint of a new project; an existing one stays.

    A project without a state was killed before it began: it starts anew.
    """
    path = os.path.join(project_dir, FILE)
    has_begun = storage.exists(os.path.join(project_dir, "oracle.json"))
    if not (has_begun and storage.exists(path)):
        storage.write_json(path, fingerprint(oracle, space))


def describe_objective(objective):
    """Writes an objective as a person reads it.

    Example:

    >>> import keras_tuner
    >>> describe_objective(keras_tuner.Objective("val_accuracy", "max"))
    'val_accuracy (max)'
    """
    if isinstance(objective, ScalarizedObjective):
        return str(objective)  # Another weight is another search.
    parts = parts_of(objective)
    return " + ".join(f"{part.name} ({part.direction})" for part in parts)


def _remedy():
    return (
        "Change the script back to resume it, or start a new search with "
        "another `project_name` or `overwrite=True`."
    )


def _config(hp):
    return {"class_name": type(hp).__name__, "config": hp.get_config()}


def _space_changes(then, now, complete):
    """Lists what differs between two serialised spaces.

    A space that was stored during a search (`complete=False`) may hold more
    hyperparameters than the first builds show.
    """

    def by_identity(space):
        return {
            json.dumps([hp["config"]["name"], hp["config"]["conditions"]]): hp
            for hp in space
        }

    old, new = by_identity(then), by_identity(now)
    changes = []
    for key, hp in new.items():
        if key not in old:
            changes.append(f"new: {_describe(hp)}")
        elif hp != old[key]:
            changes.append(f"was {_describe(old[key])}, is {_describe(hp)}")
    if complete:
        changes += [
            f"gone: {_describe(hp)}"
            for key, hp in old.items()
            if key not in new
        ]
    return changes


def _describe(hp):
    config = dict(hp["config"])
    name = config.pop("name")
    conditions = config.pop("conditions")
    arguments = ", ".join(
        f"{key}={value!r}" for key, value in config.items() if value is not None
    )
    when = " and ".join(
        f"{c['config']['name']} in {c['config']['values']}" for c in conditions
    )
    return f"{hp['class_name']}({name!r}, {arguments})" + (
        f" when {when}" if when else ""
    )
