import itertools

import keras_tuner
import numpy as np

from keras_nas import architectures
from keras_nas.supernet.gradient.most_probable import (
    most_probable,
    most_probable_architectures,
)


def test_all_architectures_come_once_in_the_order_of_their_probability():
    rng = np.random.default_rng(0)
    given = [rng.dirichlet(np.ones(size)) for size in (3, 4, 2, 3)]

    def probability(vector):
        return np.prod([p[i] for p, i in zip(given, vector, strict=True)])

    everything = itertools.product(*(range(len(p)) for p in given))
    expected = sorted(everything, key=probability, reverse=True)
    assert list(most_probable(given)) == expected
    assert len(expected) == 72


def test_the_first_of_a_huge_space_come_at_once():
    given = [[0.1, 0.6, 0.3]] * 40  # 10 ** 19 architectures.
    found = list(itertools.islice(most_probable(given), 42))
    assert found[0] == (1,) * 40
    assert all(sum(n == 2 for n in vector) == 1 for vector in found[1:41])
    assert sum(n == 2 for n in found[41]) == 2


def test_what_is_impossible_comes_last():
    assert list(most_probable([[0.0, 1.0], [0.5, 0.5]]))[:2] == [(1, 0), (1, 1)]


def conditional_space():
    """`b` is there for two values of `a`, `c` for one of `b`."""
    hp = keras_tuner.HyperParameters()
    hp.Choice("a", ["x", "y", "z"])
    with hp.conditional_scope("a", ["y", "z"]):
        hp.Choice("b", [1, 2])
        with hp.conditional_scope("b", [2]):
            hp.Choice("c", [0.1, 0.2, 0.3])
    hp.Boolean("d")
    hp.Choice("rate", [0.01, 0.1])
    return hp


def test_architectures_come_in_the_order_of_their_best_tuples():
    space = conditional_space()
    rng = np.random.default_rng(3)
    given = {
        name: dict(
            zip(values, rng.dirichlet(np.ones(len(values))), strict=True)
        )
        for name, values in {
            "a": ["x", "y", "z"],
            "b": [1, 2],
            "c": [0.1, 0.2, 0.3],
            "d": [False, True],
        }.items()
    }
    expected = []
    for vector in most_probable([list(p.values()) for p in given.values()]):
        values = {"rate": 0.1} | {
            name: list(given[name])[number]
            for name, number in zip(given, vector, strict=True)
        }
        values = architectures.active_values(values, space)
        if values not in expected:
            expected.append(values)
    found = list(most_probable_architectures(given, space, {"rate": 0.1}))
    assert found == expected
    # x, or one of two with b = 1, or with b = 2 and one of three.
    assert len(found) == (1 + 2 * (1 + 3)) * 2


def test_inactive_hyperparameters_do_not_hold_up_the_second():
    space = keras_tuner.HyperParameters()
    space.Choice("a", [1, 2])
    with space.conditional_scope("a", [2]):
        for i in range(60):  # 3 ** 60 tuples have a = 1.
            space.Choice(f"b{i}", [1, 2, 3])
    given = {f"b{i}": {1: 0.34, 2: 0.33, 3: 0.33} for i in range(60)}
    given["a"] = {1: 0.999, 2: 0.001}
    found = list(itertools.islice(most_probable_architectures(given, space), 3))
    assert found[0] == {"a": 1}
    assert found[1] == {"a": 2} | {f"b{i}": 1 for i in range(60)}
    assert sorted(found[2].values()) == [1] * 59 + [2, 2]


def test_what_depends_on_a_hyperparameter_of_one_value():
    space = keras_tuner.HyperParameters()
    space.Fixed("one", "d")
    with space.conditional_scope("one", ["d"]):
        space.Choice("op", ["a", "b"])
    given = {"op": {"a": 0.4, "b": 0.6}}
    assert list(most_probable_architectures(given, space)) == [
        {"one": "d", "op": "b"},
        {"one": "d", "op": "a"},
    ]
