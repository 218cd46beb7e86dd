"""One way to store a model, with all that was measured of it."""

import dataclasses
import hashlib


@dataclasses.dataclass(frozen=True)
class Variant:
    """A file made of a model, or the Keras model that it is compared with.

    Args:
        name: `"float32"`, `"float16"`, `"dynamic"`, `"int4"`, `"int8"` or
            `"int8_io"`, as for `keras_nas.export.to_tflite`; `"keras"` and
            `"keras, compressed"` for the models themselves.
        tflite_model: `keras_nas.export.TFLiteModel`, or `None`.
        error: Why there is no file, or `None`.
        verification: `keras_nas.export.VerificationReport`, or `None`.
        score: Metric on the held-out data, or `None`.
        accuracy_drop: By how much the score is worse than that of the model
            given to `deploy`, or `None`.
        size_bytes: Length of the file; of a Keras model its weights alone.
        gzip_bytes: Length of the file when compressed with gzip.
        latencies: Dict of `keras_nas.export.LatencyMeasurement` by
            `(num_threads, xnnpack)`.
        peak_memory_bytes: Memory for activations.
    """

    name: str
    tflite_model: object = dataclasses.field(default=None, repr=False)
    error: str | None = None
    verification: object = dataclasses.field(default=None, repr=False)
    score: float | None = None
    accuracy_drop: float | None = None
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    latencies: dict = dataclasses.field(default_factory=dict, repr=False)
    peak_memory_bytes: int | None = None

    @property
    def file_name(self):
        """Name under which `Deployment.save_all` writes the file."""
        return f"model_{self.name}.tflite"

    @property
    def is_verified(self):
        """Whether there is a file that passed all checks."""
        return self.verification is not None and self.verification.passed

    @property
    def latency_ms(self):
        """Milliseconds a sample in the first setting that was measured."""
        for measurement in self.latencies.values():
            return measurement.latency_ms
        return None

    def to_dict(self):
        """Returns what was measured, as JSON can hold it."""
        content = {
            "name": self.name,
            "error": self.error,
            "score": self.score,
            "accuracy_drop": self.accuracy_drop,
            "size_bytes": self.size_bytes,
            "gzip_bytes": self.gzip_bytes,
            "peak_memory_bytes": self.peak_memory_bytes,
            "latency": [
                {
                    "num_threads": num_threads,
                    "xnnpack": xnnpack,
                    "latency_ms": measurement.latency_ms,
                    "spread": measurement.spread,
                }
                for (num_threads, xnnpack), measurement in (
                    self.latencies.items()
                )
            ],
        }
        if self.tflite_model is not None:
            file = self.tflite_model
            content |= {
                "file": self.file_name,
                "sha256": hashlib.sha256(file.content).hexdigest(),
                "verified": self.is_verified,
                "checks": [
                    dataclasses.asdict(check)
                    for check in self.verification.checks
                ],
                "inputs": [dataclasses.asdict(t) for t in file.inputs],
                "outputs": [dataclasses.asdict(t) for t in file.outputs],
                "operations": sorted(set(file.operations)),
                "float_operations": sorted(set(file.float_operations)),
            }
        return content
