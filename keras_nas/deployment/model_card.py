"""What a person has to know of a model before using its files."""

import importlib.metadata
import os
import platform
import sys

import keras

from keras_nas.deployment.loading_code import loading_code
from keras_nas.version import __version__

_PACKAGES = (
    "tensorflow", "keras", "ai-edge-litert", "numpy",
    "tensorflow-model-optimization", "ai-edge-quantizer",
)  # fmt: skip


class ModelCard:
    """Describes a model and its files, as JSON and as Markdown.

    Reference:

    - [Mitchell et al., 2019](https://arxiv.org/abs/1810.03993)

    Args:
        deployment: A `Deployment`.
    """

    def __init__(self, deployment):
        self.deployment = deployment

    def to_dict(self):
        """Returns the card as JSON can hold it."""
        deployment = self.deployment
        best = deployment.best
        data = deployment.data
        metric = deployment.metric
        compression = deployment.compression
        calibration = deployment.calibration
        return {
            **deployment.description.details,
            "best": best and best.name,
            "limits": deployment.limits.to_dict(),
            "architecture": _architecture(deployment.model),
            "data": {
                "fine_tuned_on": (
                    None
                    if compression is None
                    else _describe(data.x_train, "x")
                ),
                "calibrated_on": calibration
                and _describe(calibration.samples, "x"),
                "calibrated_source": calibration and calibration.source,
                "tested_on": _describe(data.x, "x"),
                "tested_samples": data.samples,
                "tested_source": data.source,
                "targets": _describe(data.y, "y"),
            },
            "metric": metric
            and {
                "name": metric.name,
                "higher_is_better": metric.higher_is_better,
            },
            "labels": deployment.description.labels,
            "preprocessing": deployment.description.preprocessing,
            "compression": compression and compression.to_dict(),
            "models": [v.to_dict() for v in deployment.baselines],
            "files": [v.to_dict() for v in deployment.variants.values()],
            "how_to_load": {
                v.name: loading_code(v.file_name, v.tflite_model)
                for v in deployment.variants.values()
                if v.tflite_model is not None
            },
            "versions": _versions(),
            "machine": {
                "system": platform.platform(),
                "processor": platform.machine(),
                "cpus": os.cpu_count(),
            },
        }

    def to_markdown(self):
        """Returns the card as a page for people."""
        card = self.to_dict()
        parts = [f"# {card['name']}"]
        if card.get("description"):
            parts.append(card["description"])
        facts = [
            f"- {key}: {card[key]}"
            for key in ("version", "author", "license")
            if card.get(key)
        ]
        facts.append(f"- best file: {self._best_file()}")
        facts += [f"- {key}: {value}" for key, value in card["limits"].items()]
        parts.append("\n".join(facts))
        parts += ["## Files", f"```text\n{self.deployment}\n```"]
        parts += self._tensors()
        if card["preprocessing"]:
            parts += ["## Preprocessing", _preprocessing_text(card)]
        if card["labels"]:
            parts.append("## Labels")
            parts += [
                f"`{name}`: " + ", ".join(labels)
                for name, labels in card["labels"].items()
            ]
        parts += ["## Data", _data_text(card["data"])]
        parts += ["## Architecture", _architecture_text(card["architecture"])]
        if self.deployment.compression is not None:
            parts += [
                "## Compression",
                f"```text\n{self.deployment.compression}\n```",
            ]
        parts += self._loading(card)
        versions = ", ".join(f"{k} {v}" for k, v in card["versions"].items())
        machine = card["machine"]
        parts += [
            "## Made with",
            f"{versions}. Latencies were measured on {machine['system']} "
            f"({machine['processor']}, {machine['cpus']} CPUs), not on a "
            "phone.",
        ]
        return "\n\n".join(parts) + "\n"

    def _best_file(self):
        best = self.deployment.best
        return f"`{best.file_name}`" if best else "none meets the limits"

    def _tensors(self):
        # Most files of a model have the same inputs and outputs.
        names = {}
        for variant in self.deployment.variants.values():
            file = variant.tflite_model
            if file is not None:
                key = (file.inputs, file.outputs)
                names.setdefault(key, []).append(f"`{variant.file_name}`")
        parts = ["## Inputs and outputs"]
        for (inputs, outputs), files in names.items():
            rows = [
                "| tensor | dtype | shape | scale | zero point |",
                "|---|---|---|---|---|",
            ]
            for side, tensors in (("input", inputs), ("output", outputs)):
                rows += [
                    f"| {side} `{t.name}` | {t.dtype} | {t.shape} | "
                    f"{'-' if t.scale is None else f'{t.scale:.8g}'} | "
                    f"{'-' if t.zero_point is None else t.zero_point} |"
                    for t in tensors
                ]
            parts += [f"{', '.join(files)}:", "\n".join(rows)]
        return parts

    def _loading(self, card):
        variant = self.deployment.best
        if variant is None:
            variant = next(
                v
                for v in self.deployment.variants.values()
                if v.tflite_model is not None
            )
        code = card["how_to_load"][variant.name]
        parts = ["## How to load"]
        for platform_name, language in (
            ("Python", "python"),
            ("Android", "kotlin"),
            ("iOS", "swift"),
        ):
            parts += [
                f"{platform_name}:",
                f"```{language}\n{code[language]}\n```",
            ]
        return parts


