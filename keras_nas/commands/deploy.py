"""`keras-nas deploy`: from a `.keras` file to a folder of `.tflite` files."""

import os
import sys
import zipfile

import keras
import numpy as np

from keras_nas import storage
from keras_nas.deployment import DeploymentError, deploy
from keras_nas.deployment.plot import check_plot_path

_NO_FILE = 1
_DETAILS = ("name", "description", "version", "author", "license")


def run(files, values):
    """Deploys a model as the flags say.

    Args:
        files: List with the path of the model.
        values: `absl.flags.FlagValues` of the command.

    Returns:
        The exit code.
    """
    # Mistakes first, as far as they show without TensorFlow at work.
    data = _load_data(values.data)
    labels = _read_labels(values.labels) if values.labels else None
    preprocessing = _preprocessing(values.mean, values.std)
    num_threads = _numbers("num_threads", values.num_threads, int)
    _make_folder(values.output)
    if values.plot:
        _check_plot(values.plot)
    model = _load_model(files[0])
    options = {
        flag: values[flag].value
        for flag in (
            "quantize", "prune", "cluster", "quantization_aware",
            "prune_channels", "epochs", "max_accuracy_drop", "max_bytes",
            "max_latency_ms", "metric",
        )
    }  # fmt: skip
    # `deploy` tells those that are not for it from those that are `None`.
    for flag in ("batch_size", "skip"):
        if values[flag].value is not None:
            options[flag] = values[flag].value
    details = {key: values[key].value for key in _DETAILS}
    exit_code = 0
    try:
        deployment = deploy(
            model,
            data["x"],
            data["y"],
            validation_data=(
                (data["x_val"], data["y_val"])
                if data["x_val"] is not None
                else None
            ),
            labels=labels,
            preprocessing=preprocessing,
            details={k: v for k, v in details.items() if v is not None},
            num_threads=num_threads,
            **options,
        )
    except DeploymentError as error:
        deployment = error.deployment
        if deployment is None or not any(
            v.tflite_model for v in deployment.variants.values()
        ):
            raise
        # Nothing is lost: the files are written all the same.
        unmet = str(error)
        if error.nearest is not None:
            unmet = deployment.limits.reason(deployment, prefix="--")
        print(f"keras-nas: {unmet}", file=sys.stderr)
        exit_code = _NO_FILE
    print(deployment)
    if deployment.compression is not None:
        print(deployment.compression)
    deployment.save_all(values.output)
    best_path = os.path.join(values.output, "model.tflite")
    if deployment.best is not None:
        deployment.save(best_path)
    else:
        # The best one of an earlier run is not what was asked for now.
        storage.remove(best_path)
    if values.plot:
        deployment.plot(values.plot)
    print(f"written to {values.output}")
    return exit_code


def _make_folder(path):
    """Finds out now that nothing can be written, not after the work."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"Cannot make the folder '{path}', given as --output: "
            f"{error.strerror}."
        ) from error
    if not os.access(path, os.W_OK):
        raise ValueError(
            f"Cannot write to the folder '{path}', given as --output."
        )


def _check_plot(path):
    try:
        check_plot_path(path)
    except OSError as error:
        raise ValueError(
            f"Cannot draw to '{path}', given as --plot: there is no such "
            "folder."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"Cannot draw to '{path}', given as --plot. Expected a name that "
            "ends in .png, .svg or .pdf."
        ) from error


def _load_model(path):
    if not os.path.isfile(path):
        raise ValueError(f"There is no file '{path}'.")
    try:
        # A file can hold code, in Lambda layers, which would be run.
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:
        text = str(error)
        remedy = ""
        if "Lambda" in text or "unsafe" in text:
            remedy = (
                " It has a Lambda layer, whose code is not run from a file "
                "that may come from anyone. If you trust it, load it in "
                "Python with `safe_mode=False` and call "
                "`keras_nas.deploy(model, ...)`."
            )
        elif "Could not locate" in text or "custom" in text:
            remedy = (
                " It has layers of your own. Load it in Python, where these "
                "are defined, and call `keras_nas.deploy(model, ...)`."
            )
        # Keras gives the reason last, between the configurations of layers.
        reason = text.rpartition("Exception encountered: ")[2]
        reason = reason.partition(" Full object config")[0].strip()
        raise ValueError(
            f"Cannot load '{path}' as a Keras model.{remedy} Keras said: "
            f"{reason[:500]}"
        ) from error


def _load_data(path):
    """Reads `x`, `y`, `x_val` and `y_val`, whole or by name."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = dict(arrays)
    except (OSError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"Cannot read '{path}', given as --data, as a file that "
            f"`numpy.savez` writes: {error}"
        ) from error
    data = {}
    for key in ("x", "y", "x_val", "y_val"):
        by_name = {
            name.removeprefix(f"{key}."): found.pop(name)
            for name in list(found)
            if name.startswith(f"{key}.")
        }
        data[key] = by_name or found.pop(key, None)
    if data["x"] is None or found:
        raise ValueError(
            f"Invalid arrays in '{path}', given as --data. Expected `x` and "
            "optionally `y`, `x_val` and `y_val`, or of models with several "
            "inputs and outputs `x.NAME` and so on. Received also: "
            f"{sorted(found)}, x {'missing' if data['x'] is None else 'given'}"
        )
    return data


def _read_labels(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"Cannot read '{path}', given as --labels: {error}"
        ) from error


def _preprocessing(mean, std):
    if (mean is None) != (std is None):
        raise ValueError("Give both --mean and --std, or none of them.")
    if mean is None:
        return None
    return {
        "mean": _numbers("mean", mean, float),
        "std": _numbers("std", std, float),
    }


def _numbers(flag, texts, number):
    try:
        return [number(text) for text in texts]
    except ValueError:
        raise ValueError(
            f"Invalid value received for --{flag}. Expected numbers with "
            f"commas between. Received: {','.join(texts)}"
        ) from None
