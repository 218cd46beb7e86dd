"""Makes all tests quieter and quicker."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_tuner  # noqa: E402, F401
import tensorflow  # noqa: E402, F401

# Keras collects garbage before each model of a search. That need not look at
# the millions of objects of the libraries each time.
gc.collect()
gc.freeze()
