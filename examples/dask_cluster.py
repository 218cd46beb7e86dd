"""Searches on a Dask cluster: `pip install keras-nas[distributed,examples]`.

Without `--scheduler tcp://...` it starts worker processes on this machine.
The workers of a cluster need keras_nas, and a folder `--output` they share.
"""

import contextlib

import dask
import keras
from absl import app, flags
from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

SCHEDULER = flags.DEFINE_string("scheduler", None, "tcp://... of a cluster.")
WORKERS = flags.DEFINE_integer("workers", 2, "How many trials at a time.")
# A terminal sends Ctrl-C to every process; the search decides what it means.
IGNORE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"

OUTPUT = flags.DEFINE_string("output", "dask_cluster_output", "Results folder.")


def build(hp):
    """Builds one network of the search space for digits of 64 pixels."""
    x = inputs = keras.Input((64,))
    for _ in range(hp.Int("depth", 1, 3)):
        x = keras.layers.Dense(hp.Choice("units", [16, 32, 64]), "relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    return model


@contextlib.contextmanager
def connected():
    """Connects to the cluster that was named, or to one made for the while."""
    with contextlib.ExitStack() as stack:
        if not (cluster := SCHEDULER.value):
            # The search itself runs a trial again when its worker has died.
            dask.config.set({"distributed.scheduler.allowed-failures": 0})
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=WORKERS.value,
                    threads_per_worker=1,  # One trial a process.
                    dashboard_address=None,
                    # Trials side by side must not fight over the cores.
                    env={"TF_NUM_INTRAOP_THREADS": "1"},
                    preload=[IGNORE_CTRL_C],
                )
            )
        yield stack.enter_context(Client(cluster))


def main(_):
    """Kill a worker, or this process, and run it again: nothing is lost."""
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images.astype("float32") / 16, labels, test_size=0.25, random_state=0
    )
    tuner = nas.RegularizedEvolution(
        build, objective="val_accuracy", max_trials=4, seed=1,
        directory=OUTPUT.value, project_name="search",
    )  # fmt: skip
    with connected() as client:
        tuner.search(
            x, y, validation_split=0.25, epochs=5,
            executor=client.get_executor(), workers=WORKERS.value,
        )  # fmt: skip
    tuner.results_summary()
    best = tuner.get_best_models()[0]
    _, accuracy = best.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.2%}")


if __name__ == "__main__":
    app.run(main)
