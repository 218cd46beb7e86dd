import keras
import keras_tuner
import pytest

from keras_nas import blocks, layers


def dense(name):
    return keras.layers.Dense(4)


def conditions(parameter):
    return [(c.name, c.values) for c in parameter.conditions]


def num_layers(inputs, outputs):
    return len(keras.Model(inputs, outputs).layers) - 1


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_builds_as_many_blocks_as_the_value_says(depth):
    hp = keras_tuner.HyperParameters()
    hp.values["stage"] = depth
    x = keras.Input((4,))
    outputs = layers.Repeat(hp, "stage", 0, 3, dense)(x)
    assert num_layers(x, outputs) == depth


def test_no_block_is_the_identity():
    hp = keras_tuner.HyperParameters()
    x = keras.Input((4,))
    assert layers.Repeat(hp, "stage", 0, 3, dense)(x) is x
    assert hp.values == {"stage": 0}


def test_what_a_block_registers_is_conditional_on_the_depth():
    def build(hp):
        def block(name):
            return layers.LayerChoice(
                hp,
                name,
                {
                    "identity": blocks.Identity,
                    "dense": lambda: keras.layers.Dense(
                        4, hp.Choice(f"{name}_activation", ["relu", "tanh"])
                    ),
                },
            )

        return layers.Repeat(hp, "stage", 1, 3, block)(keras.Input((4,)))

    hp = keras_tuner.HyperParameters()
    build(hp)
    assert {p.name: conditions(p) for p in hp.space} == {
        "stage": [],
        "stage_0": [],
        "stage_0_activation": [("stage_0", ["dense"])],
        "stage_1": [("stage", [2, 3])],
        "stage_1_activation": [("stage", [2, 3]), ("stage_1", ["dense"])],
        "stage_2": [("stage", [3])],
        "stage_2_activation": [("stage", [3]), ("stage_2", ["dense"])],
    }
    assert hp.values == {"stage": 1, "stage_0": "identity"}
    assert not hp.inactive_scopes


def test_a_fixed_number_of_blocks():
    hp = keras_tuner.HyperParameters()
    x = keras.Input((4,))
    outputs = layers.Repeat(
        hp,
        "stage",
        2,
        2,
        lambda name: layers.LayerChoice(hp, name, {"a": lambda: dense(name)}),
    )(x)
    assert num_layers(x, outputs) == 2
    assert [(p.name, p.conditions) for p in hp.space] == [
        ("stage", []),
        ("stage_0", []),
        ("stage_1", []),
    ]


def test_only_the_discovering_build_makes_the_blocks_beyond():
    made = []

    def block(name):
        made.append(name)
        return keras.layers.Dense(4)

    hp = keras_tuner.HyperParameters()
    hp.values["stage"] = 2
    layers.Repeat(hp, "stage", 0, 3, block)(keras.Input((4,)))
    assert made == ["stage_0", "stage_1", "stage_2"]
    made.clear()
    layers.Repeat(hp.copy(), "stage", 0, 3, block)(keras.Input((4,)))
    assert made == ["stage_0", "stage_1"]


def test_blocks_of_several_tensors():
    def block(name):
        return lambda pair: [pair[1], keras.layers.Add()(pair)]

    hp = keras_tuner.HyperParameters()
    hp.values["stage"] = 2
    pair = [keras.Input((4,)), keras.Input((4,))]
    outputs = layers.Repeat(hp, "stage", 0, 3, block)(pair)
    assert num_layers(pair, outputs[1]) == 3


@pytest.mark.parametrize("depth", [0, 2])
def test_a_block_that_changes_the_shape(depth):
    hp = keras_tuner.HyperParameters()
    hp.values["stage"] = depth
    repeat = layers.Repeat(hp, "stage", 0, 3, lambda _: keras.layers.Dense(5))
    with pytest.raises(ValueError, match="must keep the shape") as caught:
        repeat(keras.Input((4,)))
    message = str(caught.value)
    assert "Block 'stage_0' of Repeat 'stage'" in message
    assert "inputs: shape=(None, 4), dtype=float32" in message
    assert "outputs: shape=(None, 5), dtype=float32" in message


def test_a_block_that_fails_is_named():
    def block(name):
        if name == "stage_2":
            raise RuntimeError("no such layer")
        return keras.layers.Dense(4)

    hp = keras_tuner.HyperParameters()
    with pytest.raises(RuntimeError) as caught:
        layers.Repeat(hp, "stage", 0, 3, block)(keras.Input((4,)))
    assert caught.value.__notes__ == [
        "Raised by block 'stage_2' of Repeat 'stage'."
    ]
    assert hp.values == {"stage": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 3, dense), "non-negative integer. Received: min_repeats=-1"),
        ((0, 0, dense), "positive integer. Received: max_repeats=0"),
        ((3, 2, dense), "min_repeats=3, max_repeats=2"),
        ((0, 2.5, dense), "argument `max_repeats`"),
        ((0, 2, lambda: None), "one argument, the name of the block"),
        ((0, 2, "dense"), "one argument, the name of the block"),
        ((0, 2, keras.layers.Dense(4)), "Received the layer"),
    ],
)
def test_invalid_arguments(arguments, message):
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match=message):
        layers.Repeat(hp, "stage", *arguments)


def test_a_value_out_of_range():
    hp = keras_tuner.HyperParameters()
    hp.values["stage"] = 4
    with pytest.raises(ValueError, match="the value 4"):
        layers.Repeat(hp, "stage", 0, 3, dense)(keras.Input((4,)))
