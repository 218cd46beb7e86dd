"""Alphas learn in half precision what they learn in single precision."""

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.supernet.gradient import DARTSSearch, GDASSearch, SearchData
from keras_nas_tests.supernet.gradient.toys import Scale, batch, set_logits

KINDS = [(DARTSSearch, {"order": 1}), (DARTSSearch, {"order": 2})]
KINDS += [(GDASSearch, {})]
# Gradients so small are zero in float16.
TINY = 1e-8


def build(hp, loss_weight):
    """As the toy: `x` times a weight, `x` itself, or times another."""
    inputs = keras.Input((1,))
    x = keras.layers.Rescaling(1.0)(inputs)  # Gives half precision.
    operations = {
        "scale": lambda: Scale(0.5),
        "skip": nas.blocks.Identity,
        "large": lambda: Scale(2.0),
    }
    model = keras.Model(inputs, nas.layers.LayerChoice(hp, "op", operations)(x))
    model.compile(keras.optimizers.SGD(0.0), "mse", loss_weights=loss_weight)
    return model


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()

    def use(policy):
        keras.config.set_dtype_policy(policy)

    yield use
    keras.config.set_dtype_policy(before)


def make(kind, arguments, **others):
    supernet = nas.Supernet(lambda hp: build(hp, TINY), seed=0)
    search = kind(supernet, 2, **arguments, **others)
    set_logits(search, 0.3, -0.2, 0.1)
    return search


@pytest.mark.parametrize("kind, arguments", KINDS)
def test_small_gradients_do_not_vanish(half_precision, kind, arguments):
    found = []
    for policy in ("float32", "mixed_float16"):
        half_precision(policy)
        search = make(kind, arguments)
        _, gradient = search.alphas_gradient(
            batch(-0.7, 0.4), batch(1.5, 2.0), 0.0, 0
        )
        found.append(np.asarray(gradient))
    assert np.abs(found[0]).max() > TINY / 100
    np.testing.assert_allclose(found[1], found[0], rtol=0.02, atol=TINY / 1000)


def test_the_hessian_does_not_vanish(half_precision):
    found = []
    for policy in ("float32", "mixed_float16"):
        half_precision(policy)
        search = make(DARTSSearch, {})
        found.append(
            search.hessian_product(batch(-0.7, 0.4), [1.0, 0.0, 0.0], 0.0, 0)
        )
    assert np.abs(found[0]).max() > TINY / 100
    np.testing.assert_allclose(found[1], found[0], rtol=0.05, atol=TINY / 1000)


@pytest.mark.parametrize("kind, arguments", KINDS)
def test_a_step_is_that_of_single_precision(half_precision, kind, arguments):
    """The penalty on the alphas is scaled with the loss, or not at all."""
    x = np.linspace(-1, 1, 8, dtype="float32")[:, None]
    found = []
    for policy in ("float32", "mixed_float16"):
        half_precision(policy)
        search = make(
            kind,
            arguments,
            alpha_optimizer=keras.optimizers.SGD(0.1 / TINY),
            alpha_regularization=TINY,
        )
        search.run_epoch(SearchData(x, 2 * x, batch_size=4))
        found.append(search.parameters.logits.numpy())
    assert np.abs(found[0] - [0.3, -0.2, 0.1]).max() > 0.02
    np.testing.assert_allclose(found[1], found[0], atol=0.003)


def test_overflows_are_skipped_until_the_scale_fits(half_precision):
    """Of order 2, which runs the network with weights changed by gradients."""
    half_precision("mixed_float16")

    def build_norm(hp):
        x = inputs = keras.Input((4,))
        operations = {
            "dense": lambda: keras.layers.Dense(4),
            "skip": nas.blocks.Identity,
        }
        x = keras.layers.Rescaling(1.0)(x)
        x = nas.layers.LayerChoice(hp, "op", operations)(x)
        x = keras.layers.BatchNormalization()(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.SGD(1e-4), "mse", loss_weights=100.0)
        return model

    search = DARTSSearch(nas.Supernet(build_norm, seed=0), 2, order=2)
    x = np.random.default_rng(0).standard_normal((256, 4))
    data = SearchData(x, x[:, :1], batch_size=8)
    before = search.parameters.logits.numpy()
    scale = search.alpha_optimizer.initial_scale
    while not search.is_finished:
        search.run_epoch(data)
    assert float(search.alpha_optimizer.dynamic_scale.numpy()) < scale
    after = search.parameters.logits.numpy()
    assert np.isfinite(after).all()
    assert (after != before).all()
    for variable in search.supernet.variables:
        assert np.isfinite(variable.numpy()).all()
