"""The cell of NAS-Bench-201 (Dong and Yang, 2020)."""

import keras
import keras_tuner

from keras_nas import blocks, layers
from keras_nas.search_spaces.arguments import (
    check_input_shape,
    check_integer,
    check_make_optimizer,
    compile_classifier,
)
from keras_nas.search_spaces.operations import batch_norm, relu_conv_bn

# In the order of the digits of a code.
_OPERATIONS = (
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
)
_NUM_NODES = 3


class HyperCell(keras_tuner.HyperModel):
    """Image classifier of one searched cell, the space of NAS-Bench-201.

    A cell is a graph of four nodes, the first of which is its input and the
    last its output. Each of the six edges is one of five operations: none, a
    skip connection, a 1x1 or 3x3 convolution, or 3x3 average pooling. That
    makes 15,625 cells, of which all have been trained and published, so what
    a search finds can be compared with the best there is.

    The network is a stem of one convolution, three stages of
    `cells_per_stage` cells, with a residual block that halves the image and
    doubles the channels between them, global average pooling and a
    classifier. All cells are the same and have separate weights. The
    published accuracies are of `channels=16` and `cells_per_stage=5`, which
    are the defaults; half of both is enough to see what a search does.

    The hyperparameters are `cell_node0_op0`, the edge 0→1 of the paper,
    `cell_node1_op0` (0→2), `cell_node1_op1` (1→2), `cell_node2_op0` (0→3),
    `cell_node2_op1` (1→3) and `cell_node2_op2` (2→3). Their values are
    `"none"`, `"skip_connect"`, `"nor_conv_1x1"`, `"nor_conv_3x3"` and
    `"avg_pool_3x3"`.

    Args:
        input_shape: Tuple (height, width, channels) of the images.
        num_classes: Integer. Labels are integers from 0.
        channels: Integer, of the first stage.
        cells_per_stage: Integer, the number of cells in each stage.
        optimizer: Optional function without arguments that makes an
            optimizer. By default SGD with momentum and a rate of 0.025.
        name: Optional string.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Dong and Yang, 2020, NAS-Bench-201](https://arxiv.org/abs/2001.00326)

    Example:

    >>> hypermodel = HyperCell((16, 16, 3), 10, channels=4, cells_per_stage=1)
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> hp.values["cell_node2_op2"]
    'none'
    >>> HyperCell.code(hp.values)
    '000000'
    >>> HyperCell.values("333132")["cell_node2_op1"]
    'nor_conv_3x3'
    """

    def __init__(
        self,
        input_shape=(32, 32, 3),
        num_classes=10,
        channels=16,
        cells_per_stage=5,
        optimizer=None,
        name=None,
    ):
        super().__init__(name=name)
        check_input_shape(input_shape)
        check_integer("num_classes", num_classes, minimum=2)
        check_integer("channels", channels)
        check_integer("cells_per_stage", cells_per_stage)
        check_make_optimizer(optimizer)
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.channels = channels
        self.cells_per_stage = cells_per_stage
        self.optimizer = optimizer

    def build(self, hp):
        """Builds and compiles the network of the cell that `hp` holds."""
        inputs = keras.Input(self.input_shape)
        x = keras.layers.Conv2D(
            self.channels, 3, padding="same", use_bias=False
        )(inputs)
        x = batch_norm(x)
        for stage in range(3):
            filters = self.channels * 2**stage
            if stage:
                x = _reduce(x, filters)
            for _ in range(self.cells_per_stage):
                x = layers.Cell(
                    hp,
                    "cell",
                    num_nodes=_NUM_NODES,
                    operations=_operations(filters),
                    inputs_per_node=None,
                    output="last",
                )(x)
        x = keras.layers.ReLU()(batch_norm(x))
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(self.num_classes, activation="softmax")(x)
        model = keras.Model(inputs, x)
        compile_classifier(model, self.optimizer)
        return model

    @staticmethod
    def code(values):
        """Returns the six digits of a cell, as published tables use them.

        Args:
            values: Dict of hyperparameter values, such as those of a trial.

        Returns:
            String, a digit for each of the edges 0→1, 0→2, 1→2, 0→3, 1→3 and
            2→3: 0 none, 1 skip connection, 2 and 3 convolutions of 1x1 and
            3x3, 4 average pooling.
        """
        return "".join(str(_OPERATIONS.index(values[n])) for n in _names())

    @staticmethod
    def values(code):
        """Returns the hyperparameter values of a cell.

        Args:
            code: String of six digits, as `code` returns it.

        Raises:
            ValueError: If it is no such string.
        """
        names = _names()
        digits = "01234"
        is_code = isinstance(code, str) and len(code) == len(names)
        if not is_code or not set(code) <= set(digits):
            raise ValueError(
                "Invalid value received for argument `code`. Expected a "
                f"string of six digits from 0 to 4. Received: code={code!r}"
            )
        return {
            name: _OPERATIONS[int(digit)]
            for name, digit in zip(names, code, strict=True)
        }


def _names():
    return [
        f"cell_node{node}_op{source}"
        for node in range(_NUM_NODES)
        for source in range(node + 1)
    ]


def _operations(filters):
    factories = (
        blocks.Zero,
        blocks.Identity,
        lambda: relu_conv_bn(filters, 1),
        lambda: relu_conv_bn(filters, 3),
        lambda: blocks.PoolingBlock("average", 3),
    )
    return dict(zip(_OPERATIONS, factories, strict=True))


def _reduce(x, filters):
    """A residual block that halves the image."""
    shortcut = keras.layers.AveragePooling2D(2, padding="same")(x)
    shortcut = keras.layers.Conv2D(filters, 1, use_bias=False)(shortcut)
    x = relu_conv_bn(filters, 3, strides=2)(x)
    x = relu_conv_bn(filters, 3)(x)
    return keras.layers.Add()([shortcut, x])
