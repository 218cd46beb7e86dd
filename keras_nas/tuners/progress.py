"""What a person sees of a search while it runs."""

import math
import shutil
import sys
import time

import keras
import numpy as np

# How long a log file may say nothing while something is done.
_SILENCE_S = 30


class Progress:
    """Prints one line a trial, and a live line where there is a screen.

    A finished trial is one whole line: its number, its score, the best so
    far, the time spent and left, and the candidate. On a terminal or in a
    notebook a further line, rewritten in place, shows the running trial; a
    log file gets the finished lines only.

    Args:
        verbose: `0` is silent, `1` is as described, `2` leaves out the live
            line because Keras prints every epoch.
        stream: Optional text stream; standard output by default.

    Example:

    >>> Progress(verbose=0).note("not shown")
    """

    def __init__(self, verbose=1, stream=None):
        self.verbose = verbose
        self._stream = stream
        self._live_length = 0
        self._started_s = {}
        self._printed_s = time.monotonic()

    def note(self, text):
        """Prints a line of its own."""
        if self.verbose:
            self._print(text)

    def prepare(self, text):
        """Shows what is done before the next trial can begin.

        On the live line; elsewhere as a line of its own, if nothing has been
        printed for half a minute.

        Args:
            text: String.
        """
        self._rewrite(text)
        is_silent = time.monotonic() - self._printed_s > _SILENCE_S
        if self.verbose and not self._is_live() and is_silent:
            self._print(text)

    def begin_trial(self, label, values):
        """Starts the clock of a trial.

        Args:
            label: String, such as `"trial 3/20"`.
            values: Dict, the hyperparameter values of the candidate.
        """
        self._started_s[label] = time.monotonic()
        if self.verbose == 2:
            self._print(f"{label}: {format_values(values)}")
        self._rewrite(f"{self._running()} | {format_values(values)}")

    def epoch(self, epoch, epochs, logs):
        """Shows a finished epoch of the running trial on the live line."""
        of = f"/{epochs}" if epochs else ""
        if not self._is_live():
            return
        numbers = "  ".join(
            f"{name} {value:.4g}"
            for name, value in (logs or {}).items()
            if np.ndim(value) == 0 and not isinstance(value, str)
        )
        self._rewrite(f"{self._running()} | epoch {epoch + 1}{of} | {numbers}")

    def end_trial(self, label, outcome, best, spent_s, left_s, values):
        """Prints the line of a finished trial.

        Args:
            label: String, as given to `begin_trial`.
            outcome: String, the score or the reason of the failure.
            best: String, the best score so far and whose it is.
            spent_s: Float, seconds the search has taken, over resumes.
            left_s: Float, estimated seconds until its end; `None` if there
                is no telling.
            values: Dict, the hyperparameter values of the candidate.
        """
        took_s = time.monotonic() - self._started_s.pop(label)
        if not self.verbose:
            return
        times = f"{format_duration(took_s)}, spent {format_duration(spent_s)}"
        if left_s is not None:
            times += f", left ~{format_duration(left_s)}"
        self._print(
            f"{label} | {outcome} | best {best} | {times} | "
            f"{format_values(values)}"
        )

    def forget_trial(self, label):
        """Ends a trial without a word; it will begin again."""
        self._started_s.pop(label, None)

    def _running(self):
        return " + ".join(self._started_s)

    def callback(self):
        """Returns a Keras callback that reports epochs to `epoch`."""
        return _EpochProgress(self)

    def _print(self, text):
        stream = self._stream or sys.stdout
        if self._live_length:
            stream.write("\r" + " " * self._live_length + "\r")
            self._live_length = 0
        stream.write(text + "\n")
        stream.flush()
        self._printed_s = time.monotonic()

    def _rewrite(self, text):
        if not self._is_live():
            return
        stream = self._stream or sys.stdout
        width = shutil.get_terminal_size().columns - 1
        text = text if len(text) <= width else text[: width - 1] + "…"
        stream.write("\r" + text.ljust(self._live_length))
        stream.flush()
        self._live_length = len(text)

    def _is_live(self):
        stream = self._stream or sys.stdout
        return self.verbose == 1 and _shows_carriage_returns(stream)


class _EpochProgress(keras.callbacks.Callback):
    def __init__(self, progress):
        super().__init__()
        self._progress = progress

    def on_epoch_end(self, epoch, logs=None):
        self._progress.epoch(epoch, (self.params or {}).get("epochs"), logs)


def format_values(values):
    """Writes hyperparameter values in one line.

    Example:

    >>> format_values({"units": 32, "learning_rate": 0.00123456})
    'units=32 learning_rate=0.001235'
    """
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def format_duration(seconds):
    """Writes a duration as a person says it.

    Example:

    >>> [format_duration(s) for s in (0.53, 12.4, 75, 7322)]
    ['0.5s', '12s', '1m15s', '2h02m']
    """
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    seconds = math.floor(seconds + 0.5)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"


def _shows_carriage_returns(stream):
    # A notebook's stream is no terminal, but shows carriage returns.
    in_notebook = type(stream).__module__.startswith("ipykernel")
    # What replaces `sys.stdout`, such as a tee, may have no `isatty`.
    return in_notebook or getattr(stream, "isatty", bool)()
