"""The primitives together, as a user writes and searches them."""

import subprocess
import sys
import textwrap

import keras
import keras_tuner
import numpy as np
import pytest

from keras_nas import blocks, layers


def build_story(hp):
    """The model of the story in the architecture, section 1."""
    x = inputs = keras.Input((28, 28, 1))
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False)(x)
    for stage, filters in enumerate((16, 24, 40)):
        x = blocks.InvertedBottleneck(
            filters, kernel_size=3, expansion=3, strides=1 if stage == 0 else 2
        )(x)
        x = layers.Repeat(
            hp,
            f"stage{stage}",
            min_repeats=0,
            max_repeats=3,
            # Called before the next turn of the loop, so `filters` is right.
            block=lambda name: layers.LayerChoice(
                hp,
                name,
                {
                    "mb3_k3": lambda: blocks.InvertedBottleneck(
                        filters,  # noqa: B023
                        kernel_size=3,
                        expansion=3,
                    ),
                    "mb6_k5": lambda: blocks.InvertedBottleneck(
                        filters,  # noqa: B023
                        kernel_size=5,
                        expansion=6,
                    ),
                    "identity": blocks.Identity,
                },
            ),
        )(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


def build_cells(hp):
    """A small network of searched cells with every kind of decision."""

    operations = {
        "conv": lambda strides=1: blocks.ConvBlock(4, strides=strides),
        "separable": lambda strides=1: blocks.SeparableConvBlock(
            4, strides=strides
        ),
        "max": lambda strides=1: blocks.PoolingBlock(strides=strides),
        "skip": blocks.Identity,
        "zero": blocks.Zero,
    }
    stems = {
        "plain": lambda: blocks.ConvBlock(4, kernel_size=1),
        "free": lambda: blocks.ConvBlock(
            4,
            kernel_size=hp.Choice("stem_kernel", [3, 5]),
            activation=hp.Choice("stem_activation", ["relu", "hard_swish"]),
        ),
    }

    inputs = keras.Input((8, 8, 3))
    x = layers.LayerChoice(hp, "stem", stems)(inputs)
    y = layers.Cell(hp, "reduce", 2, operations, strides=2)([x, x])
    y = blocks.ConvBlock(4, kernel_size=1)(y)
    z = layers.Repeat(
        hp,
        "cells",
        0,
        2,
        # All of one name: the cells share their architecture.
        lambda _: layers.Cell(hp, "normal", 2, operations, 1, output="mean"),
    )(y)
    z = layers.InputChoice(hp, "skip", num_chosen=None)([y, z])
    z = keras.layers.GlobalAveragePooling2D()(z)
    model = keras.Model(inputs, keras.layers.Dense(2)(z))
    model.compile("adam", "mse")
    return model


def test_one_build_discovers_the_story():
    hp = keras_tuner.HyperParameters()
    model = build_story(hp)
    assert [p.name for p in hp.space] == [
        f"stage{stage}{block}"
        for stage in range(3)
        for block in ("", "_0", "_1", "_2")
    ]
    assert hp.values == {"stage0": 0, "stage1": 0, "stage2": 0}
    # Stem 3*3*1*16. Block expanding `c` channels to `e` for `f` filters with
    # BatchNormalization: c*e + 4*e + 9*e + 4*e + e*f + 4*f. Head 40*10 + 10.
    bottlenecks = [(16, 48, 16), (16, 48, 24), (24, 72, 40)]
    assert model.count_params() == 144 + 410 + sum(
        c * e + 17 * e + e * f + 4 * f for c, e, f in bottlenecks
    )


@pytest.mark.parametrize(
    "values",
    [
        {"stage0": 3, "stage0_0": "mb3_k3", "stage0_1": "mb6_k5"},
        {"stage1": 2, "stage2": 1, "stage1_1": "identity"},
    ],
)
def test_the_story_builds_what_the_values_say(values):
    hp = keras_tuner.HyperParameters()
    build_story(hp)
    smallest = build_story(hp.copy()).count_params()
    trial = hp.copy()
    trial.values |= values
    added = 0
    for stage, filters in enumerate((16, 24, 40)):
        for index in range(trial.values[f"stage{stage}"]):
            name = f"stage{stage}_{index}"
            kind = trial.values.setdefault(name, "mb3_k3")
            if kind == "identity":
                continue
            expansion, window = (3, 9) if kind == "mb3_k3" else (6, 25)
            e = expansion * filters
            added += 2 * filters * e + 8 * e + window * e + 4 * filters
    model = build_story(trial)
    assert model.count_params() == smallest + added
    assert len(trial.space) == len(hp.space)


def test_keras_tuner_needs_one_build_and_runs_a_trial(tmp_path):
    builds = []

    def build(hp):
        builds.append(hp)
        return build_cells(hp)

    tuner = keras_tuner.RandomSearch(
        build,
        objective="val_loss",
        max_trials=1,
        seed=1,
        directory=tmp_path,
    )
    assert len(builds) == 1
    known = len(tuner.oracle.get_space().space)
    x, y = np.zeros((4, 8, 8, 3)), np.zeros((4, 2))
    tuner.search(x, y, validation_data=(x, y), epochs=1, verbose=0)
    assert len(tuner.oracle.get_space().space) == known
    (trial,) = tuner.oracle.get_best_trials()
    assert np.isfinite(trial.score)
    assert isinstance(tuner.get_best_models()[0], keras.Model)


def test_repeated_cells_of_one_name_are_registered_once():
    hp = keras_tuner.HyperParameters()
    build_cells(hp)
    names = [p.name for p in hp.space]
    assert len(names) == len(set(names))
    (shared,) = (p for p in hp.space if p.name == "normal_node0_op0")
    assert [(c.name, c.values) for c in shared.conditions] == [
        ("cells", [1, 2])
    ]


def test_random_architectures_build_and_discover_nothing():
    space = keras_tuner.HyperParameters()
    build_cells(space)
    known = len(space.space)
    for _ in range(10):
        hp = space.copy()
        hp.values = {}
        hp.ensure_active_values()
        build_cells(hp)
        assert len(hp.space) == known


def test_a_space_survives_a_round_trip_through_its_config():
    space = keras_tuner.HyperParameters()
    build_cells(space)
    hp = keras_tuner.HyperParameters.from_config(space.get_config())
    build_cells(hp)
    assert hp.get_config() == space.get_config()


def test_a_saved_model_loads_without_keras_nas(tmp_path):
    hp = keras_tuner.HyperParameters()
    build_cells(hp)
    hp.values |= {
        "reduce_node0_op0": "zero",
        "reduce_node0_op1": "skip",
        "reduce_node1_inputs": "0+2",
        "reduce_node1_op0": "separable",
        "reduce_node1_op2": "max",
        "cells": 2,
        "normal_node0_op0": "zero",
        "normal_node1_inputs": "1",
        "normal_node1_op1": "skip",
        "skip": "0+1",
    }
    hp = hp.copy()
    hp.ensure_active_values()
    model = build_cells(hp)
    data = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "data.npy", data)
    np.save(tmp_path / "expected.npy", model.predict(data, verbose=0))
    script = """
        import os, sys
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        sys.modules["keras_nas"] = None  # Importing it raises.
        sys.modules["keras_tuner"] = None
        import keras, numpy as np
        model = keras.models.load_model("model.keras")
        np.testing.assert_allclose(
            model.predict(np.load("data.npy"), verbose=0),
            np.load("expected.npy"), rtol=1e-5, atol=1e-6)
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        check=True,
    )


def test_representations():
    hp = keras_tuner.HyperParameters()
    assert repr(layers.InputChoice(hp, "skip")) == "InputChoice 'skip'"
