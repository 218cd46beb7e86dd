"""Energy of TFLite files, measured by running them."""

import time

from keras_nas.costs.rapl_counter import RaplCounter
from keras_nas.export.latency import make_run


def measure_energy(
    model,
    *,
    num_threads=1,
    xnnpack=True,
    duration_s=1.0,
    folder="/sys/class/powercap",
):
    """Measures the energy that this machine needs for one example.

    The model runs over and over while the processor counts its energy; see
    `RaplCounter` for what is in that.

    Args:
        model: `export.TFLiteModel`, Keras model, or function without arguments
            that runs one example.
        num_threads: Number of CPU threads of a TFLite model.
        xnnpack: Whether a TFLite model uses the XNNPACK delegate.
        duration_s: Seconds to run it for, up to a minute.
        folder: Path of Linux's power capping framework.

    Returns:
        Float, millijoules.

    Raises:
        RuntimeError: If the machine exposes no counter, or if this user may
            not read them.
        ValueError: If an argument is invalid.
    """
    if not isinstance(duration_s, (int, float)) or not 0 < duration_s <= 60:
        raise ValueError(
            "Invalid value received for argument `duration_s`. Expected "
            "seconds, more than 0 and at most 60. Received: "
            f"duration_s={duration_s!r}"
        )
    run = make_run(model, num_threads=num_threads, xnnpack=xnnpack)
    run()  # Allocates what it needs.
    counter = RaplCounter(folder)
    runs, end = 0, time.perf_counter() + duration_s
    while time.perf_counter() < end:
        run()
        runs += 1
    return counter.energy_mj() / max(runs, 1)
