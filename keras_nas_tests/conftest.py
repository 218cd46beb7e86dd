"""Makes all tests quieter and quicker."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner  # noqa: E402, F401
import pytest  # noqa: E402
import tensorflow  # noqa: E402, F401


def pytest_collection_finish():
    set_aside()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown():
    """Sets aside what is left when a test has ended, and its fixtures too."""
    result = yield
    set_aside()
    return result


def set_aside():
    """Spares the collection of garbage what will never be garbage.

    A search collects garbage before each model. That would look at the
    objects of the libraries each time, and at those of every graph that was
    traced in this process: TensorFlow keeps them (25 thousand objects for one
    training of a small supernet), so that a collection took seconds after
    some hundred tests.
    """
    gc.collect()
    gc.freeze()
