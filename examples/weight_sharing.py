"""Scores architectures by one training: `pip install keras-nas[examples]`.

One network, the supernet, holds all 729 architectures of the space. It is
trained once, evolution scores 60 of them with its weights, and the best is
taken out and trained on.
"""

import keras
from absl import app, flags
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_nas as nas

OUTPUT = flags.DEFINE_string("output", "weight_sharing_output", "Results.")
TRIALS = flags.DEFINE_integer("trials", 60, "Architectures to score.")
EPOCHS = flags.DEFINE_integer("epochs", 40, "Epochs of the supernet.")


def build(hp):
    """Builds one architecture; given the supernet's own `hp`, all of them."""
    x = inputs = keras.Input((8, 8, 1))
    x = nas.layers.Conv2D(
        hp.Int("stem", 8, 24, step=8), 3, padding="same", activation="relu"
    )(x)  # A searched width: one kernel, of which the smaller use a part.
    x = nas.blocks.ConvBlock(16, strides=2)(x)
    for place in range(4):
        x = nas.layers.LayerChoice(
            hp,
            f"place{place}",
            {
                "conv": lambda: nas.blocks.ConvBlock(16),
                "separable": lambda: nas.blocks.SeparableConvBlock(16),
                "identity": nas.blocks.Identity,
            },
        )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = nas.layers.Dense(hp.Choice("units", [16, 32, 64]), activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(10, "softmax")(x))
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def main(_):
    """Kill it at any time and run it again: nothing is lost."""
    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8, 1).astype("float32") / 16
    x, x_test, y, y_test = train_test_split(x, y, random_state=0)
    x, x_val, y, y_val = train_test_split(x, y, random_state=0)
    tuner = nas.RegularizedEvolution(
        build, objective="val_accuracy", max_trials=TRIALS.value, seed=1,
        evaluator=nas.evaluators.WeightSharing(epochs=EPOCHS.value),
        directory=OUTPUT.value, project_name="search",
    )  # fmt: skip
    tuner.search(x, y, batch_size=32, validation_data=(x_val, y_val))
    print(tuner.get_best_hyperparameters()[0].values)

    best = tuner.get_best_models()[0]  # With the weights of the supernet.
    _, inherited = best.evaluate(x_test, y_test, verbose=0)
    best.fit(x, y, epochs=10, verbose=0)
    _, tuned = best.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {inherited:.2%}, after 10 epochs more {tuned:.2%}")


if __name__ == "__main__":
    app.run(main)
