import pytest

from keras_nas.objectives import WeightedChebyshev

NAMES = ["accuracy", "latency_ms"]


def distance(accuracy, latency_ms, **arguments):
    defaults = {"ideal": [1.0, 10], "nadir": [0.0, 50], "augmentation": 0}
    objective = WeightedChebyshev(NAMES, **(defaults | arguments))
    assert objective.direction == "min"
    return objective.get_value({"accuracy": accuracy, "latency_ms": latency_ms})


def test_it_is_the_largest_share_of_the_way_to_the_nadir():
    # Weights of a half each: losses (0.2, 0.25), (0.4, 0.25), (0, 0).
    assert distance(0.8, 20) == 0.5 * 0.25
    assert distance(0.6, 20) == 0.5 * 0.4
    assert distance(1.0, 10) == 0.0


def test_weights_count_by_their_ratio():
    assert distance(0.8, 20, weights=[3, 1]) == pytest.approx(0.75 * 0.2)
    assert distance(0.8, 20, weights=[6, 2]) == pytest.approx(0.75 * 0.2)


def test_the_sum_decides_between_equals():
    # 0.25 + 0.1 * (0.25 + 0.1), and with the latency of the other.
    arguments = {"augmentation": 0.1}
    assert distance(0.5, 18, **arguments) == pytest.approx(0.285)
    assert distance(0.5, 10, **arguments) == pytest.approx(0.275)


def test_what_is_better_than_ideal_is_better_still():
    assert distance(1.0, 5) <= distance(1.0, 10)
    assert distance(1.2, 5) < 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objectives": "accuracy"}, "`objectives`.*list"),
        ({"objectives": ["flops", "flops"]}, "another name"),
        ({"ideal": [1.0]}, "`ideal`.*2 numbers"),
        ({"nadir": 3}, "`nadir`.*2 numbers"),
        ({"nadir": [0.0, float("inf")]}, "`nadir`.*finite number"),
        ({"weights": [1, 0]}, "`weights`.*positive number.*weights=0"),
        ({"weights": [1, -1]}, "`weights`.*positive number"),
        ({"weights": [1, 2, 3]}, "`weights`.*2 numbers"),
        ({"augmentation": -0.1}, "`augmentation`.*at least 0"),
        ({"nadir": [1.5, 50]}, r"`nadir`.*`accuracy` \(max\).*worse"),
        ({"nadir": [0.0, 10]}, r"`nadir`.*`latency_ms` \(min\).*worse"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    defaults = {"objectives": NAMES, "ideal": [1.0, 10], "nadir": [0.0, 50]}
    with pytest.raises(ValueError, match=message):
        WeightedChebyshev(**(defaults | arguments))
