import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.search_spaces import HyperResNet

X = np.random.default_rng(0).random((8, 8, 8, 3)).astype("float32")


def small(**arguments):
    defaults = {"filters": (2, 4), "num_stages": 2, "max_repeats": 1}
    return HyperResNet((8, 8, 3), 4, **defaults | arguments)


def test_the_space_is_as_large_as_documented():
    hp = keras_tuner.HyperParameters()
    HyperResNet().build(hp)
    assert nas.architectures.size(hp) == 12**3


def test_stages_halve_the_image_and_double_the_channels():
    hp = keras_tuner.HyperParameters()
    hp.values = {"stage0_filters": 4, "stage1_filters": 8, "stage1_depth": 1}
    model = small().build(hp)
    *_, pooling, _ = model.layers
    assert pooling.input.shape == (None, 4, 4, 8)
    adds = [x for x in model.layers if isinstance(x, keras.layers.Add)]
    assert len(adds) == 3  # One more block than stages.
    assert model.output_shape == (None, 4)


def test_a_supernet_of_it_holds_the_single_networks():
    supernet = nas.Supernet(small(), seed=0)
    for values in (
        supernet.largest_architecture(),
        {
            "stage0_filters": 2,
            "stage0_depth": 1,
            "stage1_filters": 8,
            "stage1_depth": 0,
        },
    ):
        supernet.set_architecture(values)
        supernet.calibrate(X)
        subnet = supernet.extract_subnet(values)
        np.testing.assert_allclose(supernet(X), subnet(X), atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 8}, "`filters`"),
        ({"num_stages": 0}, "`num_stages`"),
        ({"max_repeats": -1}, "`max_repeats`"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)
