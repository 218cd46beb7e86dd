"""Latencies of the pieces of a search space, measured once."""

import dataclasses
import json
import os
import platform

import numpy as np

from keras_nas import export, storage
from keras_nas.costs.measurement_plan import MeasurementPlan, piece_file
from keras_nas.costs.segment import cut
from keras_nas.costs.tflite_files import check_quantization, tflite_file
from keras_nas.ranking import spearman

FORMAT_VERSION = 1

# Files made and measured at a time; what was measured is saved after each.
_BATCH_SIZE = 16


@dataclasses.dataclass(frozen=True)
class TableError:
    """How far a latency table is from whole models that were measured.

    Attributes:
        num_models: Integer, the random models that were measured for it. The
            table has learnt nothing from these.
        mean_error: Float, the mean of the difference of predicted and
            measured latency, as a share of the measured one.
        rank_correlation: Float, Spearman's, of predicted and measured.
        flops_rank_correlation: Float, that of FLOPs and measured latency, to
            compare with.
    """

    num_models: int
    mean_error: float
    rank_correlation: float
    flops_rank_correlation: float

    def __str__(self):
        return (
            f"mean error {self.mean_error:.1%}, rank correlation "
            f"{self.rank_correlation:.3f} (that of FLOPs "
            f"{self.flops_rank_correlation:.3f}) on {self.num_models} models"
        )


