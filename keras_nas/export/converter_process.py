"""The process in which TFLite conversion runs.

Calibrating some models ends the process with a segmentation fault, which no
`except` can catch, so the converter never runs in the user's process. Since
importing TensorFlow takes longer than converting a small model, the child is
kept for the next conversion and ends by itself when it is idle.
"""

import atexit
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

from keras_nas.export import converter_main

_lock = threading.RLock()
_shared = None


class ConverterDiedError(RuntimeError):
    """The converter's process ended without an answer.

    Args:
        cause: How it ended, as the end of a sentence: "was killed by ...".
        log: What it printed.
    """

    def __init__(self, cause, log):
        super().__init__(f"The TFLite converter {cause}.")
        self.cause = cause
        self.log = log


class ConverterProcess:
    """A child process that converts SavedModels, one after the other."""

    def __init__(self):
        # Appending keeps the child's position apart from our reading. Open
        # as long as the child lives.
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            # Conversion uses no accelerator, and the user's process does.
            "CUDA_VISIBLE_DEVICES": "-1",
            "KERAS_BACKEND": "tensorflow",
        }
        environment.pop("TF_USE_LEGACY_KERAS", None)
        self._process = subprocess.Popen(
            [sys.executable, "-P", pathlib.Path(converter_main.__file__)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )
        # A fork of this process must not talk to our child.
        self.owner = os.getpid()

    @property
    def is_running(self):
        """Whether the child can take a request."""
        return self.owner == os.getpid() and self._process.poll() is None

    def request(self, request, timeout_s):
        """Sends one request and waits for the answer.

        Args:
            request: Arguments of `converter_main.convert`, as a dict.
            timeout_s: Seconds after which the child is killed.

        Returns:
            Tuple of the error or `None`, and what the child printed.

        Raises:
            ConverterDiedError: If the child ended without an answer.
        """
        log_start = self._log.seek(0, os.SEEK_END)
        expired = threading.Event()

        def kill():
            expired.set()
            self._process.kill()

        timer = threading.Timer(timeout_s, kill)
        timer.daemon = True
        timer.start()
        try:
            try:
                self._process.stdin.write(json.dumps(request) + "\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            if not answer:
                self._process.wait()
        except BaseException:
            # Interrupted: the answer must not be taken for the next one's.
            self._process.kill()
            self._process.wait()
            self._close_pipes()
            raise
        finally:
            timer.cancel()
        self._log.seek(log_start)
        log = self._log.read().decode(errors="replace")
        if answer:
            return json.loads(answer)["error"], log
        self._close_pipes()
        code = self._process.returncode
        if expired.is_set():
            cause = f"was stopped after timeout_s={timeout_s} seconds"
        elif code < 0:
            cause = f"was killed by {_signal_name(-code)}"
        else:
            cause = f"ended with exit code {code}"
        raise ConverterDiedError(cause, log)

    def close(self):
        """Ends the child."""
        if self.owner == os.getpid() and self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _close_pipes(self):
        # What is still buffered has no reader any more.
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()


def start_converter():
    """Starts the shared child, unless it runs, and does not wait for it.

    Called before the model is traced, so that the child imports TensorFlow
    meanwhile.
    """
    global _shared
    with _lock:
        if _shared is None or not _shared.is_running:
            _shared = ConverterProcess()
        return _shared


def request_conversion(request, timeout_s):
    """Sends a request to the shared child; see `ConverterProcess.request`."""
    with _lock:
        try:
            return start_converter().request(request, timeout_s)
        except ConverterDiedError as error:
            # It may have ended for idleness just as we wrote.
            if error.cause != "ended with exit code 0":
                raise
        return start_converter().request(request, timeout_s)


@atexit.register
def _close_shared():
    if _shared is not None:
        _shared.close()


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
