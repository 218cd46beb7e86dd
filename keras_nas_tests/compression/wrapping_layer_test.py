"""What layers add to the loss counts while a model is compressed."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.compression import compress

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return 100.0 + keras.ops.sum(weights**2)

    def get_config(self):
        return {}


class OwnLayer(layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight((8, 8), regularizer="l2")

    def call(self, inputs):
        self.add_loss(10.0 + keras.ops.mean(inputs))
        return inputs @ self.kernel

    def compute_output_shape(self, shape):
        return shape


def l1_of(weights):
    return keras.ops.sum(keras.ops.abs(weights))


@pytest.mark.parametrize(
    "hidden",
    [
        [layers.Dense(4, kernel_regularizer=OwnRegularizer())],
        [layers.Dense(4, bias_regularizer=OwnRegularizer())],
        [layers.Dense(4, kernel_regularizer=l1_of)],
        [layers.Dense(4, "relu", activity_regularizer="l2")],
        [layers.ActivityRegularization(l1=0.5)],
        # Called twice: what its weights add counts once.
        [own := OwnLayer(), own],
    ],
    ids=["own", "of bias", "function", "activity", "layer", "add_loss"],
)
def test_losses_of_layers(hidden):
    x = inputs = keras.Input((8,))
    for layer in hidden:
        x = layer(x)
    model = keras.Model(inputs, layers.Dense(2, "softmax", name="head")(x))
    model.compile(keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    expected = model.evaluate(X, Y, batch_size=64, verbose=0)
    # Nothing has so many values, so the weights stay as they are.
    arguments = {"epochs": 1, "batch_size": 64, "verbose": 0}
    result = compress(model, X, Y, cluster=100, **arguments)
    assert result.history["cluster"]["loss"] == pytest.approx(
        [expected], rel=1e-5
    )
    plain = keras.losses.sparse_categorical_crossentropy(Y, model(X))
    assert expected > np.mean(plain) + 0.01


def test_a_regularizer_of_ones_own_hinders_nothing():
    inputs = keras.Input((8,))
    hidden = layers.Dense(
        16, "relu", kernel_regularizer=OwnRegularizer(), name="hidden"
    )
    outputs = layers.Dense(2, "softmax", name="head")(hidden(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "sparse_categorical_crossentropy")
    result = compress(
        model, X, Y, prune=0.5, quantization_aware=True, epochs=1, verbose=0
    )
    assert result.report["hidden"].done == ["pruned", "trained for int8"]
    assert min(h["loss"][0] for h in result.history.values()) > 100
