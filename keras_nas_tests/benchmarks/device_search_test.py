"""The search against a family designed by hand: what its figures are."""

import keras
import keras_tuner
import numpy as np
import pytest

from benchmarks import device_search

FAMILY = {
    "family_0.5": {"accuracy": 80.0, "latency_ms": 1.0},
    "family_1.0": {"accuracy": 82.0, "latency_ms": 2.0},
}


def test_what_is_found_is_compared_with_each_width():
    widths = device_search.compare(
        FAMILY
        | {
            "trial3": {"accuracy": 81.5, "latency_ms": 1.0},
            "trial7": {"accuracy": 82.0, "latency_ms": 1.6},
        }
    )
    assert widths["family_0.5"] == {
        "more_accuracy_points": 1.5,
        "times_as_fast": 1.0,
        "is_dominated": True,
    }
    # As accurate, and 1.25 times as fast only.
    assert widths["family_1.0"] == {
        "more_accuracy_points": 0.0,
        "times_as_fast": 1.25,
        "is_dominated": False,
    }


def test_twice_as_fast_is_enough():
    found = {"trial1": {"accuracy": 82.5, "latency_ms": 1.0}}
    widths = device_search.compare(FAMILY | found)
    assert widths["family_1.0"]["times_as_fast"] == 2.0
    assert widths["family_1.0"]["is_dominated"]


def test_what_is_neither_as_fast_nor_as_accurate_is_left_out():
    found = {"trial1": {"accuracy": 79.0, "latency_ms": 3.0}}
    widths = device_search.compare(FAMILY | found)
    assert widths["family_0.5"] == {
        "more_accuracy_points": None,
        "times_as_fast": None,
        "is_dominated": False,
    }


def test_the_family_has_the_widths_it_says():
    first = {
        width: device_search.build_family(width).layers[1].filters
        for width in device_search.FAMILY_WIDTHS
    }
    assert first == {0.5: 8, 1.0: 16, 1.5: 24, 2.0: 32}
    small, large = (device_search.build_family(w) for w in (0.5, 2.0))
    assert [type(a) for a in small.layers] == [type(a) for a in large.layers]


def test_trials_and_the_supernet_build_the_space():
    hp = keras_tuner.HyperParameters()
    assert device_search.build(hp).output_shape == (None, 10)
    sizes = [len(p.values) for p in hp.space]
    assert np.prod(sizes) == 4 * 5 * 6 * 4 * 5 * 6 * 4 * 5 * 6 * 3


def test_a_training_is_not_repeated(tmp_path, capsys):
    rng = np.random.default_rng(0)
    x = rng.random((64, 28, 28, 1), dtype="float32")
    trainings = device_search.Trainings(tmp_path, (x, np.arange(64) % 10))

    def make():
        layers = [keras.Input((28, 28, 1)), keras.layers.Flatten()]
        return keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])

    first = trainings.file("small", make, epochs=1, seed=2)
    assert "small_seed2_epochs1.tflite" in capsys.readouterr().out
    again = trainings.file("small", pytest.fail, epochs=1, seed=2)
    assert again.content == first.content
    assert capsys.readouterr().out == ""
    assert 0 <= device_search.accuracy(again, (x, np.arange(64) % 10)) <= 1
