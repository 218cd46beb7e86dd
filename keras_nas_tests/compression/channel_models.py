"""Models with every way in which channels can be tied together."""

import keras
import numpy as np

from keras_nas import blocks

layers = keras.layers


def chain():
    """Convolutions, batch normalization, pooling, dense layers."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(12, 3, padding="same", use_bias=False),
            layers.LeakyReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="sigmoid"),
            layers.Dropout(0.5),
            layers.Dense(3, activation="softmax"),
        ],
        name="chain",
    )


def flatten():
    """A dense layer that has several rows for each channel."""
    inputs = keras.Input((6, 6, 1))
    x = layers.Conv2D(6, 3, activation="relu")(inputs)
    x = layers.Flatten()(x)
    x = layers.Dense(8, activation="tanh")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def residual():
    """Skip connections, one of them through a convolution."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    for strides in (1, 2):
        y = layers.Conv2D(8, 3, padding="same", strides=strides)(x)
        y = layers.BatchNormalization()(y)
        y = layers.ReLU()(y)
        y = layers.Conv2D(8, 3, padding="same")(y)
        x = layers.Conv2D(8, 1, strides=2)(x) if strides == 2 else x
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def inverted_bottlenecks():
    """MobileNetV3: depthwise convolutions, squeeze-and-excitation."""
    inputs = keras.Input((8, 8, 3))
    x = blocks.ConvBlock(8)(inputs)
    x = blocks.InvertedBottleneck(8, expansion=2)(x)
    x = blocks.InvertedBottleneck(12, expansion=2, strides=2)(x)
    x = blocks.InvertedBottleneck(12, 5, expansion=3, squeeze_excite=0.25)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def squeeze_and_excite():
    """Scales that are reshaped, and of a rank of their own."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    scale = layers.GlobalAveragePooling2D()(x)
    scale = layers.Dense(4, activation="relu")(scale)
    scale = layers.Dense(8, activation="hard_sigmoid")(scale)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(scale)])
    attention = layers.Conv2D(1, 1, activation="sigmoid")(x)
    x = layers.Multiply()([x, attention])
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def dense_connections():
    """Concatenation, of which the parts are cut one by one."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same")(x)
    for _ in range(2):
        y = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Concatenate()([x, layers.Conv2D(4, 3, padding="same")(y), x])
    x = layers.Concatenate(axis=1)([x, layers.Conv2D(36, 1)(x)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(x))


def nested():
    """Models within models, one of them used twice."""
    body = keras.Sequential(
        [
            keras.Input((8, 8, 6)),
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
        ],
        name="body",
    )
    inner = keras.Input((8, 8, 6))
    x = layers.Add()([body(inner), inner])
    block = keras.Model(inner, body(x), name="block")
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(6, 1)(inputs)
    x = layers.Conv2D(5, 3)(block(block(x)))
    relu = keras.Sequential([keras.Input((6, 6, 5)), layers.ReLU()])
    x = layers.Subtract()([relu(layers.Conv2D(5, 1)(x)), relu(x)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(2)(x), name="outer")


def shared():
    """A layer used twice, whose inputs have to be cut alike."""
    inputs = [keras.Input((10, 4), name=name) for name in ("left", "right")]
    first = layers.Conv1D(6, 3, activation="relu")
    second = layers.Conv1D(8, 3)
    normalize = layers.BatchNormalization()
    sides = [normalize(second(first(tensor))) for tensor in inputs]
    side = second(layers.Conv1D(6, 3)(inputs[0]))
    x = layers.Subtract()([*sides])
    x = layers.Average()([x, side])
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(2)(x))


def two_outputs():
    """Two inputs by name, and outputs one of which is also used."""
    image = keras.Input((8, 8, 1), name="image")
    numbers = keras.Input((5,), name="numbers")
    x = layers.Conv2D(8, 3, activation="relu")(image)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Concatenate()([x, layers.Dense(6, "relu")(numbers), numbers])
    x = layers.Dense(8, "relu")(x)
    value = layers.Dense(4, "relu", name="value")(x)
    kind = layers.Dense(3, "softmax", name="kind")(value)
    return keras.Model(
        {"image": image, "numbers": numbers}, {"value": value, "kind": kind}
    )


def convolutions():
    """The other kinds of convolution, and what goes with them."""
    inputs = keras.Input((12, 12, 3))
    x = layers.SeparableConv2D(8, 3, depth_multiplier=2)(inputs)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(x)
    x = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=3)(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.Conv2DTranspose(10, 3, strides=2)(x)
    x = layers.PReLU()(x)
    x = layers.UpSampling2D()(layers.ZeroPadding2D()(x))
    x = layers.Cropping2D()(layers.AveragePooling2D(2)(x))
    x = layers.Conv2D(6, 3, dilation_rate=2)(x)
    x = layers.Reshape((-1, 6))(x)
    x = layers.Conv1DTranspose(5, 3)(layers.Conv1D(6, 3)(x))
    x = layers.DepthwiseConv1D(3)(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def operations():
    """Calls of `keras.ops` and arithmetic."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3)(inputs)
    x = x * (keras.ops.relu6(x + 3.0) * (1 / 6))
    y = layers.Conv2D(4, 1)(x)
    x = keras.ops.concatenate([keras.ops.silu(x), -y], axis=-1)
    x = layers.Conv2D(6, 1)(x)
    x = keras.ops.mean(x, axis=(1, 2), keepdims=True)
    x = layers.Conv2D(6, 1)(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


def text():
    """Token embeddings read by recurrent layers."""
    inputs = keras.Input((None,), dtype="int32")
    x = layers.Embedding(7, 8, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.Dense(6, activation="relu")(x)
    x = layers.GRU(5)(x)
    x = layers.Dense(8, activation="gelu")(x)
    return keras.Model(inputs, layers.Dense(2)(x))


ALL = (
    *(chain, flatten, residual, inverted_bottlenecks, squeeze_and_excite),
    *(dense_connections, nested, shared, two_outputs, convolutions),
    *(operations, text),
)


def randomize(model, rng):
    """Gives all weights values that differ from one channel to the next."""
    for variable in model.weights:
        shape = variable.shape
        if variable.path.endswith(("gamma", "moving_variance")):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) < 2:
            values = rng.normal(0, 0.3, shape)
        else:
            # So that nothing saturates, however deep the model.
            inputs = shape[:-2] if "depthwise" in variable.path else shape[:-1]
            values = rng.normal(0, np.prod(inputs) ** -0.5, shape)
        variable.assign(values)


def batch(model, rng, size=3):
    """Returns inputs of a model, as it takes them."""

    def values(tensor):
        shape = [size, *(length or 9 for length in tensor.shape[1:])]
        if "int" in tensor.dtype:
            return rng.integers(0, 7, shape).astype("int32")
        return rng.normal(size=shape).astype("float32")

    if len(model.inputs) == 1:
        return values(model.inputs[0])
    return keras.tree.map_structure(values, model.input)


def run(model, inputs):
    """Returns the outputs of a model as a list of arrays."""
    outputs = model(inputs, training=False)
    return [np.asarray(value) for value in keras.tree.flatten(outputs)]
