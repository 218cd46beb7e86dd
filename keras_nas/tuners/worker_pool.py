"""Runs trials side by side on one machine."""

import concurrent.futures
import os
import threading

import tensorflow as tf
from loky import ProcessPoolExecutor

# Runs first in a new process. The thread ends it when the process that owns
# the search is killed: a trial that went on would write into a project that
# somebody may have resumed.
_START = """
import os, threading, time

def follow(parent=os.getppid()):
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

threading.Thread(target=follow, daemon=True).start()
stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
os.dup2(nowhere, 2)
try:
    import keras_nas.tuners.trial_task
finally:
    os.dup2(stderr, 2)
    os.close(stderr)
    os.close(nowhere)
"""


class WorkerPool(concurrent.futures.Executor):
    """An executor that gives every task a process of its own.

    A process that has trained a model never gives all its memory back, so
    each trial gets a new one, which is started while the one before it still
    works. A process that is killed takes only its own task with it.

    Processes are started by `loky`: functions and classes defined in a
    script or a notebook reach them, and the script is not run again.

    Args:
        workers: Integer, how many tasks run at the same time.
        threads: Optional integer, the threads each may use. By default the
            cores are shared out, so that workers do not fight over them.

    Example:

    >>> with WorkerPool(workers=1) as pool:
    ...     pool.submit(max, 2, 3).result()
    3
    """

    def __init__(self, workers, threads=None):
        if not isinstance(workers, int) or workers < 1:
            raise ValueError(
                "Invalid value received for argument `workers`. Expected a "
                f"positive integer. Received: workers={workers!r}"
            )
        self.workers = workers
        self.threads = threads or max(1, (os.cpu_count() or 1) // workers)
        self._environments = [
            _environment(place, self.threads) for place in range(workers)
        ]
        self._lock = threading.Lock()
        self._free = list(range(workers))
        self._spare = {}  # A process that waits for its place to be free.
        self._running = {}
        self._is_closed = False

    def submit(self, function, /, *args, **kwargs):
        """Runs a function in a process of its own.

        Args:
            function: Function that can be pickled, by value if need be.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            `concurrent.futures.Future`. Its exception is one of `loky`'s if
            the process was killed.

        Raises:
            RuntimeError: If all places are taken.
        """
        with self._lock:
            if self._is_closed or not self._free:
                raise RuntimeError(
                    "The pool is closed, or all its "
                    f"{self.workers} places are taken. Wait for a task to "
                    "end before the next is submitted."
                )
            place = self._free.pop(0)
            process = self._spare.pop(place, None) or self._start(place)
            future = process.submit(function, *args, **kwargs)
            self._running[future] = (place, process)
        future.add_done_callback(self._end)
        return future

    def prepare(self):
        """Starts the processes of the next tasks, ahead of them."""
        with self._lock:
            for place in range(self.workers):
                if place not in self._spare and not self._is_closed:
                    self._spare[place] = self._start(place)
                    # Processes start with their first task.
                    self._spare[place].submit(int)

    def kill(self, future):
        """Kills the process of a running task; its future then fails."""
        with self._lock:
            _, process = self._running.get(future, (None, None))
        if process is not None:
            process.shutdown(wait=False, kill_workers=True)

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Ends the processes; kills those that work if told not to wait."""
        del cancel_futures  # Nothing waits: every task has its process.
        with self._lock:
            self._is_closed = True
            processes = [process for _, process in self._running.values()]
            spares = list(self._spare.values())
            self._spare.clear()
        for process in processes:
            process.shutdown(wait=wait, kill_workers=not wait)
        for process in spares:
            process.shutdown(wait=False, kill_workers=True)

    def _end(self, future):
        with self._lock:
            place, process = self._running.pop(future)
            self._free.append(place)
        process.shutdown(wait=False)

    def _start(self, place):
        return ProcessPoolExecutor(
            max_workers=1,
            env=self._environments[place],
            # A function of this package could not do it: to find it, the
            # process would import TensorFlow, whose greetings are to be
            # kept off the screen.
            initializer=exec,
            initargs=(_START, {}),
        )


def _environment(place, threads):
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        # The numbers by which this process knows them may be a selection.
        named = os.environ.get("CUDA_VISIBLE_DEVICES")
        names = named.split(",") if named else list(map(str, range(len(gpus))))
        environment["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]
    return environment
