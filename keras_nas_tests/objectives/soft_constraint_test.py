import keras_tuner
import pytest

import keras_nas as nas
from keras_nas.objectives import SoftConstraint


def reward(accuracy, latency_ms, **arguments):
    objective = SoftConstraint("accuracy", "latency_ms", 10, **arguments)
    logs = {"accuracy": accuracy, "latency_ms": latency_ms, "loss": 1.0}
    assert objective.has_value(logs)
    return objective.get_value(logs)


def test_it_is_the_reward_of_the_paper():
    # 2 ** -0.07 = 0.95264, 0.5 ** -0.07 = 1.04972
    assert reward(0.5, 10) == 0.5
    assert reward(0.5, 20) == pytest.approx(0.47632, abs=1e-5)
    assert reward(0.5, 5) == pytest.approx(0.52486, abs=1e-5)
    # The other exponents of the paper: no gain within, a full price beyond.
    hard = {"alpha": 0, "beta": -1}
    assert reward(0.5, 5, **hard) == 0.5
    assert reward(0.5, 10, **hard) == 0.5
    assert reward(0.5, 40, **hard) == 0.125


def test_a_loss_is_multiplied_by_the_inverse_and_minimised():
    objective = SoftConstraint("val_loss", "flops", 100, beta=-1)
    assert objective.direction == "min"
    assert objective.get_value({"val_loss": 0.5, "flops": 200}) == 1.0
    assert SoftConstraint("val_accuracy", "flops", 1).direction == "max"


def test_the_limit_of_the_cost_is_the_target():
    objective = SoftConstraint("accuracy", nas.costs.Flops(50))
    assert objective.target == 50
    assert [part.name for part in objective.objectives] == ["accuracy", "flops"]
    assert not objective.has_value({"accuracy": 0.5})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "`target`.*positive number.*target=None"),
        ({"target": 0}, "`target`"),
        ({"target": True}, "`target`"),
        ({"target": 5, "beta": 0.07}, "`beta`.*at most 0"),
        ({"target": 5, "alpha": "steep"}, "`alpha`.*finite number"),
        ({"target": 5, "cost": "accuracy"}, "each with another name"),
        ({"target": 5, "cost": "val_accuracy"}, "`cost`.*minimised"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    arguments = {"objective": "accuracy", "cost": "latency_ms"} | arguments
    with pytest.raises(ValueError, match=message):
        SoftConstraint(**arguments)


@pytest.mark.parametrize(("accuracy", "latency_ms"), [(-0.1, 5), (0.5, 0)])
def test_numbers_that_have_no_reward_are_refused(accuracy, latency_ms):
    with pytest.raises(ValueError, match="WeightedChebyshev"):
        reward(accuracy, latency_ms)


def test_two_are_equal_if_all_of_them_is():
    one = SoftConstraint("accuracy", "flops", 5)
    assert one == SoftConstraint("accuracy", "flops", 5)
    assert one != SoftConstraint("accuracy", "flops", 6)
    assert one != SoftConstraint("accuracy", "latency_ms", 5)
    assert one != keras_tuner.Objective("soft_constraint", "max")
    assert "target=5" in str(one)
