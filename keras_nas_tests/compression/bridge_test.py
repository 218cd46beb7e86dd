import keras
import numpy as np
import pytest
from keras import layers

from keras_nas import blocks, compression
from keras_nas.compression import Bridge, BridgeError, twins


def functional(build, *shapes, dtype=None):
    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], build(*inputs))


@keras.saving.register_keras_serializable("bridge_test")
class Scale(layers.Layer):
    """A custom layer with weights, statistics and a behaviour in training."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), name="scale")
        self.norm = layers.BatchNormalization()
        self.norm.build(input_shape)

    def call(self, inputs, training=None):
        return self.norm(inputs * self.scale, training=training)


def residual():
    def build(x):
        x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
        y = layers.BatchNormalization()(x)
        x = x + layers.ReLU(6.0)(y)
        return layers.Dense(3)(layers.GlobalAveragePooling2D()(x))

    return functional(build, (8, 8, 3))


def nested_and_shared():
    inner = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.Flatten()]
    )
    first = keras.Input((6, 6, 2), name="first")
    second = keras.Input((6, 6, 2), name="second")
    x = layers.Concatenate()([inner(first), inner(second)])
    dense = layers.Dense(4)
    outputs = {"one": dense(x), "two": layers.Dense(2)(dense(x))}
    return keras.Model({"first": first, "second": second}, outputs)


def transformer():
    def build(x):
        x = layers.LayerNormalization()(
            x + layers.MultiHeadAttention(2, 4)(x, x)
        )
        x = x + layers.Dense(6)(layers.Dense(8, activation="gelu")(x))
        return layers.Dense(2)(layers.GlobalAveragePooling1D()(x))

    return functional(build, (5, 6))


def text(layer, mask_zero=True):
    def build(x):
        x = layers.Embedding(20, 6, mask_zero=mask_zero)(x)
        return layers.Dense(3)(layer(x))

    return functional(build, (7,))


# Name -> the model, and how many of its layers have no namesake in tf_keras.
MODELS = {
    "residual": (residual, 0),
    "nested and shared, two inputs, two outputs": (nested_and_shared, 0),
    "transformer": (transformer, 0),
    "LSTM behind a mask": (lambda: text(layers.LSTM(4)), 0),
    "GRU behind a mask": (lambda: text(layers.GRU(4)), 0),
    "bidirectional": (
        lambda: text(
            layers.Bidirectional(layers.LSTM(4, return_sequences=True))
        ),
        0,
    ),
    "Conv1D": (
        lambda: functional(layers.Conv1D(4, 3, activation="silu"), (9, 3)),
        0,
    ),
    "TimeDistributed": (
        lambda: functional(layers.TimeDistributed(layers.Dense(3)), (4, 5)),
        0,
    ),
    "many kinds": (
        lambda: keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                layers.Rescaling(0.5, offset=-1),
                layers.Conv2DTranspose(4, 3),
                layers.UpSampling2D(),
                layers.GroupNormalization(2),
                layers.SeparableConv2D(4, 3),
                layers.DepthwiseConv2D(3, activation="relu6"),
                layers.LeakyReLU(0.1),
                layers.PReLU(),
                layers.ZeroPadding2D(1),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(3, kernel_regularizer="l2"),
            ]
        ),
        0,
    ),
    "activations without a namesake": (
        lambda: functional(
            lambda x: layers.Dense(3, activation="hard_sigmoid")(
                layers.Conv1D(3, 2, activation="hard_silu")(x)
            ),
            (4, 3),
        ),
        2,
    ),
    "operations": (
        lambda: functional(
            lambda x: keras.ops.mean(keras.ops.abs(x) * 2.0 + 1.0, axis=1),
            (4, 3),
        ),
        4,
    ),
    "custom layer": (
        lambda: functional(lambda x: layers.Dense(2)(Scale()(x)), (4,)),
        1,
    ),
    "augmentation": (
        lambda: keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                layers.RandomFlip(),
                layers.Normalization(mean=0.5, variance=2.0),
                layers.Flatten(),
            ]
        ),
        2,
    ),
    "squeeze and excite": (
        lambda: functional(
            blocks.InvertedBottleneck(8, squeeze_excite=0.25), (8, 8, 4)
        ),
        None,
    ),
    "MobileNetV3Small": (
        lambda: keras.applications.MobileNetV3Small(
            (32, 32, 3), weights=None, classes=4
        ),
        None,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_equal_and_weights_come_back(name):
    build, num_wrapped = MODELS[name]
    keras.utils.set_random_seed(0)
    model = build()
    for variable in model.weights:  # So that no two layers are alike.
        if "float" in variable.dtype:
            noise = np.random.default_rng(1).uniform(0.1, 0.5, variable.shape)
            variable.assign(variable.numpy() + noise)
    bridge = Bridge(model)
    assert bridge.largest_difference <= 1e-5
    if num_wrapped is not None:
        assert len(bridge.wrapped) == num_wrapped
    assert all(
        type(layer).__module__.startswith(("tf_keras.", "keras_nas."))
        for layer in bridge.model.layers
    )
    copy = bridge.copy_weights()
    assert type(copy) is type(model)
    for new, old in zip(copy.weights, model.weights, strict=True):
        np.testing.assert_array_equal(new.numpy(), old.numpy())


def test_changed_weights_come_back_into_a_copy():
    model = residual()
    bridge = Bridge(model)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    before = np.asarray(model(x))
    for weight in bridge.model.weights:
        weight.assign(weight * 1.5 + 0.1)
    after = np.asarray(bridge.copy_weights()(x))
    np.testing.assert_allclose(after, bridge.model(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model(x), before)
    assert np.abs(after - before).max() > 0.1


def test_statistics_of_custom_layers_are_learnt():
    bridge = Bridge(functional(Scale(), (4,)))
    before = bridge.model.layers[-1].get_weights()
    bridge.model(np.full((8, 4), 5.0, "float32"), training=True)
    after = bridge.model.layers[-1].get_weights()
    changed = [
        not np.array_equal(a, b) for a, b in zip(before, after, strict=True)
    ]
    assert sum(changed) == 2  # The mean and the variance.


def test_augmentation_happens_in_training_only():
    bridge = Bridge(
        keras.Sequential([keras.Input((8, 8, 1)), layers.RandomFlip(seed=1)])
    )
    x = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(bridge.model(x, training=False), x)
    first, second = (bridge.model(x, training=True).numpy() for _ in range(2))
    assert not np.array_equal(first, x)
    assert not np.array_equal(first, second)


def test_dropout_happens_in_training_only():
    model = keras.Sequential([keras.Input((50,)), layers.Dropout(0.5)])
    bridge = Bridge(model)
    x = np.ones((2, 50), "float32")
    np.testing.assert_array_equal(bridge.model(x), x)
    dropped = bridge.model(x, training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 2.0}


def test_mixed_precision_becomes_float32():
    policy = keras.DTypePolicy("mixed_float16")
    inputs = keras.Input((4,))
    x = layers.Dense(8, activation="relu", dtype=policy)(inputs)
    x = Scale(dtype=policy)(x)
    bridge = Bridge(keras.Model(inputs, layers.Dense(2, dtype="float32")(x)))
    assert bridge.model.output.dtype == "float32"
    assert bridge.largest_difference <= 1e-5


def test_a_frozen_layer_stays_frozen():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4), layers.Dense(2)]
    )
    model.layers[0].trainable = False
    assert len(Bridge(model).model.trainable_weights) == 2


def test_momentum_of_batch_normalisation_is_lowered_not_raised():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.BatchNormalization(),
            layers.BatchNormalization(momentum=0.5),
        ]
    )
    bridge = Bridge(model, batch_norm_momentum=0.9)
    momenta = [layer.momentum for layer in bridge.model.layers[1:]]
    assert momenta == [0.9, 0.5]


def test_a_difference_names_the_first_layer(monkeypatch):
    # Keras 2 has another formula of that name.
    monkeypatch.setattr(
        twins,
        "SAME_ACTIVATIONS",
        twins.SAME_ACTIVATIONS | {"hard_sigmoid"},
    )
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, name="good"),
            layers.Dense(4, activation="hard_sigmoid", name="bad"),
            layers.Dense(4, name="behind"),
        ]
    )
    with pytest.raises(BridgeError, match="first layer that differs is 'bad'"):
        Bridge(model)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)


def test_a_subclassed_model_is_told_what_it_can_have():
    model = Subclassed()
    model(np.zeros((1, 3)))
    with pytest.raises(BridgeError, match=r"no graph of layers.*to_tflite"):
        Bridge(model)


def test_bad_models():
    with pytest.raises(ValueError, match="must be built"):
        Bridge(keras.Sequential([layers.Dense(2)]))
    with pytest.raises(ValueError, match="Expected a Keras 3 model"):
        Bridge(layers.Dense(2))


def test_public_names():
    assert set(compression.__all__) <= set(dir(compression))
