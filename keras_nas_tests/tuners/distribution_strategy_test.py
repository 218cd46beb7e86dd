"""Training on several devices; TPUs and GPUs work in the same way."""

import json
import pathlib
import subprocess
import sys

import pytest

# Logical devices must be there before TensorFlow starts.
SCRIPT = """
import json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras
import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y

replicas = []

def build(hp):
    replicas.append(tf.distribute.get_strategy().num_replicas_in_sync)
    model = keras.Sequential([
        keras.Input((2,)), keras.layers.Dense(hp.Choice("units", [1, 2]))])
    model.compile("sgd", "mse")
    return model

tuner = nas.RandomSearch(
    build, "val_mae", max_trials=1, seed=0, directory=sys.argv[1],
    optimizer="adam", loss="mae", metrics=["mae"],
    distribution_strategy=tf.distribute.MirroredStrategy(
        ["/cpu:0", "/cpu:1"]))
tuner.search(
    X, Y[:, [0]], validation_data=(X, Y), batch_size=4, epochs=2, verbose=0)
(trial,) = tuner.oracle.trials.values()
(model,) = tuner.get_best_models()
print(json.dumps({
    "replicas": replicas,
    "status": trial.status,
    "message": trial.message,
    "score": trial.score,
    "again": model.evaluate(X, Y, batch_size=4, verbose=0,
                            return_dict=True)["mae"],
    "devices": len(model.weights[0].value.values),
}))
"""


def test_models_are_built_trained_and_loaded_on_all_devices(tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=pathlib.Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout.splitlines()[-1])
    assert result["status"] == "COMPLETED", result["message"]
    assert set(result["replicas"]) == {2}
    assert result["devices"] == 2
    assert result["score"] == pytest.approx(result["again"], rel=1e-5)
