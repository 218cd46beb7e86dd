"""State files that survive a crash: written whole or not at all.

A file is written beside its target under a temporary name, forced to the
disk and renamed over it, so a reader sees the old content or the new one,
never a part. Paths may be local or anything TensorFlow can open (`gs://`).
"""

import contextlib
import errno
import json
import os

import numpy as np
import tensorflow as tf

_REMEDY = (
    "Restore the file from a copy, or start a new search with another "
    "`project_name` or `overwrite=True`."
)


def write_json(path, content):
    """Writes a JSON file atomically.

    Args:
        path: String, local or `gs://`; its folder must exist.
        content: What JSON can hold; NumPy numbers are converted.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "state.json")
    >>> write_json(path, {"trials": np.int64(3)})
    >>> read_json(path)
    {'trials': 3}
    """
    text = json.dumps(content, default=_plain_number)

    def write(temporary):
        with tf.io.gfile.GFile(temporary, "w") as file:
            file.write(text)

    write_atomically(path, write)


def write_bytes(path, content):
    """Writes a binary file atomically.

    Args:
        path: String, local or `gs://`; its folder must exist.
        content: Bytes.

    Raises:
        OSError: If a local file cannot be written.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "model.tflite")
    >>> write_bytes(path, b"TFL3")
    >>> open(path, "rb").read()
    b'TFL3'
    """

    def write(temporary):
        opened = open if is_local(temporary) else tf.io.gfile.GFile
        with opened(temporary, "wb") as file:
            file.write(content)

    write_atomically(path, write)


def write_files(folder, files):
    """Writes several files into one folder, all of them or none.

    All are written in full beside their targets before the first is renamed
    to its name, so a full disk or a folder that cannot be written to leaves
    everything as it was.

    Args:
        folder: String, a local path; it is made if it does not exist.
        files: Dict of bytes by file name.

    Raises:
        OSError: If a file cannot be written.

    Example:

    >>> import tempfile
    >>> folder = os.path.join(tempfile.mkdtemp(), "model")
    >>> write_files(folder, {"a.txt": b"A", "b.txt": b"B"})
    >>> sorted(os.listdir(folder))
    ['a.txt', 'b.txt']
    """
    folder = str(folder)
    is_new = not os.path.isdir(folder)
    os.makedirs(folder, exist_ok=True)
    temporary = {
        os.path.join(folder, f".{os.getpid()}.{name}"): name for name in files
    }
    try:
        for path, name in temporary.items():
            with open(path, "wb") as file:
                file.write(files[name])
            _flush_to_disk(path)
            target = os.path.join(folder, name)
            if os.path.isdir(target):
                raise IsADirectoryError(
                    errno.EISDIR, os.strerror(errno.EISDIR), target
                )
        for path, name in temporary.items():
            os.replace(path, os.path.join(folder, name))
    except BaseException:
        for path in temporary:
            with contextlib.suppress(OSError):
                os.remove(path)
        if is_new:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def write_atomically(path, write):
    """Calls `write(temporary_path)` and renames the result to `path`.

    The temporary name ends as `path` does, for writers that look at the
    ending.

    Args:
        path: String, local or `gs://`; its folder must exist.
        write: Function of one path that creates that file.

    Example:

    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> def write(temporary):
    ...     with open(temporary, "w") as file:
    ...         _ = file.write("whole")
    >>> write_atomically(path, write)
    >>> open(path).read()
    'whole'
    """
    folder, name = os.path.split(str(path))
    temporary = os.path.join(folder, f".{os.getpid()}.{name}")
    try:
        write(temporary)
        if is_local(temporary):
            _flush_to_disk(temporary)
            os.replace(temporary, path)
        else:
            tf.io.gfile.rename(temporary, str(path), overwrite=True)
    except BaseException:
        # The reason is what matters, not that there is nothing to remove.
        with contextlib.suppress(tf.errors.OpError):
            tf.io.gfile.remove(temporary)
        raise


def read_json(path):
    """Reads a JSON file.

    Args:
        path: String, local or `gs://`.

    Returns:
        The content.

    Raises:
        RuntimeError: If the file is missing, empty, cut or not JSON; it
            names the file and what to do.

    Example:

    >>> read_json("/nowhere/oracle.json")
    Traceback (most recent call last):
    ...
    RuntimeError: Cannot read '/nowhere/oracle.json': there is no such file...
    """
    try:
        with tf.io.gfile.GFile(str(path), "r") as file:
            text = file.read()
    except tf.errors.OpError as error:
        problem = (
            "there is no such file"
            if isinstance(error, tf.errors.NotFoundError)
            else error.message
        )
        raise RuntimeError(
            f"Cannot read '{path}': {problem}. {_REMEDY}"
        ) from error
    except UnicodeDecodeError as error:
        raise RuntimeError(
            f"Cannot read '{path}': it is not text. {_REMEDY}"
        ) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = "it is empty" if not text else f"it is damaged ({error})"
        raise RuntimeError(
            f"Cannot read '{path}': {problem}. {_REMEDY}"
        ) from error


@contextlib.contextmanager
def explained(path, content):
    """Turns errors over the shape of a JSON file into one that names it.

    Args:
        path: String, the file.
        content: String, what was expected in it.

    Raises:
        RuntimeError: In place of the errors of missing keys and such.

    Example:

    >>> with explained("oracle.json", "the state of a search"):
    ...     {}["trials"]
    Traceback (most recent call last):
    ...
    RuntimeError: Cannot read 'oracle.json': KeyError('trials'). Expected...
    """
    try:
        yield
    except (AttributeError, KeyError, TypeError) as error:
        raise RuntimeError(
            f"Cannot read '{path}': {error!r}. Expected {content}. {_REMEDY}"
        ) from error


def exists(path):
    """Whether a file or folder exists, local or `gs://`.

    Example:

    >>> exists("/nowhere/oracle.json")
    False
    """
    return tf.io.gfile.exists(str(path))


def remove(path):
    """Removes a file, if it is there.

    Example:

    >>> remove("/nowhere/shipment.pkl")
    """
    with contextlib.suppress(tf.errors.NotFoundError):
        tf.io.gfile.remove(str(path))


def is_local(path):
    """Whether a path is a file of this machine, and not `gs://`.

    Example:

    >>> is_local("gs://bucket/project")
    False
    """
    return "://" not in str(path)


def check_path(path, what, example):
    """Raises unless a file can be written to a path, as far as can be seen.

    Called before the work, so that it is not in vain.

    Args:
        path: String or `pathlib.Path`; that of a bucket is taken as it is.
        what: String, what is to be written, such as `"a report"`.
        example: String, the name of such a file.

    Raises:
        ValueError: If the path is a folder, or in one that does not exist.

    Example:

    >>> check_path("nowhere/report.html", "a report", "report.html")
    Traceback (most recent call last):
    ...
    ValueError: Cannot write a report to ... there is no folder ...
    """
    if not is_local(path):
        return
    path = os.path.abspath(str(path))
    problem = None
    if os.path.isdir(path):
        problem = "it is a folder"
    elif not os.path.isdir(os.path.dirname(path)):
        problem = f"there is no folder '{os.path.dirname(path)}'"
    if problem:
        raise ValueError(
            f"Cannot write {what} to '{path}': {problem}. Expected the name "
            f"of a file in a folder that exists, such as '{example}'."
        )


def _plain_number(value):
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(
        f"Cannot store a value of type {type(value).__name__} as JSON: {value}"
    )


def _flush_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
