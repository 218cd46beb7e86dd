"""What comes back from a worker."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """What a worker reports of a trial.

    Attributes:
        hyperparameters: Dict, the configuration of the
            `keras_tuner.HyperParameters`, with those discovered in the trial.
        metrics: Dict of floats; `None` if the trial failed.
        error: String, the traceback of the failure; `None` if there is none.
        kind: `"fatal"` if the search should end, `"final"` if the trial
            should not be tried again, `"error"` for all other failures.

    Example:

    >>> TrialResult({}, metrics={"loss": 0.5}).error is None
    True
    """

    hyperparameters: dict
    metrics: dict = None
    error: str = None
    kind: str = None
