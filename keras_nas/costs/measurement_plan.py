"""What has to be measured for a latency table."""

import dataclasses
import hashlib
import json
import numbers

import keras
import keras_tuner
import numpy as np

from keras_nas import architectures
from keras_nas.costs.flops import Flops
from keras_nas.costs.segment import cut
from keras_nas.costs.tflite_files import tflite_file

# Random architectures in a row without a new piece that end the collecting,
# and all that are built for it at most.
_PATIENCE = 25
_MAX_MODELS = 3000


@dataclasses.dataclass
class WholeModel:
    """A random model of a search space, to compare a table with.

    Attributes:
        keys: List of strings, its pieces.
        flops: Integer.
        model: `keras.Model`; `None` where only its file is left.
        latency_ms: Float, once it was measured.
    """

    keys: list
    flops: int
    model: keras.Model | None = None
    latency_ms: float | None = None


class MeasurementPlan:
    """What has to be measured for a table: pieces, and whole models.

    Args:
        search_space: Function `build(hp)` or `keras_tuner.HyperModel`.
        num_calibration_models: Integer.
        num_test_models: Integer.
        seed: Integer.

    Attributes:
        segments: Dict of `Segment` by key, those of all architectures that
            were looked at: random ones, until no new piece has come for some
            time.
        models: List of `WholeModel`: those to calibrate with, then those to
            test with. Fewer than asked for if the space has fewer.
        num_calibration_models: Integer, how many of `models` are to calibrate
            with. Of a space with few models each purpose gets its share, and
            the test two at least.
        digest: String, see `plan_digest`.
    """

    def __init__(
        self, search_space, num_calibration_models, num_test_models, seed=0
    ):
        for name, value in (
            ("num_calibration_models", num_calibration_models),
            ("num_test_models", num_test_models),
            ("seed", seed),
        ):
            is_integer = isinstance(value, numbers.Integral)
            if not is_integer or isinstance(value, bool) or value < 0:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"an integer from 0. Received: {name}={value!r}"
                )
        build = getattr(search_space, "build", search_space)
        if not callable(build):
            raise ValueError(
                "Invalid value received for argument `search_space`. Expected "
                "a function `build(hp)` or a `keras_tuner.HyperModel`. "
                f"Received: search_space={search_space!r}"
            )
        rng = np.random.default_rng(seed)
        self.segments, self.models, since_last = {}, [], 0
        wanted = num_calibration_models + num_test_models
        for model in _random_models(build, rng):
            segments = cut(model)
            keys = [segment.key for segment in segments]
            is_new = not self.segments.keys() >= set(keys)
            since_last = 0 if is_new else since_last + 1
            for segment in segments:
                self.segments.setdefault(segment.key, segment)
            if len(self.models) < wanted:
                self.models.append(
                    WholeModel(keys, Flops().measure(model), model)
                )
            if since_last >= _PATIENCE and len(self.models) >= wanted:
                break
        self.num_calibration_models = _calibrating(
            num_calibration_models, num_test_models, len(self.models)
        )
        self.digest = plan_digest(
            self.segments,
            [whole.keys for whole in self.models],
            self.num_calibration_models,
        )


def plan_digest(piece_keys, model_keys, num_calibration_models):
    """Makes a text that is equal for plans of the same measurements.

    Args:
        piece_keys: Iterable of strings, in any order.
        model_keys: List of lists of strings, the pieces of each whole model.
        num_calibration_models: Integer.

    Returns:
        String.

    Example:

    >>> plan_digest(["a", "b"], [["a", "b"]], 1) == plan_digest(
    ...     ["b", "a"], [["a", "b"]], 1)
    True
    """
    content = [sorted(piece_keys), model_keys, num_calibration_models]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _calibrating(num_calibration_models, num_test_models, num_models):
    """How many of the models that a space has are to calibrate with."""
    wanted = num_calibration_models + num_test_models
    # The test is a rank correlation too, which needs two models.
    if num_models >= wanted or not num_test_models or num_models < 3:
        return num_calibration_models
    share = -(-num_calibration_models * num_models // wanted)
    return min(share, num_models - 2)


def piece_file(segment, quantize):
    """Makes the `.tflite` file of a piece, without conversions at its ends.

    Args:
        segment: `Segment`.
        quantize: String, the kind of file of the whole models.

    Returns:
        `export.TFLiteModel`.
    """
    kind = "int8_io" if quantize == "int8" else quantize
    return tflite_file(segment.model(), kind)


def _random_models(build, rng):
    """Builds different random architectures of a space, at most 3,000."""
    space = keras_tuner.HyperParameters()
    yield build(space)
    seen = {architectures.canonical_key(space.values, space)}
    misses = 0
    while len(seen) < _MAX_MODELS and misses < _PATIENCE:
        hp = space.copy()
        hp.values = architectures.sample(space, rng)
        key = architectures.canonical_key(hp.values, space)
        if key in seen:
            misses += 1
            continue
        misses = 0
        seen.add(key)
        yield build(hp)
        space = hp  # What it asked for in addition.
