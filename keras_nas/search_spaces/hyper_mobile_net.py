"""The macro space of MnasNet and MobileNetV3: inverted bottlenecks."""

import keras
import keras_tuner

from keras_nas import blocks, layers
from keras_nas.search_spaces.arguments import (
    check_choices,
    check_input_shape,
    check_integer,
    check_make_optimizer,
    check_repeats,
    check_stages,
    compile_classifier,
)
from keras_nas.search_spaces.operations import batch_norm

_SQUEEZE_EXCITE = (True, False, "search")

# Images this small or smaller are not halved by the stem: of 32 pixels, two
# stages that halve leave 8.
_SMALL_IMAGE = 48


class HyperMobileNet(keras_tuner.HyperModel):
    """Image classifier for phones and microcontrollers.

    A stem of one convolution, stages of inverted bottlenecks, a 1x1
    convolution, global average pooling and a classifier. Of each stage the
    number of blocks is searched, and of each block the size of its depthwise
    kernel, its expansion, and whether it has squeeze-and-excitation. These are
    what MnasNet, ProxylessNAS and Once-for-All search, because they decide
    latency and accuracy; the number of channels is given by `filters`, as in
    theirs.

    The hyperparameters are `stage0_depth` and so on, the number of blocks
    after the first one, and for each block `stage0_block0_kernel_size`,
    `stage0_block0_expansion` and `stage0_block0_squeeze_excite`. A block has
    8 variants by default, so a stage of 1 to 3 of them has 8 + 8² + 8³ = 584,
    and four stages 1.2e11 architectures. One supernet holds them all: smaller
    kernels and expansions are parts of the largest.

    ProxylessNAS and Once-for-All choose from kernels of 7 by 7 too, MnasNet and
    MobileNetV3 do not. XNNPACK, which runs TFLite files on phones and
    computers, has fast depthwise kernels up to 5 by 5: one of 7 by 7 on 14 by
    14 pixels and 96 channels took 3.5 ms in int8, 90 times as long as 5 by 5,
    and 24 times as long in float32. Add 7 for hardware that you have measured.

    The defaults are for images of 28 to 64 pixels. For larger ones give more
    stages: `filters=(16, 24, 40, 80, 112, 160)` and `strides=(1, 2, 2, 2, 1,
    2)` are those of MobileNetV3. ReLU6 is the default activation because it
    costs nothing in TFLite and quantizes well; `"hard_swish"` is more accurate
    in float32.

    Args:
        input_shape: Tuple (height, width, channels) of the images.
        num_classes: Integer. Labels are integers from 0.
        filters: Tuple of integers, the channels of each stage.
        strides: Tuple of integers, the stride of the first block of each.
        max_repeats: Integer, the most blocks after the first of a stage.
        min_repeats: Integer, the fewest.
        kernel_sizes: Tuple of odd integers to choose from.
        expansions: Tuple of integers above 1 to choose from.
        squeeze_excite: `"search"`, or `True` or `False` for all blocks. It
            gains accuracy for few operations, and costs more time than these
            would say.
        head_filters: Optional integer, the channels of the last convolution;
            by default four times those of the last stage.
        activation: String, the name of an activation.
        dropout: Float, the share of features dropped before the classifier.
        optimizer: Optional function without arguments that makes an
            optimizer. By default SGD with momentum and a rate of 0.025.
        name: Optional string.

    Raises:
        ValueError: If an argument is invalid.

    References:

    - [Tan et al., 2019, MnasNet](https://arxiv.org/abs/1807.11626)
    - [Howard et al., 2019, Searching for
      MobileNetV3](https://arxiv.org/abs/1905.02244)
    - [Cai et al., 2020, Once-for-All](https://arxiv.org/abs/1908.09791)

    Example:

    >>> hypermodel = HyperMobileNet(
    ...     (16, 16, 3), 10, filters=(8, 12), strides=(1, 2), max_repeats=1)
    >>> hp = keras_tuner.HyperParameters()
    >>> model = hypermodel.build(hp)
    >>> hp.values["stage1_depth"], hp.values["stage1_block0_expansion"]
    (0, 3)
    >>> model.output_shape
    (None, 10)
    """

    def __init__(
        self,
        input_shape=(32, 32, 3),
        num_classes=10,
        filters=(16, 24, 40, 64),
        strides=(1, 2, 2, 1),
        max_repeats=2,
        min_repeats=0,
        kernel_sizes=(3, 5),
        expansions=(3, 6),
        squeeze_excite="search",
        head_filters=None,
        activation="relu6",
        dropout=0.0,
        optimizer=None,
        name=None,
    ):
        super().__init__(name=name)
        check_input_shape(input_shape)
        check_integer("num_classes", num_classes, minimum=2)
        check_stages(filters, strides)
        check_repeats(min_repeats, max_repeats)
        check_choices("kernel_sizes", kernel_sizes)
        check_choices("expansions", expansions, minimum=2)
        if not any(squeeze_excite is value for value in (True, False)) and (
            squeeze_excite != "search"
        ):
            raise ValueError(
                "Invalid value received for argument `squeeze_excite`. "
                f"Expected one of {_SQUEEZE_EXCITE}. Received: "
                f"squeeze_excite={squeeze_excite!r}"
            )
        if head_filters is not None:
            check_integer("head_filters", head_filters)
        check_make_optimizer(optimizer)
        self.input_shape = tuple(input_shape)
        self.num_classes = num_classes
        self.filters = tuple(filters)
        self.strides = tuple(strides)
        self.max_repeats = max_repeats
        self.min_repeats = min_repeats
        self.kernel_sizes = tuple(kernel_sizes)
        self.expansions = tuple(expansions)
        self.squeeze_excite = squeeze_excite
        self.head_filters = head_filters or 4 * self.filters[-1]
        self.activation = activation
        self.dropout = dropout
        self.optimizer = optimizer

    def build(self, hp):
        """Builds and compiles the network that `hp` holds."""
        x = inputs = keras.Input(self.input_shape)
        height = self.input_shape[0]
        is_large = height is None or height > _SMALL_IMAGE
        x = self._convolution(x, self.filters[0], 3, strides=1 + is_large)
        for stage, (filters, strides) in enumerate(
            zip(self.filters, self.strides, strict=True)
        ):
            prefix = f"stage{stage}"
            x = self._block(hp, f"{prefix}_block0", filters, strides)(x)
            if self.max_repeats:
                x = layers.Repeat(
                    hp,
                    f"{prefix}_depth",
                    min_repeats=self.min_repeats,
                    max_repeats=self.max_repeats,
                    block=lambda name, filters=filters: self._block(
                        hp, _after_the_first(name), filters
                    ),
                )(x)
        x = self._convolution(x, self.head_filters, 1)
        x = keras.layers.GlobalAveragePooling2D()(x)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout)(x)
        x = keras.layers.Dense(self.num_classes, activation="softmax")(x)
        model = keras.Model(inputs, x)
        compile_classifier(model, self.optimizer)
        return model

    def _convolution(self, x, filters, kernel_size, strides=1):
        x = keras.layers.Conv2D(
            filters, kernel_size, strides, padding="same", use_bias=False
        )(x)
        x = batch_norm(x)
        if self.activation == "relu6":  # The layer is what converters fuse.
            return keras.layers.ReLU(6.0)(x)
        return keras.layers.Activation(self.activation)(x)

    def _block(self, hp, name, filters, strides=1):
        arguments = {
            "filters": filters,
            "strides": strides,
            "kernel_size": hp.Choice(
                f"{name}_kernel_size", list(self.kernel_sizes)
            ),
            "expansion": hp.Choice(f"{name}_expansion", list(self.expansions)),
            "activation": self.activation,
        }

        def make(squeeze_excite):
            return blocks.InvertedBottleneck(
                **arguments, squeeze_excite=squeeze_excite
            )

        if self.squeeze_excite != "search":
            return make(0.25 if self.squeeze_excite else None)
        return layers.LayerChoice(
            hp,
            f"{name}_squeeze_excite",
            {"no": lambda: make(None), "yes": lambda: make(0.25)},
        )


def _after_the_first(name):
    """`Repeat` counts its blocks from 0; those of a stage begin before."""
    stage, _, number = name.rpartition("_depth_")
    return f"{stage}_block{int(number) + 1}"
