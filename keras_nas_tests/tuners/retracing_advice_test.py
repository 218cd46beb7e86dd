"""Tests that a search does not advise against building models."""

import logging

import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.tuners.retracing_advice import retracing_advice_hidden
from keras_nas_tests.tuners.tiny_searches import ScoredByUnits, build


@pytest.fixture
def told():
    """What TensorFlow logs."""
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record.getMessage())

    handler = Handler()
    tf.get_logger().addHandler(handler)
    yield records
    tf.get_logger().removeHandler(handler)


def retrace(name):
    """Traces a function so often that TensorFlow warns.

    It warns twice of a function, which it knows by its name and the place
    where it is defined, so each test has one of its own.
    """
    names = {}
    exec(compile(f"def {name}(number): return number", name, "exec"), names)
    function = tf.function(names[name], autograph=False)
    for number in range(12):
        function(number)


class Retracing(ScoredByUnits):
    """Retraces and warns."""

    def evaluate(self, candidate):
        retrace("of_an_evaluator")
        tf.get_logger().warning("something else")
        return super().evaluate(candidate)


def test_a_search_keeps_the_advice_back_and_nothing_else(told, tmp_path):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        evaluator=Retracing(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    assert told == ["something else"] * 2
    retrace("of_the_user")
    assert any("retracing" in line for line in told)


def test_it_comes_back_after_an_error(told):
    with pytest.raises(KeyError), retracing_advice_hidden():
        raise KeyError
    retrace("after_an_error")
    assert any("retracing" in line for line in told)
