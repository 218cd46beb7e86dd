"""Search by gradient on two devices, against the same search on one."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.supernet.gradient.replicas import Replicas
from keras_nas_tests.tuners.two_devices import run_on_two_devices

SEARCHES = """
import contextlib
from keras_nas import blocks, layers
from keras_nas.supernet.gradient import DARTSSearch, GDASSearch, SearchData
from keras_nas.supernet import HessianStopping
from keras_nas_tests.supernet import builds

def normed():
    return keras.Sequential([
        keras.layers.Dense(5), keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2)])

is_normed = False

def build(hp):
    x = inputs = keras.Input((6,))
    x = keras.layers.Dense(5, "tanh", kernel_regularizer="l2")(x)
    for place in range(2):
        x = layers.LayerChoice(hp, f"op{place}", {
            "dense": lambda: keras.layers.Dense(
                5, "tanh", kernel_regularizer="l2"),
            "second": normed if is_normed else (
                lambda: keras.layers.Dense(5, "elu")),
            "skip": blocks.Identity})(x)
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    model.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy",
        metrics=["accuracy"])
    return model

x, y = builds.data()
cost = {f"op{i}": {"dense": 3.0, "second": 2.0, "skip": 0.0} for i in (0, 1)}

def search(scope, kind, **arguments):
    keras.utils.set_random_seed(0)
    with scope:
        found = kind(
            nas.Supernet(build, seed=1), epochs=2, seed=3,
            # Unlike Adam it shows how large gradients are.
            alpha_optimizer=keras.optimizers.SGD(3.0),
            alpha_regularization=0.1, **arguments)
    data = SearchData(x, y, batch_size=16)
    traces = []
    original = found.loss
    found.loss = lambda batch: (traces.append(1), original(batch))[1]
    history = [found.run_epoch(data) for _ in range(2)]
    restored = found.get_state()
    found.set_state(restored)
    again = found.get_state()["variables"]
    assert all(map(np.array_equal, restored["variables"], again))
    return {
        "history": history,
        "logits": found.parameters.logits.numpy().tolist(),
        "weights": [np.array(w).tolist()
                    for w in found.supernet.trainable_weights],
        "traces": len(traces),
        "devices": devices(
            [found.parameters.logits, *found.supernet.weights]),
    }

results = {}
for name, kind, arguments in (
    ("gdas", GDASSearch, dict(cost=cost, cost_weight=0.1)),
    ("darts", DARTSSearch, dict(
        cost=cost, cost_weight=0.1, early_stopping=HessianStopping(window=9))),
    ("second_order", DARTSSearch, dict(order=2)),
):
    results[name] = [
        search(contextlib.nullcontext(), kind, **arguments),
        search(STRATEGY.scope(), kind, **arguments)]
is_normed = True
results["normed"] = [
    search(STRATEGY.scope(), GDASSearch),
    search(STRATEGY.scope(), DARTSSearch, order=2, auxiliary_skip=True,
           skip_drop_rate=0.3)]

def half(hp):
    inputs = keras.Input((6,))
    x = keras.layers.Dense(6)(inputs)
    x = layers.LayerChoice(hp, "op", {
        "dense": lambda: keras.layers.Dense(6), "skip": blocks.Identity})(x)
    outputs = keras.layers.Dense(1, dtype="float32")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model

def overflowing(scope):
    keras.config.set_dtype_policy("mixed_float16")
    with scope:
        found = GDASSearch(nas.Supernet(half, seed=1), epochs=2, seed=3)
    examples = np.ones((8, 6), "float32")
    examples[4:] = 1e30  # What the second device gets.
    for number in examples, np.ones((8, 6), "float32"):
        data = SearchData(number, np.ones(8), batch_size=8, alpha_data=(
            number, np.ones(8)))
        found.run_epoch(data)
    keras.config.set_dtype_policy("float32")
    return bool(np.isfinite(found.parameters.logits.numpy()).all()
                and all(np.isfinite(w).all()
                        for w in found.supernet.get_weights()))

def accumulating(hp):
    model = half(hp)
    model.compile(keras.optimizers.SGD(
        0.01, gradient_accumulation_steps=2), "mse")
    return model

results["finite"] = overflowing(STRATEGY.scope())
try:
    with STRATEGY.scope():
        GDASSearch(nas.Supernet(accumulating), epochs=1)
except ValueError as error:
    results["accumulating"] = str(error)
print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return run_on_two_devices(SEARCHES, tmp_path_factory.mktemp("searches"))


@pytest.mark.parametrize("kind", ["gdas", "darts", "second_order"])
def test_two_devices_search_as_one_does(results, kind):
    one, two = results[kind]
    assert (one["devices"], two["devices"]) == ([1], [2])
    assert two["traces"] == 2 * one["traces"]
    np.testing.assert_allclose(one["logits"], two["logits"], rtol=0.01)
    assert np.abs(one["logits"]).max() > 0.02
    for expected, found in zip(one["weights"], two["weights"], strict=True):
        np.testing.assert_allclose(expected, found, rtol=0.01, atol=1e-3)
    for expected, found in zip(one["history"], two["history"], strict=True):
        assert expected == pytest.approx(found, rel=0.01)


def test_batch_normalization_and_dropout_run_on_two_devices(results):
    for found in results["normed"]:
        assert found["devices"] == [2]
        assert found["traces"] in (2 * 2, 2 * 5)
        for logs in found["history"]:
            assert np.isfinite(list(logs.values())).all()
        assert np.abs(found["logits"]).max() > 0.02


def test_an_overflow_on_one_device_is_skipped_by_all(results):
    assert results["finite"] is True


def test_gradients_are_not_accumulated_on_several_devices(results):
    message = results["accumulating"]
    assert "gradient_accumulation_steps=2 and 2 devices" in message


class ThreeDevices(tf.distribute.OneDeviceStrategy):
    """As far as one can see from outside."""

    num_replicas_in_sync = 3


def test_a_batch_that_cannot_be_shared_out_is_refused():
    replicas = Replicas(ThreeDevices("cpu"))
    with pytest.raises(ValueError, match="multiple of 3(.|\n)*batch of 4"):
        replicas.split((tf.zeros([4, 2]), tf.zeros([4]), None))
