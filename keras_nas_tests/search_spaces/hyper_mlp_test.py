import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.search_spaces import HyperMLP

X = np.random.default_rng(0).normal(3.0, 50.0, (64, 5)).astype("float32")


def small(**arguments):
    defaults = {"units": (4, 8), "max_depth": 2, "dropouts": (0.0, 0.5)}
    return HyperMLP(5, 3, **defaults | arguments)


def test_the_space_is_as_large_as_documented():
    hp = keras_tuner.HyperParameters()
    HyperMLP(5, 3).build(hp)
    assert nas.architectures.size(hp) == 4 * 3 * (1 + 5 * 2 * 4) == 492


def test_the_values_make_the_network():
    hp = keras_tuner.HyperParameters()
    hp.values = {
        "units": 8,
        "expansion": 2,
        "depth": 2,
        "activation": "tanh",
        "dropout": "0.5",
    }
    model = small().build(hp)
    units = [x.units for x in model.layers if isinstance(x, keras.layers.Dense)]
    assert units == [8, 16, 8, 16, 8, 3]
    rates = [
        x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)
    ]
    assert rates == [0.5, 0.5]
    activations = [
        x.activation.__name__
        for x in model.layers
        if isinstance(x, keras.layers.Activation)
    ]
    assert activations == ["tanh"] * 3


@pytest.mark.parametrize(
    "task, outputs, metric",
    [("classification", 2, "accuracy"), ("regression", 1, "mae")],
)
def test_columns_of_any_scale_are_learnt_from(task, outputs, metric):
    y = (X[:, 0] > 3.0).astype("float32")
    keras.utils.set_random_seed(0)
    hypermodel = HyperMLP(
        5,
        outputs,
        task,
        units=(16, 32),
        max_depth=1,
        optimizer=lambda: keras.optimizers.Adam(0.01),
    )
    model = hypermodel.build(keras_tuner.HyperParameters())
    history = model.fit(X, y, 16, epochs=25, verbose=0).history
    reached = history[metric][-1]
    assert reached > 0.9 if metric == "accuracy" else reached < 0.3


def test_a_supernet_of_it_holds_the_single_networks():
    supernet = nas.Supernet(small(), seed=0)
    for seed in range(3):
        values = supernet.random_architecture(np.random.default_rng(seed))
        supernet.set_architecture(values)
        supernet.calibrate(X)
        subnet = supernet.extract_subnet(values)
        np.testing.assert_allclose(supernet(X), subnet(X), atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"task": "ranking"}, "`task`"),
        ({"units": ()}, "`units`"),
        ({"dropouts": (1.0,)}, "`dropouts`"),
        ({"activations": "relu"}, "`activations`"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def test_two_classes_need_two_outputs():
    with pytest.raises(ValueError, match="`num_outputs`"):
        HyperMLP(5, 1)
