import json

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas.tuners.fingerprint import (
    check_fingerprint,
    describe_objective,
    fingerprint,
    write_fingerprint,
)


def space(maximum=8):
    hp = keras_tuner.HyperParameters()
    hp.Boolean("deep")
    with hp.conditional_scope("deep", [True]):
        hp.Int("layers", 2, maximum)
    return hp


def oracle(seed=3):
    return nas.oracles.RandomOracle("val_loss", seed=seed)


def test_a_fingerprint_says_what_makes_a_search():
    assert fingerprint(oracle(), space()) == {
        "format_version": 1,
        "keras_nas_version": nas.__version__,
        "oracle": "RandomOracle",
        "objective": "val_loss (min)",
        "objectives": [["val_loss", "min"]],
        "score_direction": None,
        "seed": 3,
        "constraints": {},
        "space": [
            {"class_name": type(hp).__name__, "config": hp.get_config()}
            for hp in space().space
        ],
    }


def test_the_same_search_passes(tmp_path):
    write_fingerprint(str(tmp_path), oracle(), space())
    check_fingerprint(str(tmp_path), oracle(), space())


def test_an_existing_fingerprint_is_not_replaced(tmp_path):
    write_fingerprint(str(tmp_path), oracle(), space())
    (tmp_path / "oracle.json").write_text("{}")
    write_fingerprint(str(tmp_path), oracle(seed=4), space())
    stored = json.loads((tmp_path / "keras_nas.json").read_text())
    assert stored["seed"] == 3


def test_the_fingerprint_of_a_search_that_never_began_is_replaced(tmp_path):
    write_fingerprint(str(tmp_path), oracle(), space())
    write_fingerprint(str(tmp_path), oracle(seed=4), space())
    stored = json.loads((tmp_path / "keras_nas.json").read_text())
    assert stored["seed"] == 4


def test_a_changed_range_is_shown_with_its_condition(tmp_path):
    write_fingerprint(str(tmp_path), oracle(), space())
    with pytest.raises(ValueError) as error:
        check_fingerprint(str(tmp_path), oracle(), space(maximum=9))
    assert (
        "\n  - was Int('layers', min_value=2, max_value=8, step=1, "
        "sampling='linear') when deep in [True], is Int('layers', "
        "min_value=2, max_value=9, step=1, sampling='linear') when "
    ) in str(error.value)


def test_a_newer_format_is_left_to_a_newer_version(tmp_path):
    newer = {"format_version": 2, "keras_nas_version": "9.1"}
    (tmp_path / "keras_nas.json").write_text(json.dumps(newer))
    with pytest.raises(ValueError, match=r"keras_nas 9\.1.*Upgrade"):
        check_fingerprint(str(tmp_path), oracle(), space())


def test_several_objectives_are_described_as_a_sum():
    several = nas.oracles.RandomOracle(
        ["val_loss", keras_tuner.Objective("size", "min")]
    )
    assert describe_objective(several.objective) == (
        "val_loss (min) + size (min)"
    )
