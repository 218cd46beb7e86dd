"""One trial, as plain data."""

import dataclasses
import math
import warnings

from keras_nas import architectures


@dataclasses.dataclass
class TrialResult:
    r"""What is known of one trial.

    Attributes:
        number: Integer, its place in the order in which trials started.
        trial_id: String.
        status: String, such as `"COMPLETED"` or `"FAILED"`.
        score: Float, or `None`.
        metrics: Dict of floats by name, the best value of each.
        values: Dict of the values of its active hyperparameters.
        message: String, why it failed or what else is to be said; perhaps
            empty.
        started: String, when it started, or `None` if it is not known.

    Example:

    >>> TrialResult(
    ...     0, "0000", "FAILED", None, {}, {},
    ...     "Traceback\nValueError: too wide\n").reason
    'ValueError: too wide'
    """

    number: int
    trial_id: str
    status: str
    score: float | None
    metrics: dict
    values: dict
    message: str = ""
    started: str | None = None

    @classmethod
    def of(cls, trial, number, started=None):
        """Makes it of a trial of KerasTuner.

        Args:
            trial: `keras_tuner.engine.trial.Trial`.
            number: Integer, its place in the order of starts.
            started: Optional string, when it started.

        Returns:
            `TrialResult`.
        """
        space = trial.hyperparameters
        values = architectures.active_values(space.values, space)
        known = {hp.name for hp in space.space}
        # Tuners add values of their own, such as Hyperband's epochs.
        values |= {k: v for k, v in space.values.items() if k not in known}
        with warnings.catch_warnings():
            # NumPy's, of a metric that was never a number.
            warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)
            metrics = {
                name: trial.metrics.get_best_value(name)
                for name in trial.metrics.metrics
            }
        metrics = {k: float(v) for k, v in metrics.items() if v is not None}
        score = None if trial.score is None else float(trial.score)
        return cls(
            number=number,
            trial_id=trial.trial_id,
            status=trial.status,
            score=score if score is None or math.isfinite(score) else None,
            metrics=metrics,
            values=values,
            message=trial.message or "",
            started=started,
        )

    @property
    def reason(self):
        """The last line of the message: that of an error says what it was."""
        lines = [line for line in self.message.splitlines() if line.strip()]
        return lines[-1].strip() if lines else "no message"
