"""Files made of one model, side by side."""

import dataclasses
import io
import json
import os
import pathlib

from keras_nas import storage
from keras_nas.deployment.model_card import ModelCard
from keras_nas.deployment.plot import check_plot_path, draw


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Samples that showed the converter the ranges of int8.

    Args:
        samples: Dict of arrays by input name.
        source: Name of the argument that they were taken from.
    """

    samples: dict
    source: str


class Deployment:
    """What `deploy` made of a model; prints as a table.

    Args:
        model: The Keras model that the files were made of: after
            compression, if there was any.
        baselines: List of `Variant` of the Keras models: as given and, if it
            was compressed, after that.
        variants: Dict of `Variant` by name, in the order asked for.
        limits: What the best file has to meet.
        metric: By what outputs were scored, or `None`.
        description: What the files say of themselves.
        data: The data that were held out.
        compression: The report of the compression, or `None`.
        calibration: `Calibration`, or `None` if no file needed one.
    """

    def __init__(
        self,
        model,
        baselines,
        variants,
        limits,
        metric,
        description,
        data,
        compression=None,
        calibration=None,
    ):
        self.model = model
        self.baselines = tuple(baselines)
        self.variants = dict(variants)
        self.limits = limits
        self.metric = metric
        self.description = description
        self.data = data
        self.compression = compression
        self.calibration = calibration

    def replaced(self, **changes):
        """Returns a copy with other values of some arguments."""
        return Deployment(**{**vars(self), **changes})

    @property
    def name(self):
        """Name of the model, as it stands in the files."""
        return self.description.details["name"]

    @property
    def best(self):
        """The best `Variant` within the limits, or `None` if there is none."""
        return self.limits.choose(self.variants.values())

    @property
    def model_card(self):
        """The card of the model as a dict, as JSON can hold it."""
        return ModelCard(self).to_dict()

    def save(self, path):
        """Writes the best file, whole or not at all.

        Args:
            path: Path of the file, such as `"model.tflite"`, in a folder
                that exists. A file of that name is replaced.

        Returns:
            `pathlib.Path` of the file; the path of a bucket as it was given.

        Raises:
            OSError: If the file cannot be written.
            DeploymentError: If no variant meets the limits. Any other file
                can be written with
                `variants["int8"].tflite_model.save(path)`.
        """
        if self.best is None:
            raise self.limits.explain(self)
        self.best.tflite_model.save(path)
        return pathlib.Path(path) if storage.is_local(path) else path

    def save_all(self, folder):
        """Writes all files and the model card, all of them or none.

        The card is written as `model_card.json` and, for people, as
        `model_card.md`; the files are called `model_int8.tflite` and so on.

        Args:
            folder: Path of a folder, which is made if it does not exist.
                Files of these names are replaced, others stay.

        Returns:
            List of the paths written.

        Raises:
            OSError: If a file cannot be written. What was there before is
                then still there.
        """
        card = ModelCard(self)
        files = {
            variant.file_name: variant.tflite_model.content
            for variant in self.variants.values()
            if variant.tflite_model is not None
        }
        text = json.dumps(card.to_dict(), indent=2, ensure_ascii=False)
        files["model_card.json"] = f"{text}\n".encode()
        files["model_card.md"] = card.to_markdown().encode()
        try:
            storage.write_files(folder, files)
        except OSError as error:
            raise OSError(
                error.errno,
                f"Cannot write to the folder given as argument `folder`: "
                f"{error.strerror}. Nothing was changed; give a folder with "
                "enough room that you may write to. Received: folder",
                str(folder),
            ) from error
        return [os.path.join(str(folder), name) for name in files]

    def plot(self, path=None):
        """Draws score, size and latency of all files.

        Args:
            path: Optional path of a `.png`, `.svg` or `.pdf` file to write,
                in a folder that exists. Without an ending it is a PNG.

        Returns:
            A `matplotlib.figure.Figure`, which notebooks show.

        Raises:
            ImportError: If Matplotlib is not installed:
                `pip install keras-nas[plots]`.
            ValueError: If the name ends, but not as that of an image, before
                anything is drawn.
            OSError: If the file cannot be written, or its folder does not
                exist.
        """
        suffix = None if path is None else check_plot_path(path)
        figure = draw(self)
        if path is not None:
            image = io.BytesIO()
            figure.savefig(image, format=suffix)
            storage.write_bytes(path, image.getvalue())
        return figure

    def __str__(self):
        settings = list(
            dict.fromkeys(
                setting
                for variant in self.variants.values()
                for setting in variant.latencies
            )
        )
        score = self.metric.name if self.metric else "score"
        rows = [
            (
                "", score, "drop", "bytes", "gzip", "memory",
                *(setting_text(*setting) for setting in settings), "verified",
            )
        ]  # fmt: skip
        best = self.best
        for variant in (*self.baselines, *self.variants.values()):
            is_baseline = variant in self.baselines
            mark = "* " if best is not None and variant is best else "  "
            rows.append(
                (
                    f"{'' if is_baseline else mark}{variant.name}",
                    *self._scores(variant),
                    _number(variant.size_bytes),
                    _number(variant.gzip_bytes),
                    _number(variant.peak_memory_bytes),
                    *self._latencies(variant, settings),
                    "" if is_baseline else _verdict(variant),
                )
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for first, *cells, last in rows:
            aligned = [first.ljust(widths[0])]
            aligned += [
                cell.rjust(width)
                for cell, width in zip(cells, widths[1:-1], strict=True)
            ]
            lines.append("  ".join([*aligned, last]).rstrip())
        return "\n".join([*lines, *self._notes(best)])

    def _scores(self, variant):
        if self.metric is None:
            return "-", "-"
        drop = variant.accuracy_drop
        return (
            self.metric.format(variant.score),
            "-" if drop is None else f"{drop:.2g}",
        )

    def _latencies(self, variant, settings):
        if variant in self.baselines:
            # A Keras model has one setting: that of the process.
            first = (
                "-"
                if variant.latency_ms is None
                else (f"{variant.latency_ms:.4g}")
            )
            return (first, *("-" for _ in settings[1:]))[: len(settings)]
        return tuple(
            f"{variant.latencies[setting].latency_ms:.4g}"
            if setting in variant.latencies
            else "-"
            for setting in settings
        )

    def _notes(self, best):
        if best is not None:
            yield f"* the best: {best.name}"
        if self.compression is not None:
            noted = len(self.compression.skipped)
            layers = f"{noted} layer{'' if noted == 1 else 's'}"
            remarks = f", with remarks on {layers}" if noted else ""
            yield (
                f"compressed before{remarks}: see `compression`, here and in "
                "the model card"
            )
        yield (
            "ms: a sample on this machine, by number of threads (t); plain: "
            "without XNNPACK"
        )
        for variant in self.variants.values():
            if variant.error:
                yield f"{variant.name} failed: {variant.error}"
            elif not variant.is_verified:
                failed = variant.verification.failed_checks
                names = ", ".join(
                    f"{check.name} ({check.measured}, limit {check.limit})"
                    for check in failed
                )
                yield f"{variant.name} failed its verification: {names}"

    def __repr__(self):
        best = self.best
        return (
            f"<Deployment model={self.name!r} "
            f"variants={list(self.variants)} "
            f"best={best.name if best else None!r}>"
        )


def setting_text(num_threads, xnnpack):
    """Names a setting of a latency measurement in a few characters."""
    return f"ms {num_threads}t{'' if xnnpack else ' plain'}"


def _number(value):
    return "-" if value is None else f"{value:,}"


def _verdict(variant):
    if variant.error:
        return "failed"
    return "yes" if variant.is_verified else "NO"
