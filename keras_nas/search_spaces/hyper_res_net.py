"""Residual networks of searched depth and width."""

import keras
import keras_tuner

from keras_nas import blocks, layers
from keras_nas.search_spaces.arguments import (
    check_choices,
    check_input_shape,
    check_integer,
    check_make_optimizer,
    check_repeats,
    compile_classifier,
)


class HyperResNet(keras_tuner.HyperModel):
    """Image classifier of residual blocks, of searched depth and width.

    A stem of one convolution, stages of residual blocks of two convolutions,
    global average pooling and a classifier. Each stage after the first halves
    the image. Of each stage the number of channels and of blocks is searched.
    Take it where accuracy counts more than a phone's time, or to see what a
    search does: plain convolutions train well and are easy to understand.

    The hyperparameters are `stage0_filters` and so on, and `stage0_depth`, the
    number of blocks after the first one. With three stages of three widths and
    0 to 3 more blocks, the defaults, there are 12³ = 1,728 architectures. One
    supernet holds them all: narrow layers are the first channels of wide ones.

    Args:
        input_shape: Tuple (height, width, channels) of the images.
        num_classes: Integer. Labels are integers from 0.
        filters: Tuple of the choices for the first stage; those of each next
            stage are twice as many.
        num_stages: Integer.
        max_repeats: Integer, the most blocks after the first of a stage.
        min_repeats: Integer, the fewest.
        optimizer: Optional function without arguments that makes an
            optimizer. By default SGD with momentum and a rate of 0.025.
        name: Optional string.

    Raises:
        ValueError: If an argument is invalid.

    References:

    - [He et al., 2015, Deep Residual
      Learning](https://arxiv.org/abs/1512.03385)
    - [Radosavovic et al., 2020, Designing Network Design
      Spaces](https://arxiv.org/abs/2003.13678): depths and widths of stages
      are what good residual networks differ in from bad ones.

    Example:

    >>> hypermodel = HyperResNet((16, 16, 3), 10, (4, 8), num_stages=2)
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> sorted(hp.values)
    ['stage0_depth', 'stage0_filters', 'stage1_depth', 'stage1_filters']
    >>> hp["stage1_filters"]
    8
    """

    def __init__(
        self,
        input_shape=(32, 32, 3),
        num_classes=10,
        filters=(8, 16, 24),
        num_stages=3,
        max_repeats=3,
        min_repeats=0,
        optimizer=None,
        name=None,
    ):
        super().__init__(name=name)
        check_input_shape(input_shape)
        check_integer("num_classes", num_classes, minimum=2)
        check_choices("filters", filters)
        check_integer("num_stages", num_stages)
        check_repeats(min_repeats, max_repeats)
        check_make_optimizer(optimizer)
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.filters = tuple(filters)
        self.num_stages = num_stages
        self.max_repeats = max_repeats
        self.min_repeats = min_repeats
        self.optimizer = optimizer

    def build(self, hp):
        """Builds and compiles the network that `hp` holds."""
        x = inputs = keras.Input(self.input_shape)
        for stage in range(self.num_stages):
            filters = hp.Choice(
                f"stage{stage}_filters",
                [width * 2**stage for width in self.filters],
            )
            if not stage:
                x = blocks.ConvBlock(filters, 3)(x)
            x = blocks.ResidualBlock(filters, strides=2 if stage else 1)(x)
            if self.max_repeats:
                x = layers.Repeat(
                    hp,
                    f"stage{stage}_depth",
                    min_repeats=self.min_repeats,
                    max_repeats=self.max_repeats,
                    block=lambda name, filters=filters: blocks.ResidualBlock(
                        filters
                    ),
                )(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dense(self.num_classes, activation="softmax")(x)
        model = keras.Model(inputs, x)
        compile_classifier(model, self.optimizer)
        return model
