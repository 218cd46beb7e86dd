import math

import keras_tuner

from keras_nas import oracles
from keras_nas.objectives import SoftConstraint
from keras_nas.objectives.parts import has_front, losses_of, parts_of


def test_only_a_list_of_several_objectives_has_a_front():
    def objective(given):
        return oracles.RandomOracle(given).objective

    scalar = SoftConstraint("accuracy", "flops", target=1)
    for given, names, is_front in (
        ("val_loss", ["val_loss"], False),
        (["val_loss"], ["val_loss"], False),
        (["accuracy", "flops"], ["accuracy", "flops"], True),
        (scalar, ["accuracy", "flops"], False),
        (None, ["default_objective"], False),
    ):
        made = objective(given)
        assert [part.name for part in parts_of(made)] == names
        assert has_front(made) == is_front


def test_losses_are_to_be_minimised_and_nan_where_there_are_none():
    objective = oracles.RandomOracle(["accuracy", "flops"]).objective
    assert losses_of(objective, {"accuracy": 0.5, "flops": 3}) == (-0.5, 3.0)
    first, second = losses_of(objective, {"flops": 3})
    assert math.isnan(first)
    assert second == 3.0
    plain = keras_tuner.Objective("loss", "min")
    assert losses_of(plain, {"loss": 2}) == (2.0,)
