"""Only weights that somebody may ask for stay on the disk."""

import pathlib

import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import UNITS, X, Y, build


def search(tmp_path, **arguments):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=len(UNITS),
        seed=0,
        directory=tmp_path,
        **arguments,
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    return tuner


def kept(tuner):
    folders = [
        pathlib.Path(tuner.get_trial_dir(trial.trial_id))
        for trial in tuner.oracle.get_best_trials(len(UNITS))
    ]
    return [(f / "checkpoint.weights.h5").exists() for f in folders]


def test_the_weights_of_the_best_trials_are_kept(tmp_path):
    tuner = search(tmp_path, keep_weights=2)
    assert kept(tuner) == [True] * 2 + [False] * 4
    assert len(tuner.get_best_models(2)) == 2
    with pytest.raises(RuntimeError, match="`keep_weights=2` best trials"):
        tuner.get_best_models(3)


def test_all_weights_can_be_kept(tmp_path):
    assert kept(search(tmp_path, keep_weights=None)) == [True] * 6
