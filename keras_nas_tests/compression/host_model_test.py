import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.compression import Bridge
from keras_nas.compression.host_model import HostModel


def classifier():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, use_bias=False, kernel_regularizer="l2"),
            # Not BatchNormalization: tf_keras corrects the moving variance for
            # the size of the batch, and Keras 3 does not.
            layers.LayerNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(0.02, 5, 0.8),
            weight_decay=0.01,
            clipnorm=1.0,
        ),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return model


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 6, 6, 1)).astype("float32")
    return x, rng.integers(3, size=50)


def host(model):
    bridge = Bridge(model)
    return HostModel(bridge, bridge.model, bridge.copy_weights)


def test_training_equals_that_of_keras():
    x, y = data()
    arguments = {
        "batch_size": 16,
        "epochs": 3,
        "shuffle": False,
        "validation_data": (x[:20], y[:20]),
        "class_weight": {0: 1.0, 1: 2.0, 2: 0.5},
        "verbose": 0,
    }
    hosted = host(classifier())
    expected = classifier()
    histories = [
        model.fit(x, y, **arguments).history for model in (hosted, expected)
    ]
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[1].items():
        np.testing.assert_allclose(
            histories[0][name], values, rtol=1e-4, err_msg=name
        )
    for received, weight in zip(
        hosted.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_allclose(received, weight, rtol=1e-3, atol=1e-5)


def test_dicts_of_inputs_and_outputs():
    first, second = (keras.Input((3,), name=name) for name in ("a", "b"))
    x = layers.Concatenate()([first, second])
    model = keras.Model(
        [first, second],
        {
            "one": layers.Dense(1, name="one")(x),
            "two": layers.Dense(2, name="two")(x),
        },
    )
    model.compile("sgd", {"one": "mse", "two": "mae"})
    hosted = host(model)
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(8, 3)).astype("float32") for name in "ba"}
    y = {"one": np.ones((8, 1)), "two": np.zeros((8, 2))}
    received = hosted.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(
        received, model.evaluate(x, y, verbose=0), rtol=1e-5
    )
    hosted.fit(x, y, epochs=5, verbose=0)
    assert hosted.evaluate(x, y, verbose=0)[0] < received[0]


def test_callbacks_save_and_restore_ordinary_models(tmp_path):
    x, y = data()
    hosted = host(classifier())
    path = str(tmp_path / "best.keras")
    hosted.fit(
        x,
        y,
        epochs=2,
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(path, monitor="loss"),
            keras.callbacks.EarlyStopping(
                "loss", restore_best_weights=True, patience=5
            ),
        ],
    )
    saved = keras.models.load_model(path)
    assert isinstance(saved, keras.Sequential)
    np.testing.assert_allclose(
        saved.predict(x, verbose=0),
        hosted.predict(x, verbose=0),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("name", ["sgd", "nadam", "rmsprop", "adafactor"])
def test_any_optimizer_of_keras(name):
    x, y = data()
    models = [host(classifier()), classifier()]
    for model in models:
        model.compile(
            name, "sparse_categorical_crossentropy", jit_compile=False
        )
        if isinstance(model, HostModel):
            model.build_optimizer()
        model.fit(x, y, epochs=2, shuffle=False, verbose=0)
    for received, weight in zip(
        *(model.get_weights() for model in models), strict=True
    ):
        np.testing.assert_allclose(received, weight, rtol=1e-3, atol=1e-5)
