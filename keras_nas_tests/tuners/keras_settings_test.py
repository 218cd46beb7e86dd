"""Tests that searches leave the settings of Keras as the user made them."""

import os

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.tuners.keras_settings import KerasSettings, clear_session

X, Y = np.ones((8, 4)), np.ones(8)


class Policies(nas.evaluators.Evaluator):
    """Scores by the number of layers of mixed precision."""

    def evaluate(self, candidate):
        model = candidate.build()
        names = [layer.dtype_policy.name for layer in model.layers]
        return {"val_loss": float(names.count("mixed_bfloat16"))}


def build(hp):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(hp.Choice("units", [1, 2, 3])),
            keras.layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


@pytest.fixture
def _settings():
    before = KerasSettings.current()
    keras.config.set_dtype_policy("mixed_bfloat16")
    keras.config.set_epsilon(1e-5)
    keras.config.disable_traceback_filtering()
    keras.config.disable_interactive_logging()
    keras.config.disable_flash_attention()
    yield
    before.apply()


@pytest.mark.usefixtures("_settings")
def test_clearing_the_session_keeps_settings():
    before = KerasSettings.current()
    clear_session()
    assert KerasSettings.current() == before
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.is_flash_attention_enabled() is False
    # It does clear: names count from the beginning.
    assert keras.layers.Dense(1).name == "dense"


@pytest.mark.usefixtures("_settings")
@pytest.mark.parametrize("workers", [None, 1])
def test_all_models_of_a_search_have_the_dtype_policy(tmp_path, workers):
    os.environ["PYTHONPATH"] = os.getcwd()
    before = KerasSettings.current()
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        seed=0,
        evaluator=Policies(),
        constraints=[nas.costs.Parameters(max_parameters=1000)],
        directory=tmp_path,
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0, workers=workers)
    trials = tuner.oracle.trials.values()
    assert [trial.score for trial in trials] == [2.0, 2.0]
    assert KerasSettings.current() == before


@pytest.mark.usefixtures("_settings")
def test_settings_hold_in_the_body_alone():
    before = KerasSettings.current()
    keras.config.set_dtype_policy("float32")
    with before.applied():
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"
