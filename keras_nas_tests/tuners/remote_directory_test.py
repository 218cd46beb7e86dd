"""A project need not be on a local disk.

`ram://` is a file system of TensorFlow that takes the way of `gs://` through
TensorFlow, Keras and this package, and needs no network.
"""

import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y, build, trials_of


def search(directory, max_trials):
    tuner = nas.RegularizedEvolution(
        build,
        "val_loss",
        max_trials=max_trials,
        population_size=2,
        tournament_size=2,
        seed=3,
        keep_weights=1,
        directory=directory,
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=1, verbose=0)
    return tuner


def test_a_project_is_resumed_from_a_remote_directory(tmp_path):
    remote = "ram://bucket/searches"
    search(remote, 2)
    tuner = search(remote, 4)
    assert trials_of(tuner) == trials_of(search(tmp_path, 4))

    (best,) = tuner.oracle.get_best_trials(1)
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(best.score)
    # Of the best trial alone, and no file half written.
    files = [
        f"{folder}/{file}"
        for folder, _, files in tf.io.gfile.walk(remote)
        for file in files
    ]
    assert [f for f in files if f.endswith(".h5")] == [
        f"{tuner.get_trial_dir(best.trial_id)}/checkpoint.weights.h5"
    ]
    assert not [f for f in files if "/." in f]
