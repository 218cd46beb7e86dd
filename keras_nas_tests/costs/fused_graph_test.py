"""What becomes one operation, seen by the memory traffic that it takes."""

import keras
import pytest

from keras_nas.costs import DeviceProfile, Energy, PeakMemory

layers = keras.layers

# A device whose millijoules are bytes.
BYTES = DeviceProfile(
    "bytes", "", energy_per_mac_pj={"float32": 0.0}, energy_per_byte_pj=1e9
)


def traffic_numbers(*stack, shape=(8, 8, 2)):
    """Numbers that are read and written: float32 values of four bytes."""
    model = keras.Sequential([keras.Input(shape), *stack])
    energy = Energy(quantize="float32", device=BYTES)
    return round(energy.measure(model) / 4)


def convolution(**kwargs):
    return layers.Conv2D(4, 1, use_bias=False, **kwargs)


INPUT, OUTPUT = 8 * 8 * 2, 8 * 8 * 4
# The input, the kernel, and the output.
CONVOLUTION = INPUT + 2 * 4 + OUTPUT


@pytest.mark.parametrize(
    "following",
    [
        [],
        [layers.BatchNormalization],
        [layers.ReLU],
        [layers.BatchNormalization, layers.ReLU],
        [layers.BatchNormalization, lambda: layers.Activation("relu6")],
        [lambda: layers.Dropout(0.1), layers.BatchNormalization],
        [layers.Identity, layers.Flatten],
    ],
)
def test_these_are_part_of_the_convolution(following):
    stack = [make() for make in following]
    assert traffic_numbers(convolution(), *stack) == CONVOLUTION


def test_batch_normalization_after_relu_is_two_operations():
    stack = convolution(), layers.ReLU(), layers.BatchNormalization()
    assert traffic_numbers(*stack) == CONVOLUTION + 4 * OUTPUT + 4 * 4


@pytest.mark.parametrize("activation", ["silu", "sigmoid", "gelu"])
def test_other_activations_are_operations(activation):
    alone = traffic_numbers(convolution(), layers.Activation(activation))
    inside = traffic_numbers(convolution(activation=activation))
    assert alone == inside == CONVOLUTION + 2 * OUTPUT


def test_a_separable_convolution_is_two_operations():
    stack = layers.SeparableConv2D(4, 3, padding="same", use_bias=False)
    between = INPUT
    weights = 3 * 3 * 2 + 2 * 4
    assert traffic_numbers(stack) == INPUT + 2 * between + weights + OUTPUT


def strided(padding):
    return [
        layers.ZeroPadding2D(padding),
        layers.Conv2D(1, 3, strides=2, use_bias=False),
    ]


def test_padding_is_part_of_a_convolution_that_could_pad_itself():
    alone = INPUT + 3 * 3 * 2 + 4 * 4
    assert traffic_numbers(*strided(((0, 1), (0, 1)))) == alone
    padded = 10 * 10 * 2
    on_both_sides = INPUT + 2 * padded + 3 * 3 * 2 + 4 * 4
    assert traffic_numbers(*strided(1)) == on_both_sides


def test_what_two_layers_read_is_not_folded():
    inputs = keras.Input((8, 8, 2))
    x = convolution()(inputs)
    normalized = layers.BatchNormalization()(x)
    outputs = layers.Add()([x, normalized])
    energy = Energy(quantize="float32", device=BYTES)
    measured = energy.measure(keras.Model(inputs, outputs)) / 4
    normalization, addition = 4 * OUTPUT + 4 * 4, 3 * OUTPUT
    assert round(measured) == CONVOLUTION + normalization + addition


def test_operations_of_keras_are_as_their_layers():
    inputs = keras.Input((8, 8, 2))
    x = convolution()(inputs)
    y = keras.ops.relu(x + convolution()(inputs))
    outputs = keras.ops.reshape(y, (-1, OUTPUT))
    energy = Energy(quantize="float32", device=BYTES)
    measured = energy.measure(keras.Model(inputs, outputs)) / 4
    assert round(measured) == 2 * CONVOLUTION + 3 * OUTPUT


def peak_bytes(inputs, outputs):
    cost = PeakMemory(quantize="int8_io", method="analytic")
    return cost.measure(keras.Model(inputs, outputs))


# The figures of the next three are those of LiteRT's arena too.


def test_a_sum_that_is_the_output_overwrites_nothing():
    inputs = keras.Input((32, 32, 8))
    x = layers.Conv2D(32, 1)(inputs)
    y = layers.Conv2D(32, 3, padding="same")(x)
    sum_bytes = peak_bytes(inputs, layers.Add()([x, y]))
    assert sum_bytes == 32 * 32 * (8 + 32 + 32 + 32)


def test_what_was_read_before_is_not_overwritten():
    inputs = keras.Input((32, 32, 8))
    x = layers.Conv2D(32, 1, activation="relu")(inputs)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(32, 1, activation="sigmoid")(gate)
    outputs = layers.Conv2D(8, 1)(layers.Multiply()([x, gate]))
    assert peak_bytes(inputs, outputs) == 32 * 32 * (8 + 32 + 32) + 32


def test_a_softmax_that_is_the_output_overwrites_nothing():
    inputs = keras.Input((16, 16, 4))
    x = layers.Conv2D(32, 3, padding="same")(inputs)
    assert peak_bytes(inputs, layers.Softmax()(x)) == 16 * 16 * (4 + 32 + 32)


def test_a_sum_inside_overwrites_what_only_it_reads():
    inputs = keras.Input((16, 16, 4))
    x = layers.Conv2D(16, 3, padding="same")(inputs)
    y = layers.Conv2D(16, 3, padding="same")(x)
    outputs = layers.Conv2D(4, 1)(layers.Add()([x, y]))
    assert peak_bytes(inputs, outputs) == 16 * 16 * (4 + 16 + 16)
