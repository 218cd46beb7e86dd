import random

import keras
import keras_tuner
import pytest

from keras_nas import blocks, layers


def conv(kernel_size=3, filters=4):
    return keras.layers.Conv2D(filters, kernel_size, padding="same")


def two_candidates():
    return {"conv": conv, "identity": blocks.Identity}


def image():
    return keras.Input((8, 8, 4))


def conditions(parameter):
    return [(c.name, c.values) for c in parameter.conditions]


def test_builds_the_selected_candidate():
    hp = keras_tuner.HyperParameters()
    x = image()
    assert layers.LayerChoice(hp, "op", two_candidates())(x) is not x
    hp.values["op"] = "identity"
    assert layers.LayerChoice(hp, "op", two_candidates())(x) is x
    assert [(p.name, p.values) for p in hp.space] == [
        ("op", ["conv", "identity"])
    ]


def test_a_candidate_s_hyperparameters_are_conditional_on_it():
    def build(hp):
        return layers.LayerChoice(
            hp,
            "op",
            {
                "identity": blocks.Identity,
                "conv": lambda: conv(hp.Choice("kernel", [3, 5])),
                "dropout": lambda: keras.layers.Dropout(
                    hp.Float("rate", 0.1, 0.5)
                ),
            },
        )(image())

    hp = keras_tuner.HyperParameters()
    build(hp)
    # All are known after one build; the values are those of this build.
    assert {p.name: conditions(p) for p in hp.space} == {
        "op": [],
        "kernel": [("op", ["conv"])],
        "rate": [("op", ["dropout"])],
    }
    assert hp.values == {"op": "identity"}
    assert not hp.inactive_scopes

    trial = hp.copy()
    trial.values = {"op": "conv", "kernel": 5}
    output = build(trial)
    assert output._keras_history.operation.kernel_size == (5, 5)
    assert len(trial.space) == 3


def test_nested_choices_are_discovered_in_one_build():
    def inner(hp, name):
        return layers.LayerChoice(
            hp,
            name,
            {
                "fixed": conv,
                "free": lambda: conv(hp.Choice(f"{name}_kernel", [3, 5])),
            },
        )

    def build(hp):
        candidates = {
            "none": blocks.Identity,
            "one": lambda: inner(hp, "one"),
            "two": lambda: inner(hp, "two"),
        }
        return layers.LayerChoice(hp, "op", candidates)(image())

    hp = keras_tuner.HyperParameters()
    build(hp)
    assert {p.name: conditions(p) for p in hp.space} == {
        "op": [],
        "one": [("op", ["one"])],
        "one_kernel": [("op", ["one"]), ("one", ["free"])],
        "two": [("op", ["two"])],
        "two_kernel": [("op", ["two"]), ("two", ["free"])],
    }
    assert hp.values == {"op": "none"}
    # Parents come first, as KerasTuner requires.
    assert [p.name for p in hp.space][:2] == ["op", "one"]


def test_only_the_discovering_build_makes_every_candidate():
    made = []

    def factory(key):
        def make():
            made.append(key)
            return conv()

        return make

    candidates = {key: factory(key) for key in "abc"}
    hp = keras_tuner.HyperParameters()
    layers.LayerChoice(hp, "op", candidates)(image())
    assert made == ["a", "b", "c"]
    made.clear()
    trial = hp.copy()
    trial.values["op"] = "b"
    layers.LayerChoice(trial, "op", candidates)(image())
    assert made == ["b"]


def test_the_check_leaves_model_values_and_random_state_alone():
    keras.utils.set_random_seed(1)
    hp = keras_tuner.HyperParameters()
    x = image()
    output = layers.LayerChoice(hp, "op", two_candidates())(x)
    after_discovery = random.random()

    keras.utils.set_random_seed(1)
    trial = hp.copy()
    layers.LayerChoice(trial, "op", two_candidates())(x)
    assert random.random() == after_discovery
    assert hp.values == {"op": "conv"}
    assert len(keras.Model(x, output).layers) == 2


