"""The normal and reduction cells of DARTS (Liu et al., 2019)."""

import keras
import keras_tuner

from keras_nas import blocks, layers
from keras_nas.search_spaces.arguments import (
    check_input_shape,
    check_integer,
    check_make_optimizer,
    compile_classifier,
)
from keras_nas.search_spaces.operations import (
    batch_norm,
    dilated_conv,
    relu_conv_bn,
    separable_conv,
)


class HyperDARTS(keras_tuner.HyperModel):
    """Image classifier of two searched cells, the space of DARTS.

    Each node of a cell reads two of the outputs of the two cells before and
    of the nodes before it, each through one of seven operations: max and
    average pooling, a skip connection, separable convolutions of 3x3 and 5x5
    and dilated ones of 3x3 and 5x5. The output of a cell is that of all its
    nodes, side by side. Normal cells keep the size of the image; the two
    reduction cells, at one and at two thirds of the depth, halve it and
    double the channels. All normal cells are the same and have separate
    weights, and so are the reduction cells. With four nodes there are about
    1.0e9 cells and 1.1e18 networks.

    DARTS has an eighth operation, none, which its search leaves out when it
    derives an architecture. Here the choice of the inputs says which edges
    there are, and a search by gradient learns that choice as any other.

    The hyperparameters of node `i` of the normal cell are
    `normal_node{i}_inputs`, two of its sources, such as `"0+2"` (0 and 1 are
    the cells before, 2 is the first node), and `normal_node{i}_op{j}`, the
    operation on source `j`, which is active if it is read. Those of the
    reduction cell begin with `reduction`.

    The defaults are those of the search in the paper. The network that it
    trains in the end is larger: build it with
    `HyperDARTS(..., channels=36, num_cells=20).build(hp)`.

    Args:
        input_shape: Tuple (height, width, channels) of the images.
        num_classes: Integer. Labels are integers from 0.
        channels: Integer, of a node of the first cells.
        num_cells: Integer, at least 3.
        num_nodes: Integer, the nodes of a cell.
        optimizer: Optional function without arguments that makes an
            optimizer. By default SGD with momentum and a rate of 0.025.
        name: Optional string.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)

    Example:

    >>> hypermodel = HyperDARTS(
    ...     (16, 16, 3), 10, channels=2, num_cells=3, num_nodes=2)
    >>> hp = keras_tuner.HyperParameters()
    >>> hypermodel.build(hp).output_shape
    (None, 10)
    >>> hp.values["normal_node1_inputs"]
    '0+1'
    """

    def __init__(
        self,
        input_shape=(32, 32, 3),
        num_classes=10,
        channels=16,
        num_cells=8,
        num_nodes=4,
        optimizer=None,
        name=None,
    ):
        super().__init__(name=name)
        check_input_shape(input_shape)
        check_integer("num_classes", num_classes, minimum=2)
        check_integer("channels", channels)
        check_integer("num_cells", num_cells, minimum=3)
        check_integer("num_nodes", num_nodes)
        check_make_optimizer(optimizer)
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.channels = channels
        self.num_cells = num_cells
        self.num_nodes = num_nodes
        self.optimizer = optimizer

    def build(self, hp):
        """Builds and compiles the network of the cells that `hp` holds."""
        inputs = keras.Input(self.input_shape)
        stem = keras.layers.Conv2D(
            3 * self.channels, 3, padding="same", use_bias=False
        )(inputs)
        before = x = batch_norm(stem)
        filters = self.channels
        reductions = self.num_cells // 3, 2 * self.num_cells // 3
        for number in range(self.num_cells):
            is_reduction = number in reductions
            if is_reduction:
                filters *= 2
            cell = layers.Cell(
                hp,
                "reduction" if is_reduction else "normal",
                num_nodes=self.num_nodes,
                operations=_operations(filters),
                inputs_per_node=2,
                output="concat",
                strides=2 if is_reduction else 1,
            )
            before, x = x, cell(_prepare(before, x, filters))
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(self.num_classes, activation="softmax")(x)
        model = keras.Model(inputs, x)
        compile_classifier(model, self.optimizer)
        return model


def _prepare(before, x, filters):
    """Brings what a cell reads to one shape."""
    if before.shape[1:3] != x.shape[1:3]:
        before = blocks.Identity(strides=2)(before)
    return [relu_conv_bn(filters, 1)(tensor) for tensor in (before, x)]


def _operations(filters):
    def pooling(kind):
        return lambda strides=1: blocks.PoolingBlock(
            kind, 3, strides=strides, batch_normalization=True
        )

    def convolution(function, kernel_size):
        return lambda strides=1: function(filters, kernel_size, strides)

    return {
        "max_pool_3x3": pooling("max"),
        "avg_pool_3x3": pooling("average"),
        "skip_connect": blocks.Identity,
        "sep_conv_3x3": convolution(separable_conv, 3),
        "sep_conv_5x5": convolution(separable_conv, 5),
        "dil_conv_3x3": convolution(dilated_conv, 3),
        "dil_conv_5x5": convolution(dilated_conv, 5),
    }
