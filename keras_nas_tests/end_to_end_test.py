"""From real images to verified files for phones, as a user does it."""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

import keras_nas as nas


def build(hp):
    x = inputs = keras.Input((8, 8, 1))
    x = nas.blocks.ConvBlock(hp.Choice("stem_filters", [8, 16]))(x)
    for stage, filters in enumerate((16, 24)):
        x = nas.blocks.ConvBlock(filters, strides=2)(x)
        x = nas.layers.Repeat(
            hp,
            f"stage{stage}",
            min_repeats=0,
            max_repeats=1,
            block=lambda name, filters=filters: nas.layers.LayerChoice(
                hp,
                name,
                {
                    "mb": lambda: nas.blocks.InvertedBottleneck(
                        filters, kernel_size=3, expansion=2
                    ),
                    "separable": lambda: nas.blocks.SeparableConvBlock(filters),
                },
            ),
        )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    outputs = keras.layers.Dense(10, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


@pytest.fixture(scope="module")
def digits():
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    order = np.random.default_rng(0).permutation(len(images))
    train, validation, test = np.split(order, [1000, 1400])
    return {
        "train": (images[train], labels[train]),
        "validation": (images[validation], labels[validation]),
        "test": (images[test], labels[test]),
    }


@pytest.fixture(scope="module")
def tuner(digits, tmp_path_factory):
    tuner = nas.RegularizedEvolution(
        build,
        objective="val_accuracy",
        max_trials=3,
        population_size=2,
        seed=1,
        directory=tmp_path_factory.mktemp("digits"),
    )
    tuner.search(
        *digits["train"],
        validation_data=digits["validation"],
        epochs=5,
        batch_size=64,
        verbose=0,
    )
    return tuner


@pytest.fixture(scope="module")
def best(tuner):
    return tuner.get_best_models()[0]


def accuracy(scores, labels):
    return (scores.argmax(axis=-1) == labels).mean()


def test_every_architecture_is_trained_once(tuner):
    trials = tuner.oracle.trials.values()
    assert [trial.status for trial in trials] == ["COMPLETED"] * 3
    architectures = {
        nas.architectures.canonical_key(
            trial.hyperparameters.values, tuner.oracle.get_space()
        )
        for trial in trials
    }
    assert len(architectures) == 3


def test_the_best_model_knows_the_digits(tuner, best, digits):
    x, y = digits["validation"]
    (trial,) = tuner.oracle.get_best_trials()
    scores = best.predict(x, verbose=0)
    assert accuracy(scores, y) == pytest.approx(trial.score)
    x, y = digits["test"]
    assert accuracy(best.predict(x, verbose=0), y) > 0.8


def test_the_best_model_is_a_plain_keras_model(best, tmp_path):
    assert type(best).__module__.startswith("keras.")
    assert "keras_nas" not in best.to_json()
    best.save(tmp_path / "best.keras")
    loaded = keras.models.load_model(tmp_path / "best.keras", safe_mode=True)
    x = np.random.default_rng(0).random((4, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), best.predict(x, verbose=0)
    )


@pytest.fixture(scope="module")
def files(best, digits):
    x, _ = digits["train"]
    return {
        None: nas.export.to_tflite(best),
        "int8": nas.export.to_tflite(
            best, quantize="int8", representative_data=x
        ),
    }


@pytest.mark.parametrize("quantize", [None, "int8"])
def test_the_best_model_becomes_a_file_that_does_the_same(
    best, files, digits, tmp_path, quantize
):
    x, y = digits["test"]
    model = files[quantize]
    report = nas.export.verify(model, best, x, y)
    assert report.passed, report
    assert model.quantization == quantize
    assert accuracy(model.predict(x), y) > 0.8

    path = tmp_path / "model.tflite"
    model.save(path)
    loaded = nas.export.TFLiteModel.load(path)
    assert loaded.size_bytes == path.stat().st_size
    np.testing.assert_array_equal(loaded.predict(x[:4]), model.predict(x[:4]))


def test_the_int8_file_is_the_smaller_one(files):
    assert files["int8"].size_bytes < files[None].size_bytes


def test_the_files_are_measured_next_to_each_other(files):
    latency = nas.export.measure_latency(files, rounds=3)
    assert set(latency) == set(files)
    assert all(0 < measured.latency_ms < 10 for measured in latency.values())
