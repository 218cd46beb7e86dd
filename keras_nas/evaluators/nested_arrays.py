"""Files of dicts and lists with arrays in them."""

import io
import json
import zipfile

import numpy as np
import tensorflow as tf

from keras_nas import storage


def write_nested_arrays(path, content):
    """Writes a nest of dicts and lists with arrays in it, atomically.

    Args:
        path: String, local or `gs://`, ending in `.npz`; its folder exists.
        content: Dict of what JSON can hold, and of NumPy arrays.

    Example:

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "state.npz")
    >>> write_nested_arrays(path, {"epoch": 3, "weights": [np.ones(2)]})
    >>> read_nested_arrays(path)
    {'epoch': 3, 'weights': [array([1., 1.])]}
    """
    arrays = []

    def extracted(value):
        if isinstance(value, dict):
            return {name: extracted(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [extracted(item) for item in value]
        if isinstance(value, np.ndarray):
            # NumPy forgets on the disk what a bfloat16 is.
            is_known = value.dtype.kind in "biufc"
            arrays.append(value if is_known else value.astype("float32"))
            return {"array": len(arrays) - 1}
        return value.item() if isinstance(value, np.generic) else value

    text = json.dumps(extracted(content))
    file = io.BytesIO()
    np.savez(file, *arrays, state=np.array(text))
    storage.write_bytes(path, file.getvalue())


def read_nested_arrays(path):
    """Reads what `write_nested_arrays` wrote.

    Args:
        path: String, local or `gs://`.

    Returns:
        Dict; an empty one if the file is missing or damaged.
    """
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = io.BytesIO(file.read())
        with np.load(content, allow_pickle=False) as arrays:
            text = str(arrays["state"])
            return json.loads(
                text,
                object_hook=lambda value: (
                    arrays[f"arr_{value['array']}"]
                    if list(value) == ["array"]
                    else value
                ),
            )
    except (
        KeyError,
        OSError,
        ValueError,
        EOFError,
        tf.errors.NotFoundError,
        zipfile.BadZipFile,
    ):
        return {}
