"""Costs that are read off a TFLite file: size, latency, memory, energy."""

import gc
import json
import warnings
import weakref

import keras
import numpy as np
import pytest

from keras_nas import costs, export
from keras_nas.costs import tflite_files
from keras_nas_tests.costs.sample_models import convolutional, residual


@pytest.fixture(scope="module")
def model():
    """One model, so that its files are made once for all tests."""
    return residual()


@pytest.fixture
def conversions(monkeypatch):
    """Records what is converted."""
    made = []

    def to_tflite(model, quantize, data):
        made.append(quantize)
        return export.to_tflite(model, quantize, data)

    monkeypatch.setattr(tflite_files, "to_tflite", to_tflite)
    return made


def test_one_conversion_serves_all_costs(model, conversions):
    first = costs.Size(quantize="int8_io").measure(model)
    costs.Latency(quantize="int8_io").measure(model)
    costs.PeakMemory(quantize="int8_io").measure(model)
    assert costs.Size(quantize="int8_io").measure(model) == first
    assert conversions == ["int8_io"]
    costs.Size(quantize="float32").measure(model)
    assert conversions == ["int8_io", "float32"]


def test_files_live_as_long_as_their_model():
    model = convolutional()
    costs.Size(quantize="float32").measure(model)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_a_model_that_has_grown_is_converted_again():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    size = costs.Size(quantize="float32")
    small = size.measure(model)
    model.add(keras.layers.Dense(100))
    assert size.measure(model) > small + 8 * 100 * 4


def test_data_are_used_if_given(conversions):
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])
    data = np.ones((4, 8), "float32")
    plain = costs.Size().measure(model)
    with_data = costs.Size(representative_data=data)
    assert with_data.measure(model) == with_data.measure(model)
    assert len(conversions) == 2
    # What they are is no matter of size.
    assert with_data.measure(model) == pytest.approx(plain, abs=64)
    with pytest.raises(ValueError, match="representative_data"):
        costs.Size(representative_data=np.ones((4, 9))).measure(model)


def test_size_is_that_of_the_file(model):
    for quantize in ("float32", "int8_io"):
        content = tflite_files.tflite_file(model, quantize).content
        size = costs.Size(quantize=quantize).measure(model)
        assert size == len(content)
        assert content[4:8] == b"TFL3"


def test_sizes_are_those_of_the_weights_and_little_else():
    model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(512)])
    for quantize, num_bytes in (
        ("float32", 4),
        ("float16", 2),
        ("dynamic", 1),
        ("int8", 1),
    ):
        share = costs.Size(quantize=quantize).measure(model) / (
            512 * 512 * num_bytes
        )
        # Biases, a scale for each unit, and structure.
        assert 1 < share < 1.07, quantize


def test_a_model_before_training_is_measured_as_after():
    """The converter would drop the addition of zeros and the product by one."""
    inputs = keras.Input((8, 8, 4))
    x = keras.layers.MaxPooling2D()(inputs)
    x = keras.layers.BatchNormalization(epsilon=0.0)(x)
    model = keras.Model(inputs, keras.layers.MaxPooling2D()(x))
    before = [np.array(weight) for weight in model.weights]
    costs.Size(quantize="float32").measure(model)
    for weight, value in zip(model.weights, before, strict=True):
        assert (np.array(weight) == value).all()
    operations = tflite_files.tflite_file(model, "float32").operations
    assert operations == ("MAX_POOL_2D", "MUL", "ADD", "MAX_POOL_2D")
    fresh = export.to_tflite(model).operations
    assert len(fresh) < len(operations)


def test_latency_grows_with_work():
    def dense(units):
        return keras.Sequential(
            [keras.Input((512,)), keras.layers.Dense(units)]
        )

    latency = costs.Latency(rounds=3)
    small, large = latency.measure(dense(8)), latency.measure(dense(4096))
    assert 0 < small < large < 1000


@pytest.mark.parametrize("argument", ["num_threads", "rounds"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "2"])
def test_counts_of_latency_are_positive_integers(argument, value):
    with pytest.raises(ValueError, match=argument):
        costs.Latency(**{argument: value})


# Numbers in the largest set of tensors that live at one time: the input, which
# LiteRT keeps, the skip connection, and the two tensors of the middle
# convolution. The addition needs no third one: it is written over an operand.
RESIDUAL_PEAK = 16 * 16 * (1 + 8 + 8 + 8)


