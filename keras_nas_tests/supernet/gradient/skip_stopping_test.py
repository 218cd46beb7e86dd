import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.supernet.gradient import GDASSearch, SearchData, SkipStopping
from keras_nas_tests.supernet.gradient.toys import Scale, build


def build_cell(hp):
    inputs = keras.Input((1,))
    operations = {"scale": lambda: Scale(2.0), "skip": nas.blocks.Identity}
    cell = nas.layers.Cell(
        hp, "cell", 2, operations, inputs_per_node=1, output="last"
    )
    x = nas.layers.Repeat(hp, "depth", 0, 1, lambda name: Scale(3.0))(
        cell(inputs)
    )
    x = nas.layers.LayerChoice(hp, "other", operations)(x)
    model = keras.Model(inputs, x)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def make_search(early_stopping):
    return GDASSearch(
        nas.Supernet(build_cell, seed=0),
        epochs=9,
        alpha_optimizer=keras.optimizers.SGD(0.0),
        early_stopping=early_stopping,
    )


def run(search, **choices):
    """Runs an epoch in which the most probable architecture is given."""
    values = {
        "cell_node0_op0": "scale",
        "cell_node1_inputs": "1",
        "cell_node1_op0": "skip",
        "cell_node1_op1": "scale",
        "depth": 0,
        "other": "scale",
        **choices,
    }
    options = search.space.options(values)
    logits = np.concatenate(
        [
            np.eye(len(choices))[options[name]]
            for name, choices in search.space.choices.items()
        ]
    )
    search.parameters.logits.assign(logits)
    x = np.ones((8, 1), "float32")
    return search.run_epoch(SearchData(x, x, batch_size=4))


def test_a_search_stops_when_the_active_skips_are_too_many():
    """Skips of edges that are not there do not count, nor does a depth."""
    search = make_search(SkipStopping(max_skips=2))
    assert run(search)["skips"] == 0
    assert run(search, cell_node1_inputs="0")["skips"] == 1
    assert run(search, other="skip", depth=1)["skips"] == 1
    assert not search.is_finished
    all_skips = {"cell_node0_op0": "skip", "cell_node1_op1": "skip"}
    assert run(search, other="skip", **all_skips)["skips"] == 3
    assert search.is_finished
    found = next(search.architectures())
    assert found["other"] == "skip"
    assert found["cell_node0_op0"] == "scale"


def test_only_the_cell_of_the_prefix_counts():
    search = make_search(SkipStopping(max_skips=1, prefix="cell"))
    assert run(search, other="skip")["skips"] == 0
    assert not search.is_finished
    assert run(search, cell_node0_op0="skip")["skips"] == 1
    assert search.is_finished
    # Exactly as many as are wanted: these are the ones to take.
    assert next(search.architectures())["cell_node0_op0"] == "skip"


def test_without_an_epoch_of_few_it_takes_the_fewest():
    rule = SkipStopping(max_skips=1)
    assert rule.chosen([3]) == 0
    assert rule.chosen([3, 2]) == 1


def test_a_space_without_skips_is_refused():
    with pytest.raises(ValueError, match="'reduction'(.|\n)*'op'"):
        GDASSearch(
            nas.Supernet(build, seed=0),
            1,
            early_stopping=SkipStopping(prefix="reduction"),
        )


@pytest.mark.parametrize("arguments", [{"max_skips": 0}, {"prefix": 3}])
def test_bad_arguments_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        SkipStopping(**arguments)