def test_the_layers_made_for_the_check_do_not_hang_on_the_graph():
    first = keras.layers.Dense(4)
    x = first(keras.Input((4,)))
    hp = keras_tuner.HyperParameters()
    candidates = {key: lambda: keras.layers.Dense(4) for key in "abc"}
    layers.LayerChoice(hp, "op", candidates)(x)
    assert len(first._outbound_nodes) == 1


def test_same_name_shares_the_decision_and_not_the_weights():
    hp = keras_tuner.HyperParameters()
    candidates = {
        "narrow": lambda: conv(3),
        "wide": lambda: conv(hp.Choice("kernel", [5, 7])),
    }
    hp.values = {"op": "wide", "kernel": 7}
    x = inputs = image()
    for _ in range(2):
        x = layers.LayerChoice(hp, "op", candidates)(x)
    model = keras.Model(inputs, x)
    assert [layer.kernel_size for layer in model.layers[1:]] == [(7, 7)] * 2
    assert model.count_params() == 2 * (7 * 7 * 4 * 4 + 4)
    assert [p.name for p in hp.space] == ["op", "kernel"]


def test_same_name_is_checked_and_discovered_at_every_place():
    hp = keras_tuner.HyperParameters()
    x = layers.LayerChoice(hp, "op", two_candidates())(image())
    with pytest.raises(ValueError, match="must agree"):
        layers.LayerChoice(
            hp,
            "op",
            {"conv": lambda: conv(filters=8), "identity": blocks.Identity},
        )(x)
    layers.LayerChoice(
        hp,
        "op",
        {"conv": conv, "identity": lambda: conv(hp.Choice("late", [1, 3]))},
    )(x)
    assert [p.name for p in hp.space] == ["op", "late"]


def test_a_namesake_of_another_type_gets_its_own_default():
    seen = []

    def build(hp):
        def make(values):
            value = hp.Choice("setting", values)
            seen.append(value)
            return blocks.Identity()

        candidates = {
            "numbers": lambda: make([1, 2]),
            "words": lambda: make(["x", "y"]),
        }
        for _ in range(2):
            layers.LayerChoice(hp, "op", candidates)(image())

    build(keras_tuner.HyperParameters())
    assert seen == [1, "x", 1, "x"]


def test_name_scopes():
    hp = keras_tuner.HyperParameters()

    def build(hp):
        with hp.name_scope("stem"):
            candidates = {
                "identity": blocks.Identity,
                "conv": lambda: conv(hp.Choice("kernel", [3, 5])),
            }
            return layers.LayerChoice(hp, "op", candidates)(image())

    build(hp)
    assert [p.name for p in hp.space] == ["stem/op", "stem/kernel"]
    assert hp.values == {"stem/op": "identity"}


def test_a_candidate_s_own_conditional_scopes_are_left_to_keras_tuner():
    hp = keras_tuner.HyperParameters()

    def make():
        kind = hp.Choice("kind", ["plain", "regularized"])
        with hp.conditional_scope("kind", ["regularized"]):
            if kind == "regularized":
                hp.Float("decay", 0.1, 0.5)
        return conv()

    layers.LayerChoice(hp, "op", {"id": blocks.Identity, "conv": make})(image())
    # KerasTuner learns of the scope that no build has been in.
    assert [[c.name for c in scope] for scope in hp.inactive_scopes] == [
        ["op", "kind"]
    ]


def test_candidates_that_take_several_inputs():
    hp = keras_tuner.HyperParameters()
    inputs = [keras.Input((4,)), keras.Input((4,))]
    candidates = {
        "sum": keras.layers.Add,
        "product": keras.layers.Multiply,
        "first": lambda: lambda tensors: tensors[0],
    }
    output = layers.LayerChoice(hp, "merge", candidates)(inputs)
    assert output.shape == (None, 4)