@pytest.mark.parametrize("method", ["arena", "analytic"])
def test_peak_memory_is_as_by_hand(model, method):
    def measure(quantize):
        return costs.PeakMemory(quantize=quantize, method=method).measure(model)

    assert measure("float32") == 4 * RESIDUAL_PEAK
    assert measure("int8_io") == RESIDUAL_PEAK
    # The input that LiteRT keeps is in float32.
    assert measure("int8") == RESIDUAL_PEAK + 3 * 16 * 16


def mobile_block():
    """Padding, expansion, squeeze and excite, and concatenation."""
    inputs = keras.Input((16, 16, 4))
    x = keras.layers.Conv2D(24, 1, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("hard_silu")(x)
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="valid")(x)
    scale = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    scale = keras.layers.Conv2D(24, 1, activation="sigmoid")(scale)
    x = keras.layers.Multiply()([x, scale])
    y = keras.layers.SeparableConv2D(8, 3, padding="same")(x)
    x = keras.layers.Concatenate()([x, y])
    x = keras.layers.Dropout(0.1)(keras.layers.Flatten()(x))
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


def test_the_arena_is_near_to_the_analytic_memory():
    model = mobile_block()
    arena = costs.PeakMemory(quantize="int8_io")
    analytic = costs.PeakMemory(quantize="int8_io", method="analytic")
    # Both sides of the activation, with the input.
    assert analytic.measure(model) == 16 * 16 * (4 + 24 + 24)
    assert arena.measure(model) == pytest.approx(analytic.measure(model), 0.05)


def test_a_method_of_peak_memory_is_one_of_two():
    with pytest.raises(ValueError, match="'arena' or 'analytic'"):
        costs.PeakMemory(method="exact")


def test_measuring_tells_nothing_of_floating_point():
    model = keras.Sequential(
        [keras.Input((4, 4)), keras.layers.Dense(4, activation="elu")]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        costs.Size().measure(model)
    # ELU has no plain kernel.
    assert costs.PeakMemory().measure(model) >= 2 * 16 * 4


class Determinant(keras.layers.Layer):
    def compute_output_shape(self, input_shape):
        return input_shape[:1]

    def call(self, inputs):
        return keras.ops.det(inputs)


def test_what_tflite_lacks_is_an_error_that_names_it():
    model = keras.Sequential([keras.Input((2, 2)), Determinant()])
    with pytest.raises(export.ConversionError, match="MatrixDeterminant"):
        costs.Size().measure(model)


def test_modelled_energy_is_as_by_hand():
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, use_bias=False),
            keras.layers.ReLU(),
            keras.layers.Dense(8, use_bias=False),
        ]
    )
    macs = 64 * 32 + 32 * 8
    # ReLU is a part of the dense layer before.
    numbers = 64 + 32 + 32 + 8 + macs
    float32 = costs.Energy(quantize="float32", device="45nm-sram")
    expected_pj = macs * 4.6 + 4 * numbers * 12.5
    assert float32.measure(model) == pytest.approx(expected_pj * 1e-9)
    integers = costs.Energy(quantize="int8_io")
    expected_pj = macs * 0.3 + numbers * 162.5
    assert integers.measure(model) == pytest.approx(expected_pj * 1e-9)
    # Conversion of the float32 input and output: 5 bytes a number.
    mixed = costs.Energy()
    expected_pj += 5 * (64 + 8) * 162.5
    assert mixed.measure(model) == pytest.approx(expected_pj * 1e-9)


def test_a_device_of_the_user_gives_its_energy(tmp_path):
    path = tmp_path / "board.json"
    fields = {
        "name": "board",
        "description": "Mine.",
        "energy_per_mac_pj": {"int8": 1000.0},
        "energy_per_byte_pj": 0.0,
    }
    path.write_text(json.dumps(fields))
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
    energy = costs.Energy(device=str(path))
    assert energy.name == "board_energy_mj"
    assert energy.measure(model) == pytest.approx(32 * 1000e-9)
    device = costs.DeviceProfile.load(path)
    assert costs.Energy(device=device).measure(model) == energy.measure(model)


def test_bad_arguments_of_energy_are_refused():
    with pytest.raises(ValueError, match="'model' or 'measured'"):
        costs.Energy(method="guessed")
    with pytest.raises(ValueError, match="measures this machine"):
        costs.Energy(method="measured", device="45nm-sram")
    with pytest.raises(ValueError, match="of the device 'cortex-m7' is not"):
        costs.Energy(device="cortex-m7")
