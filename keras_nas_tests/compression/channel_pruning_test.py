"""Tests of `prune_channels`."""

import re
import warnings

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.compression import prune_channels
from keras_nas.compression.channel_graph import ChannelGraph
from keras_nas.compression.channel_pruning import cut
from keras_nas_tests.compression import channel_models as models

layers = keras.layers


def silenced(model, removed):
    """Sets the weights that read some channels to zero."""
    for axis in ChannelGraph(model).axes:
        if axis.role == "reads":
            kernel = keras.ops.convert_to_numpy(axis.variable).copy()
            places = np.isin(axis.channels, sorted(removed))
            np.moveaxis(kernel, axis.axis, 0)[places] = 0
            axis.variable.assign(kernel)


def check_cut(model, seed=0):
    """Cuts half of all channels at random; checks what the rest computes.

    Channels that are cut might as well be there without being read.
    """
    rng = np.random.default_rng(seed)
    models.randomize(model, rng)
    inputs = models.batch(model, rng)
    before = models.run(model, inputs)
    graph = ChannelGraph(model)
    removed = set()
    for group in graph.groups():
        half = len(group.channels) // 2
        removed.update(rng.choice(group.channels, half, replace=False).tolist())
    pruned = cut(model, graph, removed)
    after = models.run(pruned, inputs)
    silenced(model, removed)
    for one, other, original in zip(
        models.run(model, inputs), after, before, strict=True
    ):
        scale = np.abs(one).max()
        assert np.abs(one - other).max() <= 1e-5 * scale
        assert original.shape == other.shape
    # Not vacuously: what was cut did matter.
    assert any(
        np.abs(one - other).max() > 1e-3 * np.abs(one).max()
        for one, other in zip(before, after, strict=True)
    )
    return pruned


@pytest.mark.parametrize("build", models.ALL, ids=lambda f: f.__name__)
def test_what_is_left_computes_the_same(build):
    model = build()
    before = model.count_params()
    pruned = check_cut(model)
    assert pruned.count_params() < before
    assert type(pruned) is type(model)
    assert pruned.name == model.name
    assert [x.name for x in pruned.layers] == [x.name for x in model.layers]
    assert pruned.input_shape == model.input_shape
    assert pruned.output_shape == model.output_shape


# Smaller networks in this file have the concatenations of a DenseNet and the
# additions of a ResNet; the large ones take minutes.
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_applications(name):
    """All channels but those of inputs and outputs are cut."""
    model = getattr(keras.applications, name)(
        weights=None,
        input_shape=(32, 32, 3),
        classes=5,
        classifier_activation=None,
    )
    flops = nas.costs.Flops().measure(model)
    pruned = check_cut(model)
    assert pruned.output_shape == (None, 5)
    assert nas.costs.Flops().measure(pruned) < 0.35 * flops


def test_channels_that_are_zero_are_cut_without_a_trace():
    rng = np.random.default_rng(0)
    model = models.residual()
    models.randomize(model, rng)
    for layer in model.layers:
        # The same channels everywhere, as additions tie them.
        for variable in layer.weights:
            if variable.shape[-1] != 8 or variable.path.endswith("variance"):
                continue
            values = variable.numpy().copy()
            values[..., [1, 2, 5, 6]] = 0
            variable.assign(values)
    inputs = models.batch(model, rng)
    for importance in ("l1", "l2"):
        pruned = prune_channels(model, 0.5, importance=importance)
        assert pruned.layers[1].filters == 4
        np.testing.assert_allclose(
            models.run(pruned, inputs)[0],
            models.run(model, inputs)[0],
            rtol=1e-5,
            atol=1e-5,
        )


def two_layers(first, second, norm=False, activation=None):
    """A dense model with given kernels."""
    first, second = np.array(first, float), np.array(second, float)
    stack = [keras.Input((len(first),)), layers.Dense(first.shape[1])]
    stack += [layers.BatchNormalization()] * norm
    stack += [layers.Dense(second.shape[1], activation=activation)]
    model = keras.Sequential(stack)
    model.layers[0].kernel.assign(first)
    model.layers[-1].kernel.assign(second)
    return model


def left(pruned):
    """Returns the kernel of the first layer."""
    return pruned.layers[0].kernel.numpy().tolist()


# L1 norms 3, 4, 2, 0.5; L2 norms 3, 2.8, 1.4, 0.5.
KERNEL = [[3, 2, 1, 0.5], [0, 2, 1, 0]]


