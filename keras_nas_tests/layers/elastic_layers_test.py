"""Tests of Conv2D, DepthwiseConv2D, Dense and the values they take."""

import keras
import keras_tuner
import numpy as np
import pytest

from keras_nas import layers
from keras_nas.layers.elastic_value import ElasticValue, SharingError
from keras_nas.supernet.architecture_space import ArchitectureSpace
from keras_nas.supernet.elastic_graph import subnet_weights

ORDINARY = [
    (layers.Conv2D, keras.layers.Conv2D, (8, 3)),
    (layers.DepthwiseConv2D, keras.layers.DepthwiseConv2D, (3,)),
    (layers.Dense, keras.layers.Dense, (8, "relu")),
]


@pytest.mark.parametrize(
    ("ours", "kerass", "arguments"),
    ORDINARY,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_with_plain_numbers_they_are_keras_layers(ours, kerass, arguments):
    layer = ours(*arguments, name="layer")
    assert type(layer) is kerass
    assert layer.get_config() == kerass(*arguments, name="layer").get_config()


def test_with_values_of_a_trial_they_are_keras_layers():
    hp = keras_tuner.HyperParameters()
    layer = layers.Conv2D(hp.Int("filters", 4, 8), hp.Choice("kernel", [3, 5]))
    assert type(layer) is keras.layers.Conv2D
    assert (layer.filters, layer.kernel_size) == (4, (3, 3))


@pytest.mark.parametrize("pixels", [7, 8, 9])
@pytest.mark.parametrize(
    ("strides", "dilation_rate"), [(1, 1), (2, 1), (3, 1), (1, 2)]
)
@pytest.mark.parametrize("sizes", [[1, 3, 5], [2, 4], [3, 7]])
def test_smaller_kernels_read_the_pixels_of_their_own_convolution(
    pixels, strides, dilation_rate, sizes
):
    space = ArchitectureSpace()
    kernel = space.add("kernel", sizes)
    arguments = {
        "padding": "same",
        "strides": strides,
        "dilation_rate": dilation_rate,
    }
    x = np.random.default_rng(0).random((2, pixels, pixels, 3), "float32")
    for ours, kerass, filters in (
        (layers.Conv2D, keras.layers.Conv2D, (4,)),
        (layers.DepthwiseConv2D, keras.layers.DepthwiseConv2D, ()),
    ):
        elastic = ours(*filters, kernel, **arguments)
        elastic.build(x.shape)
        for option, size in enumerate(sizes):
            with space.running(space.look_up(np.array([option]))):
                outputs = elastic(x)
            ordinary = kerass(*filters, size, **arguments)
            ordinary.build(x.shape)
            ordinary.set_weights(
                subnet_weights(elastic, None, {"kernel": option})
            )
            np.testing.assert_allclose(outputs, ordinary(x), atol=1e-5)


def test_searched_widths_use_the_first_channels():
    space = ArchitectureSpace()
    layer = layers.Dense(space.add("units", [1, 3]), activation="sigmoid")
    x = np.ones((1, 2), "float32")
    layer.build(x.shape)
    kernel = layer.get_weights()[0]
    with space.running(space.look_up(np.array([0]))):
        outputs = np.array(layer(x))
    expected = 1 / (1 + np.exp(-kernel.sum(axis=0)))
    np.testing.assert_allclose(outputs, [[expected[0], 0, 0]], rtol=1e-5)


def test_kernels_that_would_change_the_shape_are_refused():
    kernel = ArchitectureSpace().add("kernel", [3, 5])
    with pytest.raises(ValueError, match="padding='valid'"):
        layers.Conv2D(4, kernel)
    with pytest.raises(ValueError, match="groups=2"):
        layers.Conv2D(4, kernel, padding="same", groups=2)
    strided = layers.Conv2D(4, kernel, padding="same", strides=2)
    with pytest.raises(ValueError, match="known height and width"):
        strided.build((None, None, None, 3))


def value(*numbers, name="size"):
    return ArchitectureSpace().add(name, list(numbers))


def test_values_can_be_calculated_with():
    size = value(3, 5)
    cases = {
        "size + 1": (size + 1, [4, 6]),
        "1 + size": (1 + size, [4, 6]),
        "size - 1": (size - 1, [2, 4]),
        "8 - size": (8 - size, [5, 3]),
        "size * 2": (size * 2, [6, 10]),
        "size // 2": (size // 2, [1, 2]),
        "16 // size": (16 // size, [5, 3]),
        "size % 2": (size % 2, [1, 1]),
        "size ** 2": (size**2, [9, 25]),
        "round(size / 2)": (round(size / 2), [2, 2]),  # To even, as in Python.
        "-size": (-size, [-3, -5]),
    }
    for text, (result, expected) in cases.items():
        assert result.table.tolist() == expected, text


def test_two_values_make_a_table():
    space = ArchitectureSpace()
    width, factor = space.add("width", [8, 16]), space.add("factor", [2, 3, 4])
    product = width * factor
    assert product.names == ("width", "factor")
    assert product.table.tolist() == [[16, 24, 32], [32, 48, 64]]
    assert product.at({"factor": 2, "width": 1, "other": 0}) == 64
    assert (factor * product).table[2, 1] == 4 * 64
    assert product.largest == 64


@pytest.mark.parametrize(
    "use",
    [
        bool,
        int,
        float,
        range,
        len,
        list,
        str,
        hash,
        np.asarray,
        lambda size: size > 3,
        lambda size: size == 3,
        lambda size: 3 in [size],
        lambda size: f"layer{size}",
        lambda size: [1, 2][size],
        lambda size: max(size, 8),
    ],
)
def test_where_one_number_is_needed_values_name_the_hyperparameter(use):
    with pytest.raises(SharingError, match=r"'size'.*fixed=\{'size': ...\}"):
        use(value(3, 5))


def test_it_does_not_combine_with_what_is_no_number():
    with pytest.raises(TypeError):
        value(3, 5) + "1"
    assert isinstance(value(3, 5) + 1.5, ElasticValue)
