"""Tests what garbage is collected of during a search."""

import gc
import weakref

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.tuners.garbage_collection import older_objects_set_aside


@pytest.fixture(autouse=True)
def nothing_set_aside():
    """The tests set objects aside themselves, see `conftest.py`."""
    gc.unfreeze()
    yield
    gc.unfreeze()


class Part:
    """One half of a circle."""


def circle():
    """Returns an object that only a collection frees, and a reference."""
    first, second = Part(), Part()
    first.other, second.other = second, first
    return first, weakref.ref(first)


def test_garbage_of_the_body_is_collected_in_it():
    with older_objects_set_aside():
        young, reference = circle()
        del young
        gc.collect()
        assert reference() is None


def test_garbage_of_before_is_collected_first():
    old, reference = circle()
    del old
    with older_objects_set_aside():
        assert reference() is None


def test_older_objects_are_brought_back_after_an_error():
    old, reference = circle()
    with pytest.raises(KeyError), older_objects_set_aside():
        del old
        gc.collect()
        assert reference() is not None
        raise KeyError
    gc.collect()
    assert reference() is None


def test_what_others_set_aside_stays():
    old, reference = circle()
    gc.freeze()
    with older_objects_set_aside():
        pass
    assert gc.get_freeze_count() > 1000
    del old
    gc.collect()
    assert reference() is not None


class Counts(nas.evaluators.Evaluator):
    """Notes how many objects each collection has to look at."""

    def __init__(self):
        self.looked_at = []

    def evaluate(self, candidate):
        """Returns the value of the only hyperparameter."""
        self.looked_at.append(len(gc.get_objects()))
        return {"score": candidate.hyperparameters.get("units")}


def build(hp):
    """Builds a layer."""
    layers = [keras.Input((1,)), keras.layers.Dense(hp.Int("units", 1, 9))]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    return model


def test_a_search_leaves_the_libraries_out(tmp_path):
    evaluator = Counts()
    tuner = nas.RandomSearch(
        build,
        objective=keras_tuner.Objective("score", "max"),
        max_trials=3,
        evaluator=evaluator,
        directory=tmp_path,
    )
    tuner.search(np.zeros((2, 1)), np.zeros((2, 1)), verbose=0)
    assert len(evaluator.looked_at) == 3
    assert max(evaluator.looked_at) < len(gc.get_objects()) / 3
    assert gc.get_freeze_count() == 0