def test_norms():
    model = two_layers(KERNEL, np.ones((4, 2)))
    assert left(prune_channels(model, 0.75, importance="l1")) == [[2], [2]]
    assert left(prune_channels(model, 0.75, importance="l2")) == [[3], [0]]
    assert left(prune_channels(model, 0.25)) == [[3, 2, 1], [0, 2, 1]]


def test_batch_norm():
    model = two_layers(KERNEL, np.ones((4, 2)), norm=True)
    model.layers[1].gamma.assign([0.1, -0.4, 0.2, -0.5])
    pruned = prune_channels(model, 0.5, importance="batch_norm")
    assert left(pruned) == [[2, 0.5], [2, 0]]
    np.testing.assert_allclose(pruned.layers[1].gamma, [-0.4, -0.5])


def test_a_function_of_a_layer():
    model = two_layers(KERNEL, np.ones((4, 2)))

    def smallest(layer):
        return -np.abs(layer.kernel).sum(axis=0)

    pruned = prune_channels(model, 0.5, importance=smallest)
    assert left(pruned) == [[1, 0.5], [1, 0]]


def test_taylor():
    """The loss is the output, so a channel matters as far as it adds to it.

    For inputs of ones these are the sums of the columns of `KERNEL` times
    0.1, -1, 3, 1: 0.3, -4, 6 and 0.5.
    """
    model = two_layers(KERNEL, [[0.1], [-1], [3], [1]])
    model.compile("sgd", lambda y, prediction: keras.ops.sum(prediction, -1))
    x, y = np.ones((5, 2)), np.ones((5, 1))
    pruned = prune_channels(model, 0.5, x, y, importance="taylor")
    assert left(pruned) == [[2, 1], [2, 1]]
    pruned = prune_channels(model, 0.25, x, y, importance="taylor")
    assert left(pruned) == [[2, 1, 0.5], [2, 1, 0]]


def test_global_scope_takes_more_where_less_matters():
    inputs = keras.Input((4,))
    important, idle = layers.Dense(10), layers.Dense(10)
    model = keras.Model(
        inputs,
        layers.Dense(1)(
            layers.Concatenate()([important(inputs), idle(inputs)])
        ),
    )
    scores = {important: np.arange(10) + 100.0, idle: np.arange(10) / 10}

    def prune(fraction, **options):
        pruned = prune_channels(
            model, fraction, importance=scores.__getitem__, **options
        )
        return pruned.layers[1].units, pruned.layers[2].units

    assert prune(0.4) == (6, 6)
    assert prune(0.4, scope="global") == (10, 2)
    # 14 of 20 have to go, but not all of them from `idle`.
    assert prune(0.7, scope="global", min_share=0.2) == (4, 2)
    assert prune(0.7, scope="global", min_share=0.05) == (5, 1)


@pytest.mark.parametrize(
    "width, fraction, multiple_of, expected",
    [(32, 0.4, 8, 16), (32, 0.3, 8, 24), (20, 0.5, 8, 8), (6, 0.5, 8, 6)],
)
def test_multiples(width, fraction, multiple_of, expected):
    model = two_layers(np.ones((2, width)), np.ones((width, 1)))
    pruned = prune_channels(model, fraction, multiple_of=multiple_of)
    assert pruned.layers[0].units == expected


def test_one_channel_is_always_left():
    model = two_layers(KERNEL, np.ones((4, 2)))
    assert left(prune_channels(model, 0.99)) == [[2], [2]]


class Reverse(layers.Layer):
    """Mixes channels in a way that nobody can know."""

    def call(self, inputs):
        return inputs[..., ::-1]


class PlainConv(layers.Conv2D):
    """May do anything."""


