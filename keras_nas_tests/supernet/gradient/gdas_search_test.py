import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.supernet.gradient import GDASSearch, SearchData
from keras_nas.supernet.gradient.sampled_path import SampledPath, sample
from keras_nas_tests.supernet.gradient.toys import (
    batch,
    build,
    scales,
    set_logits,
    softmax,
)


def test_samples_follow_the_softmax_of_the_logits():
    logits = {"a": tf.constant([0.0, 1.0]), "b": tf.constant([2.0, 0.0, 0.0])}

    @tf.function
    def draw(number):
        return sample(logits, 1.0, tf.stack([tf.constant(7), number]))

    drawn = np.array([draw(tf.constant(i))[0].numpy() for i in range(1000)])
    for column, part in zip(drawn.T, logits.values(), strict=True):
        shares = np.bincount(column, minlength=len(part)) / 1000
        np.testing.assert_allclose(shares, softmax(part), atol=0.06)
    # The two are independent of each other.
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.12


def test_a_low_temperature_makes_the_drawn_option_certain():
    logits = {"a": tf.constant([0.0, 1.0, 0.5])}
    seed = tf.constant([3, 4])
    for temperature, least in ((0.01, 0.99), (100.0, 0.33)):
        drawn, smoothed = sample(logits, temperature, seed)
        probability = smoothed["a"][int(drawn[0])]
        assert probability == max(smoothed["a"])
        assert least < probability < least + 0.02


def test_the_gradient_is_that_of_the_probability_of_what_was_drawn():
    search = GDASSearch(
        nas.Supernet(build, seed=0), epochs=1, temperatures=(2.0, 2.0)
    )
    set_logits(search, 0.3, -0.2, 0.1)
    x, y = -0.7, 0.4
    seen = set()
    for step in range(12):
        seed = search.random_seed(tf.constant(step), 1)
        logits = {"op": tf.constant([0.3, -0.2, 0.1])}
        drawn, smoothed = sample(logits, 2.0, seed)
        drawn, smoothed = int(drawn[0]), smoothed["op"].numpy()
        seen.add(drawn)
        output = x * [0.5, 1.0, 2.0][drawn]
        # d loss / d output * output * d softmax / d logits.
        jacobian = smoothed[drawn] * (np.eye(3)[drawn] - smoothed) / 2.0
        expected = 2 * (output - y) * output * jacobian
        value, gradient = search.alphas_gradient(
            batch(x, y), None, tf.constant(0.0), tf.constant(step)
        )
        assert float(value) == pytest.approx((output - y) ** 2, rel=1e-5)
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-7)
    assert seen == {0, 1, 2}


