"""Measures the peak memory of search by gradient.

    python -m benchmarks.gradient_memory --json gradient_memory.json

Steps of GDAS, of DARTS (first order) and of the ordinary training of one
architecture run in a new process each, on the same batch. GDAS draws freely
(`gdas`), and, to be compared like with like, is made to draw the one
architecture that is also trained on its own, of 3x3 convolutions throughout
(`gdas_same_path` and `one_path`). There are two spaces:

- `chain`: 6 places, in each a residual block or a convolution, with a window
  of 3 or 5, or a skip connection;
- `cell`, that of NAS-Bench-201 (`HyperCell`): 6 edges of 5 small operations in
  each of three cells. It is the hardest for GDAS: an alpha step keeps what
  each edge gives, which here is a third of all there is to keep, and the
  ordinary model shares activations between edges, which branches cannot.

`peak_mb` is what the process has taken at most (`ru_maxrss`) above what it had
after its imports. Of that `fixed_mb`, measured in the same way with a batch of
two images, is code, graphs and weights. Ratios are those of the rest, which
grows with the batch, the activations; and those of the whole, which come the
nearer to them the larger the batch is.
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

from keras_nas import Supernet, blocks, layers
from keras_nas.search_spaces import HyperCell
from keras_nas.supernet.gradient import DARTSSearch, GDASSearch, SearchData

_JSON = flags.DEFINE_string("json", None, "File to write the figures to.")
_SPACES = flags.DEFINE_list("spaces", ["chain", "cell"], "What to search.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Images of a step.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps of each kind.")
_CHILD = flags.DEFINE_string("child", None, "Kind to measure in this process.")

KINDS = ("one_path", "gdas_same_path", "gdas", "darts")

_IMAGE = (32, 32, 3)
_FEW_IMAGES = 2


def measure(space, batch_size=256, steps=3):
    """Measures all kinds in a space, each in a process of its own.

    Args:
        space: String, `"chain"` or `"cell"`.
        batch_size: Integer, images of a step.
        steps: Integer, steps of each kind.

    Returns:
        Dict of megabytes, and of ratios to one path.
    """
    figures = {"batch_size": batch_size}
    for kind in KINDS:
        peak_mb, fixed_mb = (
            _run_child(space, kind, size, steps)
            for size in (batch_size, _FEW_IMAGES)
        )
        figures[kind] = {
            "peak_mb": peak_mb,
            "fixed_mb": fixed_mb,
            "activations_mb": peak_mb - fixed_mb,
        }
    for kind in KINDS[1:]:
        for part in ("activations", "peak"):
            figures[f"{kind}_{part}_over_one_path"] = (
                figures[kind][f"{part}_mb"] / figures["one_path"][f"{part}_mb"]
            )
    return figures


def measure_here(space, kind, batch_size, steps):
    """Runs the steps of one kind in this process.

    Args:
        space: String, `"chain"` or `"cell"`.
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
    build, same = _SPACES_BY_NAME[space]()
    if kind == "one_path":
        _train(build, same, x, y, steps)
    else:
        _search(build, same, kind, x, y, steps)
    return _peak_mb() - before_mb


def _chain():
    def build(hp):
        x = inputs = keras.Input(_IMAGE)
        x = blocks.ConvBlock(16)(x)
        for place in range(6):
            candidates = {
                "residual3": lambda: blocks.ResidualBlock(16, kernel_size=3),
                "residual5": lambda: blocks.ResidualBlock(16, kernel_size=5),
                "conv3": lambda: blocks.ConvBlock(16, kernel_size=3),
                "conv5": lambda: blocks.ConvBlock(16, kernel_size=5),
                "skip": blocks.Identity,
            }
            x = layers.LayerChoice(hp, f"place{place}", candidates)(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    return build, {f"place{i}": "residual3" for i in range(6)}


def _cell():
    hypermodel = HyperCell(_IMAGE, channels=16, cells_per_stage=1)
    return hypermodel.build, HyperCell.values("333333")


_SPACES_BY_NAME = {"chain": _chain, "cell": _cell}


def _train(build, values, x, y, steps):
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    model = build(hp)
    # As the search, which XLA does not compile.
    model.compile(model.optimizer, model.loss, jit_compile=False)
    model.fit(x, y, batch_size=len(x), epochs=steps, verbose=0)


def _search(build, same, kind, x, y, steps):
    supernet = Supernet(build, seed=0)
    search = (DARTSSearch if kind == "darts" else GDASSearch)(supernet, steps)
    if kind == "gdas_same_path":
        space = search.space
        options = space.options(same)
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


def _run_child(space, kind, batch_size, steps):
    command = [sys.executable, "-m", "benchmarks.gradient_memory"]
    command += [f"--child={kind}", f"--spaces={space}"]
    command += [f"--batch_size={batch_size}", f"--steps={steps}"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def _peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(argv):
    """Measures, prints and writes what the flags ask for."""
    del argv
    if _CHILD.value:
        # Two operations at once would make the peak a matter of luck.
        tf.config.threading.set_inter_op_parallelism_threads(1)
        keras.utils.set_random_seed(0)
        (space,) = _SPACES.value
        print(
            measure_here(space, _CHILD.value, _BATCH_SIZE.value, _STEPS.value)
        )
        return
    figures = {
        space: measure(space, _BATCH_SIZE.value, _STEPS.value)
        for space in _SPACES.value
    }
    print(json.dumps(figures, indent=1))
    if _JSON.value:
        with open(_JSON.value, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    app.run(main)
