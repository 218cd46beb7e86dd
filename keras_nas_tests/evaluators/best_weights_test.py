"""Which weights are kept, and how they are stored."""

import h5py
import keras
import keras_tuner
import numpy as np
import pytest

from keras_nas.evaluators.best_weights import BestWeights, without_optimizer
from keras_nas_tests.tuners.tiny_searches import X, Y

NAN = float("nan")
LOSS = keras_tuner.Objective("val_loss", "min")
ACCURACY = keras_tuner.Objective("val_accuracy", "max")


def make_model():
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile("adam", "mse", run_eagerly=True)
    return model


def run_epochs(best, model, *epochs):
    """Plays a training in which the weight is the number of the epoch."""
    best.set_model(model)
    for number, logs in enumerate(epochs):
        model.set_weights([np.full((1, 1), number, "float32")])
        best.on_epoch_end(number, logs)


def saved_weight(best, folder):
    best.save(str(folder))
    model = make_model()
    with without_optimizer(model):
        model.load_weights(folder / "checkpoint.weights.h5")
    return float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize(
    ("objective", "values", "expected"),
    [
        (LOSS, [0.9, 0.3, 0.5], 1),
        (ACCURACY, [0.9, 0.3, 0.5], 0),
        (LOSS, [0.5, 0.5], 0),
        (LOSS, [NAN, 0.5, 0.6], 1),
        (LOSS, [0.5, NAN], 0),
        (LOSS, [NAN, NAN, 0.5, NAN], 2),
        (ACCURACY, [NAN, -1.0, -2.0], 1),
        # Epochs that were not validated.
        (LOSS, [None, 0.3, None, 0.5], 1),
        (LOSS, [None, 0.5, None, 0.3], 3),
        # The objective is not known before the training has ended.
        (LOSS, [None, None, None], 2),
    ],
)
def test_the_weights_of_the_best_epoch_are_saved(
    tmp_path, objective, values, expected
):
    best = BestWeights(objective)
    epochs = [
        {} if value is None else {objective.name: value} for value in values
    ]
    run_epochs(best, make_model(), *epochs)
    assert saved_weight(best, tmp_path) == expected


def test_of_several_runs_the_best_epoch_of_all_is_saved(tmp_path):
    best = BestWeights(LOSS)
    run_epochs(best, make_model(), {"val_loss": 0.5}, {"val_loss": 0.2})
    run_epochs(best, make_model(), {"val_loss": 0.3}, {"val_loss": 0.4})
    assert saved_weight(best, tmp_path) == 1


def test_without_a_training_nothing_is_saved(tmp_path):
    BestWeights(LOSS).save(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_file_has_no_optimizer_state(tmp_path):
    best = BestWeights(keras_tuner.Objective("loss", "min"))
    model = make_model()
    model.fit(X[:, :1], Y, callbacks=[best], verbose=0)
    best.save(str(tmp_path))
    names = []
    with h5py.File(tmp_path / "checkpoint.weights.h5") as file:
        file.visit(names.append)
    assert any("dense" in name for name in names)
    assert not [name for name in names if "optimizer" in name]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "build_config.json",
        "checkpoint.weights.h5",
    ]
    # The model itself can be trained further.
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    model.fit(X[:, :1], Y, verbose=0)


def test_the_optimizer_returns_after_an_error():
    model = make_model()
    optimizer = model.optimizer
    with pytest.raises(OSError), without_optimizer(model):
        raise OSError("disk full")
    assert model.optimizer is optimizer


def test_models_without_an_optimizer_are_left_alone():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    with without_optimizer(model):
        assert not model.compiled
    assert not hasattr(model, "optimizer")
