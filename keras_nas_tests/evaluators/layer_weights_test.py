"""Which layers of two models are found to be the same."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.evaluators.layer_weights import layers_of, match_layers


def sequential(*parts, inputs=(4,)):
    return keras.Sequential([keras.Input(inputs), *parts])


def dense(*units):
    return sequential(*(layers.Dense(number) for number in units))


def matches(first, second):
    return match_layers(layers_of(first), layers_of(second))


def test_equal_models_match_whole_whatever_numbers_their_layers_have():
    first, second = dense(4, 4, 2), dense(4, 4, 2)
    assert first.layers[0].name != second.layers[0].name
    assert matches(first, second) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize(
    "first, second, expected",
    [
        # One layer more in the middle: the last one still finds itself.
        ((8, 8, 2), (8, 8, 8, 2), [(0, 0), (1, 1), (2, 3)]),
        ((8, 8, 8, 2), (8, 8, 2), [(0, 0), (1, 1), (3, 2)]),
        # 4->8, 8->2 against 4->6, 6->2: nothing fits.
        ((8, 2), (6, 2), []),
        # 4->8, 8->8, 8->2 against 4->8, 8->6, 6->2.
        ((8, 8, 2), (8, 6, 2), [(0, 0)]),
        # Order counts: 4->4, 4->8, 8->4 against 4->8, 8->4, 4->4.
        ((4, 8, 4), (8, 4, 4), [(1, 0), (2, 1)]),
    ],
)
def test_layers_without_names_are_matched_in_order(first, second, expected):
    assert matches(dense(*first), dense(*second)) == expected


def test_names_of_ones_own_tie_and_part():
    first = sequential(layers.Dense(4, name="a"), layers.Dense(4, name="b"))
    second = sequential(layers.Dense(4, name="b"), layers.Dense(4, name="a"))
    assert sorted(matches(first, second)) == [(0, 1), (1, 0)]
    third = sequential(layers.Dense(4, name="c"), layers.Dense(4))
    assert matches(first, third) == []


def test_numbers_in_names_of_ones_own_count():
    first = sequential(layers.Dense(4, name="block_1"))
    second = sequential(layers.Dense(4, name="block_2"))
    assert matches(first, second) == []
    assert [layer.name for layer in layers_of(first)] == ["block_1"]


def test_kinds_of_equal_shapes_do_not_match():
    first = sequential(layers.BatchNormalization(), layers.Dense(4))
    second = sequential(layers.Dense(4), layers.BatchNormalization())
    # One of the two can be matched in order, and only by its own kind.
    ((a, b),) = matches(first, second)
    assert layers_of(first)[a].name == layers_of(second)[b].name


def test_a_layer_is_all_its_weights():
    # Kernels differ, biases do not.
    first = sequential(layers.Dense(4, name="x"), inputs=(3,))
    second = sequential(layers.Dense(4, name="x"), inputs=(5,))
    assert matches(first, second) == []
    (found,) = layers_of(sequential(layers.BatchNormalization()))
    assert [name for name, _ in found.shapes] == [
        "gamma",
        "beta",
        "moving_mean",
        "moving_variance",
    ]


class Mixer(layers.Layer):
    """A layer of layers, with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.query = layers.Dense(4, name="query_1")
        self.inner = layers.Dense(4)

    def build(self, shape):
        self.scale = self.add_weight(shape=(1,), name="scale")
        self.query.build(shape)
        self.inner.build(shape)

    def call(self, x):
        return self.scale * self.query(x) + self.inner(x)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.body = layers.Dense(4)
        self.head = layers.Dense(1, name="head")

    def call(self, x):
        return self.head(self.body(x))


def recurrent():
    inputs = keras.Input((5, 4))
    x = layers.Bidirectional(layers.LSTM(3))(inputs)
    x = sequential(layers.Dense(2), inputs=(6,))(x)
    return keras.Model(inputs, x)


def subclassed():
    model = Subclassed()
    model(np.ones((1, 4)))
    return model


@pytest.mark.parametrize(
    "make, names",
    [
        (
            lambda: sequential(Mixer(), Mixer()),
            ["mixer", "mixer/query_1", "mixer/dense"] * 2,
        ),
        (subclassed, ["dense", "head"]),
        (
            recurrent,
            [
                "bidirectional/forward_lstm/lstm_cell",
                "bidirectional/backward_lstm/lstm_cell",
                "sequential/dense",
            ],
        ),
    ],
)
def test_layers_in_layers_are_found_again(make, names):
    keras.utils.clear_session()
    first, second = make(), make()  # The second has other numbers.
    assert [layer.name for layer in layers_of(first)] == names
    assert matches(first, second) == [(i, i) for i in range(len(names))]
    variables = [v for layer in layers_of(second) for v in layer.variables]
    assert [v.path for v in variables] == [v.path for v in second.weights]
