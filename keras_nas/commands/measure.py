"""`keras-nas measure`: latency tables of search spaces."""

import importlib
import importlib.util
import os
import pathlib
import sys

import keras_tuner

from keras_nas import costs


def run(files, values):
    """Measures a search space here, or has another device do it.

    Args:
        files: List of paths, empty.
        values: `absl.flags.FlagValues` of the command.

    Returns:
        The exit code.
    """
    del files
    if values.read:
        table = costs.read_measurements(values.read)
        table.save(values.output)
        print(f"{table}\nwritten to {values.output}")
        return 0
    space = load_space(values.space)
    arguments = {
        "device": values.device or pathlib.Path(values.output).stem,
        "quantize": values.quantize,
        "num_threads": values.num_threads,
        "num_calibration_models": values.calibration_models,
        "num_test_models": values.test_models,
    }
    if values.remote:
        count = costs.write_measurements(space, values.remote, **arguments)
        print(
            f"{count} files are in {values.remote}. Copy it to the device and "
            "run `python run.py` in it, or `run_adb.sh` with a phone. Copy "
            "results.json back, then:\n"
            f"  keras-nas measure --read {values.remote} --output "
            f"{values.output}"
        )
        return 0
    table = costs.LatencyTable.measure(space, path=values.output, **arguments)
    print(f"{table}\nwritten to {values.output}")
    return 0


def load_space(name):
    """Imports a search space.

    Args:
        name: String, `module:attribute` or `path/to/file.py:attribute`.

    Returns:
        A function `build(hp)`, or a `keras_tuner.HyperModel`.

    Raises:
        ValueError: If there is none of that name.
    """
    source, _, attribute = name.rpartition(":")
    if not source or not attribute:
        raise ValueError(
            "Invalid value received for --space. Expected MODULE:NAME or "
            f"FILE.py:NAME, such as search.py:build. Received: {name}"
        )
    try:
        if source.endswith(".py"):
            if not os.path.exists(source):
                raise ImportError(f"there is no file '{source}'")
            spec = importlib.util.spec_from_file_location("searched", source)
            module = importlib.util.module_from_spec(spec)
            sys.modules["searched"] = module
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, os.getcwd())
            module = importlib.import_module(source)
        space = getattr(module, attribute)
    except Exception as error:  # Whatever the user's code raises.
        reason = str(error).replace("module 'searched'", f"'{source}'")
        if not isinstance(error, (ImportError, AttributeError)):
            reason = f"{type(error).__name__}: {reason}"
        raise ValueError(
            f"Cannot find the search space '{name}': {reason}. Expected "
            "MODULE:NAME or FILE.py:NAME of a function `build(hp)` or a "
            "`keras_tuner.HyperModel`."
        ) from error
    if isinstance(space, type):
        try:
            space = space()
        except TypeError as error:
            raise ValueError(
                f"The search space '{name}' is a class that needs arguments: "
                f"{error}. Expected a function `build(hp)` or an instance: "
                f"write `space = {attribute}(...)` in a file of your own, and "
                "give --space FILE.py:space."
            ) from error
    check_space(space, name)
    return space


def check_space(space, name):
    """Raises unless a search space builds its default model.

    Args:
        space: Function `build(hp)` or `keras_tuner.HyperModel`.
        name: String, what the user called it.

    Raises:
        ValueError: If it does not; it names the space and the error.
    """
    build = getattr(space, "build", space)
    try:
        build(keras_tuner.HyperParameters())
    except Exception as error:
        raise ValueError(
            f"The search space '{name}' could not build the model of its "
            f"default hyperparameters: {type(error).__name__}: {error}. "
            "Expected a function `build(hp)` that returns a Keras model, or a "
            "`keras_tuner.HyperModel`."
        ) from error
