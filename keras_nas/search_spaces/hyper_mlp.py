"""Dense networks for tables."""

import keras
import keras_tuner

from keras_nas import blocks, layers
from keras_nas.search_spaces.arguments import (
    check_choices,
    check_integer,
    check_make_optimizer,
)

_TASKS = ("classification", "regression")


class HyperMLP(keras_tuner.HyperModel):
    """Network of dense residual blocks for tables.

    The columns are standardised by a BatchNormalization, so they need not be;
    a dense layer, blocks of normalization, dense layer, activation, dropout,
    dense layer and shortcut, and the output follow. With shortcuts a deeper
    network is not worse to train, so depth can be searched; this form was as
    good as any network on the tables of Gorishniy et al.

    The hyperparameters are `units`, the width of all blocks, `depth`,
    `activation` and, if there are blocks, `expansion`, how much wider they are
    inside, and `dropout`: 492 architectures by default. One supernet holds
    them all.

    Args:
        num_features: Integer, the number of columns. Make categories numbers
            before, one column a category.
        num_outputs: Integer, the number of classes, or of numbers to predict.
        task: `"classification"`, with labels that are integers from 0, or
            `"regression"`.
        units: Tuple of integers to choose from.
        expansions: Tuple of integers to choose from.
        max_depth: Integer, the most blocks. The fewest are none, which leaves
            one hidden layer.
        activations: Tuple of names to choose from.
        dropouts: Tuple of shares to choose from.
        optimizer: Optional function without arguments that makes an
            optimizer. By default AdamW with a rate of 0.001.
        name: Optional string.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Gorishniy et al., 2021, Revisiting Deep Learning Models for Tabular
      Data](https://arxiv.org/abs/2106.11959)

    Example:

    >>> hypermodel = HyperMLP(num_features=12, num_outputs=3)
    >>> hp = keras_tuner.HyperParameters()
    >>> hypermodel.build(hp).output_shape
    (None, 3)
    >>> hp.values["units"], hp.values["depth"], hp.values["activation"]
    (32, 0, 'relu')
    """

    def __init__(
        self,
        num_features,
        num_outputs,
        task="classification",
        units=(32, 64, 128, 256),
        expansions=(1, 2),
        max_depth=5,
        activations=("relu", "gelu", "tanh"),
        dropouts=(0.0, 0.1, 0.2, 0.4),
        optimizer=None,
        name=None,
    ):
        super().__init__(name=name)
        check_integer("num_features", num_features)
        if task not in _TASKS:
            raise ValueError(
                "Invalid value received for argument `task`. Expected one of "
                f"{_TASKS}. Received: task={task!r}"
            )
        least = 2 if task == "classification" else 1
        check_integer("num_outputs", num_outputs, minimum=least)
        check_choices("units", units)
        check_choices("expansions", expansions)
        check_integer("max_depth", max_depth)
        _check_shares(dropouts)
        _check_names(activations)
        check_make_optimizer(optimizer)
        self.num_features = num_features
        self.num_outputs = num_outputs
        self.task = task
        self.units = tuple(units)
        self.expansions = tuple(expansions)
        self.max_depth = max_depth
        self.activations = tuple(activations)
        self.dropouts = tuple(dropouts)
        self.optimizer = optimizer

    def build(self, hp):
        """Builds and compiles the network that `hp` holds."""
        units = hp.Choice("units", list(self.units))
        x = inputs = keras.Input((self.num_features,))
        x = _normalized(x)
        x = layers.Dense(units)(x)
        x = layers.Repeat(
            hp,
            "depth",
            min_repeats=0,
            max_repeats=self.max_depth,
            block=lambda name: lambda x: self._block(hp, x, units),
        )(x)
        x = self._activated(hp, _normalized(x))
        is_classifier = self.task == "classification"
        x = keras.layers.Dense(
            self.num_outputs, activation="softmax" if is_classifier else None
        )(x)
        model = keras.Model(inputs, x)
        optimizer = self.optimizer or (lambda: keras.optimizers.AdamW(1e-3))
        if is_classifier:
            model.compile(
                optimizer(),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
        else:
            model.compile(optimizer(), "mse", metrics=["mae"])
        return model

    def _block(self, hp, inputs, units):
        expansion = hp.Choice("expansion", list(self.expansions))
        x = layers.Dense(units * expansion)(_normalized(inputs))
        x = self._activated(hp, x)
        x = layers.LayerChoice(
            hp, "dropout", {str(rate): _dropout(rate) for rate in self.dropouts}
        )(x)
        return keras.layers.Add()([inputs, layers.Dense(units)(x)])

    def _activated(self, hp, x):
        return layers.LayerChoice(
            hp,
            "activation",
            {name: _activation(name) for name in self.activations},
        )(x)


def _normalized(x):
    # A short training must not remember the initial statistics.
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def _activation(name):
    return lambda: keras.layers.Activation(name)


def _dropout(rate):
    if not rate:
        return blocks.Identity
    return lambda: keras.layers.Dropout(rate)


def _check_shares(dropouts):
    is_list = isinstance(dropouts, (tuple, list)) and dropouts
    if not is_list or not all(
        isinstance(rate, (int, float)) and 0 <= rate < 1 for rate in dropouts
    ):
        raise ValueError(
            "Invalid value received for argument `dropouts`. Expected a tuple "
            "of shares from 0 to below 1, such as (0.0, 0.2). Received: "
            f"dropouts={dropouts!r}"
        )


def _check_names(activations):
    is_list = isinstance(activations, (tuple, list)) and activations
    if not is_list or not all(isinstance(name, str) for name in activations):
        raise ValueError(
            "Invalid value received for argument `activations`. Expected a "
            'tuple of names, such as ("relu", "gelu"). Received: '
            f"activations={activations!r}"
        )
