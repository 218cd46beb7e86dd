"""Tests of the supernet through its public API."""

import pathlib
import re

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas import blocks, layers
from keras_nas.supernet import (
    FairSampling,
    ProgressiveShrinking,
    SamplingRule,
    SandwichSampling,
    SharingError,
)
from keras_nas_tests.supernet import builds
from keras_nas_tests.tuners.tiny_searches import make_history


class Always(SamplingRule):
    """Trains one architecture only."""

    def __init__(self, **values):
        self.values = values

    def paths(self, step, seed):
        del step, seed
        return tf.constant(
            self.space.vector(self.space.options(self.values))[None]
        )


def made(build=builds.small, seed=1, **arguments):
    keras.utils.set_random_seed(0)
    return nas.Supernet(build, seed=seed, **arguments)


@pytest.fixture(scope="module")
def rich():
    """A supernet with everything in it, trained a little."""
    supernet = made(builds.everything)
    x, y = builds.data((11, 11, 3))
    supernet.fit(x, y, batch_size=16, epochs=2, verbose=0)
    return supernet


def test_subnets_are_what_build_gives_with_the_weights_of_the_supernet(rich):
    x, _ = builds.data((11, 11, 3))
    rng = np.random.default_rng(0)
    worst = 0.0
    sizes = set()
    for _ in range(12):
        values = rich.random_architecture(rng)
        rich.set_architecture(values)
        rich.calibrate(x, batch_size=32, num_batches=2)
        subnet = rich.extract_subnet(values)
        sizes.add(subnet.count_params())
        assert not any(
            type(layer).__module__.startswith("keras_nas")
            for layer in subnet.layers
        )
        difference = np.array(subnet(x)) - rich.predict(x, verbose=0)
        worst = max(worst, np.abs(difference).max())
    assert worst < 1e-5
    assert len(sizes) > 6  # They do differ.


def test_the_space_is_the_one_that_build_has(rich):
    hp = keras_tuner.HyperParameters()
    builds.everything(hp)
    expected = {parameter.name: parameter.values for parameter in hp.space}
    found = {p.name: p.values for p in rich.space.space}
    assert {n: tuple(v) for n, v in found.items()} == {
        n: tuple(v) for n, v in expected.items()
    }
    conditions = {p.name: p.conditions for p in hp.space}
    assert {p.name: p.conditions for p in rich.space.space} == conditions


def test_another_architecture_traces_nothing_again():
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(inputs)
            return inputs

    def build(hp):
        model = builds.small(hp)
        outputs = Counting()(model.outputs[0])
        return builds.compiled(model.inputs, outputs)

    supernet = made(build)
    x, y = builds.data()
    supernet.fit(x, y, verbose=0)
    supernet.calibrate(x)
    supernet.evaluate(x, y, verbose=0)
    supernet.predict(x, verbose=0)
    count = len(traces)
    losses = set()
    for op in ("first", "second", "third"):
        for width in (4, 8):
            supernet.set_architecture({"op": op, "width": width})
            supernet.calibrate(x)
            losses.add(supernet.evaluate(x, y, verbose=0)[0])
            supernet.predict(x, verbose=0)
    supernet.fit(x, y, verbose=0)
    assert len(losses) == 6
    assert len(traces) == count


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
    ],
    ids=["SGD", "AdamW"],
)
def test_weights_that_a_step_does_not_use_stay_as_they_are(optimizer):
    class TwoThenOne(SamplingRule):
        """Gives "second" momentum first, and then trains "first" alone."""

        def paths(self, step, seed):
            del seed
            return tf.where(step < 2, [[1, 1]], [[1, 0]])

    supernet = made(sampling=TwoThenOne())
    supernet.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = builds.data()
    supernet.fit(x, y, batch_size=32, verbose=0)  # Two steps.

    def kernels():
        return [
            variable.numpy()
            for variable in supernet.trainable_variables
            if tuple(variable.shape) == (8, 6)
        ]

    before = kernels()
    supernet.fit(x, y, batch_size=32, verbose=0)
    changed = [np.any(a != b) for a, b in zip(before, kernels(), strict=True)]
    assert changed == [True, False, False]


class Listed(SamplingRule):
    """Trains these architectures in each step, from the given step on."""

    def __init__(self, *paths, begin=0, before=None, distills=False):
        self.listed, self.begin, self.before = paths, begin, before or paths
        self.num_paths = len(paths)
        self.distills = distills

    def paths(self, step, seed):
        del seed
        space = self.space
        listed, before = (
            np.array([space.vector(space.options(v)) for v in part])
            for part in (self.listed, self.before)
        )
        return tf.where(step < self.begin, before, listed)


def searched_widths(hp):
    """A width, a kernel, what normalizes and mixes them."""
    x = inputs = keras.Input((5, 5, 2))
    x = layers.Conv2D(
        hp.Choice("width", [4, 8]), hp.Choice("kernel", [1, 3]), padding="same"
    )(x)
    x = keras.layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(hp.Choice("depthwise", [3, 5]), padding="same")(
        x
    )
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return builds.compiled(inputs, keras.layers.Dense(3, "softmax")(x))