def _architecture(model):
    layers = [
        {
            "name": layer.name,
            "class": type(layer).__name__,
            "output_shape": _output_shape(layer),
            "parameters": layer.count_params() if layer.built else None,
        }
        for layer in model.layers
    ]
    return {
        "class": type(model).__name__,
        "parameters": model.count_params(),
        "layers": layers,
    }


def _output_shape(layer):
    try:
        output = layer.output
    except (AttributeError, ValueError):
        # Layers of subclassed models have no output of their own, and
        # shared layers several.
        return None
    return [
        [size for size in tensor.shape] for tensor in keras.tree.flatten(output)
    ]


def _describe(data, name):
    if data is None:
        return None
    arrays = keras.tree.flatten(data)
    names = [name] if len(arrays) == 1 else range(len(arrays))
    names = sorted(data) if isinstance(data, dict) else names
    return [
        {"name": str(name), "shape": list(a.shape), "dtype": str(a.dtype)}
        for name, a in zip(names, arrays, strict=True)
    ]


def _versions():
    versions = {"keras_nas": __version__, "python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _preprocessing_text(card):
    lines = []
    for name, steps in card["preprocessing"].items():
        texts = [steps["description"]] if "description" in steps else []
        if "mean" in steps:
            texts.append(f"(value - {steps['mean']}) / {steps['std']}")
        lines.append(f"- `{name}`: {'; '.join(texts)}")
    return "\n".join(lines)


def _data_text(data):
    lines = []
    source = data["calibrated_source"]
    for key, title in (
        ("fine_tuned_on", "fine-tuned on"),
        ("calibrated_on", f"ranges of int8 found with samples of `{source}`"),
        ("tested_on", "tested on"),
        ("targets", "targets of the test"),
    ):
        for array in data[key] or ():
            lines.append(
                f"- {title}: `{array['name']}`, {array['dtype']} of shape "
                f"{tuple(array['shape'])}"
            )
    lines.append(f"- the test is {data['tested_source']}")
    return "\n".join(lines)


def _architecture_text(architecture):
    rows = [
        f"{architecture['class']} with {architecture['parameters']:,} "
        "parameters.\n",
        "| layer | class | output shape | parameters |",
        "|---|---|---|---|",
    ]
    for layer in architecture["layers"]:
        shapes = layer["output_shape"]
        text = (
            "-"
            if shapes is None
            else ", ".join(str(tuple(shape)) for shape in shapes)
        )
        count = layer["parameters"]
        rows.append(
            f"| {layer['name']} | {layer['class']} | {text} | "
            f"{'-' if count is None else f'{count:,}'} |"
        )
    return "\n".join(rows)
