"""Keeps a second process out of a project that is being searched."""

import contextlib
import os
import socket

from keras_nas import storage

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None

LOCK_FILE = "search.lock"


@contextlib.contextmanager
def project_lock(project_dir):
    """Holds a project for this process.

    The lock is the operating system's, so it ends with the process, however
    that ends. It works for local folders; on `gs://` and on Windows nothing
    is locked.

    Args:
        project_dir: String, the folder of the project.

    Raises:
        RuntimeError: If another process searches in it; it says which.

    Example:

    >>> import tempfile
    >>> with project_lock(tempfile.mkdtemp()):
    ...     pass
    """
    if fcntl is None or not storage.is_local(project_dir):
        yield
        return
    path = os.path.join(project_dir, LOCK_FILE)
    with open(path, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RuntimeError(
                f"Another process is searching in '{project_dir}': {holder}. "
                "Wait for it or stop it, or use another `project_name`. To "
                "run trials side by side, use `search(..., workers=2)` in "
                "one process."
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield
