import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.supernet.gradient import DARTSSearch, SearchData
from keras_nas_tests.supernet.gradient.toys import (
    Scale,
    batch,
    build,
    scales,
    set_logits,
    slope,
    softmax,
)

# The weights of the operations "scale" and "large" as they begin.
WEIGHTS = np.array([0.5, 2.0])
LOGITS = [0.3, -0.2, 0.1]
TRAIN, HELD_OUT = (1.5, 2.0), (-0.7, 0.4)
RATE = 0.1  # Of the SGD that `build` compiles.


def loss(weights, logits, example):
    x, y = example
    scale, skip, large = softmax(logits)
    return (x * (scale * weights[0] + skip + large * weights[1]) - y) ** 2


def gradients(search):
    value, gradient = search.alphas_gradient(
        batch(*HELD_OUT), batch(*TRAIN), progress=0.0, step=0
    )
    return float(value), np.asarray(gradient)


def test_first_order_is_the_gradient_at_the_present_weights():
    search = DARTSSearch(nas.Supernet(build, seed=0), epochs=1)
    set_logits(search, *LOGITS)
    value, gradient = gradients(search)
    assert value == pytest.approx(loss(WEIGHTS, LOGITS, HELD_OUT), rel=1e-5)
    by_hand = slope(lambda logits: loss(WEIGHTS, logits, HELD_OUT), LOGITS)
    assert np.abs(by_hand).min() > 0.01
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-4)


def test_second_order_is_the_gradient_through_a_step_of_the_weights():
    """The loss is quadratic in the weights, so the difference is exact."""

    def after_a_step(logits):
        descent = slope(lambda w: loss(w, logits, TRAIN), WEIGHTS)
        return loss(WEIGHTS - RATE * descent, logits, HELD_OUT)

    search = DARTSSearch(nas.Supernet(build, seed=0), epochs=1, order=2)
    set_logits(search, *LOGITS)
    value, gradient = gradients(search)
    assert value == pytest.approx(after_a_step(LOGITS), rel=1e-5)
    by_hand = slope(after_a_step, LOGITS)
    first_order = slope(lambda logits: loss(WEIGHTS, logits, HELD_OUT), LOGITS)
    assert np.abs(by_hand - first_order).max() > 0.01
    np.testing.assert_allclose(gradient, by_hand, rtol=2e-3)
    # The weights are what they were.
    assert [float(s.scale.numpy()) for s in scales(search)] == [0.5, 2.0]


def test_losses_that_layers_add_are_seen_by_all_derivatives():
    def build_regularized(hp):
        x = inputs = keras.Input((1,))
        x = nas.layers.LayerChoice(
            hp,
            "op",
            {"scale": lambda: Scale(0.5), "skip": nas.blocks.Identity},
        )(x)
        # Adds `10 * x ** 2`.
        x = keras.layers.ActivityRegularization(l2=10.0)(x)
        model = keras.Model(inputs, x)
        model.compile(keras.optimizers.SGD(1e-7), "mse")
        return model

    def by_hand(logits):
        scale, skip = softmax(logits)
        output = HELD_OUT[0] * (scale * 0.5 + skip)
        return (output - HELD_OUT[1]) ** 2 + 10 * output**2

    logits = [0.3, -0.2]
    for order in (1, 2):
        supernet = nas.Supernet(build_regularized, seed=0)
        search = DARTSSearch(supernet, epochs=1, order=order)
        set_logits(search, *logits)
        value, gradient = gradients(search)
        assert value == pytest.approx(by_hand(logits), rel=1e-3)
        np.testing.assert_allclose(gradient, slope(by_hand, logits), rtol=1e-2)
    product = search.hessian_product(batch(*HELD_OUT), [1.0, 0.0], 0.0, 0)
    hessian = slope(lambda at: slope(by_hand, at, 1e-4), logits, 1e-4)
    np.testing.assert_allclose(product, hessian[0], rtol=1e-2)