@pytest.mark.parametrize(
    "mixing, reason",
    [
        (Reverse, "Reverse"),
        (layers.LayerNormalization, "LayerNormalization"),
        (layers.UnitNormalization, "UnitNormalization"),
        (lambda: layers.GroupNormalization(2), "GroupNormalization"),
        (lambda: layers.Lambda(lambda x: x[..., ::-1]), "Lambda"),
        (lambda: PlainConv(6, 3), "PlainConv"),
        (lambda: layers.Conv2D(6, 3, groups=2), "groups"),
        (lambda: layers.Activation("softmax"), "softmax"),
        (lambda: layers.Activation(lambda x: x[..., ::-1]), "<lambda>"),
        (lambda: layers.Reshape((6, 16)), "Reshape"),
        (lambda: layers.Permute((3, 1, 2)), "Permute"),
        (lambda: layers.BatchNormalization(axis=1), "BatchNormalization"),
        (lambda: layers.Dropout(0.1, noise_shape=(1, 1, 1, 6)), "Dropout"),
        (lambda: lambda x: x * np.arange(6.0), "Multiply"),
        (lambda: lambda x: keras.ops.flip(x, -1), "Flip"),
        (lambda: lambda x: keras.ops.max(x, -1, keepdims=True), "Max"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_understood_keeps_its_channels(mixing, reason):
    inputs = keras.Input((4, 4, 2))
    x = layers.Conv2D(6, 1, name="before")(inputs)
    x = mixing()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8, "relu", name="behind")(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    _, report = prune_channels(model, return_report=True)
    rows = {row.name: row for row in report.layers}
    assert rows["before"].channels_after == 6
    assert reason in rows["before"].reason
    assert rows["behind"].channels_after == 4
    assert rows["behind"].reason is None
    check_cut(model)


def test_a_layer_is_kept_if_one_of_its_uses_is_not_understood():
    inputs = keras.Input((4,))
    shared = layers.Dense(6, name="shared")
    good = layers.Dense(6, name="good")(inputs)
    bad = layers.LayerNormalization()(layers.Dense(6, name="bad")(inputs))
    x = layers.Concatenate()([shared(good), shared(bad)])
    x = layers.Dense(8, name="behind")(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    _, report = prune_channels(model, return_report=True)
    after = {row.name: row.channels_after for row in report.layers}
    assert after == {
        "shared": 3,
        "good": 6,
        "bad": 6,
        "behind": 4,
        model.layers[-1].name: 2,
    }
    check_cut(model)


def test_a_mask_that_is_applied_twice():
    """`x * x` and `x + x` tie channels to themselves."""
    inputs = keras.Input((4,))
    x = layers.Dense(6)(inputs)
    x = layers.Multiply()([x, x])
    x = layers.Add()([x, x])
    check_cut(keras.Model(inputs, layers.Dense(2)(x)))


def test_the_model_given_is_not_changed():
    model = models.nested()
    config = model.get_config()
    weights = model.get_weights()
    pruned = prune_channels(model)
    assert model.get_config() == config
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not {id(v) for v in model.weights} & {id(v) for v in pruned.weights}


def test_it_is_compiled_and_can_be_trained_and_saved(tmp_path):
    def loss(y, prediction):
        return keras.ops.mean(keras.ops.square(y - prediction), axis=-1)

    model = models.residual()
    model.compile(
        keras.optimizers.SGD(0.03), loss, metrics=["mae"], steps_per_execution=2
    )
    pruned = prune_channels(model)
    assert pruned.loss is loss
    assert pruned.optimizer is not model.optimizer
    assert pruned.steps_per_execution == 2
    np.testing.assert_allclose(pruned.optimizer.learning_rate, 0.03)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8, 8, 3)), rng.normal(size=(16, 3))
    history = pruned.fit(x, y, epochs=4, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert "mae" in history
    path = tmp_path / "pruned.keras"
    pruned.save(path)
    again = keras.models.load_model(path, compile=False)
    np.testing.assert_allclose(
        again.predict(x, verbose=0), pruned.predict(x, verbose=0), rtol=1e-5
    )


def test_a_model_that_is_not_compiled_stays_so():
    assert not prune_channels(models.chain()).compiled


class OwnStep(keras.Model):
    """A functional model with a training step of its own."""

    def train_step(self, data):
        return {"own": 1.0}


def test_classes_and_traits_of_layers_are_kept():
    inputs = keras.Input((4,), name="given")
    x = layers.Dense(6, kernel_regularizer="l2", dtype="mixed_float16")(inputs)
    x = layers.Dense(6, kernel_constraint="max_norm")(x)
    model = OwnStep(inputs, layers.Dense(2, dtype="float32")(x), name="own")
    model.layers[1].trainable = False
    pruned = prune_channels(model)
    assert type(pruned) is OwnStep
    assert pruned.inputs[0].name == "given"
    frozen, other = pruned.layers[1:3]
    assert not frozen.trainable
    assert frozen.dtype_policy.name == "mixed_float16"
    assert isinstance(frozen.kernel_regularizer, keras.regularizers.L2)
    assert isinstance(other.kernel_constraint, keras.constraints.MaxNorm)


def test_the_report_says_what_happened():
    inputs = keras.Input((4,))
    x = layers.Dense(8, name="cut")(inputs)
    x = layers.Dense(6, name="kept")(x)
    x = layers.LayerNormalization(name="norm")(x)
    model = keras.Model(inputs, layers.Dense(2, name="logits")(x))
    _, report = prune_channels(model, return_report=True)
    assert str(report).splitlines() == [
        "layer   channels  reason",
        "cut       8 -> 4",
        "kept      6 -> 6  LayerNormalization 'norm' is not known to keep "
        "channels apart",
        "logits    2 -> 2  an output of the model",
        # 40 + 54 + 12 + 14 and 20 + 30 + 12 + 14.
        "parameters: 120 -> 76",
    ]


class Subclassed(keras.Model):
    """A model whose graph cannot be read."""

    def call(self, inputs):
        return inputs


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"fraction": 1.0}, "`fraction`. Expected a number of at least 0"),
        ({"fraction": -0.1}, "`fraction`"),
        ({"fraction": float("nan")}, "`fraction`"),
        ({"fraction": "0.5"}, "Received: fraction='0.5'"),
        ({"fraction": True}, "`fraction`"),
        ({"scope": "all"}, "`scope`. Expected one of 'layer', 'global'"),
        ({"importance": "l3"}, "`importance`. Expected one of 'l1', 'l2'"),
        ({"importance": None}, "`importance`"),
        ({"importance": "batch_norm"}, "no `BatchNormalization`"),
        ({"importance": lambda layer: [1.0]}, "layer 'hidden'"),
        ({"importance": lambda layer: [np.nan] * 4}, "finite"),
        ({"importance": "taylor"}, "`x` and `y` are required"),
        ({"multiple_of": 0}, "`multiple_of`"),
        ({"multiple_of": 1.5}, "`multiple_of`"),
        ({"min_share": 0}, "`min_share`"),
        ({"min_share": 1.1}, "`min_share`"),
    ],
    # Functions have other names in each process.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_arguments(arguments, message):
    inputs = keras.Input((2,))
    x = layers.Dense(4, name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(x))
    with pytest.raises(ValueError, match=re.escape(message)):
        prune_channels(model, **arguments)


