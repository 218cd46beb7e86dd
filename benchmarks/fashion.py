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