def test_second_order_draws_the_same_in_both_ends_of_its_difference():
    """A difference of two draws of dropout, over epsilon, is anything."""

    def build_dropout(hp):
        x = inputs = keras.Input((64,))
        x = keras.layers.Dropout(0.5)(x)
        x = nas.layers.LayerChoice(
            hp,
            "op",
            {"scale": lambda: Scale(0.5), "skip": nas.blocks.Identity},
        )(x)
        model = keras.Model(inputs, x)
        # So small a rate that the second term is next to nothing.
        model.compile(keras.optimizers.SGD(1e-5), "mse")
        return model

    data = np.ones((1, 64), "float32"), np.zeros((1, 64), "float32"), None
    found = []
    for order in (1, 2):
        keras.utils.set_random_seed(0)
        supernet = nas.Supernet(build_dropout, seed=0)
        search = DARTSSearch(supernet, epochs=1, order=order)
        set_logits(search, 0.0, 0.0)
        _, gradient = search.alphas_gradient(data, data, 0.0, 0)
        found.append(gradient.numpy())
    # With x = 1: 2 * 0.75 * mean(mask ** 2) * 0.25 * (0.5 - 1), give or take
    # the mask, which doubles half of the inputs.
    np.testing.assert_allclose(found[0], [-0.375, 0.375], atol=0.2)
    np.testing.assert_allclose(found[1], [-0.375, 0.375], atol=0.2)


def test_the_hessian_is_that_of_the_loss_by_the_alphas():
    search = DARTSSearch(nas.Supernet(build, seed=0), epochs=2)
    set_logits(search, *LOGITS)
    by_hand = slope(
        lambda at: slope(lambda z: loss(WEIGHTS, z, HELD_OUT), at, 1e-4),
        LOGITS,
        1e-4,
    )
    columns = [
        search.hessian_product(batch(*HELD_OUT), unit, 0.0, 0)
        for unit in np.eye(3)
    ]
    assert np.abs(by_hand).max() > 0.01
    np.testing.assert_allclose(columns, by_hand, rtol=1e-3, atol=1e-5)
    before = [float(layer.runs.numpy()) for layer in scales(search)]
    search.hessian_product(batch(*HELD_OUT), np.ones(3), 0.0, 0)
    assert [float(layer.runs.numpy()) for layer in scales(search)] == before


def test_a_search_runs_all_branches_and_is_traced_once():
    search = DARTSSearch(
        nas.Supernet(build, seed=0),
        epochs=3,
        warmup_epochs=1,
        auxiliary_skip=True,
        skip_drop_rate=0.5,
        alpha_optimizer=keras.optimizers.Adam(0.1),
    )
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    data = SearchData(x, 2 * x, batch_size=4)  # 2 steps an epoch.
    traces = []
    original = search.loss
    search.loss = lambda batch: (traces.append(1), original(batch))[1]
    search.run_epoch(data)
    np.testing.assert_allclose(
        search.parameters.logits.numpy(), 0, atol=0.01
    )  # The warm-up leaves the alphas alone.
    search.run_epoch(data)
    assert not search.is_finished
    search.run_epoch(data)
    assert search.is_finished
    assert len(traces) == 2  # Weights and alphas.
    # 3 epochs of weights and 2 of alphas; once the metrics are prepared.
    runs = [float(layer.runs.numpy()) for layer in scales(search)]
    assert max(runs) - min(runs) <= 1
    assert min(runs) == 2 * 5
    assert np.abs(search.parameters.logits.numpy()).max() > 0.1
    assert [set(logs) for logs in search.history] == [
        {"loss", "certainty"},
        {"loss", "certainty", "alpha_loss"},
        {"loss", "certainty", "alpha_loss"},
    ]


def test_the_alphas_find_what_fits():
    """Targets are twice the inputs, and weights do not learn."""

    def build_fixed(hp):
        model = build(hp)
        model.compile(keras.optimizers.SGD(0.0), "mse")
        return model

    search = DARTSSearch(
        nas.Supernet(build_fixed, seed=0),
        epochs=5,
        alpha_optimizer=keras.optimizers.Adam(0.3),
    )
    x = np.linspace(-1, 1, 32, dtype="float32")[:, None]
    data = SearchData(x, 2 * x, batch_size=4)
    while not search.is_finished:
        search.run_epoch(data)
    found = list(search.architectures())
    assert found[0] == {"op": "large"}
    assert sorted(values["op"] for values in found) == [
        "large",
        "scale",
        "skip",
    ]
    assert search.probabilities()["op"][2] > 0.6