class LatencyTable:
    """Predicts the latency of whole models from that of their pieces.

    A search measures thousands of candidates that are made of some hundred
    different pieces. The table has each of them once, as a `.tflite` file that
    was run on the device: pieces are cut where a single tensor flows, so what
    the converter fuses stays together. A prediction takes no conversion and no
    device.

    Use `LatencyTable.measure` to make one on this machine, and
    `write_measurements` and `read_measurements` for another device.

    Args:
        device: String, the name of the device.
        quantize: String, the kind of files that were measured.
        num_threads: Integer, the CPU threads.
        latencies_ms: Dict of milliseconds by key of the piece.
        descriptions: Dict of texts by key of the piece.
        scale: Float; whole models take so many times the sum of their pieces,
            because what one leaves in the caches is not what the next reads.
        offset_ms: Float, what every model takes beside that.
        error: Optional `TableError`.
        plan: Optional string that tells what was measured for it, once it is
            complete.

    Reference:
        Cai et al., [ProxylessNAS](https://arxiv.org/abs/1812.00332), 2019;
        Zhang et al., [nn-Meter](https://doi.org/10.1145/3458864.3467882),
        2021, on pieces that fuse.

    Example:

    >>> import keras, keras_tuner
    >>> def build(hp):
    ...     return keras.Sequential([
    ...         keras.Input((8, 8, 3)),
    ...         keras.layers.Conv2D(hp.Choice("filters", [4, 8]), 3),
    ...         keras.layers.GlobalAveragePooling2D()])
    >>> table = LatencyTable.measure(
    ...     build, num_calibration_models=1, num_test_models=0, verbose=0)
    >>> len(table)
    4
    >>> hp = keras_tuner.HyperParameters()
    >>> 0 < table.predict(build(hp)) < 10
    True
    """

    def __init__(
        self,
        device,
        quantize="int8",
        num_threads=1,
        latencies_ms=None,
        descriptions=None,
        scale=1.0,
        offset_ms=0.0,
        error=None,
        plan=None,
    ):
        if not isinstance(device, str) or not device.isidentifier():
            raise ValueError(
                "Invalid value received for argument `device`. Expected a name "
                "of letters, digits and underscores, as it becomes part of the "
                f'metric, such as "pixel8". Received: device={device!r}'
            )
        self.device = device
        self.quantize = check_quantization(quantize)
        self.num_threads = num_threads
        self.latencies_ms = dict(latencies_ms or {})
        self.descriptions = dict(descriptions or {})
        self.scale = scale
        self.offset_ms = offset_ms
        self.error = error
        self.plan = plan

    def __len__(self):
        return len(self.latencies_ms)

    def __repr__(self):
        return (
            f"<LatencyTable device={self.device!r} quantize={self.quantize!r} "
            f"num_threads={self.num_threads} pieces={len(self)} "
            f"error={str(self.error) if self.error else None!r}>"
        )

    @classmethod
    def measure(
        cls,
        search_space,
        device="this_machine",
        quantize="int8",
        num_threads=1,
        num_calibration_models=8,
        num_test_models=8,
        seed=0,
        path=None,
        rounds=5,
        verbose=1,
    ):
        """Measures the pieces of a search space on this machine.

        It takes some seconds a piece. What was measured is in the file `path`
        after every few pieces, and a call that was interrupted goes on from
        there, with other pieces too if the space has changed since. If the
        file is complete, it is read and nothing is measured, so that a search
        that is resumed has the same numbers.

        Args:
            search_space: Function `build(hp)` or `keras_tuner.HyperModel`.
            device: String, the name of this machine in metrics.
            quantize: What kind of files to measure, as for
                `export.to_tflite`.
            num_threads: Integer, CPU threads.
            num_calibration_models: Integer, random whole models to learn from
                how their latency follows from the sum of the pieces.
            num_test_models: Integer, further ones, to know the error of
                predictions by.
            seed: Integer, of the random models.
            path: Optional string, the file of the table.
            rounds: Integer, as for `export.measure_latency`.
            verbose: `0` is silent, `1` prints how far it is.

        Returns:
            `LatencyTable`.

        Raises:
            ValueError: If an argument is invalid, the file at `path` is a
                table of another kind or the complete one of another space, or
                no file can be written there.
        """
        table = cls(device, quantize, num_threads)
        if path is not None:
            storage.check_path(path, "a latency table", "pixel8.json")
        if path is not None and storage.exists(str(path)):
            begun = cls.load(path)
            begun._check_same(device, table.quantize, num_threads)
            table = begun
        plan = MeasurementPlan(
            search_space, num_calibration_models, num_test_models, seed
        )
        if table.plan is not None:
            table._check_plan(plan, path)
            if verbose:
                print(f"Latency table of {device}: complete in '{path}'")
            return table
        table._measure_pieces(plan.segments, path, rounds, verbose)
        if plan.models:
            files = {
                number: tflite_file(whole.model, table.quantize)
                for number, whole in enumerate(plan.models)
            }
            measured = _latencies(files, num_threads, rounds)
            for number, whole in enumerate(plan.models):
                whole.latency_ms = measured[number]
            table.calibrate(plan.models, plan.num_calibration_models)
        table.plan = plan.digest
        if path is not None:
            table.save(path)
        if verbose and table.error:
            print(f"Latency table of {device}: {table.error}")
        return table

    def calibrate(self, models, num_calibration_models):
        """Fits the scale and the offset to whole models, and tests them.

        Args:
            models: List of `WholeModel` that were measured.
            num_calibration_models: Integer, how many of them, the first ones,
                to fit; the rest tells the error.
        """
        known, unknown = (
            models[:num_calibration_models],
            models[num_calibration_models:],
        )
        if known:
            self.scale, self.offset_ms = _fit(
                [self._sum_ms(whole.keys) for whole in known],
                [whole.latency_ms for whole in known],
            )
        if unknown:
            self.error = self.test(unknown)

    def test(self, models):
        """Compares predictions with measured whole models.

        Args:
            models: List of `WholeModel` that were measured.

        Returns:
            `TableError`.
        """
        predicted = np.array(
            [
                self.scale * self._sum_ms(whole.keys) + self.offset_ms
                for whole in models
            ]
        )
        measured = np.array([whole.latency_ms for whole in models])
        flops = np.array([whole.flops for whole in models])
        return TableError(
            num_models=len(models),
            mean_error=float(np.mean(np.abs(predicted - measured) / measured)),
            rank_correlation=spearman(predicted, measured),
            flops_rank_correlation=spearman(flops, measured),
        )

    def predict(self, model):
        """Predicts the latency of a model.

        Args:
            model: Built functional or `Sequential` `keras.Model`.

        Returns:
            Float, milliseconds for one example.

        Raises:
            ValueError: If the table lacks a piece of the model; it says which.
        """
        segments = cut(model)
        missing = [s for s in segments if s.key not in self.latencies_ms]
        if missing:
            raise ValueError(
                f"The latency table of {self.device} has no entry for a piece "
                f"of this model: {missing[0].description}. Expected a model "
                "of the search space that was measured. Measure what is "
                "missing: `table.add(model)` on this machine, or a new table "
                "of all spaces that you search."
            )
        sum_ms = self._sum_ms([segment.key for segment in segments])
        return self.scale * sum_ms + self.offset_ms

    def is_same_prediction(self, other):
        """Whether another table predicts the same for every model.

        Args:
            other: `LatencyTable`.

        Returns:
            Boolean.
        """
        own, others = (
            (one.latencies_ms, one.scale, one.offset_ms)
            for one in (self, other)
        )
        return own == others

    def add(self, model, rounds=5):
        """Measures, on this machine, the pieces of a model that are missing.

        Args:
            model: Built `keras.Model`.
            rounds: Integer, as for `export.measure_latency`.
        """
        segments = {segment.key: segment for segment in cut(model)}
        self._measure_pieces(segments, None, rounds, verbose=0)

    def merge(self, other):
        """Returns a table with the pieces of two, of the same device.

        Args:
            other: `LatencyTable`. Where both have a piece, its entry counts.

        Returns:
            `LatencyTable`, with the scale of this one.

        Raises:
            ValueError: If the other is of another device or kind of files.
        """
        other._check_same(self.device, self.quantize, self.num_threads)
        return LatencyTable(
            self.device,
            self.quantize,
            self.num_threads,
            self.latencies_ms | other.latencies_ms,
            self.descriptions | other.descriptions,
            self.scale,
            self.offset_ms,
            self.error,
            self.plan if self.plan == other.plan else None,
        )

    def save(self, path):
        """Writes the table as JSON, whole or not at all.

        Args:
            path: String, the file.

        Raises:
            ValueError: If it is a folder, or in one that does not exist.
        """
        storage.check_path(path, "a latency table", "pixel8.json")
        content = {
            "format_version": FORMAT_VERSION,
            "device": self.device,
            "quantize": self.quantize,
            "num_threads": self.num_threads,
            "machine": platform.machine(),
            "scale": self.scale,
            "offset_ms": self.offset_ms,
            "error": self.error and dataclasses.asdict(self.error),
            "latencies_ms": self.latencies_ms,
            "descriptions": self.descriptions,
            "plan": self.plan,
        }
        storage.write_json(str(path), content)

    @classmethod
    def load(cls, path):
        """Reads a table that `save` has written, here or elsewhere.

        Args:
            path: String, the file.

        Returns:
            `LatencyTable`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is no latency table.
            OSError: If it cannot be read.
        """
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"There is no latency table '{path}' (the current folder is "
                f"'{os.getcwd()}'). Expected a file that `LatencyTable.measure"
                "(..., path=...)` or `keras-nas measure` has written."
            ) from error
        except ValueError as error:
            raise _not_a_table(path, error) from error
        try:
            if content["format_version"] > FORMAT_VERSION:
                raise ValueError(
                    f"The latency table '{path}' was written by a newer "
                    "keras_nas. Upgrade it."
                )
            error = content["error"]
            return cls(
                content["device"],
                content["quantize"],
                content["num_threads"],
                content["latencies_ms"],
                content["descriptions"],
                content["scale"],
                content["offset_ms"],
                error and TableError(**error),
                content.get("plan"),
            )
        except (KeyError, TypeError) as error:
            raise _not_a_table(path, error) from error

    def _sum_ms(self, keys):
        return sum(self.latencies_ms[key] for key in keys)

    def _measure_pieces(self, segments, path, rounds, verbose):
        missing = [key for key in segments if key not in self.latencies_ms]
        for begin in range(0, len(missing), _BATCH_SIZE):
            keys = missing[begin : begin + _BATCH_SIZE]
            files = {
                key: piece_file(segments[key], self.quantize) for key in keys
            }
            measured = _latencies(files, self.num_threads, rounds)
            for key in keys:
                self.latencies_ms[key] = measured[key]
                self.descriptions[key] = segments[key].description
            if path is not None:
                self.save(path)
            if verbose:
                print(
                    f"measured {begin + len(keys)} of {len(missing)} pieces",
                    flush=True,
                )

    def _check_plan(self, plan, path):
        if self.plan == plan.digest:
            return
        raise ValueError(
            f"The latency table '{path}' is of another search space, or of "
            "other random models: its pieces fit together in another way, so "
            "predictions of the one would become wrong by the other. Expected "
            "the space, `num_calibration_models`, `num_test_models` and "
            "`seed` that it was measured with, another `path`, or "
            "`LatencyTable.load` to take it as it is. Nothing was changed. "
            f"The table has {len(self)} pieces, the space "
            f"{len(plan.segments)}, of which "
            f"{len(plan.segments.keys() - self.latencies_ms.keys())} are not "
            "in the table."
        )

    def _check_same(self, device, quantize, num_threads):
        own = (self.device, self.quantize, self.num_threads)
        asked = (device, quantize, num_threads)
        if own != asked:
            raise ValueError(
                "Latencies of different devices, kinds of files or numbers of "
                "threads do not belong in one table. Expected (device, "
                f"quantize, num_threads)={asked}. Received: {own}"
            )


def _latencies(files, num_threads, rounds):
    measured = export.measure_latency(
        files, num_threads=num_threads, rounds=rounds
    )
    return {key: one.latency_ms for key, one in measured.items()}


def _fit(sums_ms, measured_ms):
    """Fits `scale * sum + offset` with the least relative errors."""
    x, y = np.array(sums_ms), np.array(measured_ms)
    columns = np.stack([x / y, 1 / y], axis=1)
    if len(set(sums_ms)) > 1:
        (scale, offset), *_ = np.linalg.lstsq(columns, np.ones(len(y)))
        if scale > 0 and offset >= 0:
            return float(scale), float(offset)
    # One model, or noise: no model takes less than nothing.
    scale = columns[:, 0].sum() / (columns[:, 0] ** 2).sum()
    return float(scale), 0.0


def _not_a_table(path, error):
    return ValueError(
        f"'{path}' is no latency table. Expected a JSON file that "
        f"`LatencyTable.save` has written. The error was: {error}"
    )
