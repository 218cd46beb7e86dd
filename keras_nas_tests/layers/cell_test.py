import itertools

import keras
import keras_tuner
import numpy as np
import pytest

from keras_nas import blocks, layers


def two_operations():
    return {
        "conv": lambda: blocks.ConvBlock(4, kernel_size=1),
        "identity": blocks.Identity,
    }


def strided_operations():
    return {
        "conv": lambda strides: blocks.ConvBlock(4, strides=strides),
        "pool": lambda strides: blocks.PoolingBlock("max", 3, strides),
        "zero": blocks.Zero,
        "skip": blocks.Identity,
    }


def image(size=8, channels=4):
    return keras.Input((size, size, channels))


def conditions(parameter):
    return [(c.name, c.values) for c in parameter.conditions]


def architectures(space):
    """Lists the distinct assignments of the active hyperparameters."""
    found = {}
    names = [p.name for p in space.space]
    for values in itertools.product(*(p.values for p in space.space)):
        hp = space.copy()
        hp.values = dict(zip(names, values, strict=True))
        hp.values = {
            name: value
            for name, value in hp.values.items()
            if hp.is_active(name)
        }
        found[tuple(hp.values.items())] = hp
    return list(found.values())


def test_registers_connections_and_operations():
    hp = keras_tuner.HyperParameters()
    cell = layers.Cell(hp, "cell", 2, two_operations())
    cell([image(), image()])
    inputs = "cell_node1_inputs"
    assert {p.name: (p.values, conditions(p)) for p in hp.space} == {
        "cell_node0_op0": (["conv", "identity"], []),
        "cell_node0_op1": (["conv", "identity"], []),
        inputs: (["0+1", "0+2", "1+2"], []),
        "cell_node1_op0": (["conv", "identity"], [(inputs, ["0+1", "0+2"])]),
        "cell_node1_op1": (["conv", "identity"], [(inputs, ["0+1", "1+2"])]),
        "cell_node1_op2": (["conv", "identity"], [(inputs, ["0+2", "1+2"])]),
    }
    assert hp.values == {
        "cell_node0_op0": "conv",
        "cell_node0_op1": "conv",
        "cell_node1_inputs": "0+1",
        "cell_node1_op0": "conv",
        "cell_node1_op1": "conv",
    }
    assert not hp.inactive_scopes


def test_every_architecture_builds_with_one_output_shape():
    def build(hp):
        inputs = [image(), image()]
        cell = layers.Cell(
            hp, "cell", 2, strided_operations(), inputs_per_node=1, strides=2
        )
        return keras.Model(inputs, cell(inputs))

    space = keras_tuner.HyperParameters()
    build(space)
    every = architectures(space)
    # Node 0: 2 sources x 4 operations; node 1: 3 sources x 4 operations.
    assert len(every) == 8 * 12
    known = len(space.space)
    for hp in every:
        assert build(hp).output_shape == (None, 4, 4, 8)
        assert len(hp.space) == known


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("concat", [[3.0, 4.0]]),
        ("sum", [[7.0]]),
        ("mean", [[3.5]]),
        ("last", [[4.0]]),
    ],
)
def test_computes_the_graph_that_the_values_say(output, expected):
    hp = keras_tuner.HyperParameters()
    hp.values = {
        "cell_node0_op0": "identity",
        "cell_node0_op1": "identity",
        "cell_node1_inputs": "0+2",
        "cell_node1_op0": "identity",
        "cell_node1_op2": "identity",
    }
    inputs = [keras.Input((1,)), keras.Input((1,))]
    operations = {"identity": blocks.Identity, "zero": blocks.Zero}
    cell = layers.Cell(hp, "cell", 2, operations, output=output)
    model = keras.Model(inputs, cell(inputs))
    data = [np.full((1, 1), value) for value in (1.0, 2.0)]
    # Node 0 is 1 + 2, node 1 is 1 + 3.
    np.testing.assert_allclose(model(data), expected)

    hp.values["cell_node1_op2"] = "zero"
    cell = layers.Cell(hp, "cell", 2, operations, output="last")
    np.testing.assert_allclose(keras.Model(inputs, cell(inputs))(data), [[1.0]])


def test_nodes_that_read_every_source():
    hp = keras_tuner.HyperParameters()
    cell = layers.Cell(
        hp,
        "cell",
        3,
        two_operations(),
        inputs_per_node=None,
        output="last",
    )
    assert cell(image()).shape == (None, 8, 8, 4)
    # The 6 edges of the NAS-Bench-201 cell, and nothing else.
    assert [p.name for p in hp.space] == [
        "cell_node0_op0",
        "cell_node1_op0",
        "cell_node1_op1",
        "cell_node2_op0",
        "cell_node2_op1",
        "cell_node2_op2",
    ]


