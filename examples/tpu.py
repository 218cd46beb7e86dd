"""Searches on a TPU, or if there is none on the GPUs, or on the CPU.

It was not tried on a TPU, for want of one: see docs/distributed.md.
"""

from functools import partial

import keras
import tensorflow as tf
from absl import app, flags
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

CPUS = flags.DEFINE_integer("cpu_devices", 1, "2 is much like two GPUs.")
OUTPUT = flags.DEFINE_string("output", "tpu_output", "Folder, or gs://...")
BATCH_SIZE = 32  # Of each device; with more data, 128 or more on a TPU.


def make_strategy():
    """Returns the strategy for the best devices that there are."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    cpus = [tf.config.LogicalDeviceConfiguration()] * CPUS.value
    tf.config.set_logical_device_configuration(cpu, cpus)
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
    tf.config.experimental_connect_to_cluster(resolver)
    try:
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except tf.errors.NotFoundError:
        find = tf.config.list_logical_devices
        names = [device.name for device in find("GPU") or find("CPU")]
        print(f"There is no TPU. Searching on {', '.join(names)}.")
        return tf.distribute.MirroredStrategy(names)


def make_dataset(batch_size, x, y, shuffle_buffer=1):
    """Makes batches of one size: for another, XLA would compile anew."""
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(shuffle_buffer)
    return dataset.batch(batch_size, drop_remainder=True)


def build(hp):
    """Builds one network; the tuner calls it in the scope of the strategy."""
    x = inputs = keras.Input((64,))
    for _ in range(hp.Int("depth", 1, 3)):
        x = keras.layers.Dense(hp.Choice("units", [32, 64, 128]), "relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    on_tpu = isinstance(tf.distribute.get_strategy(), tf.distribute.TPUStrategy)
    steps = 8 if on_tpu else 1  # The host then talks to its TPU less often.
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"], steps_per_execution=steps)
    return model


def main(_):
    """Interrupt it and run it again: it goes on where it was."""
    strategy = make_strategy()
    dataset = partial(make_dataset, BATCH_SIZE * strategy.num_replicas_in_sync)
    x, y = load_digits(return_X_y=True)
    split = partial(train_test_split, test_size=0.25, random_state=0)
    x, x_test, y, y_test = split(x.astype("float32") / 16, y.astype("int32"))
    x, x_val, y, y_val = split(x, y)
    tuner = nas.RegularizedEvolution(
        build, "val_accuracy", max_trials=3, directory=OUTPUT.value, seed=1,
        project_name="search", distribution_strategy=strategy,
    )  # fmt: skip
    tuner.search(
        partial(dataset, x, y, shuffle_buffer=len(x)), shuffle=False,
        validation_data=partial(dataset, x_val, y_val), epochs=6,
    )  # fmt: skip
    model = tuner.get_best_models()[0]
    _, accuracy = model.evaluate(dataset(x_test, y_test), verbose=0)
    print(f"test accuracy {accuracy:.2%}")


if __name__ == "__main__":
    app.run(main)
