"""What holds for every block."""

import keras
import numpy as np
import pytest

from keras_nas import blocks

STRIDED = {
    "conv": (blocks.ConvBlock, {"filters": 6}),
    "separable": (blocks.SeparableConvBlock, {"filters": 6}),
    "residual": (blocks.ResidualBlock, {"filters": 6}),
    "bottleneck": (
        blocks.InvertedBottleneck,
        {"filters": 6, "squeeze_excite": 0.25, "activation": "hard_swish"},
    ),
    "pooling": (blocks.PoolingBlock, {"batch_normalization": True}),
    "identity": (blocks.Identity, {}),
    "zero": (blocks.Zero, {}),
}
every_block = pytest.mark.parametrize(
    ("block", "arguments"), STRIDED.values(), ids=STRIDED
)


@every_block
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 8])
def test_output_shape(block, arguments, strides, size):
    x = keras.Input((size, size, 6))
    expected = -(-size // strides)
    output = block(**arguments, strides=strides)(x)
    assert output.shape == (None, expected, expected, 6)


@every_block
def test_the_name_is_the_prefix_of_every_weight(block, arguments):
    x = keras.Input((8, 8, 6))
    output = block(**arguments, strides=2, name="stem")(x)
    for weight in keras.Model(x, output).weights:
        assert weight.path.startswith("stem_")


@every_block
def test_config_and_representation(block, arguments):
    made = block(**arguments, strides=2, name="stem")
    config = made.get_config()
    assert config["name"] == "stem" and config["strides"] == 2
    assert arguments.items() <= config.items()
    assert block.from_config(config).get_config() == config
    assert eval(repr(made), vars(blocks)).get_config() == config
    assert "name" not in repr(block(**arguments))


@every_block
def test_every_call_adds_layers_of_its_own(block, arguments):
    made = block(**arguments, strides=2)
    x = keras.Input((8, 8, 6))
    once = keras.Model(x, made(x)).count_params()
    assert keras.Model(x, [made(x), made(x)]).count_params() == 2 * once


@every_block
@pytest.mark.parametrize("strides", [0, -1, 1.5, "2", None, True, (2, 2)])
def test_invalid_strides(block, arguments, strides):
    with pytest.raises(ValueError, match="`strides`. Expected a positive int"):
        block(**arguments, strides=strides)


@every_block
@pytest.mark.parametrize("name", ["", 3])
def test_invalid_name(block, arguments, name):
    with pytest.raises(ValueError, match="argument `name`"):
        block(**arguments, name=name)


@every_block
@pytest.mark.parametrize("shape", [(8,), (8, 8), (8, 8, None)])
def test_invalid_input(block, arguments, shape):
    with pytest.raises(ValueError, match="must be called on a 4D tensor"):
        block(**arguments, strides=2)(keras.Input(shape))


@every_block
def test_channels_first_is_refused(block, arguments):
    x = keras.Input((8, 8, 6))
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match="channels last"):
            block(**arguments, strides=2)(x)
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize(
    "block",
    [
        blocks.ConvBlock,
        blocks.SeparableConvBlock,
        blocks.ResidualBlock,
        blocks.InvertedBottleneck,
    ],
)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "positive integer. Received: filters=0"),
        ({"filters": 8.0}, "argument `filters`"),
        ({"kernel_size": 0}, "argument `kernel_size`"),
        ({"kernel_size": (3, 0)}, "argument `kernel_size`"),
        ({"kernel_size": (3, 3, 3)}, "argument `kernel_size`"),
        ({"activation": "reluu"}, "argument `activation`"),
        ({"activation": 3}, "argument `activation`"),
    ],
)
def test_invalid_arguments(block, arguments, message):
    with pytest.raises(ValueError, match=message):
        block(**({"filters": 4} | arguments))


def test_windows_that_are_not_square():
    x = keras.Input((8, 8, 2))
    output = blocks.ConvBlock(3, kernel_size=(5, 1))(x)
    assert output.shape == (None, 8, 8, 3)
    # 5*1*2*3 and BatchNormalization.
    assert keras.Model(x, output).count_params() == 30 + 12


def test_mixed_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        x = keras.Input((8, 8, 6), dtype="float16")
        for block, arguments in STRIDED.values():
            assert block(**arguments, strides=2)(x).dtype == "float16"
    finally:
        keras.config.set_dtype_policy("float32")


def test_tflite_needs_builtin_operations_only():
    tf = pytest.importorskip("tensorflow")
    inputs = x = keras.Input((9, 9, 6), batch_size=1)
    for block, arguments in STRIDED.values():
        y = block(**arguments, strides=2)(x)
        x = block(**arguments)(x)
        y = keras.layers.UpSampling2D(2)(y)
        y = keras.layers.Cropping2D(((0, 1), (0, 1)))(y)
        x = keras.layers.Add()([x, y])
    model = keras.Model(inputs, x)
    function = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec((1, 9, 9, 6))],
    )
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()], module
    )
    # Without Select-TF operations conversion fails where one is needed.
    content = converter.convert()
    runtime = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(model_content=content)
    interpreter.allocate_tensors()
    data = np.random.default_rng(0).normal(size=(1, 9, 9, 6)).astype("float32")
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], data)
    interpreter.invoke()
    output = interpreter.get_tensor(
        interpreter.get_output_details()[0]["index"]
    )
    expected = keras.ops.convert_to_numpy(model(data, training=False))
    np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)
