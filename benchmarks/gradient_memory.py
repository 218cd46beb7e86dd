"""Measures the peak memory of search by gradient.

    python -m benchmarks.gradient_memory --json gradient_memory.json

A step of GDAS, of DARTS (first order) and of the ordinary training of one
architecture are run in a new process each, on the cell of NAS-Bench-201 and
the same batch. GDAS draws freely (`gdas`), and, to be compared like with like,
is made to draw the one architecture that is also trained on its own, that of
3x3 convolutions throughout (`gdas_same_path` and `one_path`).

The memory is what the process has taken at most (`ru_maxrss`) above what it
had after its imports: so it includes graphs and weights. `--batch_size` is
large enough that activations are most of it, which is checked: a step on two
images must take less than a quarter.
"""

import json
import resource
import subprocess
import sys

import keras
import keras_tuner
import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_nas import Supernet
from keras_nas.search_spaces import HyperCell
from keras_nas.supernet.gradient import DARTSSearch, GDASSearch, SearchData

_JSON = flags.DEFINE_string("json", None, "File to write the figures to.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images of a step.")
_STEPS = flags.DEFINE_integer("steps", 4, "Steps of each kind.")
_CHILD = flags.DEFINE_string("child", None, "Kind to measure in this process.")

KINDS = ("one_path", "gdas_same_path", "gdas", "darts")

_CODE = "333333"
_IMAGE = (32, 32, 3)


def measure(batch_size=256, steps=4):
    """Measures all kinds, each in a process of its own.

    Args:
        batch_size: Integer, images of a step.
        steps: Integer, steps of each kind.

    Returns:
        Dict of megabytes and of ratios to one path.
    """
    peak_mb = {kind: _run_child(kind, batch_size, steps) for kind in KINDS}
    least_mb = {kind: _run_child(kind, 2, steps) for kind in KINDS}
    one_path_mb = peak_mb["one_path"]
    figures = {"batch_size": batch_size, "steps": steps}
    for kind in KINDS:
        figures[f"{kind}_peak_mb"] = peak_mb[kind]
        figures[f"{kind}_peak_mb_of_2_images"] = least_mb[kind]
        figures[f"{kind}_over_one_path"] = peak_mb[kind] / one_path_mb
    figures["activations_dominate"] = all(
        least_mb[kind] < peak_mb[kind] / 4 for kind in KINDS
    )
    return figures


def measure_here(kind, batch_size, steps):
    """Runs the steps of one kind in this process.

    Args:
        kind: String, one of `KINDS`.
        batch_size: Integer.
        steps: Integer.

    Returns:
        Float, megabytes of the peak above what the process had before.
    """
    before_mb = _peak_mb()
    rng = np.random.default_rng(0)
    x = rng.random((batch_size, *_IMAGE)).astype("float32")
    y = rng.integers(10, size=batch_size)
    hypermodel = HyperCell(_IMAGE, channels=16, cells_per_stage=1)
    if kind == "one_path":
        _train(hypermodel, x, y, steps)
    else:
        _search(hypermodel, kind, x, y, steps)
    return _peak_mb() - before_mb


def _train(hypermodel, x, y, steps):
    hp = keras_tuner.HyperParameters()
    hp.values = HyperCell.values(_CODE)
    model = hypermodel.build(hp)
    # As the search, which XLA does not compile.
    model.compile(model.optimizer, model.loss, jit_compile=False)
    model.fit(x, y, batch_size=len(x), epochs=steps, verbose=0)


def _search(hypermodel, kind, x, y, steps):
    supernet = Supernet(hypermodel, seed=0)
    search = (DARTSSearch if kind == "darts" else GDASSearch)(supernet, steps)
    if kind == "gdas_same_path":
        space = search.space
        options = space.options(HyperCell.values(_CODE))
        search.parameters.logits.assign(
            np.concatenate(
                [
                    100.0 * np.eye(len(choices))[options[name]]
                    for name, choices in space.choices.items()
                ]
            )
        )
    data = SearchData(x, y, batch_size=len(x), alpha_data=(x, y))
    while not search.is_finished:
        search.run_epoch(data)


def _run_child(kind, batch_size, steps):
    command = [sys.executable, "-m", "benchmarks.gradient_memory"]
    command += [f"--child={kind}", f"--batch_size={batch_size}"]
    command += [f"--steps={steps}"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def _peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv):
    """Measures, prints and writes what the flags ask for."""
    del argv
    # Two operations at once make the peak a matter of luck.
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(0)
    if _CHILD.value:
        print(measure_here(_CHILD.value, _BATCH_SIZE.value, _STEPS.value))
        return
    figures = measure(_BATCH_SIZE.value, _STEPS.value)
    for name, value in figures.items():
        print(
            f"{name}: {value:.2f}"
            if isinstance(value, float)
            else f"{name}: {value}"
        )
    if _JSON.value:
        with open(_JSON.value, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    app.run(main)