def test_taylor_needs_a_loss_and_data_that_fit():
    model = two_layers(KERNEL, np.ones((4, 2)))
    x, y = np.ones((5, 2)), np.ones((5, 2))
    with pytest.raises(ValueError, match="compile"):
        prune_channels(model, 0.5, x, y, importance="taylor")
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="same number of samples"):
        prune_channels(model, 0.5, x, y[:4], importance="taylor")
    with pytest.raises(ValueError, match="at least one sample"):
        prune_channels(model, 0.5, x[:0], y[:0], importance="taylor")
    with pytest.raises(ValueError, match="not finite"):
        prune_channels(model, 0.5, x * np.nan, y, importance="taylor")


@pytest.mark.parametrize(
    "model, message",
    [
        (lambda: Subclassed(), "built"),
        (lambda: keras.Sequential([layers.Dense(2)]), "built"),
        (lambda: "model.keras", "functional model"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(2)]),
            "an output of the model",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.ReLU()]),
            "dense or convolutional",
        ),
    ],
)
def test_models_that_cannot_be_pruned(model, message):
    with pytest.raises(ValueError, match=message):
        prune_channels(model())


def test_a_subclassed_model_that_is_built():
    model = Subclassed()
    model(np.ones((1, 2)))
    with pytest.raises(ValueError, match="functional model"):
        prune_channels(model)


class Stubborn(layers.Layer):
    """Cannot be made again of its configuration."""

    def __init__(self, number):
        super().__init__(name="stubborn")

    def call(self, inputs):
        return inputs


def test_a_layer_that_cannot_be_copied():
    inputs = keras.Input((4,))
    x = layers.Dense(6)(inputs)
    x = Stubborn(3)(layers.Dense(6)(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    with pytest.raises(ValueError, match="'stubborn' of class Stubborn"):
        prune_channels(model)


def test_a_pruned_model_loads_without_a_warning(tmp_path):
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    )
    model.compile("adam", "mse")
    smaller = prune_channels(model)
    smaller.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Of an optimizer without variables.
        loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].units == 4
    assert len(loaded.optimizer.variables) == len(smaller.optimizer.variables)
