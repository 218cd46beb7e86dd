"""The numbers that a training amounts to."""

import math

import keras_tuner
import numpy as np
import pytest

from keras_nas.evaluators.results import as_metrics
from keras_nas_tests.tuners.tiny_searches import make_history

LOSS = keras_tuner.Objective("val_loss", "min")
ACCURACY = keras_tuner.Objective("val_accuracy", "max")
NAN = float("nan")
INF = float("inf")


def test_the_metrics_are_those_of_the_epoch_with_the_smallest_loss():
    history = make_history(
        loss=[0.9, 0.5, 0.2], val_loss=[0.8, 0.3, 0.6], rate=[3, 2, 1]
    )
    assert as_metrics(history, LOSS) == {
        "loss": 0.5,
        "val_loss": 0.3,
        "rate": 2.0,
        "best_epoch": 1.0,
    }


def test_the_metrics_are_those_of_the_epoch_with_the_largest_accuracy():
    history = make_history(
        val_loss=[0.8, 0.3, 0.6], val_accuracy=[0.5, 0.6, 0.7]
    )
    assert as_metrics(history, ACCURACY) == {
        "val_loss": 0.6,
        "val_accuracy": 0.7,
        "best_epoch": 2.0,
    }


def test_of_equal_epochs_the_first_counts():
    history = make_history(val_accuracy=[0.5, 0.75, 0.75])
    assert as_metrics(history, ACCURACY)["best_epoch"] == 1


@pytest.mark.parametrize(
    ("losses", "best", "epoch"),
    [
        ([NAN, 0.5, 0.6], 0.5, 1),
        ([0.5, NAN, NAN], 0.5, 0),
        ([NAN, NAN, 0.7], 0.7, 2),
        ([INF, 0.5], 0.5, 1),
        ([0.5, INF], 0.5, 0),
        ([NAN, INF, 0.5], 0.5, 2),
    ],
)
def test_epochs_that_diverged_do_not_count(losses, best, epoch):
    metrics = as_metrics(make_history(val_loss=losses), LOSS)
    assert metrics == {"val_loss": best, "best_epoch": epoch}


@pytest.mark.parametrize("value", [NAN, INF])
def test_a_training_that_diverged_throughout_gives_no_finite_loss(value):
    metrics = as_metrics(make_history(val_loss=[value, value]), LOSS)
    assert not math.isfinite(metrics["val_loss"])


def test_an_accuracy_of_minus_infinity_is_not_the_best():
    history = make_history(val_accuracy=[-INF, 0.25, NAN])
    assert as_metrics(history, ACCURACY) == {
        "val_accuracy": 0.25,
        "best_epoch": 1,
    }


def test_epochs_without_validation_are_skipped():
    """As `validation_freq=2` gives it."""
    history = make_history(loss=[4, 3, 2, 1], val_loss=[0.2, 0.1])
    assert as_metrics(history, LOSS) == {
        "loss": 1,
        "val_loss": 0.1,
        "best_epoch": 3,
    }
    history = make_history(loss=[4, 3, 2, 1], val_loss=[0.1, 0.2])
    assert as_metrics(history, LOSS) == {
        "loss": 3,
        "val_loss": 0.1,
        "best_epoch": 1,
    }


def test_several_objectives_are_summed_in_every_epoch():
    both = keras_tuner.Oracle(objective=[LOSS, ACCURACY]).objective
    history = make_history(
        val_loss=[0.5, 0.25, 0.5], val_accuracy=[0.5, 0.5, 0.875]
    )
    assert as_metrics(history, both) == {
        "val_loss": 0.5,
        "val_accuracy": 0.875,
        "multi_objective": 0.5 - 0.875,
        "best_epoch": 2,
    }


@pytest.mark.parametrize(
    "result", [0.5, np.float32(0.5), np.float64(0.5), {"val_loss": 0.5}]
)
def test_a_number_is_the_objective(result):
    metrics = as_metrics(result, LOSS)
    assert metrics == {"val_loss": 0.5}
    assert type(metrics["val_loss"]) is float


def test_of_a_list_the_mean_is_taken():
    runs = [{"val_loss": 1.0, "size": 10}, {"val_loss": 2.0, "size": 30}]
    assert as_metrics(runs, LOSS) == {"val_loss": 1.5, "size": 20.0}
    assert as_metrics((1.0, 2.0, 6.0), LOSS) == {"val_loss": 3.0}


def test_of_a_list_only_what_every_run_has_is_averaged():
    """A callback may add a metric in some of the runs."""
    runs = [{"val_loss": 1.0, "late": 10}, {"val_loss": 2.0}]
    for order in (runs, runs[::-1]):
        assert as_metrics(order, LOSS) == {"val_loss": 1.5}


@pytest.mark.parametrize("result", [None, "0.5", [], [None], object()])
def test_what_is_no_result_is_shown(result):
    with pytest.raises(TypeError, match="Expected.*return the metrics"):
        as_metrics(result, LOSS)


@pytest.mark.parametrize(
    "result", [{"loss": 0.5}, make_history(loss=[0.5, 0.4])]
)
def test_a_missing_objective_is_named_with_what_there_is(result):
    with pytest.raises(ValueError, match=r"`val_loss`.*\['loss'\]"):
        as_metrics(result, LOSS)


def test_a_training_without_epochs_is_an_error():
    with pytest.raises(ValueError, match="without a finished epoch"):
        as_metrics(make_history(loss=[]), LOSS)
