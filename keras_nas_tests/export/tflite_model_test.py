import errno
import gzip
import os
import pickle

import numpy as np
import pytest

from keras_nas import export


def test_computes_hand_checked_numbers(weighted_sum_file):
    np.testing.assert_allclose(
        weighted_sum_file.predict([[0.0, 0.0], [1.0, 1.0], [-1.0, 3.0]]),
        [[10.0], [13.0], [15.0]],
    )


@pytest.mark.parametrize(
    "x",
    [
        [[1, 1]],
        [np.array([[1.0, 1.0]])],
        {"x": np.array([[1.0, 1.0]], "float32")},
        np.array([[1, 1]], "uint8"),
    ],
    ids=["numbers", "list", "dict", "uint8"],
)
def test_accepts_arrays_lists_and_dicts(weighted_sum_file, x):
    np.testing.assert_allclose(weighted_sum_file.predict(x), [[13.0]])


@pytest.mark.parametrize("xnnpack", [True, False])
def test_several_inputs_and_outputs_go_by_name_and_order(
    two_by_two_file, xnnpack
):
    zeta, alpha = np.array([[5.0, 6.0]]), np.array([[1.0, 2.0]])
    for x in ([zeta, alpha], {"alpha": alpha, "zeta": zeta}):
        outputs = two_by_two_file.predict(x, xnnpack=xnnpack)
        assert list(outputs) == ["y_difference", "b_total"]
        np.testing.assert_allclose(outputs["y_difference"], [[4.0, 4.0]])
        np.testing.assert_allclose(outputs["b_total"], [[6.0, 8.0]])


def test_describes_inputs_and_outputs(classifier_files):
    tflite_model = classifier_files[None]
    assert tflite_model.inputs == (
        export.TensorDetails("image", (1, 8, 8, 1), "float32"),
    )
    assert tflite_model.outputs == (
        export.TensorDetails("scores", (1, 4), "float32"),
    )
    assert "CONV_2D" in tflite_model.operations
    assert tflite_model.custom_operations == ()
    assert "\n" not in repr(tflite_model)
    assert str(tflite_model.size_bytes) in repr(tflite_model)


def test_quantized_inputs_are_given_as_real_numbers(classifier_files, images):
    tflite_model = classifier_files["int8_io"]
    (details,) = tflite_model.inputs
    assert (details.dtype, details.real_dtype) == ("int8", "float32")
    # Images in [0, 1] spread over 255 steps.
    assert details.scale == pytest.approx(1 / 255, rel=0.01)
    assert details.zero_point == -128
    np.testing.assert_allclose(
        tflite_model.predict(images),
        classifier_files["int8"].predict(images),
        atol=1e-6,
    )


def test_save_and_load(classifier_files, tmp_path):
    tflite_model = classifier_files["int8"]
    path = tmp_path / "model.tflite"
    tflite_model.save(path)
    assert os.listdir(tmp_path) == ["model.tflite"]
    assert tflite_model.size_bytes == os.path.getsize(path)
    loaded = export.TFLiteModel.load(str(path))
    assert loaded.content == tflite_model.content
    assert loaded.quantization == "int8"


def test_gzip_bytes_is_the_compressed_length(weighted_sum_file):
    compressed = gzip.compress(weighted_sum_file.content, 9, mtime=0)
    assert weighted_sum_file.gzip_bytes == len(compressed)


def test_can_be_pickled(weighted_sum_file):
    assert weighted_sum_file.inputs
    copy = pickle.loads(pickle.dumps(weighted_sum_file))
    np.testing.assert_allclose(copy.predict([[1.0, 1.0]]), [[13.0]])


def test_saving_into_a_missing_folder_names_the_path(
    weighted_sum_file, tmp_path
):
    path = tmp_path / "missing" / "model.tflite"
    with pytest.raises(FileNotFoundError, match="missing") as error:
        weighted_sum_file.save(path)
    assert "`path`" in str(error.value)


def test_saving_to_a_folder_leaves_nothing_behind(weighted_sum_file, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="Cannot write"):
        weighted_sum_file.save(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


def test_saving_below_a_file_is_an_error(weighted_sum_file, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Cannot write"):
        weighted_sum_file.save(tmp_path / "file" / "model.tflite")


def test_a_full_disk_keeps_the_earlier_file(
    weighted_sum_file, tmp_path, monkeypatch
):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"earlier")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device"):
        weighted_sum_file.save(path)
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["model.tflite"]


def test_loading_another_file_is_an_error(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_text("a text that is no model")
    with pytest.raises(ValueError, match="`path`.*TFLite file"):
        export.TFLiteModel.load(path)
    with pytest.raises(FileNotFoundError):
        export.TFLiteModel.load(tmp_path / "missing.tflite")


@pytest.mark.parametrize("content", [b"", b"0123456789", "text", None])
def test_other_content_is_an_error(content):
    with pytest.raises(ValueError, match="`content`"):
        export.TFLiteModel(content)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((3, 5)), r"shape \(samples, 2\).*shape \(3, 5\)"),
        (np.zeros(2), r"x\[None\]"),
        (np.zeros((0, 2)), "at least one sample"),
        (np.array([["a", "b"]]), "dtype"),
        ({"wrong": np.zeros((1, 2))}, "'x' of shape.*'wrong'"),
        ([np.zeros((1, 2)), np.zeros((1, 2))], "one array"),
        (None, "None"),
    ],
)
def test_inputs_that_do_not_fit_are_an_error(weighted_sum_file, x, message):
    with pytest.raises(ValueError, match=message) as error:
        weighted_sum_file.predict(x)
    assert "`x`" in str(error.value)


def test_inputs_of_different_lengths_are_an_error(two_by_two_file):
    with pytest.raises(ValueError, match=r"same number.*\[2, 3\]"):
        two_by_two_file.predict([np.zeros((2, 2)), np.zeros((3, 2))])


def test_running_does_not_chatter(weighted_sum_file, capfd):
    weighted_sum_file.predict([[1.0, 1.0]])
    assert capfd.readouterr() == ("", "")
