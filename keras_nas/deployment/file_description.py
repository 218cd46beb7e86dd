"""What a file says of itself to the people who build an app on it."""

import numpy as np

_DETAILS = ("name", "description", "version", "author", "license")


class FileDescription:
    """Names, labels and preprocessing, checked and ready to be written.

    Args:
        function: `ModelFunction` of the model.
        outputs: Dict of some of its outputs by name.
        labels: As for `deploy`.
        preprocessing: As for `deploy`.
        details: As for `deploy`.
        x: Dict of inputs by name that show the range of values.

    Raises:
        ValueError: If an argument does not fit the model.
    """

    def __init__(self, function, outputs, labels, preprocessing, details, x):
        self.details = _check_details(details, function.model.name)
        self.labels = _check_labels(
            labels,
            {
                # Without an axis of its own it is one number for a sample.
                name: (1, *array.shape[1:])[-1]
                for name, array in outputs.items()
            },
        )
        self.preprocessing = _check_preprocessing(
            preprocessing, function.inputs
        )
        self.ranges = {
            name: (float(array.min()), float(array.max()))
            for name, array in x.items()
        }

    def metadata(self, tflite_model):
        """Returns what `TFLiteModel.with_metadata` takes for a file."""
        return {
            **self.details,
            "inputs": [self._input(details) for details in tflite_model.inputs],
            "outputs": [
                self._output(details) for details in tflite_model.outputs
            ],
        }

    def _input(self, details):
        low, high = self.ranges[details.name]
        tensor = {"name": details.name, "min": [low], "max": [high]}
        given = self.preprocessing.get(details.name, {})
        if "mean" in given:
            tensor |= {"mean": given["mean"], "std": given["std"]}
        shape = details.shape
        if len(shape) == 4 and shape[-1] in (1, 3) and min(shape[1:3]) > 1:
            tensor["image"] = "rgb" if shape[-1] == 3 else "grayscale"
        tensor["description"] = _sentence(details, given.get("description"))
        return tensor

    def _output(self, details):
        tensor = {"name": details.name}
        labels = self.labels.get(details.name)
        note = None
        if labels and len(labels) == (1, *details.shape[1:])[-1]:
            tensor["labels"] = labels
        elif labels:
            note = f"How likely '{labels[1]}' is, as opposed to '{labels[0]}'."
        tensor["description"] = _sentence(details, note)
        return tensor


def _sentence(details, note):
    text = f"{details.dtype} of shape {details.shape}"
    if details.is_quantized:
        text += (
            f", real value = {details.scale:.8g} * "
            f"(stored value - {details.zero_point})"
        )
    return f"{text}. {note}" if note else f"{text}."


def _check_details(details, model_name):
    details = details or {}
    if not isinstance(details, dict) or not all(
        key in _DETAILS and isinstance(value, str)
        for key, value in details.items()
    ):
        raise ValueError(
            "Invalid value received for argument `details`. Expected a dict "
            f"of texts with some of the keys {_DETAILS}. Received: "
            f"details={details!r}"
        )
    return {"name": model_name, **details}


def _check_labels(labels, sizes):
    if labels is None:
        return {}
    if not isinstance(labels, dict):
        if len(sizes) > 1:
            raise ValueError(
                "Invalid value received for argument `labels`. Expected a "
                f"dict by output name, as the model has {len(sizes)} "
                f"outputs: {list(sizes)}. Received: labels={labels!r}"
            )
        labels = {next(iter(sizes)): labels}
    checked = {}
    for name, texts in labels.items():
        expected = sizes.get(name)
        received = repr(texts)
        if isinstance(texts, (list, tuple, np.ndarray)):
            received = f"{len(texts)} labels"
            texts = [str(text) for text in texts]
        else:
            texts = []
        # A single unit says which of two classes it is.
        fits = len(texts) == (2 if expected == 1 else expected)
        if not fits or any("\n" in text or not text for text in texts):
            raise ValueError(
                "Invalid value received for argument `labels`. Expected a "
                "name of one line for each class, for outputs of these "
                f"sizes: {sizes}, where 1 stands for two classes. Received: "
                f"{received} for '{name}'"
            )
        checked[name] = texts
    return checked


def _check_preprocessing(preprocessing, inputs):
    if preprocessing is None:
        return {}
    names = [details.name for details in inputs]
    by_name = isinstance(preprocessing, dict) and set(preprocessing) <= set(
        names
    )
    if not by_name:
        preprocessing = dict.fromkeys(names, preprocessing)
    checked = {}
    for details in inputs:
        if details.name not in preprocessing:
            continue
        steps = preprocessing[details.name]
        if isinstance(steps, str):
            steps = {"description": steps}
        if not isinstance(steps, dict) or not (
            set(steps) <= {"mean", "std", "description"}
            and ("mean" in steps) == ("std" in steps)
        ):
            raise _invalid_preprocessing(steps, names)
        checked[details.name] = dict(steps)
        for key in ("mean", "std"):
            if key in steps:
                checked[details.name][key] = _numbers(
                    steps[key], key, details, steps, names
                )
    return checked


def _numbers(values, key, details, steps, names):
    try:
        numbers = np.atleast_1d(np.asarray(values, "float64"))
    except (TypeError, ValueError):
        raise _invalid_preprocessing(steps, names) from None
    fits = numbers.ndim == 1 and len(numbers) in (1, details.shape[-1])
    if (
        not fits
        or not np.isfinite(numbers).all()
        or (key == "std" and numbers.min() <= 0)
    ):
        raise _invalid_preprocessing(steps, names)
    return numbers.tolist()


def _invalid_preprocessing(received, names):
    return ValueError(
        "Invalid value received for argument `preprocessing`. Expected a "
        "text, a dict with 'mean' and 'std' (a number, or one for each "
        "channel; 'std' above 0) and optionally 'description', or a dict of "
        f"those by input name, of {names}. Received: {received!r}"
    )
