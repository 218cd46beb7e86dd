"""Networks so small that their gradients can be worked out by hand."""

import keras
import numpy as np

import keras_nas as nas


class Scale(keras.layers.Layer):
    """Multiplies by one weight, and counts how often it has run."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def build(self, input_shape):
        self.scale = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(self.value)
        )
        self.runs = self.add_weight(
            shape=(), initializer="zeros", trainable=False
        )

    def call(self, inputs):
        self.runs.assign_add(1.0)
        return inputs * self.scale


def build(hp):
    """`x` times a weight, `x` itself, or zero."""
    inputs = keras.Input((1,))
    outputs = nas.layers.LayerChoice(
        hp,
        "op",
        {
            "scale": lambda: Scale(0.5),
            "skip": nas.blocks.Identity,
            "large": lambda: Scale(2.0),
        },
    )(inputs)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


def batch(x, y):
    x, y = (np.array([[value]], "float32") for value in (x, y))
    return x, y, None


def set_logits(search, *logits):
    search.parameters.logits.assign(np.array(logits, "float32"))


def softmax(logits):
    exponentials = np.exp(np.asarray(logits, "float64"))
    return exponentials / exponentials.sum()


def slope(function, point, step=1e-5):
    """The gradient of a function by central differences, in float64."""
    point = np.asarray(point, "float64")
    columns = []
    for i in range(len(point)):
        change = np.zeros(len(point))
        change[i] = step
        up, down = function(point + change), function(point - change)
        columns.append((np.asarray(up) - np.asarray(down)) / (2 * step))
    return np.array(columns)


def scales(search):
    """The layers `Scale` of a search, in the order of the options."""
    found = [
        layer
        for layer in search.supernet.network_layers()
        if isinstance(layer, Scale)
    ]
    return sorted(found, key=lambda layer: layer.value)
