"""Searches for accuracy and latency: `pip install keras-nas[examples]`.

The space is MobileNetV3's, made small for digits of 8 by 8 pixels, and with a
kernel that it leaves out: FLOPs say nothing against 7 by 7, the clock does.
Latency and size are those of the int8 `.tflite` file of each candidate on this
machine; what is too large is turned away before it is trained. The result is a
front to choose from, a page to look at, and the files of three networks.
"""

import pathlib

import keras
from absl import app, flags
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

OUTPUT = flags.DEFINE_string("output", "hardware_aware_output", "Results.")
TRIALS = flags.DEFINE_integer("trials", 12, "Networks to train.")
EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of each.")
MAX_BYTES = flags.DEFINE_integer("max_bytes", 30_000, "Limit of the file.")


def main(_):
    """Kill it at any time and run it again: nothing is lost."""
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
    x, x_test, y, y_test = train_test_split(x, y, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, random_state=0)
    space = nas.search_spaces.HyperMobileNet(
        (8, 8, 1), 10, filters=(8, 16), strides=(1, 2), max_repeats=1,
        kernel_sizes=(3, 5, 7), squeeze_excite=False,
        optimizer=lambda: keras.optimizers.Adam(3e-3),
    )  # fmt: skip
    tuner = nas.NSGA2(
        space,
        objective=["val_accuracy", nas.Latency()],
        constraints=[nas.Size(max_bytes=MAX_BYTES.value)],
        max_trials=TRIALS.value,
        seed=1,
        directory=OUTPUT.value,
        project_name="search",
    )
    tuner.search(
        x, y, batch_size=32, epochs=EPOCHS.value, validation_data=(x_val, y_val)
    )

    print("\nPareto front:")
    for trial in tuner.pareto_front():
        value = trial.metrics.get_best_value
        print(
            f"trial {trial.trial_id}: {value('val_accuracy'):.1%}, "
            f"{value('latency_ms'):.4f} ms, {value('size_bytes'):,.0f} bytes"
        )
    folder = pathlib.Path(OUTPUT.value)
    tuner.report(folder / "report.html")

    knee, most_accurate, fastest, *_ = [*tuner.get_best_models(3)] * 3
    for name, model in (
        ("knee", knee), ("most_accurate", most_accurate), ("fastest", fastest)
    ):  # fmt: skip
        file = nas.export.to_tflite(model, "int8", x)
        share = (file.predict(x_test).argmax(axis=-1) == y_test).mean()
        file.save(folder / f"{name}.tflite")
        print(f"{name}.tflite: {file.size_bytes:,} bytes, {share:.1%} of tests")


if __name__ == "__main__":
    app.run(main)
