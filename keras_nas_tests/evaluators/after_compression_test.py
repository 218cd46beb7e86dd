"""Scores of the files that candidates become."""

import os

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.evaluators import AfterCompression

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X.sum(axis=1) > 0).astype("int32")
MAX_ACCURACY = keras_tuner.Objective("int8_val_accuracy", "max")
MIN_BYTES = keras_tuner.Objective("int8_size_bytes", "min")


def build(hp):
    units = hp.Choice("units", [4, 64])
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units, "relu"),
            keras.layers.Dense(2, "softmax"),
        ]
    )
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def search(directory, evaluator, objective, max_trials=2, **arguments):
    tuner = nas.RandomSearch(
        build,
        objective=objective,
        evaluator=evaluator,
        max_trials=max_trials,
        directory=str(directory),
        seed=1,
    )
    arguments = {"validation_data": (X, Y), "epochs": 2} | arguments
    tuner.search(X, Y, verbose=0, **arguments)
    return tuner


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    return search(
        tmp_path_factory.mktemp("search"),
        AfterCompression("int8", prune=0.5, epochs=1),
        [nas.costs.Parameters(), "int8_val_accuracy", "int8_size_bytes"],
    )


def trial_file(tuner, trial):
    path = os.path.join(tuner.get_trial_dir(trial.trial_id), "model.tflite")
    return nas.export.TFLiteModel.load(path)


def test_the_metrics_are_those_of_the_file(searched):
    for trial in searched.oracle.trials.values():
        assert trial.status == "COMPLETED"
        file = trial_file(searched, trial)
        measured = trial.metrics.get_last_value
        assert file.quantization == "int8"
        assert measured("int8_size_bytes") == file.size_bytes
        assert measured("int8_gzip_bytes") == file.gzip_bytes
        predicted = file.predict(X).argmax(axis=1)
        assert measured("int8_val_accuracy") == pytest.approx(
            np.mean(predicted == Y), abs=1e-6
        )
        assert measured("int8_latency_ms") > 0
        assert measured("int8_peak_memory_bytes") > 0
        assert measured("int8_is_verified") in (0.0, 1.0)


def test_the_training_before_is_reported_too(searched):
    for trial in searched.oracle.trials.values():
        for name in ("val_accuracy", "loss", "best_epoch"):
            assert trial.metrics.exists(name)
        # Measured by the tuner: 7 a unit, and 2.
        units = trial.hyperparameters["units"]
        cost = trial.metrics.get_best_value("parameters")
        assert cost == 7 * units + 2


def test_more_units_are_a_larger_file(searched):
    sizes = {
        trial.hyperparameters["units"]: trial_file(searched, trial).size_bytes
        for trial in searched.oracle.trials.values()
    }
    assert sizes[4] < sizes[64]


def test_the_file_is_of_the_compressed_model(searched):
    """Half of its kernels are zeros; those of the trained model are not."""
    for trial in searched.oracle.trials.values():
        model = searched.load_model(trial)
        assert np.all(model.get_weights()[0])
        kernels = int8_kernels(trial_file(searched, trial))
        assert kernels
        for kernel in kernels:
            assert np.mean(kernel == 0) >= 0.5


def int8_kernels(file):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.content)
    interpreter.allocate_tensors()
    return [
        interpreter.get_tensor(details["index"])
        for details in interpreter.get_tensor_details()
        if details["dtype"] == np.int8
        and len(details["shape"]) == 2
        and details["shape"][0] > 1
        and interpreter.get_tensor(details["index"]).any()
    ]


def test_a_killed_compression_does_not_train_again(tmp_path, monkeypatch):
    """What is left of a kill is put in the way of a search by hand."""
    trainings = []

    class Counted(nas.evaluators.Training):
        def evaluate(self, candidate):
            trainings.append(candidate.hyperparameters["units"])
            return super().evaluate(candidate)

    def killed(self, candidate, model):
        raise KeyboardInterrupt

    evaluator = AfterCompression("int8", evaluator=Counted())
    with monkeypatch.context() as patch:
        patch.setattr(AfterCompression, "_measured", killed)
        # As after a kill, nothing is cleaned up.
        patch.setattr(nas.storage, "remove", lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path, evaluator, MAX_ACCURACY, max_trials=1)
    assert len(trainings) == 1
    tuner = search(tmp_path, evaluator, MAX_ACCURACY, max_trials=1)
    assert len(trainings) == 1
    (trial,) = tuner.oracle.trials.values()
    assert trial.status == "COMPLETED"
    assert trial.metrics.exists("int8_val_accuracy")


def test_scores_of_a_supernet_can_be_those_of_files(tmp_path):
    def build_shared(hp):
        x = inputs = keras.Input((4,))
        x = nas.layers.Dense(hp.Choice("units", [4, 8]), activation="relu")(x)
        outputs = keras.layers.Dense(2, "softmax")(x)
        model = keras.Model(inputs, outputs)
        model.compile(
            "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    tuner = nas.RandomSearch(
        build_shared,
        objective=[MAX_ACCURACY, MIN_BYTES],
        evaluator=AfterCompression(
            evaluator=nas.evaluators.WeightSharing(epochs=1)
        ),
        max_trials=2,
        directory=str(tmp_path),
        seed=1,
    )
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    for trial in tuner.oracle.trials.values():
        assert trial.status == "COMPLETED"
        file = trial_file(tuner, trial)
        model = tuner.load_model(trial)
        np.testing.assert_allclose(
            file.predict(X), model.predict(X, verbose=0), atol=0.05
        )


def test_a_search_without_validation_data_is_told_so(tmp_path):
    with pytest.raises(ValueError, match="validation_data"):
        search(tmp_path, AfterCompression(), MAX_ACCURACY, validation_data=None)


def test_an_objective_that_nothing_measures_is_found_before_training(tmp_path):
    objective = keras_tuner.Objective("int8_val_auc", "max")
    with pytest.raises(ValueError, match="`val_auc` is not among"):
        search(tmp_path, AfterCompression(), objective)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"quantize": "int3"}, "int3"),
        ({"evaluator": "training"}, "evaluator"),
        ({"metric": 3}, "metric"),
        ({"prunes": 0.5}, "prunes"),
        ({"max_bytes": 1000}, "Limits are constraints or objectives"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        AfterCompression(**arguments)