def test_one_branch_runs_and_the_others_get_no_gradient():
    search = GDASSearch(nas.Supernet(build, seed=0), epochs=1)
    space = search.space
    for chosen in (0, 2):
        looked_up = space.look_up(tf.constant([chosen]))
        variables = [layer.scale.value for layer in scales(search)]
        before = [float(layer.runs.numpy()) for layer in scales(search)]
        with tf.GradientTape() as tape:
            path = SampledPath(variables=search.supernet.trainable_variables)
            with space.running(looked_up, path):
                _, loss = search.loss(batch(1.0, 0.0))
        gradients = tape.gradient(
            loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        ran = [
            float(layer.runs.numpy()) - value
            for layer, value in zip(scales(search), before, strict=True)
        ]
        used = [int(chosen == option) for option in (0, 2)]
        assert ran == used
        # d (w ** 2) / d w.
        np.testing.assert_allclose(
            gradients, np.array(used) * [2 * 0.5, 2 * 2.0], rtol=1e-6
        )


def test_a_search_runs_one_branch_a_pass_and_is_traced_once():
    search = GDASSearch(nas.Supernet(build, seed=0), epochs=4)
    set_logits(search, 0.0, -99.0, 0.0)  # The skip counts nothing.
    x = np.linspace(-1, 1, 16, dtype="float32")[:, None]
    data = SearchData(x, 2 * x, batch_size=4)
    traces = []
    original = search.loss
    search.loss = lambda batch: (traces.append(1), original(batch))[1]
    while not search.is_finished:
        search.run_epoch(data)
    assert len(traces) == 2
    runs = [float(layer.runs.numpy()) for layer in scales(search)]
    assert min(runs) > 0
    # 4 epochs of 2 steps of weights and alphas; one call prepares metrics.
    assert sum(runs) - 2 * 2 * 4 in (0, 1)


def test_a_step_leaves_weights_that_did_not_run_as_they_are():
    """Momentum would move them although their gradients are zero."""

    def build_momentum(hp):
        model = build(hp)
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
        return model

    search = GDASSearch(nas.Supernet(build_momentum, seed=0), 9, seed=5)
    x = np.linspace(-1, 1, 4, dtype="float32")[:, None]
    data = SearchData(x, 3 * x, batch_size=2)  # 1 step an epoch.
    changes = []
    for _ in range(9):
        before = [float(s.scale.numpy()) for s in scales(search)]
        search.run_epoch(data)
        after = [float(s.scale.numpy()) for s in scales(search)]
        changes.append([a != b for a, b in zip(after, before, strict=True)])
    assert not any(all(step) for step in changes)
    assert [any(column) for column in zip(*changes, strict=True)] == [True] * 2


def accumulating(steps, **arguments):
    """A search whose weights are changed every `steps` steps."""

    def build_accumulating(hp):
        model = build(hp)
        model.compile(
            keras.optimizers.SGD(
                0.01, momentum=0.5, gradient_accumulation_steps=steps
            ),
            "mse",
        )
        return model

    return GDASSearch(
        nas.Supernet(build_accumulating, seed=0),
        epochs=12,
        temperatures=(1.0, 1.0),
        alpha_optimizer=keras.optimizers.SGD(0.0),
        seed=3,
        **arguments,
    )


def one_step_an_epoch():
    x = np.linspace(0.1, 1, 4, dtype="float32")[:, None]
    return SearchData(x, 3 * x, batch_size=2)


def follow(search, epochs):
    """Returns which layers ran in each epoch, and the weights after it."""
    data = one_step_an_epoch()
    ran, weights = [], []
    for _ in range(epochs):
        before = [float(s.runs.numpy()) for s in scales(search)]
        search.run_epoch(data)
        after = [float(s.runs.numpy()) for s in scales(search)]
        ran.append(np.array(after) > before)
        weights.append([float(s.scale.numpy()) for s in scales(search)])
    return np.array(ran), np.array(weights)


def test_accumulated_steps_draw_paths_of_their_own():
    one, two = (
        # The weights alone; the first step prepares metrics.
        follow(accumulating(steps, warmup_epochs=11), 11)[0][1:]
        for steps in (None, 2)
    )
    np.testing.assert_array_equal(one, two)
    pairs = two[1:-1].reshape(-1, 2, 2)  # Steps 2 and 3, and so on.
    assert any((first != second).any() for first, second in pairs)


def test_the_gradients_of_all_accumulated_paths_are_applied():
    search = accumulating(2, warmup_epochs=11)
    before = [s.scale.numpy() for s in scales(search)]
    ran, weights = follow(search, 10)
    ran[0] = weights[0] != before  # Metrics are prepared in the first.
    changed = np.diff(weights, axis=0, prepend=[before]) != 0
    assert not changed[::2].any()
    either = ran[1::2] | ran[::2]
    np.testing.assert_array_equal(changed[3::2], either[1:])
    # Some ran in the first of two steps alone, some in none.
    assert (ran[2::2] & ~ran[3::2]).any()
    assert not either[1:].all()


def test_a_search_resumes_amid_accumulated_steps():
    search = accumulating(2)
    search.run_epoch(one_step_an_epoch())
    state = search.get_state()
    _, expected = follow(search, 5)
    resumed = accumulating(2)
    resumed.set_state(state)
    _, found = follow(resumed, 5)
    np.testing.assert_array_equal(found, expected)
    assert resumed.history == search.history
