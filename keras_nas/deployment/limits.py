"""What a deployed file may cost, and the choice of the best that fits."""

import dataclasses
import math

# Accuracy within this of the best counts as equally good: what other samples
# would change.
_SAME_ACCURACY = 0.002


class DeploymentError(RuntimeError):
    """No file could be made that is right and within the limits.

    Nothing that was made is lost: the exception carries it.

    Args:
        message: What could not be met and by how much.
        deployment: The `Deployment` with all variants.
        limit: Name of the limit, such as `"max_bytes"`, that the nearest
            variant exceeds, or `None` if there is no verified file.
        nearest: The `Variant` that comes closest to the limits, or `None`.
        gap: By how much `nearest` exceeds `limit`, in its unit, or `None`.
    """

    def __init__(
        self, message, deployment=None, limit=None, nearest=None, gap=None
    ):
        super().__init__(message)
        self.deployment = deployment
        self.limit = limit
        self.nearest = nearest
        self.gap = gap


@dataclasses.dataclass(frozen=True)
class Limits:
    """Upper limits on what `deploy` may choose.

    Args:
        max_accuracy_drop: How much worse than the Keras model the score may
            be, in units of the metric.
        max_bytes: Largest length of the file.
        max_latency_ms: Longest latency, in the first setting measured.

    Raises:
        ValueError: If a limit is not a number of at least 0.
    """

    max_accuracy_drop: float | None = None
    max_bytes: int | None = None
    max_latency_ms: float | None = None

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if value is not None and not (
                isinstance(value, (int, float)) and 0 <= value < math.inf
            ):
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"a number of at least 0. Received: {name}={value!r}"
                )

    def to_dict(self):
        """Returns the limits that are set, by name."""
        values = dataclasses.asdict(self)
        return {k: v for k, v in values.items() if v is not None}

    def gaps(self, variant):
        """Returns by how much a variant exceeds limits, by their names."""
        measured = {
            "max_accuracy_drop": variant.accuracy_drop,
            "max_bytes": variant.size_bytes,
            "max_latency_ms": variant.latency_ms,
        }
        gaps = {
            name: measured[name] - limit
            for name, limit in self.to_dict().items()
        }
        # One sample more or less is not lost in rounding, and NaN is no pass.
        return {name: gap for name, gap in gaps.items() if not gap <= 1e-9}

    def choose(self, variants):
        """Returns the best of the variants within the limits, or `None`.

        That is the smallest file, and of files of one size the fastest. If
        only bytes or latency are limited, accuracy counts first.

        Args:
            variants: Iterable of `Variant`.
        """
        fitting = [v for v in variants if v.is_verified and not self.gaps(v)]
        is_cost_limited = self.max_bytes is not None or (
            self.max_latency_ms is not None
        )
        drops = [v.accuracy_drop for v in fitting]
        if (
            fitting
            and is_cost_limited
            and self.max_accuracy_drop is None
            and None not in drops
        ):
            best = min(drops) + _SAME_ACCURACY
            fitting = [v for v in fitting if v.accuracy_drop <= best]
        return min(
            fitting, key=lambda v: (v.size_bytes, v.latency_ms), default=None
        )

    def explain(self, deployment):
        """Returns the error that says why no variant was chosen.

        Args:
            deployment: `Deployment` without a best variant.
        """
        variants = deployment.variants.values()
        name = deployment.name
        verified = [v for v in variants if v.is_verified]
        if not verified:
            reasons = "\n".join(
                f"- {variant.name}: {_why_unusable(variant)}"
                for variant in variants
            )
            return DeploymentError(
                f"No TFLite file of model '{name}' is fit for use.\n{reasons}",
                deployment,
            )
        nearest = min(verified, key=self._excess)
        gaps = self.gaps(nearest)
        limit = max(gaps, key=lambda key: self._share(key, gaps[key]))
        return DeploymentError(
            f"{self.reason(deployment)} All files are in the attribute "
            f"`deployment` of this error.\n{deployment}",
            deployment,
            limit,
            nearest,
            gaps[limit],
        )

    def reason(self, deployment, prefix=""):
        """Says in a sentence which limit no verified variant meets.

        Args:
            deployment: `Deployment` with a verified variant, but no best.
            prefix: String before the names of limits, `"--"` for flags.
        """
        variants = deployment.variants.values()
        verified = [v for v in variants if v.is_verified]
        nearest = min(verified, key=self._excess)
        unmet = [
            f"{prefix}{key}={self.to_dict()[key]:,} is exceeded by "
            f"{_with_unit(key, gap)}"
            for key, gap in self.gaps(nearest).items()
        ]
        impossible = [
            f"{prefix}{key}"
            for key in self.to_dict()
            if all(key in self.gaps(variant) for variant in verified)
        ]
        reason = (
            f"no variant meets {' or '.join(impossible)}"
            if impossible
            else "each limit is met by some variant, but not all by one"
        )
        return (
            f"No TFLite file of model '{deployment.name}' meets the limits: "
            f"{reason}. The nearest is '{nearest.name}': {'; '.join(unmet)}."
        )

    def _excess(self, variant):
        gaps = self.gaps(variant)
        return sum(self._share(key, gap) for key, gap in gaps.items())

    def _share(self, key, gap):
        """A gap as a fraction of its limit, so that limits compare."""
        floor = 0.01 if key == "max_accuracy_drop" else 1e-6
        return gap / max(self.to_dict()[key], floor)


def _with_unit(key, gap):
    if key == "max_bytes":
        return f"{math.ceil(gap):,} bytes"
    if key == "max_latency_ms":
        return f"{gap:.3g} ms"
    return f"{gap:.3g}"


def _why_unusable(variant):
    if variant.error:
        return variant.error
    failed = ", ".join(c.name for c in variant.verification.failed_checks)
    return f"failed its verification: {failed}"
