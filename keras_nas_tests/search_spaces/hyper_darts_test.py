import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.search_spaces import HyperDARTS

X = np.random.default_rng(0).random((8, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def small():
    return HyperDARTS(
        (8, 8, 3), num_classes=4, channels=2, num_cells=3, num_nodes=1
    )


def test_the_space_is_as_large_as_documented():
    hp = keras_tuner.HyperParameters()
    HyperDARTS((8, 8, 3), channels=1, num_cells=3).build(hp)
    names = {parameter.name for parameter in hp.space}
    assert {name.split("_")[0] for name in names} == {"normal", "reduction"}
    # Node 0 reads all it can, the others two of 3, 4 and 5 sources.
    assert "normal_node0_inputs" not in names
    assert "reduction_node3_op4" in names
    assert len(names) == 2 * (3 + 2 + 3 + 4 + 5)
    cells = 3 * 6 * 10 * 7 ** (2 * 4)
    assert nas.architectures.size(hp) == cells**2
    assert cells == pytest.approx(1.0e9, rel=0.04)


def test_reductions_halve_the_image_and_double_the_channels(small):
    hp = keras_tuner.HyperParameters()
    model = small.build(hp)
    assert model.output_shape == (None, 4)
    *_, pooled, _ = model.layers
    # Two reductions of 8 pixels; one node of 2 * 2 * 2 channels.
    assert pooled.input.shape == (None, 2, 2, 8)


@pytest.mark.parametrize("operation", ["max_pool_3x3", "dil_conv_5x5"])
def test_an_operation_can_be_the_only_one(small, operation):
    hp = keras_tuner.HyperParameters()
    small.build(hp)
    for parameter in hp.space:
        if "_op" in parameter.name:
            assert operation in parameter.values
            assert len(parameter.values) == 7
            if parameter.name in hp.values:
                hp.values[parameter.name] = operation
    model = small.build(hp)
    assert np.isfinite(model(X)).all()
    kind = {"max_pool_3x3": "max_pooling2d", "dil_conv_5x5": "depthwise"}
    named = [x for x in model.layers if kind[operation] in x.name]
    # Two edges in each of three cells; dilated ones of the reductions are
    # thinned out by a pooling of 1 pixel.
    assert len(named) == 2 * 3


def test_a_supernet_of_it_holds_the_single_networks(small):
    supernet = nas.Supernet(small, seed=0)
    values = supernet.random_architecture(np.random.default_rng(3))
    supernet.set_architecture(values)
    supernet.calibrate(X)
    subnet = supernet.extract_subnet(values)
    np.testing.assert_allclose(supernet(X), subnet(X), atol=1e-5)
