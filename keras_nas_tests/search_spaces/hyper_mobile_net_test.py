import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.search_spaces import HyperMobileNet

X = np.random.default_rng(0).random((8, 16, 16, 3)).astype("float32")


def small(**arguments):
    defaults = {
        "filters": (4, 6),
        "strides": (1, 2),
        "max_repeats": 1,
        "kernel_sizes": (3, 5),
        "expansions": (2, 3),
    }
    return HyperMobileNet((16, 16, 3), 4, **defaults | arguments)


def built(hypermodel, **values):
    hp = keras_tuner.HyperParameters()
    hypermodel.build(hp)
    hp.values |= values
    return hypermodel.build(hp)


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.layers)


def test_the_space_is_as_large_as_documented():
    hp = keras_tuner.HyperParameters()
    HyperMobileNet().build(hp)
    a_block = 2 * 2 * 2
    a_stage = a_block + a_block**2 + a_block**3
    assert a_stage == 584
    assert nas.architectures.size(hp) == a_stage**4


@pytest.mark.parametrize("squeeze_excite, options", [(False, 4), (True, 4)])
def test_squeeze_and_excitation_need_not_be_searched(squeeze_excite, options):
    hypermodel = small(squeeze_excite=squeeze_excite)
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    assert nas.architectures.size(hp) == (options + options**2) ** 2
    multiplications = count(model, keras.layers.Multiply)
    assert multiplications == (2 if squeeze_excite else 0)


def test_the_values_make_the_network():
    plain = built(small())
    assert plain.output_shape == (None, 4)
    assert count(plain, keras.layers.DepthwiseConv2D) == 2
    values = {
        "stage1_depth": 1,
        "stage1_block1_kernel_size": 5,
        "stage1_block1_expansion": 3,
        "stage1_block1_squeeze_excite": "yes",
    }
    deeper = built(small(), **values)
    assert count(deeper, keras.layers.DepthwiseConv2D) == 3
    assert count(deeper, keras.layers.Multiply) == 1
    *_, last = [
        layer
        for layer in deeper.layers
        if isinstance(layer, keras.layers.DepthwiseConv2D)
    ]
    # 3 times 6 channels, on images that one stage has halved.
    assert last.kernel_size == (5, 5)
    assert last.output.shape == (None, 8, 8, 18)


def test_the_stem_halves_large_images_only():
    for size, kept in ((32, 32), (64, 32)):
        hypermodel = HyperMobileNet((size, size, 3), filters=(4,), strides=(1,))
        first = built(hypermodel).layers[1]
        assert first.output.shape[1] == kept


def test_a_supernet_of_it_holds_the_single_networks():
    supernet = nas.Supernet(small(), seed=0)
    for seed in range(2):
        values = supernet.random_architecture(np.random.default_rng(seed))
        supernet.set_architecture(values)
        supernet.calibrate(X)
        subnet = supernet.extract_subnet(values)
        np.testing.assert_allclose(supernet(X), subnet(X), atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": (8,)}, "do not agree"),
        ({"filters": ()}, "`filters`"),
        ({"strides": (0, 1)}, "`strides`"),
        ({"kernel_sizes": (3, 3)}, "`kernel_sizes`"),
        ({"expansions": (1, 6)}, "`expansions`"),
        ({"squeeze_excite": "maybe"}, "`squeeze_excite`"),
        ({"min_repeats": 2}, "`min_repeats`"),
        ({"optimizer": "sgd"}, "`optimizer`"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)
