"""What is asked of `compress` is checked before any work."""

import warnings

import keras
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.compression import compress
from keras_nas.compression.stages import make_stages
from keras_nas_tests.compression.small_mlp import X, Y, mlp

MISTAKES = [
    ({"prune": 1.0}, "`prune`.*at least 0 and below 1, .*prune=1.0"),
    ({"prune": -0.5}, "`prune`.*prune=-0.5"),
    ({"prune": 50}, "`prune`.*such as 0.5 for half.*prune=50"),
    ({"prune": True}, "`prune`.*prune=True"),
    ({"prune": {"head": 2}}, r"`prune`.*prune=\{'head': 2\}"),
    ({"prune_channels": 1.0}, "`prune_channels`.*below 1.*prune_channels=1.0"),
    ({"prune_channels": 50}, "`prune_channels`.*prune_channels=50"),
    ({"prune_channels": "half"}, "`prune_channels`.*prune_channels='half'"),
    (
        {"prune_channels": {"hidden": 0.5}},
        r"`prune_channels`.*no choice by layer.*\['hidden'\]",
    ),
    ({"prune_channels": {"fraction": 1}}, "`fraction`.*fraction=1"),
    ({"prune_channels": {"scope": "all"}}, "`scope`.*'all'"),
    ({"quantization_aware": "int8"}, "boolean.*quantization_aware='int8'"),
    ({"quantization_aware": 8}, "boolean.*quantization_aware=8"),
    ({"prune_channels": 0.5, "skip": "head"}, r"`skip` cannot.*\['head'\]"),
    ({"prune_channels": {"fraction": 0, "scope": "all"}}, "`scope`.*'all'"),
    ({"quantization_aware": 0.5}, "boolean.*quantization_aware=0.5"),
    ({"quantization_aware": [True]}, r"boolean.*quantization_aware=\[True\]"),
    ({"cluster": 16.0}, "`cluster`.*cluster=16.0"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_values_that_mean_nothing(arguments, message, monkeypatch):
    monkeypatch.setattr(keras.Model, "fit", None)
    with pytest.raises(ValueError, match=message):
        compress(mlp(), X, Y, **arguments)
    with pytest.raises(ValueError, match=message):
        # Before the data are looked at.
        nas.deploy(mlp(), None, **arguments)
    with pytest.raises(ValueError, match=message):
        nas.evaluators.AfterCompression("int8", **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"prune": 0},
        {"prune": 0.0},
        {"prune": {"head": 0}},
        {"prune": {}},
        {"cluster": {}},
        {"prune_channels": 0},
        {"prune": np.float32(0), "prune_channels": 0.0},
    ],
)
def test_zero_asks_for_nothing(arguments):
    """A loop over shares gets the model as it is, and nothing is trained."""
    model = mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        result = compress(model, X, Y, epochs=3, batch_size=8, **arguments)
    assert result.history == {}
    assert result.report.sparsity == 0
    assert result.report.skipped == {}
    assert str(result).count("unchanged") == 2
    assert result.model is not model
    assert result.model.optimizer is not model.optimizer
    for weight, copy in zip(model.weights, result.model.weights, strict=True):
        np.testing.assert_array_equal(weight, copy)
    result.model.fit(X, Y, verbose=0)


def test_no_answer_is_none():
    with pytest.raises(ValueError, match="Nothing to do.* prune=None"):
        compress(mlp(), X, Y, prune=None, quantization_aware=False, epochs=3)


def test_epochs_of_what_is_set_to_zero_are_ignored():
    epochs = {"prune_channels": 1, "prune": 2, "cluster": 1}
    asked = {"prune_channels": 0, "prune": 0, "cluster": 4}
    result = compress(mlp(), X, Y, epochs=epochs, verbose=0, **asked)
    assert list(result.history) == ["cluster"]
    assert compress(mlp(), X, Y, epochs={"prune": 2}, prune=0).history == {}
    # Those of what is not named at all are for a stage that was forgotten.
    with pytest.raises(ValueError, match="`epochs`.*'cluster'"):
        compress(mlp(), X, Y, epochs=epochs, cluster=4)
    with pytest.raises(ValueError, match="`epochs`.*'cluster'"):
        compress(mlp(), X, Y, epochs={"prune": 2}, prune=0, cluster=4)


def test_zero_beside_something_else():
    """The report and the epochs are those of what is done alone."""
    result = compress(
        mlp(),
        X,
        Y,
        prune={"hidden": np.float32(0.5), "head": 0},
        prune_channels=0,
        epochs={"prune": 1},
        verbose=0,
    )
    assert list(result.history) == ["prune"]
    assert result.report["hidden"].sparsity == 0.5
    assert result.report["head"].sparsity == 0
    assert result.report.skipped == {}
    result = compress(
        mlp(), X, Y, prune=0, cluster=np.int64(4), epochs=1, verbose=0
    )
    assert list(result.history) == ["cluster"]
    # Without zeros to keep, two values may be asked for.
    compress(mlp(), prune=0, cluster=2, epochs=0)
    with pytest.raises(ValueError, match="at least 3"):
        compress(mlp(), prune=0.5, cluster=2)


@pytest.mark.parametrize("channels", [0, 0.0, {"fraction": 0}, None])
def test_channels_that_stay_allow_to_skip(channels):
    arguments = {"prune_channels": channels, "prune": 0.5, "skip": ["head"]}
    result = compress(mlp(), X, Y, epochs=1, verbose=0, **arguments)
    assert list(result.history) == ["prune"]
    assert result.report["head"].sparsity == 0
    assert result.report["hidden"].sparsity == 0.5


@pytest.mark.parametrize("yes", [True, 1, 1.0, np.bool_(True), np.int64(1)])
def test_a_boolean_may_be_a_number(yes):
    assert [s.name for s in make_stages(quantization_aware=yes)] == ["quantize"]
    no = type(yes)(0)
    assert make_stages(quantization_aware=no) == []


def test_a_list_of_shares_may_start_with_zero():
    """`deploy` with and without pruning, by the same arguments."""
    deployed = [
        nas.deploy(
            mlp(),
            X,
            Y,
            validation_data=(X, Y),
            quantize="float32",
            prune=share,
            epochs=1,
            verbose=0,
            num_threads=1,
        )
        for share in (0, 0.5)
    ]
    assert [len(result.baselines) for result in deployed] == [1, 2]
    assert deployed[0].compression is None
    assert deployed[1].compression["hidden"].sparsity == 0.5


def test_training_arguments_without_compression_say_what_is_missing():
    with pytest.raises(
        TypeError, match="received batch_size, epochs, .*one of prune, cluster"
    ):
        nas.deploy(mlp(), X, Y, epochs=3, batch_size=8)