def test_stacked_cells_share_an_architecture():
    hp = keras_tuner.HyperParameters()
    for _ in range(2):
        inputs = [image(), image()]
        layers.Cell(hp, "normal", 2, two_operations())(inputs)
        layers.Cell(hp, "reduce", 2, strided_operations(), strides=2)(inputs)
    names = [p.name for p in hp.space]
    assert len(names) == len(set(names)) == 2 * 6


def test_hyperparameters_of_operations_are_discovered_in_one_build():
    hp = keras_tuner.HyperParameters()
    x = keras.Input((4,))

    def cell_of(hp):
        operations = {
            "identity": blocks.Identity,
            "dense": lambda: keras.layers.Dense(
                4, activation=hp.Choice("activation", ["relu", "tanh"])
            ),
        }
        return layers.Cell(hp, "cell", 2, operations, inputs_per_node=1)

    cell_of(hp)([x, x])
    edges = [p.name for p in hp.space if p.name.endswith(tuple("012"))]
    activations = [p for p in hp.space if p.name == "activation"]
    assert len(activations) == len(edges) == 5
    assert not hp.inactive_scopes

    # Edges with the operation share what it registers.
    trial = hp.copy()
    trial.values |= {
        "cell_node0_op0": "dense",
        "cell_node1_op0": "dense",
        "activation": "tanh",
    }
    model = keras.Model(x, cell_of(trial)([x, x]))
    dense = [layer for layer in model.layers if hasattr(layer, "activation")]
    assert [layer.activation.__name__ for layer in dense] == ["tanh"] * 2


def test_strides_reach_edges_from_cell_inputs_only():
    calls = []

    def pool(strides):
        calls.append(strides)
        return blocks.PoolingBlock(strides=strides)

    hp = keras_tuner.HyperParameters()
    cell = layers.Cell(hp, "cell", 2, {"pool": pool}, strides=2)
    assert cell([image(), image()]).shape == (None, 4, 4, 8)
    # Node 0 reads inputs 0 and 1; node 1 reads both, then looks at node 0.
    assert calls == [2, 2, 2, 2, 1]


def test_inputs_that_disagree():
    hp = keras_tuner.HyperParameters()
    cell = layers.Cell(hp, "cell", 1, two_operations())
    with pytest.raises(ValueError, match="Cell 'cell' must agree") as caught:
        cell([image(), image(4, 8)])
    message = str(caught.value)
    assert "ConvBlock(filters, kernel_size=1)" in message
    assert "1: shape=(None, 4, 4, 8), dtype=float32" in message


def test_operations_that_disagree_on_an_edge():
    hp = keras_tuner.HyperParameters()
    operations = {
        "conv": lambda: blocks.ConvBlock(5),
        "identity": blocks.Identity,
    }
    with pytest.raises(ValueError, match="LayerChoice 'cell_node0_op0'"):
        layers.Cell(hp, "cell", 1, operations)(image())


def test_edges_that_disagree():
    hp = keras_tuner.HyperParameters()
    operations = {"pool": lambda: blocks.PoolingBlock(strides=2)}
    cell = layers.Cell(hp, "cell", 2, operations, inputs_per_node=1)
    with pytest.raises(ValueError, match="edges into node 1") as caught:
        cell(image())
    assert "cell_node1_op0: shape=(None, 4, 4, 4)" in str(caught.value)
    assert "cell_node1_op1: shape=(None, 2, 2, 4)" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_nodes": 0}, "positive integer. Received: num_nodes=0"),
        ({"operations": {}}, "argument `operations`"),
        ({"inputs_per_node": 0}, "argument `inputs_per_node`"),
        ({"output": "first"}, "argument `output`"),
        ({"strides": 0}, "argument `strides`"),
        ({"strides": 2}, "the argument `strides`"),
    ],
)
def test_invalid_arguments(arguments, message):
    hp = keras_tuner.HyperParameters()
    arguments = {
        "num_nodes": 2,
        "operations": {"a": lambda: blocks.Identity()},
    } | arguments
    with pytest.raises(ValueError, match=message):
        layers.Cell(hp, "cell", **arguments)


def test_invalid_inputs():
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match="non-empty list"):
        layers.Cell(hp, "cell", 1, two_operations())([])


def test_cells_of_one_name_and_different_inputs():
    hp = keras_tuner.HyperParameters()
    layers.Cell(hp, "cell", 1, two_operations())([image()] * 3)
    hp.values["cell_node0_inputs"] = "1+3"
    with pytest.raises(ValueError, match="same nodes and the same number"):
        layers.Cell(hp, "cell", 1, two_operations())([image()] * 3)
