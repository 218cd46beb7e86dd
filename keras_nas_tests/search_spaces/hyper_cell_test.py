import math

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas import search_spaces
from keras_nas.search_spaces import HyperCell

X = np.random.default_rng(0).random((16, 8, 8, 3)).astype("float32")


@pytest.fixture(scope="module")
def small():
    return HyperCell((8, 8, 3), num_classes=4, channels=2, cells_per_stage=1)


def built(hypermodel, code):
    hp = keras_tuner.HyperParameters()
    hp.values = HyperCell.values(code)
    return hypermodel.build(hp)


def test_the_space_is_that_of_nas_bench_201(small):
    hp = keras_tuner.HyperParameters()
    small.build(hp)
    assert [parameter.name for parameter in hp.space] == [
        "cell_node0_op0",
        "cell_node1_op0",
        "cell_node1_op1",
        "cell_node2_op0",
        "cell_node2_op1",
        "cell_node2_op2",
    ]
    assert nas.architectures.size(hp) == 5**6


@pytest.mark.parametrize(
    "code, num_weights",
    [
        # As the benchmark publishes them, in millions, for CIFAR-10.
        ("333132", 1.0735),
        ("111111", 0.0733),
        ("222222", 0.2413),
    ],
)
def test_a_network_is_as_large_as_the_published_one(code, num_weights):
    model = built(HyperCell(), code)
    size = sum(math.prod(w.shape) for w in model.trainable_weights)
    assert size / 1e6 == pytest.approx(num_weights, abs=1e-4)


def test_codes_name_the_edges_in_the_order_of_the_tables():
    values = HyperCell.values("012340")
    assert values == {
        "cell_node0_op0": "none",
        "cell_node1_op0": "skip_connect",
        "cell_node1_op1": "nor_conv_1x1",
        "cell_node2_op0": "nor_conv_3x3",
        "cell_node2_op1": "avg_pool_3x3",
        "cell_node2_op2": "none",
    }
    assert HyperCell.code(values) == "012340"
    assert HyperCell.code({**values, "other": 3}) == "012340"
    for wrong in ("01234", "012345", 12340, "00000a"):
        with pytest.raises(ValueError, match=r"`code`(.|\n)*code="):
            HyperCell.values(wrong)


def test_a_cell_without_edges_sees_nothing_of_the_image(small):
    model = built(small, "000000")
    predictions = model.predict(X, verbose=0)
    np.testing.assert_allclose(predictions, predictions[:1].repeat(16, 0))
    assert built(small, "000100").predict(X, verbose=0).std(axis=0).max() > 0


def test_a_supernet_of_it_holds_the_single_networks(small):
    supernet = nas.Supernet(small, seed=0)
    values = HyperCell.values("012341")
    supernet.set_architecture(values)
    supernet.calibrate(X)
    subnet = supernet.extract_subnet(values)
    np.testing.assert_allclose(supernet(X), subnet(X), atol=1e-5)


def test_it_trains_with_the_optimizer_given(small):
    hypermodel = HyperCell(
        (8, 8, 3), 4, 2, 1, optimizer=lambda: keras.optimizers.Adam(0.01)
    )
    model = built(hypermodel, "123412")
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    history = model.fit(X, np.arange(16) % 4, epochs=2, verbose=0).history
    assert set(history) == {"loss", "accuracy"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_shape": (8, 8)},
        {"num_classes": 1},
        {"channels": 0},
        {"cells_per_stage": 1.5},
        {"optimizer": "adam"},
        {"optimizer": keras.optimizers.Adam()},
    ],
)
@pytest.mark.parametrize("space", ["HyperCell", "HyperDARTS"])
def test_bad_arguments_are_named(space, arguments):
    (name,) = arguments
    if space == "HyperDARTS" and name == "cells_per_stage":
        arguments, name = {"num_cells": 2}, "num_cells"
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        getattr(search_spaces, space)(**arguments)
