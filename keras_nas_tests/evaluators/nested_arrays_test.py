"""Arrays come back from the disk as they were."""

import ml_dtypes
import numpy as np
import pytest

from keras_nas.evaluators.nested_arrays import (
    read_nested_arrays,
    write_nested_arrays,
)


def test_a_nest_comes_back(tmp_path):
    path = str(tmp_path / "nest.npz")
    content = {
        "name": "x",
        "deep": [{"values": np.arange(6).reshape(2, 3)}, None, True],
        "scalar": np.float32(0.5),
        "shape": np.zeros(()),
    }
    write_nested_arrays(path, content)
    found = read_nested_arrays(path)
    np.testing.assert_array_equal(
        found["deep"][0].pop("values"), [[0, 1, 2], [3, 4, 5]]
    )
    assert found.pop("shape").shape == ()
    assert found == {"name": "x", "deep": [{}, None, True], "scalar": 0.5}


def test_bfloat16_comes_back_as_float32(tmp_path):
    path = str(tmp_path / "nest.npz")
    values = np.array([0.5, 3.0], ml_dtypes.bfloat16)
    write_nested_arrays(path, {"values": values})
    found = read_nested_arrays(path)["values"]
    assert found.dtype == np.float32
    assert found.tolist() == [0.5, 3.0]


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut", b"text"])
def test_what_cannot_be_read_is_empty(tmp_path, content):
    path = tmp_path / "nest.npz"
    if content is not None:
        path.write_bytes(content)
    assert read_nested_arrays(str(path)) == {}