def test_disagreeing_shapes():
    hp = keras_tuner.HyperParameters()
    candidates = {"conv": lambda: conv(filters=5), "skip": blocks.Identity}
    with pytest.raises(ValueError) as caught:
        layers.LayerChoice(hp, "op", candidates)(image())
    message = str(caught.value)
    assert "LayerChoice 'op'" in message
    assert "'conv': shape=(None, 8, 8, 5), dtype=float32" in message
    assert "'skip': shape=(None, 8, 8, 4), dtype=float32" in message


def test_disagreeing_dtypes():
    hp = keras_tuner.HyperParameters()
    candidates = {
        "single": conv,
        "half": lambda: keras.layers.Conv2D(
            4, 3, padding="same", dtype="float16"
        ),
    }
    with pytest.raises(ValueError, match="dtype=float16"):
        layers.LayerChoice(hp, "op", candidates)(image())


def test_a_candidate_that_fails_in_the_check_is_named():
    hp = keras_tuner.HyperParameters()

    def broken():
        raise RuntimeError("no such layer")

    with pytest.raises(ValueError, match="no such layer") as caught:
        layers.LayerChoice(hp, "op", {"good": conv, "bad": broken})(image())
    assert "Candidate 'bad' of LayerChoice 'op'" in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert hp.values == {"op": "good"}


def test_a_selected_candidate_that_fails_keeps_its_exception():
    # KerasTuner tells exceptions apart by type.
    def broken():
        raise keras_tuner.errors.FailedTrialError("too large")

    hp = keras_tuner.HyperParameters()
    with pytest.raises(keras_tuner.errors.FailedTrialError) as caught:
        layers.LayerChoice(hp, "op", {"bad": broken, "good": conv})(image())
    assert "candidate 'bad' of LayerChoice 'op'" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({}, "non-empty dict"),
        ([conv], "non-empty dict"),
        ({3: conv}, "non-empty strings"),
        ({"": conv}, "non-empty strings"),
        ({"a": "conv"}, "called with no arguments"),
        ({"a": lambda filters: conv()}, "called with no arguments"),
        ({"a": keras.layers.Dense}, "called with no arguments"),
        ({"a": blocks.Identity()}, "called with no arguments"),
    ],
)
def test_invalid_candidates(candidates, message):
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match=message) as caught:
        layers.LayerChoice(hp, "op", candidates)
    assert "candidates" in str(caught.value)


def test_a_layer_instead_of_a_factory():
    hp = keras_tuner.HyperParameters()
    with pytest.raises(ValueError, match=r"`lambda: keras.layers.Dense\(...\)"):
        layers.LayerChoice(hp, "op", {"a": keras.layers.Dense(3)})


@pytest.mark.parametrize("made", [None, blocks.Identity])
def test_a_factory_that_makes_no_layer(made):
    hp = keras_tuner.HyperParameters()
    choice = layers.LayerChoice(hp, "op", {"a": lambda: made})
    with pytest.raises(ValueError, match="not a layer"):
        choice(image())


def test_invalid_hp_and_name():
    with pytest.raises(ValueError, match="argument `hp`"):
        layers.LayerChoice({}, "op", two_candidates())
    for name in ("", None, 3):
        with pytest.raises(ValueError, match="argument `name`"):
            layers.LayerChoice(
                keras_tuner.HyperParameters(), name, two_candidates()
            )


def test_a_value_that_is_no_candidate():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("op", "other")
    with pytest.raises(ValueError, match="'other'.*not one of its candidates"):
        layers.LayerChoice(hp, "op", two_candidates())(image())


def test_an_active_choice_without_a_value():
    hp = keras_tuner.HyperParameters()
    layers.LayerChoice(hp, "op", two_candidates())(image())
    del hp.values["op"]
    with pytest.raises(ValueError, match="ensure_active_values"):
        layers.LayerChoice(hp, "op", two_candidates())(image())


def test_called_in_an_inactive_scope():
    hp = keras_tuner.HyperParameters()
    hp.Choice("kind", ["a", "b"])
    with (
        hp.conditional_scope("kind", ["b"]),
        pytest.raises(ValueError, match="LayerChoice 'op' is inactive"),
    ):
        layers.LayerChoice(hp, "op", two_candidates())(image())