LARGE = {"width": 8, "kernel": 3, "depthwise": 5}


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.AdamW(0.01, weight_decay=0.1),
        keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_parts_of_weights_that_a_step_does_not_use_stay_as_they_are(optimizer):
    paths = [
        {"width": 4, "kernel": 3, "depthwise": 3},
        {"width": 8, "kernel": 1, "depthwise": 3},
    ]
    rule = Listed(*paths, begin=2, before=[LARGE, LARGE])
    supernet = made(searched_widths, sampling=rule)
    supernet.compile(optimizer, "sparse_categorical_crossentropy")
    x, y = builds.data((5, 5, 2))
    supernet.fit(x, y, batch_size=32, verbose=0)  # Two steps of the largest.

    def state():
        variables = [*supernet.trainable_variables, *optimizer.variables]
        return [variable.numpy() for variable in variables]

    before = state()
    supernet.fit(x, y, batch_size=32, epochs=2, verbose=0)
    used = {
        (3, 3, 2, 8): np.zeros((3, 3, 2, 8), bool),
        (8,): np.ones(8, bool),
        (5, 5, 8, 1): np.zeros((5, 5, 8, 1), bool),
        (8, 3): np.ones((8, 3), bool),
        (3,): np.ones(3, bool),
    }
    used[3, 3, 2, 8][..., :4] = used[3, 3, 2, 8][1, 1] = True
    used[5, 5, 8, 1][1:4, 1:4] = True
    seen = set()
    for old, new in zip(before, state(), strict=True):
        if old.ndim:
            seen.add(old.shape)
            rest = ~used[old.shape]
            np.testing.assert_array_equal(old[rest], new[rest])
            assert np.any(old != new)
    assert seen == set(used)


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.Adam,
        keras.optimizers.Nadam,
        keras.optimizers.Lamb,
        keras.optimizers.Adafactor,
    ],
    ids=lambda optimizer: optimizer.__name__,
)
def test_training_one_path_is_training_its_model(optimizer):
    """Same data, same steps: the supernet's subnet is the trained model."""
    values = {"width": 8, "op": "first"}
    supernet = made(sampling=Always(**values))
    supernet.compile(optimizer(0.01), "sparse_categorical_crossentropy")
    model = supernet.extract_subnet(values)
    model.compile(optimizer(0.01), "sparse_categorical_crossentropy")
    x, y = builds.data()
    history = model.fit(x, y, batch_size=16, shuffle=False, epochs=3, verbose=0)
    others = supernet.fit(
        x, y, batch_size=16, shuffle=False, epochs=3, verbose=0
    )
    np.testing.assert_allclose(
        history.history["loss"], others.history["loss"], rtol=1e-5
    )
    subnet = supernet.extract_subnet(values)
    for trained, inherited in zip(
        model.get_weights(), subnet.get_weights(), strict=True
    ):
        np.testing.assert_allclose(trained, inherited, atol=1e-5)


def candidates(hp, loss="sparse_categorical_crossentropy", **arguments):
    """Four candidates in one place."""
    x = inputs = keras.Input((6,))
    functions = {"a": None, "b": "relu", "c": "tanh", "d": "elu"}
    x = layers.LayerChoice(
        hp,
        "op",
        {
            key: lambda f=f: keras.layers.Dense(6, f, **arguments)
            for key, f in functions.items()
        },
    )(x)
    model = keras.Model(inputs, keras.layers.Dense(3, "softmax")(x))
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def changes(build, *paths, distills=False, **arguments):
    """Returns by how much one step changes the weights of each path."""
    supernet = made(build, sampling=Listed(*paths, distills=distills))
    before = [supernet.extract_subnet(path).get_weights() for path in paths]
    supernet.fit(verbose=0, batch_size=64, **arguments)
    return [
        [new - old for new, old in zip(model.get_weights(), olds, strict=True)]
        for olds, model in zip(
            before, map(supernet.extract_subnet, paths), strict=True
        )
    ]


@pytest.mark.parametrize("build", [candidates, builds.small])
def test_gradients_of_the_architectures_of_a_step_are_added(build):
    space = made(build).architecture_space
    paths = [space.values([0] * len(space.names)) for _ in range(2)]
    paths[1] = space.values(space.num_options - 1)
    if build is builds.small:  # Both have the first half of the channels.
        paths[1]["op"] = paths[0]["op"]
    x, y = builds.data()

    def sgd(hp):
        model = build(hp)
        model.compile(keras.optimizers.SGD(0.1), model.loss)
        return model

    ((*_, first),) = changes(sgd, paths[0], x=x, y=y)
    ((*_, second),) = changes(sgd, paths[1], x=x, y=y)
    for *_, both in changes(sgd, *paths, x=x, y=y):  # The bias at the end.
        np.testing.assert_allclose(both, first + second, atol=1e-6)


def test_regularizers_count_once_however_many_architectures_run():
    x, y = builds.data()
    for rule in (
        FairSampling(),
        SandwichSampling(),
        Listed({"op": "b"}),
        Listed({"op": "b"}, {"op": "b"}),
    ):
        supernet = made(
            lambda hp: candidates(hp, kernel_regularizer="l2"), sampling=rule
        )
        rule = supernet.sampling
        values = {"op": "b"}
        if isinstance(rule, SandwichSampling):
            values = supernet.largest_architecture()
        layer = supernet.extract_subnet(values).layers[1]
        before = layer.kernel.numpy()
        # Inputs of 0: nothing but the regularizer has a gradient.
        supernet.fit(np.zeros_like(x), y, batch_size=64, verbose=0)
        after = supernet.extract_subnet(values).layers[1].kernel.numpy()
        np.testing.assert_allclose(after / before, 1 - 0.1 * 2 * 0.01, 1e-4)


