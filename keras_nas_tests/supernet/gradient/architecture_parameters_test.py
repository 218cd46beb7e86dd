import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.supernet import SharingError
from keras_nas.supernet.architecture_space import ArchitectureSpace
from keras_nas.supernet.gradient import ArchitectureParameters, DARTSSearch
from keras_nas.supernet.gradient.architecture_parameters import (
    branch_probabilities,
)


def test_a_branch_of_two_hyperparameters_sums_over_their_combinations():
    """As the edge of a cell: an operation, or no connection."""
    space = ArchitectureSpace()
    op, used = space.option("op", ["a", "b"]), space.add("used", [0, 1, 1])
    index = op * used + (1 - used) * 2
    given = {
        "op": tf.constant([0.3, 0.7]),
        "used": tf.constant([0.5, 0.1, 0.4]),
    }
    probabilities = branch_probabilities(index, given, 3).numpy()
    np.testing.assert_allclose(
        probabilities, [0.3 * 0.5, 0.7 * 0.5, 0.5], rtol=1e-6
    )


def test_probabilities_are_a_softmax_for_each_hyperparameter():
    space = ArchitectureSpace()
    space.option("a", [1, 2]).use("operation")
    space.option("b", [1, 2, 3]).use("operation")
    parameters = ArchitectureParameters(space, np.random.default_rng(0))
    assert np.abs(parameters.logits.numpy()).max() < 0.01
    assert len(set(parameters.logits.numpy())) == 5
    parameters.logits.assign([0.0, np.log(3.0), 0.0, 0.0, np.log(2.0)])
    probabilities = parameters.probabilities()
    np.testing.assert_allclose(probabilities["a"], [0.25, 0.75], rtol=1e-6)
    np.testing.assert_allclose(probabilities["b"], [0.25, 0.25, 0.5], rtol=1e-6)


def test_widths_and_kernel_sizes_are_refused_with_a_remedy():
    def build(hp):
        x = inputs = keras.Input((4, 4, 1))
        x = nas.layers.Conv2D(2, hp.Choice("size", [1, 3]), padding="same")(x)
        x = nas.layers.Conv2D(hp.Choice("width", [2, 4]), 1)(x)
        x = nas.layers.LayerChoice(
            hp,
            "op",
            {
                "norm": keras.layers.BatchNormalization,
                "id": nas.blocks.Identity,
            },
        )(x)
        model = keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))
        model.compile("sgd", "mse")
        return model

    with pytest.raises(
        SharingError, match=r"\['size', 'width'\](.|\n)*LayerChoice(.|\n)*fixed"
    ):
        DARTSSearch(nas.Supernet(build, seed=0), epochs=1)
    fixed = nas.Supernet(build, seed=0, fixed={"size": 3, "width": 2})
    search = DARTSSearch(fixed, epochs=1)
    assert search.space.names == ["op"]
