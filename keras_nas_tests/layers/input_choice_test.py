import keras
import keras_tuner
import numpy as np
import pytest

from keras_nas import layers


def tensors(count, shape=(4,)):
    return [keras.Input(shape) for _ in range(count)]


def values(num_inputs, **arguments):
    hp = keras_tuner.HyperParameters()
    layers.InputChoice(hp, "skip", **arguments)(tensors(num_inputs))
    (parameter,) = hp.space
    return parameter.values


def test_each_subset_is_one_value():
    assert values(3) == ["0", "1", "2"]
    assert values(3, num_chosen=2) == ["0+1", "0+2", "1+2"]
    assert values(3, num_chosen=3) == ["0+1+2"]
    assert values(3, num_chosen=None) == [
        "0",
        "1",
        "2",
        "0+1",
        "0+2",
        "1+2",
        "0+1+2",
    ]
    assert len(values(12, num_chosen=2)) == 66
    assert values(12, num_chosen=2)[-1] == "10+11"


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [("sum", [[101.0]]), ("mean", [[50.5]]), ("concat", [[1.0, 100.0]])],
)
def test_reductions(reduction, expected):
    hp = keras_tuner.HyperParameters()
    hp.values["skip"] = "0+2"
    inputs = tensors(3, (1,))
    output = layers.InputChoice(hp, "skip", 2, reduction)(inputs)
    model = keras.Model(inputs, output)
    data = [np.full((1, 1), value) for value in (1.0, 10.0, 100.0)]
    np.testing.assert_allclose(model(data), expected)


def test_one_chosen_input_is_passed_on():
    hp = keras_tuner.HyperParameters()
    hp.values["skip"] = "1"
    inputs = tensors(3)
    assert layers.InputChoice(hp, "skip")(inputs) is inputs[1]


def test_no_reduction_gives_a_list():
    hp = keras_tuner.HyperParameters()
    hp.values["skip"] = "1+2"
    inputs = tensors(3)
    chosen = layers.InputChoice(hp, "skip", 2, reduction="none")(inputs)
    assert len(chosen) == 2
    assert chosen[0] is inputs[1] and chosen[1] is inputs[2]
    one = layers.InputChoice(hp, "one", 1, reduction="none")(inputs)
    assert isinstance(one, list) and one[0] is inputs[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_chosen": 0}, "positive integer. Received: num_chosen=0"),
        ({"num_chosen": 1.5}, "argument `num_chosen`"),
        ({"num_chosen": True}, "argument `num_chosen`"),
        ({"reduction": "max"}, "argument `reduction`"),
        (
            {"num_chosen": None, "reduction": "concat"},
            "must not depend on the choice",
        ),
        ({"num_chosen": None, "reduction": "none"}, "argument `num_chosen`"),
    ],
)
def test_invalid_arguments(arguments, message):
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match=message):
        layers.InputChoice(hp, "skip", **arguments)


@pytest.mark.parametrize(
    ("inputs", "arguments", "message"),
    [
        ([], {}, "non-empty list"),
        (keras.Input((4,)), {}, "non-empty list"),
        (tensors(1), {"num_chosen": 2}, "chooses 2 distinct inputs"),
        (tensors(20), {"num_chosen": 10}, "184756 values"),
        (tensors(11), {"num_chosen": None}, "2047 values"),
        (tensors(1) + tensors(1, (5,)), {}, "1: shape=\\(None, 5\\)"),
    ],
)
def test_invalid_inputs(inputs, arguments, message):
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match=message):
        layers.InputChoice(hp, "skip", **arguments)(inputs)
    assert not hp.space


def test_a_value_that_is_no_subset():
    hp = keras_tuner.HyperParameters()
    layers.InputChoice(hp, "skip")(tensors(3))
    hp.values["skip"] = "2"
    with pytest.raises(ValueError, match="same number of inputs"):
        layers.InputChoice(hp, "skip")(tensors(2))
