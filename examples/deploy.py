"""Makes .tflite files of a trained network, and picks one within limits."""

import keras
from absl import app, flags
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

SEED = flags.DEFINE_integer("seed", 1, "Seed of the training.")
OUTPUT = flags.DEFINE_string("output", "deploy_output", "Results folder.")
PRUNE = flags.DEFINE_float("prune", None, "Share of weights to set to zero.")
MAX_BYTES = flags.DEFINE_integer("max_bytes", 100_000, "Limit of the file.")


def build():
    """Builds a network for digits of 8 by 8 pixels."""
    x = inputs = keras.Input((8, 8, 1), name="image")
    for filters, strides in ((32, 1), (64, 2), (64, 2)):
        x = keras.layers.Conv2D(
            filters, 3, strides, padding="same", use_bias=False
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(10, activation="softmax", name="scores")(x)
    model = keras.Model(inputs, x, name="digits")
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model


def main(_):
    """Trains, deploys, saves, and shows what is in the file."""
    keras.utils.set_random_seed(SEED.value)
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8, 1).astype("float32") / 16
    x, x_test, y, y_test = train_test_split(
        images, labels, test_size=0.25, random_state=0
    )
    model = build()
    model.fit(x, y, epochs=15, batch_size=64, verbose=0)

    deployed = nas.deploy(
        model,
        x,
        y,
        validation_data=(x_test, y_test),
        prune=PRUNE.value,
        max_bytes=MAX_BYTES.value,
        max_accuracy_drop=0.01,
        labels=[f"digit {digit}" for digit in range(10)],
        preprocessing={"mean": 0, "std": 16, "description": "Ink is 16."},
        details={"description": "Reads handwritten digits.", "version": "1"},
    )
    print(deployed)
    for path in deployed.save_all(OUTPUT.value):
        print(path)

    best = deployed.best.tflite_model
    print("\nlabels in the file:", best.metadata["outputs"][0]["labels"][:3])
    print("is it a 7?", best.predict(x_test[y_test == 7][:1]).argmax() == 7)


if __name__ == "__main__":
    app.run(main)
