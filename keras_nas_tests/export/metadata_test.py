"""What is said of a file is in it, and nothing that is run changes."""

import io
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_nas import export


@pytest.fixture(scope="module")
def metadata():
    return {
        "name": "shapes",
        "description": "Tells shapes apart, även små.",
        "version": "2",
        "author": "someone",
        "license": "Apache-2.0",
        "inputs": [
            {
                "name": "image",
                "description": "grey values",
                "image": "grayscale",
                "mean": [127.5],
                "std": [64.0],
                "min": [-1.5],
                "max": [2.0],
            }
        ],
        "outputs": [
            {
                "name": "scores",
                "description": "one a class",
                "labels": ["circle", "square", "star", "other"],
            }
        ],
    }


@pytest.mark.parametrize("quantize", [None, "float16", "int8", "int8_io"])
def test_metadata_are_read_back_and_the_file_runs_the_same(
    classifier_files, images, metadata, quantize
):
    plain = classifier_files[quantize]
    described = plain.with_metadata(metadata)
    assert plain.metadata is None
    assert described.metadata == metadata | {"min_parser_version": "1.0.0"}
    assert described.operations == plain.operations
    assert described.inputs == plain.inputs
    assert described.outputs == plain.outputs
    assert described.quantization == plain.quantization
    for xnnpack in (True, False):
        np.testing.assert_array_equal(
            described.predict(images, xnnpack=xnnpack),
            plain.predict(images, xnnpack=xnnpack),
        )
    # A kilobyte, whatever the size of the model.
    assert 0 < described.size_bytes - plain.size_bytes < 1500
    assert export.measure_peak_memory(described) == (
        export.measure_peak_memory(plain)
    )


def test_the_rest_of_the_file_is_kept_with_its_alignment(
    classifier_files, metadata
):
    plain = classifier_files["int8"].content
    described = classifier_files["int8"].with_metadata(metadata).content
    # The first four bytes point to the root, which is a new one.
    start = described.index(plain[4:]) - 4
    assert start % 16 == 0
    before = schema.ModelT.InitFromObj(schema.Model.GetRootAs(plain, 0))
    after = schema.ModelT.InitFromObj(schema.Model.GetRootAs(described, 0))
    assert after.version == before.version == 3
    assert after.description == before.description
    assert len(after.subgraphs[0].tensors) == len(before.subgraphs[0].tensors)
    assert len(after.operatorCodes) == len(before.operatorCodes)
    assert [m.name for m in after.metadata] == [
        *(m.name for m in before.metadata),
        b"TFLITE_METADATA",
    ]
    for old, new in zip(before.buffers, after.buffers[:-1], strict=True):
        np.testing.assert_array_equal(old.data, new.data)
    # The identifier of the schema, where its readers look for it.
    assert bytes(after.buffers[-1].data)[4:8] == b"M001"
    assert after.metadata[-1].buffer == len(before.buffers)


def test_the_signature_stays(two_by_two_file):
    described = two_by_two_file.with_metadata(
        {
            "name": "two",
            "inputs": [{"name": "zeta"}, {"name": "alpha"}],
            "outputs": [{"name": "y_difference"}, {"name": "b_total"}],
        }
    )
    interpreter = Interpreter(model_content=described.content)
    assert interpreter.get_signature_list() == {
        "serving_default": {
            "inputs": ["alpha", "zeta"],
            "outputs": ["b_total", "y_difference"],
        }
    }
    run = interpreter.get_signature_runner()
    one, two = np.ones((1, 2), "float32"), np.full((1, 2), 2, "float32")
    outputs = run(zeta=two, alpha=one)
    np.testing.assert_array_equal(outputs["y_difference"], [[1, 1]])
    np.testing.assert_array_equal(outputs["b_total"], [[3, 3]])
    assert [t["name"] for t in described.metadata["inputs"]] == [
        "zeta",
        "alpha",
    ]


def test_labels_are_a_file_that_is_not_compressed(classifier_files, metadata):
    content = classifier_files[None].with_metadata(metadata).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (entry,) = archive.infolist()
        assert entry.filename == "labels.txt"
        assert entry.compress_type == zipfile.ZIP_STORED
        assert archive.read(entry).decode().split() == [
            "circle",
            "square",
            "star",
            "other",
        ]


def test_two_outputs_have_a_label_file_each(two_by_two_file):
    described = two_by_two_file.with_metadata(
        {
            "name": "two",
            "inputs": [{"name": "zeta"}, {"name": "alpha"}],
            "outputs": [
                {"name": "y_difference", "labels": ["a", "b"]},
                {"name": "b_total", "labels": ["c", "d"]},
            ],
        }
    )
    outputs = described.metadata["outputs"]
    assert [t["labels"] for t in outputs] == [["a", "b"], ["c", "d"]]


def test_the_same_metadata_give_the_same_bytes(classifier_files, metadata):
    first, second = (
        classifier_files[None].with_metadata(metadata).content for _ in "12"
    )
    assert first == second


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": []}, "1 inputs of the file. Received: 0"),
        ({"outputs": [{"labels": ["a"]}]}, "'name'"),
        ({"titel": "x"}, "titel"),
        ({"inputs": [{"name": "image", "median": 1}]}, "median"),
    ],
)
def test_metadata_that_do_not_fit_are_an_error(
    classifier_files, metadata, change, message
):
    with pytest.raises(ValueError, match="metadata") as error:
        classifier_files[None].with_metadata(metadata | change)
    assert message in str(error.value)


def test_metadata_are_added_once(classifier_files, metadata):
    described = classifier_files[None].with_metadata(metadata)
    with pytest.raises(ValueError, match="has TFLite Metadata already"):
        described.with_metadata(metadata)
