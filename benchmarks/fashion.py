"""Fashion-MNIST, from Debian's package or as Keras downloads it."""

import gzip
import pathlib

import keras
import numpy as np

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"


def read_fashion(part="train", folder=DEBIAN_FOLDER):
    """Returns images and labels.

    Args:
        part: `"train"`, 60,000 images, or `"t10k"`, the 10,000 to test on.
        folder: Where the package `dataset-fashion-mnist` has put its files.
            If there is no such folder, Keras downloads the same data.

    Returns:
        `uint8` array of shape `(images, 28, 28, 1)`, `int64` array of labels.
    """
    if pathlib.Path(folder).is_dir():
        name = str(pathlib.Path(folder, f"{part}-{{}}-ubyte.gz"))
        with gzip.open(name.format("images-idx3")) as file:
            x = np.frombuffer(file.read(), "uint8", offset=16)
        with gzip.open(name.format("labels-idx1")) as file:
            y = np.frombuffer(file.read(), "uint8", offset=8)
    else:
        both = keras.datasets.fashion_mnist.load_data()
        x, y = both[0 if part == "train" else 1]
    return x.reshape(-1, 28, 28, 1), y.astype("int64")


def compile_with_decay(model, num_steps, learning_rate=3e-3):
    """Compiles a classifier for a training of so many steps.

    Args:
        model: `keras.Model`.
        num_steps: Integer; after them the learning rate has gone to nothing.
        learning_rate: Float, that of the first step.
    """
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, num_steps)
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
