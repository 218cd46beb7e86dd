import keras
import pytest

from keras_nas import export


def test_memory_of_dead_tensors_is_used_again():
    # Twelve tensors of 16 KB each, but only two are needed at a time.
    x = inputs = keras.Input((64, 64, 1))
    for _ in range(12):
        x = keras.layers.DepthwiseConv2D(3, padding="same")(x)
    tflite_model = export.to_tflite(keras.Model(inputs, x))
    tensor_bytes = 64 * 64 * 4
    peak = export.measure_peak_memory(tflite_model)
    assert 2 * tensor_bytes <= peak <= 4 * tensor_bytes


def test_int8_needs_a_quarter(classifier_files):
    # The largest two tensors that are needed together are 8 x 8 x 32 and
    # 3 x 3 x 64 values, beside at most the input and the 3 x 3 patches of
    # 3 x 3 x 32 values that the second convolution unrolls.
    at_least = 8 * 8 * 32 + 3 * 3 * 64
    at_most = at_least + 8 * 8 + 9 * 3 * 3 * 32
    float32 = export.measure_peak_memory(classifier_files[None])
    int8 = export.measure_peak_memory(classifier_files["int8_io"])
    assert 4 * at_least <= float32 <= 4 * at_most + 256
    assert at_least <= int8 <= at_most + 256


def test_float16_weights_do_not_count(classifier_files):
    assert export.measure_peak_memory(
        classifier_files["float16"]
    ) == export.measure_peak_memory(classifier_files[None])


def test_scratch_buffers_can_be_left_out():
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, padding="same")(inputs)
    x = keras.layers.Conv2D(8, 3, padding="same")(x)
    tflite_model = export.to_tflite(keras.Model(inputs, x))
    # LiteRT keeps the input.
    tensor_bytes = 4 * 16 * 16 * (3 + 8 + 8)
    windows_bytes = 4 * 16 * 16 * (3 * 3 * 8)
    measured = export.measure_peak_memory(tflite_model)
    assert tensor_bytes < measured <= tensor_bytes + windows_bytes
    measured = export.measure_peak_memory(tflite_model, scratch=False)
    assert measured == tensor_bytes


def test_an_operation_without_a_plain_kernel_is_measured():
    inputs = keras.Input((8,))
    outputs = keras.layers.Activation("elu")(inputs)
    tflite_model = export.to_tflite(keras.Model(inputs, outputs))
    measured = export.measure_peak_memory(tflite_model, scratch=False)
    assert measured == export.measure_peak_memory(tflite_model) >= 2 * 8 * 4


def test_the_path_of_a_file_is_no_file():
    with pytest.raises(ValueError, match="load.*'model.tflite'"):
        export.measure_peak_memory("model.tflite")
    with pytest.raises(ValueError, match="load.*'model.tflite'"):
        export.measure_latency("model.tflite")


def test_what_a_loop_gives_counts_once_wherever_it_lies():
    inputs = keras.Input((8, 8))
    outputs = keras.layers.GRU(16, return_sequences=True)(inputs)
    tflite_model = export.to_tflite(keras.Model(inputs, outputs))
    assert "WHILE" in tflite_model.operations
    peaks = {export.measure_peak_memory(tflite_model) for _ in range(3)}
    # The input and its transpose at least, and no distance to other memory.
    assert len(peaks) == 1
    assert 2 * 4 * 8 * 8 <= peaks.pop() < 20_000
