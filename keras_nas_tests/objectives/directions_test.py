"""Names tell directions; what is no objective is refused with the way out."""

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas.objectives.directions import as_objective, direction_of


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("val_loss", "min"),
        ("accuracy", "max"),
        ("int8_val_accuracy", "max"),
        ("int8_io_val_accuracy", "max"),
        ("float16_val_loss", "min"),
        ("int8_latency_ms", "min"),
        ("pixel8_latency_ms", "min"),
        ("size_bytes", "min"),
        ("energy_mj", "min"),
        ("flops", "min"),
        ("int8_parameters", "min"),
        ("hyperparameters", None),
        ("beauty", None),
    ],
)
def test_a_name_tells_the_direction(name, direction):
    assert direction_of(name) == direction


def test_what_has_a_direction_is_an_objective_of_that_name():
    objective = as_objective("int8_val_accuracy")
    assert (objective.name, objective.direction) == ("int8_val_accuracy", "max")
    cost = nas.costs.Flops()
    assert as_objective(cost) is cost
    assert as_objective(None) is None
    one, other = as_objective(("val_loss", cost))
    assert one == keras_tuner.Objective("val_loss", "min")
    assert other is cost


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("beauty", r'"beauty" is to be minimised or.*Objective\(.beauty.'),
        (["val_loss", "beauty"], "Cannot tell"),
        (nas.costs.Flops, r"the class Flops; did you forget the .*`Flops\(\)`"),
        (3, "Received: objective=3"),
        ([], "at least one"),
        (["val_loss", "val_loss"], "each with another name"),
        ([nas.costs.Flops(), nas.costs.Flops(9)], "each with another name"),
        (["flops", nas.costs.Flops()], "each with another name"),
        (
            [
                nas.objectives.SoftConstraint("accuracy", "flops", 1),
                "latency_ms",
            ],
            "`SoftConstraint` makes one number",
        ),
    ],
)
def test_what_is_no_objective_is_refused(objective, message):
    for create in (as_objective, nas.oracles.RandomOracle):
        with pytest.raises(ValueError, match=message):
            create(objective)
