"""A trial as plain data."""

import keras_tuner
import pytest

from keras_nas.reports import TrialResult
from keras_nas_tests.reports.made_up_projects import make_trial


def test_the_best_of_each_metric_and_values_of_tuners_are_kept():
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 9)
    trial = make_trial(
        "0007", space, {"units": 3, "tuner/epochs": 4}, score=float("nan")
    )
    trial.metrics.register("val_accuracy", "max")
    trial.metrics.register("never", "max")
    for step, accuracy in enumerate([0.5, 0.75, 0.25]):
        trial.metrics.update("val_accuracy", accuracy, step)
    result = TrialResult.of(trial, 7)
    assert result.metrics == {"val_accuracy": 0.75}
    assert result.values == {"units": 3, "tuner/epochs": 4}
    assert (result.number, result.score, result.message) == (7, None, "")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            "Traceback\n  File x\nValueError: too wide\n\n",
            "ValueError: too wide",
        ),
        ("", "no message"),
    ],
)
def test_the_reason_of_a_failure_is_the_last_line(message, reason):
    trial = make_trial("0", keras_tuner.HyperParameters(), {}, message=message)
    assert TrialResult.of(trial, 0).reason == reason
