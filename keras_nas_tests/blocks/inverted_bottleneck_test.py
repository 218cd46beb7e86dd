import keras
import numpy as np
import pytest

from keras_nas import blocks


def num_params(channels, **arguments):
    x = keras.Input((8, 8, channels))
    output = blocks.InvertedBottleneck(**arguments)(x)
    return keras.Model(x, output).count_params()


def test_parameters():
    # Expand 16*96, depthwise 5*5*96, squeeze 96*24 + 24, excite 24*96 + 96,
    # project 96*24, and BatchNormalization of 96, 96 and 24 channels.
    assert num_params(
        16, filters=24, kernel_size=5, squeeze_excite=0.25
    ) == 1536 + 2400 + 2328 + 2400 + 2304 + 4 * (96 + 96 + 24)
    # Without expansion: depthwise 3*3*16, project 16*24.
    assert num_params(16, filters=24, expansion=1) == 144 + 384 + 4 * (16 + 24)
    # 10 * 2.5 = 25 expanded channels.
    assert num_params(10, filters=10, expansion=2.5) == (
        250 + 225 + 250 + 4 * (25 + 25 + 10)
    )


@pytest.mark.parametrize(
    ("filters", "strides", "adds"), [(4, 1, True), (4, 2, False), (5, 1, False)]
)
def test_residual_only_where_the_shape_is_kept(filters, strides, adds):
    x = keras.Input((8, 8, 4))
    output = blocks.InvertedBottleneck(filters, strides=strides)(x)
    kinds = [type(layer).__name__ for layer in keras.Model(x, output).layers]
    assert ("Add" in kinds) == adds


def identity_norms(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            gamma[:] = np.sqrt(1 + layer.epsilon)
            layer.set_weights([gamma, beta, mean, variance])


@pytest.mark.parametrize(("x", "expected"), [(2.0, 6.0), (5.0, 11.0)])
def test_values(x, expected):
    inputs = keras.Input((1, 1, 1))
    block = blocks.InvertedBottleneck(
        1, kernel_size=1, expansion=2, name="block"
    )
    model = keras.Model(inputs, block(inputs))
    identity_norms(model)
    weights = {
        "expand": [[[[1.0, -1.0]]]],
        "depthwise": [[[[2.0], [3.0]]]],
        "project": [[[[1.0], [1.0]]]],
    }
    for part, value in weights.items():
        model.get_layer(f"block_{part}").set_weights([np.array(value)])
    # relu6(2 * relu6(x)) + relu6(3 * relu6(-x)) + x
    output = model(np.full((1, 1, 1, 1), x))
    np.testing.assert_allclose(output, [[[[expected]]]], rtol=1e-5)


def test_squeeze_and_excite_scales_by_the_mean():
    inputs = keras.Input((1, 2, 1))
    block = blocks.InvertedBottleneck(
        2, 1, expansion=1, squeeze_excite=1.0, activation=None, name="block"
    )
    model = keras.Model(inputs, block(inputs))
    identity_norms(model)
    for part, value in (("depthwise", [[[[1.0]]]]), ("project", [[[[1, 2]]]])):
        model.get_layer(f"block_{part}").set_weights([np.array(value)])
    for part in ("squeeze", "excite"):
        model.get_layer(f"block_{part}").set_weights(
            [np.ones((1, 1, 1, 1)), np.zeros(1)]
        )
    # The mean of 1 and 3 is 2, hard_sigmoid(2) = 2 / 6 + 1 / 2 = 5 / 6.
    output = model(np.array([1.0, 3.0]).reshape(1, 1, 2, 1))
    expected = np.array([[1, 2], [3, 6]]) * 5 / 6
    np.testing.assert_allclose(output[0, 0], expected, rtol=1e-5)


def test_layer_names():
    x = keras.Input((8, 8, 4))
    block = blocks.InvertedBottleneck(4, squeeze_excite=0.5, name="mb")
    model = keras.Model(x, block(x))
    assert [layer.name for layer in model.layers[1:]] == [
        "mb_expand",
        "mb_expand_bn",
        "mb_expand_activation",
        "mb_depthwise",
        "mb_depthwise_bn",
        "mb_depthwise_activation",
        "mb_squeeze_pool",
        "mb_squeeze",
        "mb_squeeze_activation",
        "mb_excite",
        "mb_excite_activation",
        "mb_scale",
        "mb_project",
        "mb_project_bn",
        "mb_add",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        {"expansion": 0},
        {"expansion": "6"},
        {"expansion": True},
        {"squeeze_excite": 0},
        {"squeeze_excite": 1.5},
        {"squeeze_excite": True},
    ],
)
def test_invalid_arguments(arguments):
    (argument,) = arguments
    with pytest.raises(ValueError, match=f"argument `{argument}`"):
        blocks.InvertedBottleneck(8, **arguments)
