"""Searches a network for real images and makes .tflite files of the best."""

import json
import os
from functools import partial

import keras
from absl import app, flags
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

SEED = flags.DEFINE_integer("seed", 1, "Seed of the search.")
OUTPUT = flags.DEFINE_string("output", "quickstart_output", "Results folder.")


def build(hp):
    """Builds one network of the search space for digits of 8 by 8 pixels."""
    x = inputs = keras.Input((8, 8, 1))
    x = nas.blocks.ConvBlock(hp.Choice("stem_filters", [8, 16, 32]))(x)
    for stage, filters in enumerate((24, 48)):
        x = nas.blocks.InvertedBottleneck(filters, expansion=2, strides=2)(x)
        candidates = {
            "mb2_k3": partial(nas.blocks.InvertedBottleneck, filters, 3, 2),
            "mb4_k5": partial(nas.blocks.InvertedBottleneck, filters, 5, 4),
            "residual": partial(nas.blocks.ResidualBlock, filters),
        }
        block = partial(nas.layers.LayerChoice, hp, candidates=candidates)
        x = nas.layers.Repeat(hp, f"stage{stage}", 0, 2, block)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    rate = hp.Choice("learning_rate", [0.002, 0.005, 0.01])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def main(_):
    """Interrupt it and run it again: it goes on where it was."""
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    split = partial(train_test_split, test_size=0.25, random_state=0)
    x, x_test, y, y_test = split(images, labels)
    x_train, x_val, y_train, y_val = split(x, y)

    tuner = nas.RegularizedEvolution(
        build, objective="val_accuracy", max_trials=12, seed=SEED.value,
        directory=OUTPUT.value, project_name="search",
    )  # fmt: skip
    data = {"x": x_train, "y": y_train, "validation_data": (x_val, y_val)}
    tuner.search(**data, epochs=12, batch_size=64)
    best = tuner.get_best_models()[0]  # The best on the validation data.

    models = {"best.keras": best}
    scores = {"best.keras": best.predict(x_test, verbose=0)}
    for file, quantize in (("float32", None), ("int8", "int8")):
        model = nas.export.to_tflite(best, quantize, x_train)
        nas.export.verify(model, best, x_test, y_test).raise_if_failed()
        models[f"model_{file}.tflite"] = model
        scores[f"model_{file}.tflite"] = model.predict(x_test)
    latency = nas.export.measure_latency(models)

    results = {}
    print(f"\n{'file':22}{'test accuracy':>14}{'bytes':>10}{'latency ms':>12}")
    for file, model in models.items():
        model.save(path := os.path.join(OUTPUT.value, file))
        row = results[file] = {
            "test_accuracy": float((scores[file].argmax(-1) == y_test).mean()),
            "size_bytes": os.path.getsize(path),
            "latency_ms": latency[file].latency_ms,
        }
        print("{:22}{:14.2%}{:10,}{:12.4f}".format(file, *row.values()))
    with open(os.path.join(OUTPUT.value, "results.json"), "w") as file:
        json.dump(results, file, indent=2)


if __name__ == "__main__":
    app.run(main)
