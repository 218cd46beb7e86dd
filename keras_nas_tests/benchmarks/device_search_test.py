"""The search against a family designed by hand: what its figures are."""

import functools

import keras_tuner
import numpy as np
import pytest

from benchmarks import device_search


def network(validation_accuracy, accuracy, latency_ms):
    return {
        "validation_accuracy": validation_accuracy,
        "accuracy": accuracy,
        "latency_ms": latency_ms,
    }


FAMILY = {
    "family_0.5": network(80.0, 80.0, 1.0),
    "family_1.0": network(82.0, 82.0, 2.0),
}


def test_what_is_found_is_compared_with_each_width():
    found = {
        "trial3": network(81.5, 81.5, 1.0),
        "trial7": network(82.0, 82.0, 1.6),
    }
    widths = device_search.compare(FAMILY | found)
    assert widths["family_0.5"] == {
        "more_accuracy_points": 1.5,
        "times_as_fast": 1.0,
        "fastest_accuracy_points": 1.5,
        "dominated_by": ["trial3"],
        "is_dominated": True,
    }
    # As accurate, and 1.25 times as fast only.
    assert widths["family_1.0"] == {
        "more_accuracy_points": 0.0,
        "times_as_fast": 1.25,
        "fastest_accuracy_points": 0.0,
        "dominated_by": [],
        "is_dominated": False,
    }


def test_the_test_images_choose_nothing():
    found = {
        "lucky": network(81.0, 84.0, 1.5),
        "chosen": network(81.5, 82.5, 1.6),
    }
    width = device_search.compare(FAMILY | found)["family_1.0"]
    assert width["more_accuracy_points"] == 0.5
    assert width["times_as_fast"] is None
    assert not width["is_dominated"]
    assert width["dominated_by"] == ["lucky"]


@pytest.mark.parametrize(
    ("accuracy", "is_dominated"), [(82.0, True), (81.9, False)]
)
def test_twice_as_fast_is_enough_without_a_loss(accuracy, is_dominated):
    found = {"trial1": network(82.5, accuracy, 1.0)}
    width = device_search.compare(FAMILY | found)["family_1.0"]
    assert width["times_as_fast"] == 2.0
    assert width["fastest_accuracy_points"] == pytest.approx(accuracy - 82)
    assert width["is_dominated"] == is_dominated


def test_what_is_neither_as_fast_nor_as_accurate_is_left_out():
    widths = device_search.compare(FAMILY | {"t": network(79.0, 79.0, 3.0)})
    assert widths["family_0.5"] == {
        "more_accuracy_points": None,
        "times_as_fast": None,
        "fastest_accuracy_points": None,
        "dominated_by": [],
        "is_dominated": False,
    }


def test_finalists_are_the_best_of_each_band():
    scored = {
        "slow": (5.0, 0.9),
        "large": (4.0, 0.5),
        "larger": (3.9, 0.6),
        "largest": (3.0, 0.4),
        "medium": (2.0, 0.8),
        "small": (1.0, 0.7),
        "tiny": (0.5, 0.3),
    }
    # The bands end at 1, 2 and 4 milliseconds.
    best = device_search.best_of_bands(scored, [2.0, 4.0], number=2)
    assert best == ["small", "tiny", "medium", "larger", "large"]


def test_found_are_the_best_within_each_limit():
    scored = {
        "fast": (0.9, 0.7),
        "worse": (0.8, 0.6),
        "slow": (3.5, 0.8),
        "slower": (3.9, 0.75),
        "slowest": (3.9, 0.65),
        "too_slow": (4.1, 0.9),
    }
    best = device_search.best_within_limits(scored, [2.0, 4.0], number=2)
    # Within 1 and 2: fast, worse. Within 4: slow, slower.
    assert best == ["fast", "worse", "slow", "slower"]


def test_what_was_made_before_a_kill_is_read(tmp_path):
    path = tmp_path / "found.json"
    assert device_search.kept(path, lambda: ["0003"]) == ["0003"]
    assert device_search.kept(path, pytest.fail) == ["0003"]


def test_the_family_has_the_widths_it_says():
    first = {
        width: device_search.build_family(width).layers[1].filters
        for width in device_search.FAMILY_WIDTHS
    }
    assert first == {0.5: 8, 1.0: 16, 1.5: 24}
    small, large = (device_search.build_family(w) for w in (0.5, 1.5))
    assert [type(a) for a in small.layers] == [type(a) for a in large.layers]


def test_the_space_is_what_is_said():
    hp = keras_tuner.HyperParameters()
    assert device_search.build(hp).output_shape == (None, 10)
    sizes = [len(p.values) for p in hp.space]
    assert np.prod(sizes) == (4 * 4 * 5) ** 3 * 3 // 4 * 5


def test_a_training_is_not_repeated(tmp_path, capsys):
    rng = np.random.default_rng(0)
    data = rng.random((64, 28, 28, 1), dtype="float32"), np.arange(64) % 10
    trainings = device_search.Trainings(tmp_path, data, jobs=2)
    network = functools.partial(device_search.build_family, 0.5)
    first = trainings.files({"small": network}, epochs=1, seeds=[2])
    assert "small_seed2_epochs1.tflite" in capsys.readouterr().out
    # Nothing that could be sent to another process, nor called.
    again = trainings.files({"small": lambda: None}, epochs=1, seeds=[2])
    assert again["small", 2].content == first["small", 2].content
    assert capsys.readouterr().out == ""
    assert 0 <= device_search.accuracy(again["small", 2], data) <= 1
