"""The median stopping rule, against medians worked out by hand."""

import pytest

from keras_nas.stopping import MedianStoppingRule

NAN = float("nan")

# Means of the first two epochs: 0.9, 0.7, 0.5, 0.3, 0.1; the median is 0.5.
OTHERS = {
    0: [1.0, 0.8, 0.6],
    1: [0.8, 0.6],
    2: [0.6, 0.4],
    3: [0.4, 0.2],
    4: [0.2, 0.0],
}


@pytest.mark.parametrize(
    ("curve", "is_stopped"),
    [
        ([0.9, 0.51], True),
        ([0.9, 0.5], False),  # Not worse than the median.
        ([0.49, 2.0], False),  # Its best counts, not its last.
        ([NAN, 0.51], True),
        ([NAN, NAN], True),
    ],
)
def test_the_best_is_compared_with_the_median_of_the_means(curve, is_stopped):
    rule = MedianStoppingRule()
    assert rule.should_stop(curve, OTHERS, number=5) is is_stopped


def test_only_trials_that_got_as_far_are_compared():
    # After three epochs there is but one other.
    curve = [9.0, 9.0, 9.0]
    assert not MedianStoppingRule().should_stop(curve, OTHERS, number=5)
    rule = MedianStoppingRule(min_trials=1)
    assert rule.should_stop(curve, OTHERS, number=5)


def test_a_trial_has_its_first_epochs():
    rule = MedianStoppingRule(min_epochs=3)
    assert not rule.should_stop([9.0, 9.0], OTHERS, number=5)


def test_epochs_gone_wrong_do_not_count_in_a_mean():
    others = {0: [NAN, 0.4], 1: [0.4, NAN], 2: [NAN, NAN]}
    rule = MedianStoppingRule(min_trials=3)
    assert rule.should_stop([1.0, 0.41], others, number=3)
    assert not rule.should_stop([1.0, 0.39], others, number=3)


@pytest.mark.parametrize("name", ["min_epochs", "min_trials"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "1", True])
def test_arguments_are_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        MedianStoppingRule(**{name: value})
