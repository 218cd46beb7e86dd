"""Ctrl-C once to finish, twice to stop."""

import contextlib
import signal
import threading

import keras


class Interruption:
    """Turns the first Ctrl-C into a wish, and leaves the second as it is.

    Args:
        note: Function of one string that tells the user.

    Example:

    >>> before = signal.signal(signal.SIGINT, signal.default_int_handler)
    >>> interruption = Interruption(print)
    >>> with interruption.handled():
    ...     signal.raise_signal(signal.SIGINT)
    Stopping after what runs now: trials, or an epoch of a supernet. Press \
Ctrl-C again to stop at once.
    >>> interruption.is_wished
    True
    >>> _ = signal.signal(signal.SIGINT, before)
    """

    def __init__(self, note):
        self.is_wished = False
        self.is_urgent = False
        self._note = note

    @contextlib.contextmanager
    def handled(self):
        """Handles Ctrl-C while the context lasts.

        Only the main thread of a process can do that, and only if the user
        has no handler of their own; elsewhere Ctrl-C raises
        `KeyboardInterrupt` as always.
        """
        is_default = signal.getsignal(signal.SIGINT) is (
            signal.default_int_handler
        )
        is_main = threading.current_thread() is threading.main_thread()
        if not (is_default and is_main):
            yield
            return
        signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def callback(self):
        """Returns a Keras callback that stops a training if it must.

        Python drops an exception that is raised while it clears up a weak
        reference, which Keras and TensorFlow have many of: without this, a
        second Ctrl-C would be lost now and then.
        """
        return _StopTraining(self)

    def _on_signal(self, number, frame):
        if self.is_wished:
            self.is_urgent = True
            signal.default_int_handler(number, frame)
        self.is_wished = True
        self._note(
            "Stopping after what runs now: trials, or an epoch of a "
            "supernet. Press Ctrl-C again to stop at once."
        )


class _StopTraining(keras.callbacks.Callback):
    def __init__(self, interruption):
        super().__init__()
        self._interruption = interruption

    def on_train_batch_end(self, batch, logs=None):
        if self._interruption.is_urgent:
            raise KeyboardInterrupt
