"""The score of a trial on several devices is that of the model it leaves."""

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y
from keras_nas_tests.tuners.two_devices import run_on_two_devices


def build_normalized(hp):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dense(hp.Choice("units", [3, 4])),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


SEARCH = """
from keras_nas_tests.tuners.replica_average_test import build_normalized

class Watcher(keras.callbacks.Callback):
    '''Sees the statistics that the epoch was validated with.'''
    def on_test_end(self, logs=None):
        global validated
        validated = statistics(self.model)

    def __deepcopy__(self, memo):
        return self

def statistics(model):
    return [
        [copy.numpy().tolist()
         for copy in STRATEGY.experimental_local_results(variable.value)]
        for variable in model.non_trainable_weights]

tuner = nas.RandomSearch(
    build_normalized, "val_loss", max_trials=1, seed=0,
    directory=sys.argv[1], distribution_strategy=STRATEGY)
# One step: the first half of the data goes to the first device.
tuner.search(
    X, Y, validation_data=(X, Y), batch_size=8, shuffle=False, verbose=0,
    callbacks=[Watcher()])
(trial,) = tuner.oracle.trials.values()
(model,) = tuner.get_best_models()
print(json.dumps({
    "score": trial.score,
    "again": model.evaluate(X, Y, batch_size=8, verbose=0),
    "validated": validated,
    "loaded": statistics(model),
}))
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("replicas")


@pytest.fixture(scope="module")
def searched(directory):
    return run_on_two_devices(SEARCH, directory)


def test_the_mean_over_the_devices_is_validated_and_saved(searched):
    # From 0 and 1 halfway to the mean and the variance of each half.
    mean = (0.0 + X.mean(axis=0)) / 2
    variance = (1.0 + (X[:4].var(axis=0) + X[4:].var(axis=0)) / 2) / 2
    for statistics in searched["validated"], searched["loaded"]:
        for values, expected in zip(statistics, (mean, variance), strict=True):
            assert len(values) == 2
            for value in values:
                np.testing.assert_allclose(value, expected, atol=1e-6)


def test_the_score_is_that_of_the_best_model(searched):
    assert searched["score"] == pytest.approx(searched["again"], rel=1e-6)


def test_the_score_is_that_of_the_best_model_on_one_device(searched, directory):
    tuner = nas.RandomSearch(
        build_normalized,
        "val_loss",
        max_trials=1,
        seed=0,
        directory=directory,
    )
    (model,) = tuner.get_best_models()
    assert searched["score"] == pytest.approx(
        model.evaluate(X, Y, verbose=0), rel=1e-5
    )
