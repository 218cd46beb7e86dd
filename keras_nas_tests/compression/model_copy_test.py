"""What `compress` trains on is the model that it was given."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_nas.compression import compress, prune_channels
from keras_nas.compression.model_copy import copy_model


def data(count=64):
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, size=(count, 8)).astype("float32")
    return x, (x[:, 0] > 5).astype("int64")


def own_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred)


def own_metric(y_true, y_pred):
    return keras.ops.mean(y_pred)


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, weights):
        return keras.ops.sum(keras.ops.abs(weights))

    def get_config(self):
        return {}


def normalizing_model(**arguments):
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(data()[0])
    model = keras.Sequential(
        [
            keras.Input((8,)),
            normalization,
            layers.Dense(8, "relu", name="hidden", **arguments),
            layers.Dense(2, "softmax", name="head"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.0), own_loss, metrics=[own_metric, "accuracy"]
    )
    return model


def test_what_normalization_has_learnt_is_kept(tmp_path):
    x, y = data()
    model = normalizing_model()
    before = model.predict(x, verbose=0)
    # No kernel has so many values, so nothing changes.
    compressed = compress(model, x, y, cluster=200, epochs=1, verbose=0).model
    np.testing.assert_array_equal(compressed.predict(x, verbose=0), before)
    np.testing.assert_array_equal(
        prune_channels(model, 0.0).predict(x, verbose=0), before
    )
    compressed.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), before, rtol=1e-5)


def test_losses_metrics_and_regularizers_need_not_be_registered():
    x, y = data()
    model = normalizing_model(kernel_regularizer=OwnRegularizer())
    result = compress(model, x, y, prune=0.5, epochs=2, verbose=0)
    assert result.model.loss is own_loss
    assert "own_metric" in result.history["prune"]
    assert result.report["hidden"].sparsity == 0.5
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    got = result.model.evaluate(x, y, verbose=0, return_dict=True)
    assert set(got) == set(expected)


def test_the_copy_is_of_the_same_kind_and_shares_nothing():
    model = normalizing_model()
    copy = copy_model(model)
    assert type(copy) is keras.Sequential
    assert [layer.name for layer in copy.layers] == [
        layer.name for layer in model.layers
    ]
    assert copy.compiled and copy.optimizer is not model.optimizer
    copy.get_layer("hidden").kernel.assign(np.zeros((8, 8)))
    assert np.any(model.get_layer("hidden").kernel.numpy() != 0)
    # What a layer gives belongs to the inputs of the copy.
    features = keras.Model(copy.inputs, copy.get_layer("hidden").output)
    assert features(data()[0]).shape == (64, 8)


class Remembering(layers.Layer):
    """Keeps a number outside of its weights and of its configuration."""

    factor = 1.0

    def call(self, inputs):
        return inputs * self.factor


def test_state_outside_of_weights_is_no_silent_loss():
    x, y = data()
    layer = Remembering()
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2)(layer(inputs)))
    model.compile("sgd", "mse")
    copy_model(model)
    layer.factor = 3.0
    with pytest.raises(ValueError, match="keep no state.*Remembering"):
        compress(model, x, y, prune=0.5, verbose=0)


def test_a_model_that_is_random_when_it_predicts():
    inputs = keras.Input((8,))
    x = layers.Dropout(0.5)(inputs, training=True)
    model = keras.Model(inputs, layers.Dense(2)(x))
    assert copy_model(model).count_params() == 18