def test_regularizers_of_a_subnet_are_those_of_its_model():
    def build(hp):
        x = inputs = keras.Input((6,))
        x = layers.Dense(hp.Choice("w", [4, 8]), kernel_regularizer="l1")(x)
        x = layers.LayerChoice(
            hp,
            "op",
            {
                "a": lambda: keras.layers.Dense(6, bias_regularizer="l2"),
                "b": lambda: keras.layers.Dense(6, kernel_regularizer="l2"),
            },
        )(x)
        outputs = keras.layers.Dense(3, "softmax", kernel_regularizer="l1")(x)
        return builds.compiled(inputs, outputs)

    x, y = builds.data()
    for values in ({"w": 4, "op": "b"}, {"w": 8, "op": "a"}):
        supernet = made(build, sampling=Always(**values))
        model = supernet.extract_subnet(values)
        supernet.set_architecture(values)
        for each in (supernet, model):
            each.fit(x, y, shuffle=False, verbose=0)
        assert supernet.evaluate(x, y, verbose=0) == pytest.approx(
            model.evaluate(x, y, verbose=0), rel=1e-5
        )
        trained = supernet.extract_subnet(values).get_weights()
        for one, other in zip(model.get_weights(), trained, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_loss_is_the_mean_over_examples_of_unequal_batches():
    values = {"width": 8, "op": "first"}
    x, y = builds.data(size=33)
    x[32] *= 50
    supernet = made(sampling=Always(**values))
    model = supernet.extract_subnet(values)
    losses = []
    for each in (supernet, model):
        each.compile(
            keras.optimizers.SGD(0.0), "sparse_categorical_crossentropy"
        )
        history = each.fit(x, y, batch_size=32, shuffle=False, verbose=0)
        losses.append(history.history["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_arguments_of_fit_by_position():
    supernet = made()
    x, y = builds.data()
    history = supernet.fit(x, y, 32, 1, 0, None, 0.0, (x, y))
    assert "val_loss" in history.history


def test_progressive_shrinking_begins_as_a_training_of_the_largest():
    def build(hp):
        model = builds.small(hp)
        model.compile(keras.optimizers.SGD(0.1), model.loss)
        return model

    x, y = builds.data()
    supernet = made(build, sampling=ProgressiveShrinking(steps_per_phase=8))
    values = supernet.largest_architecture()
    model = supernet.extract_subnet(values)
    for each in (model, supernet):
        each.fit(x, y, batch_size=16, shuffle=False, epochs=2, verbose=0)
    trained = supernet.extract_subnet(values).get_weights()
    # With moving statistics: a second path would have moved them too.
    for one, other in zip(model.get_weights(), trained, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    model.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    supernet.fit(x, y, batch_size=16, shuffle=False, verbose=0)
    trained = supernet.extract_subnet(values).get_weights()
    assert any(map(lambda a, b: np.any(a != b), model.get_weights(), trained))


@pytest.mark.parametrize(
    ("loss", "one_hot"),
    [
        ("mse", True),
        ("sparse_categorical_crossentropy", False),
        (keras.losses.SparseCategoricalCrossentropy(reduction="sum"), False),
        (keras.losses.MeanSquaredError(reduction="sum"), True),
    ],
)
def test_students_learn_at_the_rate_of_their_teacher(loss, one_hot):
    """A student that learns the labels from its teacher moves as it does."""

    class Knows(keras.layers.Layer):
        """Predicts the labels, which are inputs."""

        def call(self, inputs):
            return inputs[:, :3]

    def build(hp):
        inputs = keras.Input((9,))
        x = layers.LayerChoice(
            hp,
            "op",
            {
                "knows": Knows,
                "dense": lambda: keras.layers.Dense(3, "softmax"),
            },
        )(inputs)
        x = keras.layers.Identity()(x)
        model = keras.Model(inputs, x)
        model.compile(keras.optimizers.SGD(0.01), loss)
        return model

    x, y = builds.data()
    labels = np.eye(3)[y].astype("float32")
    arguments = {
        "x": np.concatenate([labels, x], axis=1),
        "y": labels if one_hot else y,
        "sample_weight": np.linspace(0, 1, 64, dtype="float32"),
    }
    knows, dense = {"op": "knows"}, {"op": "dense"}
    (alone,) = changes(build, dense, **arguments)
    _, student = changes(build, knows, dense, distills=True, **arguments)
    assert np.abs(alone[0]).max() > 1e-4
    for one, other in zip(alone, student, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("axis", [None, -1])
def test_distillation_losses_of_ones_own(axis):
    def distance(teacher, student):
        return keras.ops.mean((teacher - student) ** 2, axis=axis)

    x, y = builds.data()
    found = []
    for arguments in ({}, {"distillation_loss": distance}):
        rule = Listed({"op": "a"}, {"op": "c"}, distills=True)
        supernet = made(candidates, sampling=rule)
        supernet.compile("sgd", "mse", **arguments)
        supernet.fit(x, np.eye(3)[y], batch_size=64, verbose=0)
        found.append(supernet.extract_subnet({"op": "c"}).get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    "rule",
    [
        None,
        FairSampling(),
        SandwichSampling(num_random=1),
        ProgressiveShrinking(steps_per_phase=3),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_every_sampling_rule_learns(rule):
    supernet = made(sampling=rule)
    x, _ = builds.data(size=256)
    y = (x[:, 0] > 0.5).astype(int) + (x[:, 1] > 0.5)
    supernet.fit(x, y, batch_size=16, epochs=12, verbose=0)
    for values in (
        supernet.smallest_architecture(),
        supernet.largest_architecture(),
    ):
        supernet.set_architecture(values)
        supernet.calibrate(x)
        assert supernet.evaluate(x, y, verbose=0)[1] > 0.7


@pytest.mark.parametrize(
    "settings",
    [
        {"steps_per_execution": 2},
        {"jit_compile": True},
        {"run_eagerly": True},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_stock_settings_of_compile_give_the_same_training(settings):
    x, y = builds.data()
    losses = []
    for arguments in ({}, settings):
        # XLA draws other random numbers, so there are none to draw.
        supernet = made(sampling=Always(width=4, op="third"))
        supernet.compile("sgd", "sparse_categorical_crossentropy", **arguments)
        history = supernet.fit(x, y, batch_size=16, epochs=2, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_xla_trains_all_architectures_of_a_step():
    supernet = made(sampling=SandwichSampling(num_random=1))
    supernet.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=True,
    )
    x, y = builds.data()
    before = [variable.numpy() for variable in supernet.trainable_variables]
    losses = supernet.fit(x, y, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, new in zip(before, supernet.trainable_variables, strict=True):
        assert np.any(old != new.numpy())


def test_mixed_precision():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        supernet = made()
        x, y = builds.data()
        losses = supernet.fit(x, y, epochs=5, verbose=0).history["loss"]
        assert losses[-1] < losses[0]
        kernel = supernet.trainable_variables[0]
        assert kernel.dtype == "float32"
        values = {"width": 4, "op": "third"}
        supernet.set_architecture(values)
        subnet = supernet.extract_subnet(values)
        np.testing.assert_allclose(
            np.array(subnet(x)),
            supernet.predict(x, verbose=0),
            atol=1e-2,
        )
    finally:
        keras.mixed_precision.set_global_policy("float32")


def test_a_training_that_was_killed_goes_on_exactly(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    x, y = builds.data()

    def train(*callbacks):
        supernet = made(sampling=SandwichSampling(num_random=1))
        epochs = []
        count = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: epochs.append(epoch)
        )
        supernet.fit(
            x,
            y,
            batch_size=16,
            epochs=4,
            verbose=0,
            callbacks=[*callbacks, count],
        )
        return supernet.get_weights(), epochs

    expected, _ = train()
    with pytest.raises(KeyboardInterrupt):
        train(keras.callbacks.BackupAndRestore(tmp_path), Stop())
    resumed, epochs = train(keras.callbacks.BackupAndRestore(tmp_path))
    assert epochs[0] > 0
    assert epochs[-1] == 3
    for a, b in zip(expected, resumed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_calibration_gives_the_statistics_of_the_data():
    supernet = made()
    x, y = builds.data()
    supernet.fit(x, y, verbose=0)
    values = {"width": 8, "op": "first"}
    supernet.set_architecture(values)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    for data in (x, batches):
        supernet.calibrate(data, batch_size=64)
        subnet = supernet.extract_subnet(values)
        norm = subnet.layers[-2]
        before = keras.Model(subnet.inputs, norm.input).predict(x, verbose=0)
        np.testing.assert_allclose(norm.moving_mean, before.mean(0), atol=1e-5)
        expected = before.reshape(1 if data is x else 4, -1, before.shape[1])
        np.testing.assert_allclose(
            norm.moving_variance, expected.var(1).mean(0), rtol=1e-4
        )


def test_calibration_sees_all_of_sorted_data():
    supernet = made()
    x, _ = builds.data(size=4000)
    x[2000:] += 5
    values = {"width": 8, "op": "first"}
    supernet.set_architecture(values)
    supernet.calibrate(x)
    subnet = supernet.extract_subnet(values)
    norm = subnet.layers[-2]
    before = keras.Model(subnet.inputs, norm.input).predict(x, verbose=0)
    np.testing.assert_allclose(
        norm.moving_mean, before.mean(0), atol=0.2 * before.std(0).max()
    )
    np.testing.assert_allclose(norm.moving_variance, before.var(0), rtol=0.1)


def with_dropout(hp):
    x = inputs = keras.Input((6,))
    x = keras.layers.Dropout(0.5)(x)
    x = layers.Dense(hp.Choice("width", [4, 8]))(x)
    x = keras.layers.BatchNormalization()(x)
    return builds.compiled(inputs, keras.layers.Dense(3, "softmax")(x))


def test_calibration_does_not_depend_on_what_was_done_before():
    supernet = made(with_dropout)
    x, y = builds.data()
    losses = []
    for _ in range(3):
        supernet.calibrate(x)
        losses.append(supernet.evaluate(x, y, verbose=0)[0])
    assert losses[0] == losses[1] == losses[2]
    # As in inference, that is without dropout.
    subnet = supernet.extract_subnet(supernet.architecture)
    norm = subnet.layers[-2]
    before = keras.Model(subnet.inputs, norm.input).predict(x, verbose=0)
    np.testing.assert_allclose(norm.moving_mean, before.mean(0), atol=1e-5)


def test_calibration_of_a_narrow_subnet_leaves_the_other_channels():
    supernet = made(searched_widths)
    x, y = builds.data((5, 5, 2))
    supernet.fit(x, y, verbose=0)
    supernet.set_architecture(LARGE)
    supernet.calibrate(x)
    before = supernet.evaluate(x, y, verbose=0)
    statistics = supernet.statistics()
    narrow = {**LARGE, "width": 4}
    supernet.set_architecture(narrow)
    supernet.calibrate(x + 1)
    for old, new in zip(statistics, supernet.statistics(), strict=True):
        np.testing.assert_array_equal(old[4:], new[4:])
        assert np.all(old[:4] != new[:4])
    supernet.calibrate(x)
    supernet.set_architecture(LARGE)
    assert supernet.evaluate(x, y, verbose=0) == pytest.approx(before)


def test_values_that_are_not_active_may_be_missing():
    def build(hp):
        x = inputs = keras.Input((6,))
        x = layers.Repeat(
            hp,
            "depth",
            min_repeats=0,
            max_repeats=2,
            block=lambda name: layers.LayerChoice(
                hp,
                name,
                {
                    "a": lambda: keras.layers.Dense(6),
                    "b": lambda: keras.layers.Dense(6, "relu"),
                },
            ),
        )(x)
        return builds.compiled(inputs, keras.layers.Dense(3)(x))

    supernet = made(build)
    supernet.set_architecture({"depth": 0})
    supernet.set_architecture({"depth": 1, "depth_0": "b"})
    with pytest.raises(ValueError, match="'depth_1' is missing"):
        supernet.set_architecture({"depth": 2, "depth_0": "b"})


def test_calibration_does_not_change_a_later_training():
    x, y = builds.data()

    def losses(*is_calibrated):
        supernet = made(with_dropout)
        supernet.fit(x, y, verbose=0)
        if is_calibrated:
            supernet.calibrate(x)
        return supernet.fit(x, y, shuffle=False, verbose=0).history["loss"]

    assert losses() == losses(True)


def test_weights_are_saved_and_loaded(tmp_path):
    x, y = builds.data()
    supernet = made()
    supernet.fit(x, y, verbose=0)
    supernet.save_weights(tmp_path / "a.weights.h5")
    other = made(seed=2)
    other.load_weights(tmp_path / "a.weights.h5")
    for supernet_ in (supernet, other):
        supernet_.set_architecture({"width": 4, "op": "third"})
    np.testing.assert_array_equal(
        supernet.predict(x, verbose=0), other.predict(x, verbose=0)
    )


def test_architectures_are_told_in_values():
    supernet = made()
    assert supernet.choices == {
        "width": [4, 8],
        "op": ["first", "second", "third"],
    }
    # "first" and "third" have a bias, "second" has none.
    assert supernet.largest_architecture() == {"width": 8, "op": "first"}
    assert supernet.smallest_architecture() == {"width": 4, "op": "second"}
    assert supernet.architecture == supernet.largest_architecture()
    hp = supernet.space
    hp.values = {"width": 4, "op": "third"}
    supernet.set_architecture(hp)
    assert supernet.architecture == {"width": 4, "op": "third"}


def test_fixed_hyperparameters_are_not_searched():
    def build(hp):
        model = builds.small(hp)
        rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
        model.compile(keras.optimizers.SGD(rate), "mse")
        return model

    supernet = made(build, fixed={"rate": 0.01, "op": "second"})
    assert supernet.choices == {"width": [4, 8]}
    assert float(supernet.optimizer.learning_rate) == pytest.approx(0.01)
    assert supernet.extract_subnet({"width": 4}).count_params() == (
        6 * 4 + 4 + 4 * 6 + 4 * 6 + 6 * 3 + 3
    )


def dense_on(hp, value):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(value)(inputs)
    return builds.compiled(inputs, keras.layers.Dense(3)(hidden))


def ordinary_layer(hp):
    return dense_on(hp, hp.Choice("bad", [4, 8]))


def optimizer(hp):
    model = builds.small(hp)
    model.compile(keras.optimizers.SGD(hp.Choice("bad", [0.1, 0.2])), "mse")
    return model


def without_step(hp):
    model = builds.small(hp)
    model.compile(keras.optimizers.SGD(hp.Float("bad", 0.1, 0.2)), "mse")
    return model


def condition(hp):
    return builds.small(hp) if hp.Boolean("bad") else None


def loop(hp):
    return [builds.small(hp) for _ in range(hp.Int("bad", 1, 2))][0]


def activation(hp):
    inputs = keras.Input((4,))
    hidden = layers.Dense(4, activation=hp.Choice("bad", ["relu", "tanh"]))
    return builds.compiled(inputs, hidden(inputs))


def input_shape(hp):
    inputs = keras.Input((hp.Choice("bad", [4, 8]),))
    return builds.compiled(inputs, keras.layers.Dense(3)(inputs))


def not_used(hp):
    hp.Choice("bad", [1, 2])
    return builds.small(hp)


def in_a_name(hp):
    inputs = keras.Input((4,))
    name = f"layer_{hp.Choice('bad', [1, 2])}"
    return builds.compiled(inputs, keras.layers.Dense(3, name=name)(inputs))


def output_width(hp):
    inputs = keras.Input((4,))
    return builds.compiled(
        inputs, layers.Dense(hp.Choice("bad", [3, 4]))(inputs)
    )


def behind_a_width(hp):
    inputs = keras.Input((4,))
    x = layers.Dense(hp.Choice("bad", [3, 4]))(inputs)
    x = keras.layers.LayerNormalization()(x)
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def softmax_of_a_width(hp):
    inputs = keras.Input((4,))
    hidden = layers.Dense(hp.Choice("bad", [3, 4]), activation="softmax")
    return builds.compiled(inputs, keras.layers.Dense(3)(hidden(inputs)))


def softmax_of_filters(hp):
    inputs = keras.Input((5, 5, 2))
    x = layers.Conv2D(hp.Choice("bad", [3, 4]), 1, activation="softmax")(inputs)
    x = keras.layers.Flatten()(x)
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def softmax_of_depthwise(hp):
    inputs = keras.Input((5, 5, 2))
    x = layers.Conv2D(hp.Choice("bad", [3, 4]), 1)(inputs)
    x = keras.layers.DepthwiseConv2D(3, activation="softmax")(x)
    x = keras.layers.Flatten()(x)
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def behind_a_function(hp, function):
    inputs = keras.Input((4,))
    x = layers.Dense(hp.Choice("bad", [4, 8]))(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation(function)(x)
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def mixing_function(hp):
    return behind_a_function(
        hp, lambda x: x - keras.ops.max(x, -1, keepdims=True)
    )


def logarithm(hp):
    return behind_a_function(hp, keras.ops.log)


@pytest.mark.parametrize(
    "build",
    [
        softmax_of_a_width,
        softmax_of_filters,
        softmax_of_depthwise,
        mixing_function,
        logarithm,
        ordinary_layer,
        optimizer,
        without_step,
        condition,
        loop,
        activation,
        input_shape,
        not_used,
        in_a_name,
        output_width,
        behind_a_width,
    ],
    ids=lambda build: build.__name__,
)
def test_what_cannot_be_shared_is_named(build):
    with pytest.raises(SharingError, match=r"'bad'"):
        made(build)


def test_endlessly_many_values_are_to_be_fixed():
    with pytest.raises(SharingError, match="fixed={'bad': 0.1") as caught:
        made(without_step)
    assert "step" not in str(caught.value)


def test_adding_two_searched_widths_is_refused():
    def build(hp):
        inputs = keras.Input((4,))
        a = layers.Dense(hp.Choice("a", [4, 8]))(inputs)
        b = layers.Dense(hp.Choice("b", [4, 8]))(inputs)
        x = keras.layers.Add()([a, b])
        return builds.compiled(inputs, keras.layers.Dense(3)(x))

    with pytest.raises(SharingError, match=r"'a' and 'b'"):
        made(build)


def test_a_build_that_hides_a_dependence_is_found():
    def build(hp):
        op = hp.values.get("op", "first")  # Not as `hp.Choice` gives it.
        model = builds.small(hp)
        if op == "second":
            outputs = keras.layers.Dense(3)(model.outputs[0])
            return builds.compiled(model.inputs, outputs)
        return model

    with pytest.raises(ValueError, match="is not the one that the supernet"):
        made(build)


def test_a_build_that_hides_an_activation_is_found():
    def build(hp):
        is_first = hp.values.get("op", "first") == "first"
        model = builds.small(hp)
        x = keras.layers.Activation("relu" if is_first else "tanh")(
            model.outputs[0]
        )
        return builds.compiled(model.inputs, x)

    with pytest.raises(ValueError, match="'op': .*predicts something else"):
        made(build)


def test_what_shows_in_no_architecture_tried_is_found_when_taken_out():
    def build(hp):
        is_rare = hp.values.get("width") == 10 and hp.values["op"] == "third"
        x = inputs = keras.Input((6,))
        x = layers.Dense(hp.Int("width", 2, 64, step=8))(x)
        x = layers.LayerChoice(
            hp,
            "op",
            {
                "first": lambda: keras.layers.Dense(6),
                "third": lambda: keras.layers.Dense(
                    6, activation="tanh" if is_rare else None
                ),
            },
        )(x)
        return builds.compiled(inputs, keras.layers.Dense(3)(x))

    supernet = made(build)
    supernet.extract_subnet({"width": 18, "op": "third"})
    with pytest.raises(ValueError, match="predicts something else"):
        supernet.extract_subnet({"width": 10, "op": "third"})


def test_functions_of_ones_own_behind_a_width():
    def build(hp):
        return behind_a_function(hp, lambda x: x * keras.ops.sigmoid(x) + 1)

    supernet = made(build)
    x, _ = builds.data((4,))
    supernet.set_architecture({"bad": 4})
    subnet = supernet.extract_subnet({"bad": 4})
    np.testing.assert_allclose(
        supernet.predict(x, verbose=0), np.array(subnet(x)), atol=1e-6
    )


def with_constants(hp):
    """Hyperparameters of one value, where none could be shared."""
    x = inputs = keras.Input((hp.Fixed("size", 6),))
    x = keras.layers.Dense(hp.Choice("units", [8]))(x)
    x = layers.LayerChoice(
        hp, "only", {"dense": lambda: layers.Dense(hp.Choice("width", [4, 8]))}
    )(x)
    x = keras.layers.Dense(8)(x)
    x = keras.layers.Dropout(hp.Float("rate", 0.1, 0.1))(x)
    x = layers.Repeat(
        hp,
        "stage",
        block=lambda name: keras.layers.Dense(hp.Int(f"{name}_units", 8, 8)),
        min_repeats=1,
        max_repeats=2,
    )(x)
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def test_hyperparameters_of_one_value_need_no_sharing():
    supernet = made(with_constants)
    assert supernet.choices == {"width": [4, 8], "stage": [1, 2]}
    hp = keras_tuner.HyperParameters()
    with_constants(hp)
    known = [str(p.get_config()) for p in supernet.space.space]
    assert {str(p.get_config()) for p in hp.space} <= set(known)
    x, _ = builds.data()
    for values in (
        {"width": 4, "stage": 2},
        {"width": 8, "stage": 1, "size": 6, "units": 8},
        hp,
    ):
        supernet.set_architecture(values)
        np.testing.assert_allclose(
            supernet.predict(x, verbose=0),
            np.array(supernet.extract_subnet(values)(x)),
            atol=1e-6,
        )
    with pytest.raises(ValueError, match="'units' has the value 16"):
        supernet.set_architecture({"width": 4, "stage": 2, "units": 16})


def test_losses_and_metrics_of_ones_own_need_no_registration():
    def own_loss(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    def own_metric(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred))

    def build(hp):
        x = inputs = keras.Input((6,))
        x = layers.Dense(hp.Choice("width", [4, 8]))(x)
        model = keras.Model(inputs, keras.layers.Dense(3)(x))
        model.compile("sgd", own_loss, metrics=[own_metric])
        return model

    supernet = made(build)
    x, _ = builds.data()
    history = supernet.fit(x, x[:, :3], epochs=1, verbose=0).history
    assert set(history) == {"loss", "own_metric"}


@pytest.mark.parametrize(
    "keep",
    [
        lambda s, path: s.save(path / "s.keras"),
        lambda s, path: s.save(path / "s.h5"),
        lambda s, path: keras.models.clone_model(s),
        lambda s, path: s.fit(
            *builds.data(),
            verbose=0,
            callbacks=[keras.callbacks.ModelCheckpoint(path / "ck.keras")],
        ),
    ],
    ids=["keras", "h5", "clone", "checkpoint"],
)
def test_how_to_keep_a_supernet_is_told(keep, tmp_path):
    with pytest.raises(NotImplementedError, match="save_weights.*extract_sub"):
        keep(made(), tmp_path)


def test_it_knows_whether_it_is_trained(tmp_path):
    supernet, other = made(), made()
    assert not supernet.is_trained
    supernet.fit(*builds.data(), verbose=0)
    assert supernet.is_trained
    supernet.save_weights(tmp_path / "supernet.weights.h5")
    other.load_weights(tmp_path / "supernet.weights.h5")
    assert other.is_trained


def test_data_to_calibrate_on():
    supernet = made()
    x, y = builds.data()
    dataset = tf.data.Dataset.from_tensor_slices((x, y))
    for data, message in (
        (None, "type NoneType"),
        (x[:0], "at least one example"),
        (dataset.take(0).batch(4), "at least one example"),
        ((x, y), "not `\\(x, y\\)`"),
        (x[:, :3], r"\[\(None, 6\)\]. Received shapes: \[\(64, 3\)\]"),
        (dataset, "`dataset.batch"),
    ):
        with pytest.raises(ValueError, match=message):
            supernet.calibrate(data)
    supernet.calibrate(x, batch_size=16)
    before = supernet.statistics()
    # All of it are the same batches, in whatever way they come.
    supernet.calibrate(dataset.batch(16))
    for old, new in zip(before, supernet.statistics(), strict=True):
        np.testing.assert_allclose(old, new, atol=0.05)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"fixed=\['width'\]"):
        made(fixed=["width"])
    with pytest.raises(ValueError, match="seed='a'"):
        nas.Supernet(builds.small, seed="a")
    with pytest.raises(ValueError, match="build=<Sequential"):
        nas.Supernet(keras.Sequential())
    with pytest.raises(ValueError, match="Received: build=3"):
        nas.Supernet(3)
    with pytest.raises(ValueError, match="Received: sampling='uniform'"):
        nas.Supernet(builds.small, sampling="uniform")
    with pytest.raises(ValueError, match=r"Received also: \['rate'\]"):
        made(fixed={"rate": 1})
    with pytest.raises(ValueError, match="nothing to share"):
        made(fixed={"width": 4, "op": "first"})
    with pytest.raises(ValueError, match=r"'width' one of \[4, 8\].*: 5"):
        made(fixed={"width": 5})
    supernet = made()
    with pytest.raises(ValueError, match=re.escape("Expected one of [4, 8]")):
        supernet.set_architecture({"width": 5, "op": "first"})
    for values in ({}, {"width": 8}, {"op": "first"}):
        with pytest.raises(ValueError, match="is missing"):
            supernet.set_architecture(values)
        with pytest.raises(ValueError, match="is missing"):
            supernet.extract_subnet(values)
    with pytest.raises(ValueError, match=r"Received also: \['widht'\]"):
        supernet.set_architecture({"widht": 8, "width": 8, "op": "first"})
    with pytest.raises(ValueError, match="architecture=3"):
        supernet.set_architecture(3)


def test_a_model_that_is_not_compiled_is_told_so():
    def build(hp):
        x = inputs = keras.Input((6,))
        x = layers.Dense(hp.Choice("width", [4, 8]))(x)
        return keras.Model(inputs, keras.layers.Dense(1)(x))

    with pytest.raises(ValueError, match=r"call `compile\(\)` before"):
        nas.Supernet(build).fit(np.ones((4, 6)), np.ones(4), verbose=0)


def test_a_subclassed_model_is_refused():
    class Subclassed(keras.Model):
        def __init__(self, hp):
            super().__init__()
            self.hidden = layers.Dense(hp.Choice("units", [2, 4]))

        def call(self, inputs):
            return self.hidden(inputs)

    with pytest.raises(ValueError, match="graph of layers"):
        made(Subclassed)


def test_hypermodels_and_sequential_models():
    class HyperModel(keras_tuner.HyperModel):
        def build(self, hp):
            return keras.Sequential(
                [
                    keras.Input((6,)),
                    layers.Dense(hp.Choice("units", [2, 4])),
                    keras.layers.Dense(3),
                ]
            )

    supernet = made(HyperModel())
    x, _ = builds.data()
    supernet.set_architecture({"units": 2})
    subnet = supernet.extract_subnet({"units": 2})
    np.testing.assert_allclose(
        supernet.predict(x, verbose=0), np.array(subnet(x)), atol=1e-6
    )


def on_images(hp, apply):
    """A model with a part in it that is to be shared, or not."""
    inputs = keras.Input((8, 8, 8))
    x = keras.layers.GlobalAveragePooling2D()(apply(hp, inputs))
    return builds.compiled(inputs, keras.layers.Dense(3)(x))


def chained(hp, x):
    """Blocks that compute from a searched width: expansions, shortcuts."""
    width = hp.Choice("f", [4, 8])
    x = blocks.ConvBlock(width, hp.Choice("k", [3, 5]))(x)
    x = blocks.InvertedBottleneck(width, expansion=2)(x)
    x = layers.LayerChoice(
        hp,
        "op",
        {
            "identity": blocks.Identity,
            "residual": lambda: blocks.ResidualBlock(width),
        },
    )(x)
    return blocks.InvertedBottleneck(8, strides=2, squeeze_excite=0.25)(x)


@pytest.mark.parametrize(
    "apply",
    [
        lambda hp, x: blocks.ConvBlock(
            hp.Choice("f", [4, 8]), hp.Choice("k", [3, 5]), strides=2
        )(x),
        lambda hp, x: blocks.SeparableConvBlock(
            hp.Choice("f", [4, 8]), hp.Choice("k", [3, 5])
        )(x),
        lambda hp, x: blocks.InvertedBottleneck(
            hp.Choice("f", [4, 8]), hp.Choice("k", [3, 5]), strides=2
        )(x),
        lambda hp, x: blocks.ResidualBlock(
            hp.Choice("f", [4, 8]), hp.Choice("k", [3, 5]), strides=2
        )(x),
        chained,
    ],
    ids=["conv", "separable", "bottleneck", "residual", "chained"],
)
def test_widths_and_kernels_of_blocks(apply):
    supernet = made(lambda hp: on_images(hp, apply))
    x, _ = builds.data((8, 8, 8), size=8)
    for f in (4, 8):
        for k in (3, 5):
            values = supernet.largest_architecture() | {"f": f, "k": k}
            supernet.set_architecture(values)
            subnet = supernet.extract_subnet(values)
            np.testing.assert_allclose(
                np.array(subnet(x)),
                supernet.predict(x, verbose=0),
                atol=1e-5,
            )


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (
            lambda hp, x: blocks.InvertedBottleneck(
                8, expansion=hp.Choice("bad", [1, 3])
            )(x),
            "Leave 1 out",
        ),
        (
            lambda hp, x: blocks.InvertedBottleneck(hp.Choice("bad", [8, 16]))(
                x
            ),
            r"InvertedBottleneck\(.*shortcut(.|\n)*hyperparameter 'bad'",
        ),
        (
            lambda hp, x: blocks.InvertedBottleneck(8)(
                layers.Conv2D(hp.Choice("bad", [8, 16]), 1)(x)
            ),
            r"InvertedBottleneck\(.*shortcut(.|\n)*hyperparameter 'bad'",
        ),
        (
            lambda hp, x: blocks.InvertedBottleneck(8)(
                keras.layers.ReLU()(
                    layers.Conv2D(hp.Choice("bad", [8, 16]), 1)(x)
                )
            ),
            "is not the one that the supernet holds: Add",
        ),
        (
            lambda hp, x: layers.LayerChoice(
                hp,
                "op",
                {
                    "a": lambda: blocks.ConvBlock(hp.Choice("bad", [4, 8])),
                    "b": lambda: blocks.ConvBlock(8),
                },
            )(x),
            "'bad' and a fixed one",
        ),
        (
            lambda hp, x: layers.LayerChoice(
                hp,
                "op",
                {
                    "a": blocks.Identity,
                    "b": lambda: keras.layers.Conv2D(
                        8, 1, activity_regularizer="l2"
                    ),
                },
            )(x),
            "activity_regularizer",
        ),
    ],
    ids=["expansion", "filters", "input", "lost", "candidates", "activity"],
)
def test_what_cannot_be_shared_is_explained(apply, message):
    with pytest.raises(ValueError, match=message):
        made(lambda hp: on_images(hp, apply))


def test_the_build_of_the_readme_gives_a_supernet():
    readme = pathlib.Path(__file__).parents[2] / "README.md"
    text = readme.read_text(encoding="utf-8")
    names = {}
    exec(re.search(r"```python\n(import.*?)\ntuner =", text, re.S)[1], names)
    supernet = made(names["build"])
    assert supernet.choices["stem_filters"] == [8, 16]
    x = np.random.default_rng(0).random((2, 28, 28, 1), "float32")
    values = supernet.random_architecture(np.random.default_rng(1))
    supernet.set_architecture(values)
    subnet = supernet.extract_subnet(values)
    np.testing.assert_allclose(supernet(x), subnet(x), atol=1e-5)


class Trained(keras_tuner.HyperModel):
    """Returns what a training of two epochs, the first the best, might."""

    def build(self, hp):
        return builds.small(hp)

    def fit(self, hp, model, *args, **kwargs):
        good = model.count_params() / 1000
        return make_history(
            val_accuracy=[good, good / 2], val_loss=[1 - good, 1 - good / 2]
        )


def test_rank_correlation_compares_with_trained_trials(tmp_path):
    x, _ = builds.data(size=128)
    y = (x[:, 0] > 0.5).astype(int)
    tuner = nas.RandomSearch(
        Trained(),
        objective="val_accuracy",
        max_trials=4,
        seed=1,
        directory=tmp_path,
    )
    tuner.search(x, y, validation_data=(x, y), verbose=0)
    trials = list(tuner.oracle.trials.values())
    supernet = made()
    with pytest.raises(ValueError, match="x=x_train"):
        supernet.rank_correlation(trials)
    supernet.fit(x, y, epochs=2, validation_data=(x, y), verbose=0)
    supernet.set_architecture({"width": 4, "op": "third"})
    result = supernet.rank_correlation(trials)
    assert supernet.architecture == {"width": 4, "op": "third"}
    assert result.trained_scores == [
        trial.metrics.get_best_value("val_accuracy") for trial in trials
    ]
    for trial, score in zip(trials, result.supernet_scores, strict=True):
        supernet.set_architecture(trial.hyperparameters)
        supernet.calibrate(x)
        assert supernet.evaluate(x, y, verbose=0)[1] == score
    assert "4 architectures" in str(result)
    # Weights of examples are those of `fit`, and not the size of a batch.
    weights = np.linspace(0, 1, len(x))
    result = supernet.rank_correlation(
        trials, x, (x, y, weights), metric="loss"
    )
    for trial, score in zip(trials, result.supernet_scores, strict=True):
        supernet.set_architecture(trial.hyperparameters)
        supernet.calibrate(x)
        expected = supernet.evaluate(x, y, sample_weight=weights, verbose=0)
        assert expected[0] == score
    with pytest.raises(ValueError, match="at least 3 architectures"):
        supernet.rank_correlation(trials[:2])
    assert (
        supernet.rank_correlation(tuner.oracle.trials).trained_scores
        == supernet.rank_correlation(trials).trained_scores
    )
    with pytest.raises(ValueError, match="'val_accuracy'.*metric='foo'"):
        supernet.rank_correlation(trials, metric="foo")
    with pytest.raises(ValueError, match="`validation_data`.* ndarray"):
        supernet.rank_correlation(trials, validation_data=x)
    with pytest.raises(ValueError, match=r"trials=\[1, 2\]"):
        supernet.rank_correlation([1, 2])
    trials[1].hyperparameters.values["more"] = 3
    supernet.rank_correlation(trials)  # Does not tell trials apart.
    for trial, more in zip(trials, range(4), strict=True):
        trial.hyperparameters.values["more"] = more
    with pytest.raises(ValueError, match=r"differ in .*\['more'\]"):
        supernet.rank_correlation(trials)
    del trials[0].hyperparameters.values["op"]
    with pytest.raises(ValueError, match="another space.*'op' is missing"):
        supernet.rank_correlation(trials)
