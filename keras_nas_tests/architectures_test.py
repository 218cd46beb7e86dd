import itertools
import json
import math
import time
from collections import Counter

import keras_tuner
import numpy as np
import pytest

from keras_nas import architectures

# Seeds of random spaces with 16 to 729 architectures.
RANDOM_SPACES = (0, 1, 2, 4, 6, 8, 10, 11, 13, 14, 19, 20)


def rng_of(seed):
    return np.random.default_rng(seed)


def space_of(*names_and_values):
    """A flat space of unordered choices."""
    space = keras_tuner.HyperParameters()
    for name, values in names_and_values:
        space.Choice(name, values, ordered=False)
    return space


def nested_space():
    """Conditional scopes two deep, with Int, Boolean and Choice parents.

    12 architectures: with op=pool there is only `stride`, 2; with op=conv
    there are 1 (bn=False) + 2 (bn=True, momentum) ways, times 1 (depth=1) +
    2 (depth=2, width) ways, so 9; op=skip has none, 1.
    """
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool", "skip"])
    with space.conditional_scope("op", ["conv"]):
        space.Boolean("bn")
        with space.conditional_scope("bn", [True]):
            space.Choice("momentum", [0.9, 0.99])
        space.Int("depth", 1, 2)
        with space.conditional_scope("depth", [2]):
            space.Choice("width", [8, 16])
    space.Int("stride", 1, 2, parent_name="op", parent_values=["pool"])
    return space


def same_name_space():
    """`units` means another thing under each `op`."""
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["dense", "conv"])
    with space.conditional_scope("op", ["dense"]):
        space.Int("units", 100, 102)
    with space.conditional_scope("op", ["conv"]):
        space.Choice("units", [8, 16])
    return space


def random_space(seed):
    """A small random space: all types, scopes up to three deep."""
    rng = rng_of([seed, 1])
    space = keras_tuner.HyperParameters()
    names = (f"h{number}" for number in itertools.count())

    def register(name, kind):
        if kind == "choice":
            space.Choice(name, ["a", "b", "c"])
        elif kind == "ordered":
            space.Choice(name, [1, 2, 8])
        elif kind == "boolean":
            space.Boolean(name)
        elif kind == "int":
            space.Int(name, 1, 3)
        elif kind == "log int":
            space.Int(name, 2, 8, step=2, sampling="log")
        elif kind == "float":
            space.Float(name, 0.5, 1.0, step=0.25)
        else:
            space.Fixed(name, 7)

    kinds = {
        "choice": ["a", "b", "c"],
        "ordered": [1, 2, 8],
        "boolean": [True, False],
        "int": [1, 2, 3],
        "log int": [2, 4, 8],
        "float": None,
        "fixed": [7],
    }

    def add(depth):
        name, kind = next(names), rng.choice(list(kinds))
        register(name, kind)
        values = kinds[kind]
        if depth == 3 or values is None or rng.random() < 0.4:
            return
        split = rng.integers(1, len(values) + 1)
        with space.conditional_scope(name, values[:split]):
            add(depth + 1)
            if rng.random() < 0.5:
                register(f"{name}_shared", "int")
        if split < len(values):
            with space.conditional_scope(name, values[split:]):
                register(f"{name}_shared", "choice")

    for _ in range(2):
        add(1)
    return space


def grid(hp):
    """The values of a hyperparameter, from KerasTuner's own list."""
    is_int = type(hp).__name__ == "Int"  # Its powers come as floats.
    return [int(value) if is_int else value for value in hp.values]


def owners(values, space):
    """The registered hyperparameters that KerasTuner calls active."""
    return [
        hp
        for hp in space.space
        if all(condition.is_active(values) for condition in hp.conditions)
    ]


def is_complete(values, space):
    """Whether just the active hyperparameters have a value, an allowed one."""
    active = owners(values, space)
    return {hp.name for hp in active} == set(values) and all(
        values[hp.name] in grid(hp) for hp in active
    )


def brute_force(space):
    """All architectures: every assignment that KerasTuner calls complete."""
    values_of = {}
    for hp in space.space:
        values_of.setdefault(hp.name, []).extend(grid(hp))
    absent = object()
    found = set()
    for combination in itertools.product(
        *([absent, *dict.fromkeys(values)] for values in values_of.values())
    ):
        values = {
            name: value
            for name, value in zip(values_of, combination, strict=True)
            if value is not absent
        }
        if is_complete(values, space):
            found.add(json.dumps(values, sort_keys=True))
    return found


def keys_of(architectures_of_space, space):
    return [
        architectures.canonical_key(values, space)
        for values in architectures_of_space
    ]


# active_values


def test_values_under_an_inactive_scope_are_dropped():
    values = {
        "stride": 2,
        "width": 16,
        "depth": 1,
        "momentum": 0.9,
        "bn": True,
        "op": "conv",
    }
    assert architectures.active_values(values, nested_space()) == {
        "op": "conv",
        "bn": True,
        "momentum": 0.9,
        "depth": 1,
    }


def test_a_grandchild_of_an_inactive_parent_is_inactive_too():
    values = {"op": "skip", "bn": True, "momentum": 0.9}
    active = architectures.active_values(values, nested_space())
    assert active == {"op": "skip"}


def test_a_child_without_its_parents_value_is_dropped():
    active = architectures.active_values({"stride": 2}, nested_space())
    assert active == {}


def test_the_parent_name_argument_makes_a_child():
    space = nested_space()
    for op, expected in (("pool", {"op": "pool", "stride": 2}), ("skip", None)):
        values = {"op": op, "stride": 2}
        assert architectures.active_values(values, space) == (
            expected or {"op": op}
        )


def test_active_values_come_with_parents_first():
    values = {"momentum": 0.9, "bn": True, "op": "conv", "depth": 1}
    active = architectures.active_values(values, nested_space())
    assert list(active) == ["op", "bn", "momentum", "depth"]


def test_unknown_names_are_dropped_and_missing_ones_stay_missing():
    active = architectures.active_values(
        {"gone": 1, "op": "conv", "bn": False}, nested_space()
    )
    assert active == {"op": "conv", "bn": False}


def test_one_name_takes_the_meaning_of_the_active_scope():
    space = same_name_space()
    dense = architectures.active_values({"op": "dense", "units": 101.0}, space)
    conv = architectures.active_values({"op": "conv", "units": 16.0}, space)
    assert dense == {"op": "dense", "units": 101}
    assert conv == {"op": "conv", "units": 16}


def test_values_get_the_python_type_of_their_hyperparameter():
    space = keras_tuner.HyperParameters()
    space.Int("int", 1, 9)
    space.Float("float", 0, 9)
    space.Boolean("boolean")
    space.Choice("choice", [1, 2])
    space.Choice("text", ["a", "b"])
    space.Fixed("fixed", 3)
    active = architectures.active_values(
        {
            "int": np.float32(4.0),
            "float": np.int64(2),
            "boolean": np.bool_(True),
            "choice": np.int32(2),
            "text": np.str_("b"),
            "fixed": np.int64(3),
        },
        space,
    )
    assert [(value, type(value)) for value in active.values()] == [
        (4, int),
        (2.0, float),
        (True, bool),
        (2, int),
        ("b", str),
        (3, int),
    ]


def test_the_arguments_are_not_changed():
    space = nested_space()
    space_before = json.dumps(space.get_config())
    values = {"op": "conv", "bn": True, "depth": 2, "gone": 1}
    before = dict(values)
    full = {"op": "conv", "bn": False, "depth": 1}
    rng = rng_of(0)
    architectures.active_values(values, space)
    architectures.canonical_key(values, space)
    architectures.mutate(values, space, rng)
    architectures.crossover(values, full, space, rng)
    architectures.encode(values | {"momentum": 0.9, "width": 8}, space)
    list(architectures.enumerate_architectures(space, rng))
    architectures.sample(space, rng)
    architectures.size(space)
    assert values == before
    assert full == {"op": "conv", "bn": False, "depth": 1}
    assert json.dumps(space.get_config()) == space_before


# canonical_key


@pytest.mark.parametrize(
    "other",
    [
        {"op": "pool", "stride": 2, "bn": True, "width": 8},
        {"stride": 2, "op": "pool"},
        {"op": np.str_("pool"), "stride": np.int64(2)},
        {"op": "pool", "stride": 2.0},
        {"op": "pool", "stride": 2, "unknown": object()},
    ],
    ids=["inactive junk", "key order", "NumPy", "2.0 for 2", "unknown name"],
)
def test_equal_architectures_have_equal_keys(other):
    space = nested_space()
    key = architectures.canonical_key({"op": "pool", "stride": 2}, space)
    assert key == '{"op": "pool", "stride": 2}'
    assert architectures.canonical_key(other, space) == key


def test_a_fixed_value_is_recognised_in_any_number_type():
    space = keras_tuner.HyperParameters()
    space.Fixed("width", 8)
    for width in (8, 8.0, np.int64(8), np.float32(8)):
        key = architectures.canonical_key({"width": width}, space)
        assert key == '{"width": 8}'


def test_a_float_that_is_a_whole_number_has_one_key():
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0, 1)
    assert architectures.canonical_key({"rate": 1}, space) == (
        architectures.canonical_key({"rate": 1.0}, space)
    )


def test_different_architectures_have_different_keys():
    space = nested_space()
    every = list(architectures.enumerate_architectures(space))
    assert len(set(keys_of(every, space))) == len(every) == 12


# parents_first


def reordered(space):
    """Children before parents, the worst that merging could make of it."""
    other = keras_tuner.HyperParameters()
    other.merge(space.space[::-1])
    return other


def through_proto(space, capsys):
    other = keras_tuner.HyperParameters.from_proto(space.to_proto())
    capsys.readouterr()  # KerasTuner prints the conditions.
    return other


def test_the_registered_order_is_kept():
    space = nested_space()
    names = [hp.name for hp in architectures.parents_first(space)]
    assert names == [
        "op",
        "bn",
        "momentum",
        "depth",
        "width",
        "stride",
    ]


def test_children_that_stand_before_their_parents_are_moved_behind():
    names = [
        hp.name for hp in architectures.parents_first(reordered(nested_space()))
    ]
    assert sorted(names) == sorted(hp.name for hp in nested_space().space)
    for parent, child in (
        ("op", "bn"),
        ("bn", "momentum"),
        ("op", "depth"),
        ("depth", "width"),
        ("op", "stride"),
    ):
        assert names.index(parent) < names.index(child)


def test_a_space_from_kerastuners_protocol_means_the_same(capsys):
    space = nested_space()
    received = through_proto(space, capsys)
    assert [hp.name for hp in received.space] != [hp.name for hp in space.space]
    expected = set(keys_of(architectures.enumerate_architectures(space), space))
    assert set(
        keys_of(architectures.enumerate_architectures(received), space)
    ) == (expected)
    assert architectures.size(received) == 12
    assert set(
        keys_of(
            (architectures.sample(received, rng_of(i)) for i in range(300)),
            space,
        )
    ) == (expected)


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_the_order_of_a_random_space_does_not_change_its_meaning(seed):
    space = random_space(seed)
    other = reordered(space)
    assert set(
        keys_of(architectures.enumerate_architectures(space), space)
    ) == set(keys_of(architectures.enumerate_architectures(other), space))
    rng = rng_of(seed)
    for _ in range(20):
        assert is_complete(architectures.sample(other, rng), space)


def test_children_stand_behind_every_registration_of_their_parent(capsys):
    # As KerasTuner's protocol orders it: Int, then Choice, then Boolean.
    space = keras_tuner.HyperParameters()
    space.Choice("a", [1, 2])
    with space.conditional_scope("a", [1]):
        space.Choice("op", ["x", "y"])
    with space.conditional_scope("a", [2]):
        space.Boolean("b")
        with space.conditional_scope("b", [True]):
            space.Choice("op", ["x", "y"])
            with space.conditional_scope("op", ["x"]):
                space.Int("c", 1, 3)
    received = through_proto(space, capsys)
    for other in (received, reordered(space)):
        assert {"a": 2, "b": True, "op": "x", "c": 3} in list(
            architectures.enumerate_architectures(other)
        )
        assert architectures.size(other) == 2 + 1 + 3 + 1


def test_conditions_in_a_circle_are_an_error_that_names_them():
    first = keras_tuner.HyperParameters()
    first.Boolean("a")
    first.Boolean("b", parent_name="a", parent_values=[True])
    second = keras_tuner.HyperParameters()
    second.Boolean("b")
    second.Boolean("a", parent_name="b", parent_values=[True])
    circle = keras_tuner.HyperParameters()
    circle.merge([first.space[1], second.space[1]])
    with pytest.raises(ValueError, match=r"circle: \['b', 'a'\]"):
        architectures.parents_first(circle)


# sample


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_a_sample_is_complete_and_on_the_grid(seed):
    space, rng = random_space(seed), rng_of(seed)
    for _ in range(100):
        assert is_complete(architectures.sample(space, rng), space)


def test_every_architecture_of_a_small_space_is_sampled():
    space, rng = nested_space(), rng_of(0)
    samples = [architectures.sample(space, rng) for _ in range(1000)]
    assert set(keys_of(samples, space)) == brute_force(space)


def test_samples_have_the_frequencies_of_the_prior():
    space, rng = nested_space(), rng_of(0)
    counts = Counter(
        keys_of(
            (architectures.sample(space, rng) for _ in range(6000)),
            space,
        )
    )
    # Choices are drawn one after the other, not architecture by architecture.
    assert counts['{"op": "skip"}'] == pytest.approx(6000 / 3, rel=0.1)
    assert counts['{"op": "pool", "stride": 1}'] == pytest.approx(
        6000 / 6, rel=0.15
    )
    key = '{"bn": true, "depth": 2, "momentum": 0.99, "op": "conv", "width": 8}'
    assert counts[key] == pytest.approx(6000 / 3 / 16, rel=0.3)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ({"min_value": 3, "max_value": 6}, [3, 4, 5, 6]),
        ({"min_value": 6, "max_value": 13, "step": 3}, [6, 9, 12]),
        (
            {"min_value": 2, "max_value": 32, "step": 2, "sampling": "log"},
            [2, 4, 8, 16, 32],
        ),
        (
            {
                "min_value": 2,
                "max_value": 32,
                "step": 2,
                "sampling": "reverse_log",
            },
            [2, 18, 26, 30, 32],
        ),
        ({"min_value": 1, "max_value": 4, "sampling": "log"}, [1, 2, 3, 4]),
        (
            {"min_value": 1, "max_value": 4, "sampling": "reverse_log"},
            [1, 2, 3, 4],
        ),
    ],
)
def test_an_int_takes_exactly_the_values_of_its_grid(arguments, expected):
    space = keras_tuner.HyperParameters()
    space.Int("x", **arguments)
    rng = rng_of(0)
    drawn = {architectures.sample(space, rng)["x"] for _ in range(300)}
    assert sorted(drawn) == expected
    assert all(type(value) is int for value in drawn)
    enumerated = [
        values["x"] for values in architectures.enumerate_architectures(space)
    ]
    assert sorted(enumerated) == expected
    assert architectures.size(space) == len(expected)


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (
            {"min_value": 0, "max_value": 1, "step": 0.25},
            [0, 0.25, 0.5, 0.75, 1],
        ),
        (
            {"min_value": 0.01, "max_value": 10, "step": 10, "sampling": "log"},
            [0.01, 0.1, 1, 10],
        ),
        ({"min_value": 0.5, "max_value": 0.5}, [0.5]),
    ],
)
def test_a_float_with_a_step_takes_exactly_the_values_of_its_grid(
    arguments, expected
):
    space = keras_tuner.HyperParameters()
    space.Float("x", **arguments)
    rng = rng_of(0)
    drawn = {architectures.sample(space, rng)["x"] for _ in range(300)}
    assert sorted(drawn) == pytest.approx(expected)
    assert architectures.size(space) == len(expected)


def frequencies_between(edges, **arguments):
    space = keras_tuner.HyperParameters()
    space.Float("x", **arguments)
    rng = rng_of(0)
    drawn = [architectures.sample(space, rng)["x"] for _ in range(4000)]
    assert min(drawn) >= edges[0] and max(drawn) <= edges[-1]
    return np.histogram(drawn, edges)[0] / 4000


def test_a_linear_float_is_uniform():
    assert frequencies_between(
        [-1, 0, 1, 2, 3], min_value=-1, max_value=3
    ) == pytest.approx([0.25] * 4, abs=0.03)


def test_a_log_float_has_as_many_values_in_each_decade():
    assert frequencies_between(
        [1e-5, 1e-4, 1e-3, 1e-2, 1e-1],
        min_value=1e-5,
        max_value=1e-1,
        sampling="log",
    ) == pytest.approx([0.25] * 4, abs=0.03)


def test_a_reverse_log_float_is_dense_at_its_upper_end():
    # 17 - x is log-uniform on [1, 16].
    assert frequencies_between(
        [1, 9, 13, 15, 16], min_value=1, max_value=16, sampling="reverse_log"
    ) == pytest.approx([0.25] * 4, abs=0.03)


def test_a_log_int_has_as_many_values_in_each_octave():
    space = keras_tuner.HyperParameters()
    space.Int("x", 1, 255, sampling="log")
    rng = rng_of(0)
    octaves = Counter(
        int(math.log2(architectures.sample(space, rng)["x"]))
        for _ in range(4000)
    )
    assert sorted(octaves) == list(range(8))
    for count in octaves.values():
        assert count / 4000 == pytest.approx(1 / 8, abs=0.03)


def test_a_fixed_hyperparameter_is_part_of_the_architecture():
    space = keras_tuner.HyperParameters()
    space.Fixed("classes", 10)
    space.Fixed("name", "net", parent_name="classes", parent_values=[10])
    space.Fixed("gone", 1, parent_name="classes", parent_values=[11])
    assert architectures.sample(space, rng_of(0)) == {
        "classes": 10,
        "name": "net",
    }


def test_samples_are_plain_python_values_that_json_can_hold():
    for seed in RANDOM_SPACES:
        values = architectures.sample(random_space(seed), rng_of(seed))
        assert json.loads(json.dumps(values)) == values
        assert {type(value) for value in values.values()} <= {
            bool,
            float,
            int,
            str,
        }


@pytest.mark.parametrize("seed", range(4))
def test_equal_generators_give_equal_results(seed):
    space = random_space(seed)

    def draw(rng):
        first, second = (architectures.sample(space, rng) for _ in range(2))
        return (
            first,
            second,
            architectures.mutate(first, space, rng),
            architectures.crossover(first, second, space, rng),
            list(architectures.enumerate_architectures(space, rng)),
        )

    assert draw(rng_of(seed)) == draw(rng_of(seed))
    assert draw(rng_of(seed)) != draw(rng_of(seed + 1))


# mutate


def is_category(hp):
    kind = type(hp).__name__
    return kind == "Boolean" or (kind == "Choice" and not hp.ordered)


def comparable(parent, child, space):
    """Names that mean the same in both: active under the same conditions,
    none of which is a category that changed."""
    common = [
        hp
        for hp in owners(parent, space)
        if any(hp is other for other in owners(child, space))
    ]
    changed_categories = {
        hp.name
        for hp in common
        if is_category(hp) and parent[hp.name] != child[hp.name]
    }
    return [
        hp.name
        for hp in common
        if not changed_categories & {c.name for c in hp.conditions}
    ]


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_a_mutation_changes_exactly_one_value_that_stays_comparable(seed):
    space, rng = random_space(seed), rng_of(seed)
    for _ in range(250):
        parent = architectures.sample(space, rng)
        child = architectures.mutate(parent, space, rng)
        assert is_complete(child, space)
        assert child != parent
        changed = [
            name
            for name in comparable(parent, child, space)
            if parent[name] != child[name]
        ]
        assert len(changed) == 1


def test_every_other_architecture_is_reached_by_repeated_mutation():
    space, rng = nested_space(), rng_of(0)
    values = architectures.sample(space, rng)
    seen = set()
    for _ in range(2000):
        values = architectures.mutate(values, space, rng)
        seen.add(architectures.canonical_key(values, space))
    assert seen == brute_force(space)


def number_space():
    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 100)
    space.Float("rate", 1e-4, 1.0, sampling="log")
    space.Float("share", 0.0, 1.0, step=1 / 64)
    space.Choice("width", list(range(10, 30)), ordered=True)
    return space


@pytest.mark.parametrize(
    "name, low, high",
    # A tenth of the range on both sides: two thirds of a normal distribution.
    [
        ("units", 41, 61),
        ("rate", 10**-2.4, 10**-1.6),
        ("share", 0.4, 0.6),
        ("width", 18, 22),
    ],
)
def test_a_step_stays_near_on_the_scale_of_the_number(name, low, high):
    space = number_space()
    middle = {"units": 51, "rate": 1e-2, "share": 0.5, "width": 20}
    shares = {}
    for step_probability in (0.0, 1.0):
        rng = rng_of(5)
        values = [
            architectures.mutate(middle, space, rng, step_probability)[name]
            for _ in range(1600)
        ]
        changed = [value for value in values if value != middle[name]]
        assert len(changed) == pytest.approx(400, abs=70)
        shares[step_probability] = np.mean(
            [low <= value <= high for value in changed]
        )
    assert shares[0.0] == pytest.approx(0.2, abs=0.08)
    assert shares[1.0] == pytest.approx(0.68, abs=0.1)


def test_a_step_from_the_end_of_a_range_goes_inside():
    space = number_space()
    end = {"units": 100, "rate": 1e-4, "share": 1.0, "width": 29}
    rng = rng_of(0)
    for _ in range(200):
        child = architectures.mutate(end, space, rng, step_probability=1.0)
        architectures.check_values(child, space)
        assert sum(child[name] != end[name] for name in end) == 1
        assert child["units"] > 30 and child["rate"] < 0.1


def test_a_category_takes_no_steps():
    space = space_of(("op", ["a", "b", "c"]))
    assert {
        architectures.mutate({"op": "a"}, space, rng_of(seed), 1.0)["op"]
        for seed in range(20)
    } == {"b", "c"}


def test_each_active_hyperparameter_is_mutated_equally_often():
    space = keras_tuner.HyperParameters()
    space.Choice("a", list("abcdefgh"))
    space.Boolean("b")
    space.Int("c", 1, 2)
    space.Fixed("d", 1)
    space.Choice("inactive", [1, 2], parent_name="a", parent_values=["h"])
    parent = {"a": "a", "b": True, "c": 1, "d": 1}
    rng = rng_of(0)
    changed = Counter()
    for _ in range(3000):
        child = architectures.mutate(parent, space, rng)
        changed.update(name for name in "abc" if child[name] != parent[name])
    assert sum(changed.values()) == 3000
    for name in "abc":
        assert changed[name] / 3000 == pytest.approx(1 / 3, abs=0.04)


def test_the_new_value_follows_the_prior_without_the_old_value():
    space = space_of(("op", ["a", "b", "c", "d"]))
    rng = rng_of(0)
    counts = Counter(
        architectures.mutate({"op": "b"}, space, rng)["op"] for _ in range(3000)
    )
    assert sorted(counts) == ["a", "c", "d"]
    for count in counts.values():
        assert count / 3000 == pytest.approx(1 / 3, abs=0.04)


def test_a_value_that_the_prior_hardly_ever_leaves_is_left_too():
    # Log sampling gives 1 with a probability of log 2 / log 3: 63%.
    space = keras_tuner.HyperParameters()
    space.Int("x", 1, 2, sampling="log")
    rng = rng_of(0)
    for _ in range(3000):
        assert architectures.mutate({"x": 1}, space, rng) == {"x": 2}


def test_children_of_a_changed_category_are_drawn_anew():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["a", "b"])
    # One registration, active under both values.
    with space.conditional_scope("op", ["a", "b"]):
        space.Int("units", 1, 1000)
        space.Choice("deep", ["x", "y"])
        with space.conditional_scope("deep", ["x", "y"]):
            space.Int("below", 1, 1000)
    parent = {"op": "a", "units": 500, "deep": "x", "below": 500}
    rng = rng_of(0)
    children = [architectures.mutate(parent, space, rng) for _ in range(400)]
    flipped = [child for child in children if child["op"] == "b"]
    assert len(flipped) > 50
    assert len({child["units"] for child in flipped}) > 40
    assert len({child["below"] for child in flipped}) > 40
    assert {child["deep"] for child in flipped} == {"x", "y"}
    for child in children:
        if child["op"] == "a" and child["deep"] == "x":
            differences = {
                name for name in parent if child[name] != parent[name]
            }
            assert differences in ({"units"}, {"below"})


def test_children_of_a_changed_boolean_are_drawn_anew():
    space = keras_tuner.HyperParameters()
    space.Boolean("bn")
    space.Int("units", 1, 1000, parent_name="bn", parent_values=[True, False])
    rng = rng_of(0)
    children = [
        architectures.mutate({"bn": True, "units": 500}, space, rng)
        for _ in range(200)
    ]
    flipped = [child["units"] for child in children if not child["bn"]]
    assert len(flipped) > 50
    assert len(set(flipped)) > 40


@pytest.mark.parametrize("kind", ["Int", "ordered Choice", "Float"])
def test_children_of_a_changed_number_are_kept_and_new_ones_drawn(kind):
    space = keras_tuner.HyperParameters()
    if kind == "Int":
        space.Int("depth", 1, 3)
    elif kind == "Float":
        space.Float("depth", 1, 3, step=1)
    else:
        space.Choice("depth", [1, 2, 3])
    number = float if kind == "Float" else int
    for block in (1, 2, 3):
        values = [number(depth) for depth in range(block, 4)]
        with space.conditional_scope("depth", values):
            space.Int(f"width{block}", 1, 1000)
    parent = {"depth": number(2), "width1": 111, "width2": 222}
    rng = rng_of(0)
    depths, new_widths = Counter(), set()
    for _ in range(600):
        child = architectures.mutate(parent, space, rng)
        depths[child["depth"]] += 1
        if child["depth"] == 1:
            assert child == {"depth": 1, "width1": 111}
        elif child["depth"] == 3:
            assert (child["width1"], child["width2"]) == (111, 222)
            new_widths.add(child["width3"])
        else:
            assert (child["width1"] == 111) != (child["width2"] == 222)
    assert min(depths[depth] for depth in (1, 2, 3)) > 50
    assert len(new_widths) > 40


def test_hyperparameters_discovered_later_are_drawn():
    space = keras_tuner.HyperParameters()
    space.Boolean("old")
    space.Choice("new", ["x", "y"])
    space.Int("below", 1, 2, parent_name="new", parent_values=["x"])
    rng = rng_of(0)
    children = [
        architectures.mutate({"old": True}, space, rng) for _ in range(100)
    ]
    assert all(is_complete(child, space) for child in children)
    assert {child["old"] for child in children} == {False}
    assert {(child["new"], child.get("below")) for child in children} == {
        ("x", 1),
        ("x", 2),
        ("y", None),
    }


def test_a_mutation_ignores_inactive_junk():
    space = space_of(("op", ["a", "b"]))
    child = architectures.mutate({"op": "a", "gone": 3}, space, rng_of(0))
    assert child == {"op": "b"}


@pytest.mark.parametrize(
    "kind", ["Fixed", "Choice", "repeated", "Int", "empty"]
)
def test_a_space_of_one_architecture_cannot_be_mutated(kind):
    space = keras_tuner.HyperParameters()
    if kind == "Fixed":
        space.Fixed("x", 1)
    elif kind == "Choice":
        space.Choice("x", ["a"])
    elif kind == "repeated":
        space.Choice("x", [8, 8])
    elif kind == "Int":
        space.Int("x", 4, 6, step=8)
    values = architectures.sample(space, rng_of(0))
    with pytest.raises(ValueError, match="no active hyperparameter has a sec"):
        architectures.mutate(values, space, rng_of(0))
    assert architectures.size(space) == 1
    assert not architectures.has_choice(space)


def test_a_name_registered_twice_where_both_are_active_is_never_a_no_op():
    space = keras_tuner.HyperParameters()
    space.Boolean("scaled")
    space.Int("units", 1, 4)
    with space.conditional_scope("scaled", [True]):
        space.Int("units", 1, 4)
    rng = rng_of(0)
    parent = {"scaled": True, "units": 1}
    for _ in range(200):
        assert architectures.mutate(parent, space, rng) != parent


def test_a_huge_range_costs_nothing():
    space = keras_tuner.HyperParameters()
    space.Int("seed", 0, 10**12)
    space.Int("even", 0, 10**12, step=2)
    rng = rng_of(0)
    started_s = time.perf_counter()
    values = architectures.sample(space, rng)
    child = architectures.mutate(values, space, rng)
    assert child["even"] % 2 == 0
    assert (child["seed"] == values["seed"]) != (
        child["even"] == values["even"]
    )
    assert architectures.size(space) == (10**12 + 1) * (10**12 // 2 + 1)
    assert architectures.encode({"seed": 0, "even": 10**12}, space) == (
        pytest.approx([0, 1])
    )
    assert time.perf_counter() - started_s < 1


# crossover


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_a_crossover_is_complete_and_made_of_its_parents(seed):
    space, rng = random_space(seed), rng_of(seed)
    for _ in range(100):
        parents = [architectures.sample(space, rng) for _ in range(2)]
        child = architectures.crossover(*parents, space, rng)
        assert is_complete(child, space)
        for hp in owners(child, space):
            donors = [
                parent[hp.name]
                for parent in parents
                if any(hp is other for other in owners(parent, space))
            ]
            assert not donors or child[hp.name] in donors


def test_a_crossover_takes_each_value_from_either_parent_equally_often():
    space = space_of(("a", [1, 2]), ("b", [1, 2]))
    rng = rng_of(0)
    counts = Counter(
        tuple(
            architectures.crossover(
                {"a": 1, "b": 1}, {"a": 2, "b": 2}, space, rng
            ).values()
        )
        for _ in range(2000)
    )
    assert sorted(counts) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for count in counts.values():
        assert count / 2000 == pytest.approx(0.25, abs=0.04)


def test_a_crossover_takes_the_children_of_the_scope_it_took():
    space = same_name_space()
    rng = rng_of(0)
    children = {
        tuple(
            architectures.crossover(
                {"op": "dense", "units": 101},
                {"op": "conv", "units": 8},
                space,
                rng,
            ).values()
        )
        for _ in range(50)
    }
    assert children == {("dense", 101), ("conv", 8)}


def test_a_crossover_draws_what_neither_parent_has():
    space = space_of(("a", [1, 2]), ("new", [1, 2]))
    rng = rng_of(0)
    children = [
        architectures.crossover({"a": 1}, {"a": 1}, space, rng)
        for _ in range(50)
    ]
    assert {child["a"] for child in children} == {1}
    assert {child["new"] for child in children} == {1, 2}


# encode


def encodable_space():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "pool", "skip"])
    space.Choice("width", [8, 16, 32, 64])
    space.Int("depth", 1, 4)
    space.Int("batch", 1, 7, sampling="log")
    space.Float("rate", 0.0, 2.0)
    space.Float("lr", 1e-4, 1e-2, sampling="log")
    space.Float("dropout", 0.0, 0.5, step=0.1)
    space.Boolean("bn")
    space.Fixed("classes", 10)
    with space.conditional_scope("op", ["conv"]):
        space.Choice("act", ["relu", "gelu"])
        space.Int("kernel", 3, 7, step=2)
        space.Boolean("bias")
    return space


COLUMNS = [
    "op=conv",
    "op=pool",
    "op=skip",
    "width",
    "depth",
    "batch",
    "rate",
    "lr",
    "dropout",
    "bn",
    "act=relu",
    "act=gelu",
    "kernel",
    "kernel is active",
    "bias",
    "bias is active",
]


def test_an_encoding_is_what_one_computes_by_hand():
    space = encodable_space()
    values = {
        "op": "conv",
        "width": 16,
        "depth": 3,
        "batch": 2,
        "rate": 0.5,
        "lr": 1e-3,
        "dropout": 0.1,
        "bn": True,
        "classes": 10,
        "act": "gelu",
        "kernel": 7,
        "bias": False,
    }
    assert architectures.encoding_columns(space) == COLUMNS
    vector = architectures.encode(values, space)
    assert vector.dtype == np.float64
    assert dict(zip(COLUMNS, vector, strict=True)) == pytest.approx(
        {
            "op=conv": 1,
            "op=pool": 0,
            "op=skip": 0,
            "width": 1.5 / 4,  # The middle of the second of four parts.
            "depth": 2.5 / 4,
            "batch": math.log(2.5) / math.log(8),
            "rate": 0.25,
            "lr": 0.5,
            "dropout": 1.5 / 5,  # 0.5 / 0.1 is 4.99 to KerasTuner.
            "bn": 1,
            "act=relu": 0,
            "act=gelu": 1,
            "kernel": 2.5 / 3,
            "kernel is active": 1,
            "bias": 0,
            "bias is active": 1,
        }
    )


def test_inactive_hyperparameters_are_encoded_as_zeros():
    space = encodable_space()
    values = {
        "op": "skip",
        "width": 8,
        "depth": 1,
        "batch": 1,
        "rate": 0.0,
        "lr": 1e-4,
        "dropout": 0.0,
        "bn": False,
        "classes": 10,
        "kernel": 7,
    }
    encoded = dict(
        zip(COLUMNS, architectures.encode(values, space), strict=True)
    )
    assert encoded["op=skip"] == 1
    for name in COLUMNS[-6:]:
        assert encoded[name] == 0


def test_every_step_of_a_float_has_its_own_code():
    # KerasTuner's `value_to_prob` gives 0.5 and 0.6 the same number.
    space = keras_tuner.HyperParameters()
    space.Float("x", 0.1, 1.1, step=0.1)
    codes = [
        architectures.encode(values, space)[0]
        for values in architectures.enumerate_architectures(space)
    ]
    assert codes == pytest.approx([(i + 0.5) / 10 for i in range(10)])


def test_one_name_under_two_conditions_has_its_own_columns():
    space = same_name_space()
    assert architectures.encoding_columns(space) == [
        "op=dense",
        "op=conv",
        "units",
        "units is active",
        "units",
        "units is active",
    ]
    dense = architectures.encode({"op": "dense", "units": 100}, space)
    conv = architectures.encode({"op": "conv", "units": 16}, space)
    assert dense == pytest.approx([1, 0, 1 / 6, 1, 0, 0])
    assert conv == pytest.approx([0, 1, 0, 0, 0.75, 1])


def test_where_scopes_of_one_name_overlap_the_first_is_encoded():
    space = keras_tuner.HyperParameters()
    space.Choice("a", ["x", "y", "z"])
    with space.conditional_scope("a", ["x", "y"]):
        space.Int("units", 1, 4)
    with space.conditional_scope("a", ["y", "z"]):
        space.Choice("units", [7, 8])
    vector = architectures.encode({"a": "y", "units": 1}, space)
    assert vector == pytest.approx([0, 1, 0, 1 / 8, 1, 0, 0])


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_distinct_architectures_have_distinct_codes_of_one_length(seed):
    space = random_space(seed)
    columns = architectures.encoding_columns(space)
    codes = set()
    every = list(architectures.enumerate_architectures(space))
    for values in every:
        vector = architectures.encode(values, space)
        assert vector.shape == (len(columns),)
        assert vector.min(initial=0) >= 0 and vector.max(initial=0) <= 1
        codes.add(tuple(vector))
    assert len(codes) == len(every)


# size and enumerate_architectures


def test_the_size_of_a_nested_space_is_what_one_counts_by_hand():
    assert architectures.size(nested_space()) == 12
    assert architectures.size(same_name_space()) == 3 + 2


@pytest.mark.parametrize("seed", RANDOM_SPACES)
def test_size_and_enumeration_agree_with_each_other(seed):
    space = random_space(seed)
    every = list(architectures.enumerate_architectures(space))
    assert all(is_complete(values, space) for values in every)
    assert len(set(keys_of(every, space))) == len(every)
    assert architectures.size(space) == len(every)


def test_size_and_enumeration_agree_with_brute_force():
    compared = 0
    for seed in range(40):
        space = random_space(seed)
        if len({hp.name for hp in space.space}) > 6:
            continue
        expected = brute_force(space)
        assert architectures.size(space) == len(expected)
        assert expected == set(
            keys_of(architectures.enumerate_architectures(space), space)
        )
        compared += 1
    assert compared >= 5


def test_enumeration_in_random_order_yields_the_same_architectures():
    space = nested_space()
    plain = keys_of(architectures.enumerate_architectures(space), space)
    shuffled = keys_of(
        architectures.enumerate_architectures(space, rng_of(0)), space
    )
    assert sorted(plain) == sorted(shuffled)
    firsts = {
        next(architectures.enumerate_architectures(space, rng_of(seed)))["op"]
        for seed in range(20)
    }
    assert firsts == {"conv", "pool", "skip"}


def test_enumeration_is_lazy():
    space = space_of(*((f"op{i}", list("abcdefgh")) for i in range(40)))
    assert architectures.size(space) == 8**40
    first = itertools.islice(architectures.enumerate_architectures(space), 9)
    assert len(set(keys_of(first, space))) == 9


def test_a_float_without_a_step_makes_a_space_infinite_where_it_is_active():
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["flat", "dense"])
    space.Float("rate", 0.1, 0.9, parent_name="head", parent_values=["dense"])
    assert architectures.size(space) == math.inf
    every = list(architectures.enumerate_architectures(space))
    assert every == [{"head": "flat"}, {"head": "dense", "rate": 0.1}]
    drawn = list(architectures.enumerate_architectures(space, rng_of(0)))
    assert sorted(values["head"] for values in drawn) == ["dense", "flat"]
    never = keras_tuner.HyperParameters()
    never.Choice("head", ["flat"])
    never.Float("rate", 0.1, 0.9, parent_name="head", parent_values=["dense"])
    assert architectures.size(never) == 1


def test_an_empty_space_has_one_architecture():
    space = keras_tuner.HyperParameters()
    assert architectures.size(space) == 1
    assert list(architectures.enumerate_architectures(space)) == [{}]
    assert architectures.sample(space, rng_of(0)) == {}
    assert architectures.encode({}, space).shape == (0,)


def test_a_space_has_a_choice_if_anything_has_two_values():
    assert architectures.has_choice(nested_space())
    for register in (
        lambda space: space.Boolean("x"),
        lambda space: space.Int("x", 1, 2),
        lambda space: space.Float("x", 0, 1),
        lambda space: space.Choice("x", ["a", "b"]),
    ):
        space = keras_tuner.HyperParameters()
        space.Fixed("fixed", 1)
        assert not architectures.has_choice(space)
        register(space)
        assert architectures.has_choice(space)


def test_completing_draws_what_is_missing_and_nothing_else():
    space = keras_tuner.HyperParameters()
    space.Choice("head", ["flat", "dense"])
    with space.conditional_scope("head", ["dense"]):
        space.Int("units", 1, 1000)
    space.Int("depth", 1, 1000)
    completed = architectures.complete(
        {"head": "dense", "depth": 7, "gone": 1}, space, rng_of(0)
    )
    assert list(completed) == ["head", "units", "depth"]
    assert (completed["head"], completed["depth"]) == ("dense", 7)
    drawn = {
        architectures.complete({"head": "dense"}, space, rng_of(seed))["units"]
        for seed in range(20)
    }
    assert len(drawn) > 10


def test_a_replaced_number_keeps_what_depends_on_it():
    space = keras_tuner.HyperParameters()
    space.Int("depth", 1, 3)
    for block in (1, 2, 3):
        with space.conditional_scope("depth", list(range(block, 4))):
            space.Int(f"width{block}", 1, 1000)
    before = {"depth": 2, "width1": 7, "width2": 8}
    after = architectures.replace(before, "depth", 3, space, rng_of(0))
    assert after.pop("width3") in range(1, 1001)
    assert after == {"depth": 3, "width1": 7, "width2": 8}
    after = architectures.replace(before, "depth", 1, space, rng_of(0))
    assert after == {"depth": 1, "width1": 7}


def test_a_replaced_category_draws_anew_what_depends_on_it():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "dense"])
    space.Int("same", 1, 9)
    with space.conditional_scope("op", ["conv"]):
        space.Choice("size", list(range(100)))
    with space.conditional_scope("op", ["dense"]):
        space.Choice("size", list(range(100, 200)))
    before = {"op": "conv", "same": 5, "size": 42}
    after = architectures.replace(before, "op", "dense", space, rng_of(0))
    assert (after["op"], after["same"]) == ("dense", 5)
    assert after["size"] >= 100


def test_what_a_single_hyperparameter_can_be():
    space = nested_space()
    by_name = {hp.name: hp for hp in space.space}
    assert list(architectures.finite_values(by_name["op"])) == [
        "conv",
        "pool",
        "skip",
    ]
    assert not architectures.is_ordered(by_name["op"])
    assert architectures.is_active(by_name["bn"], {"op": "conv"})
    assert not architectures.is_active(by_name["bn"], {"op": "pool"})
    rates = keras_tuner.HyperParameters()
    rates.Float("rate", 1e-4, 1.0, sampling="log")
    (rate,) = rates.space
    assert architectures.finite_values(rate) is None
    assert architectures.is_ordered(rate)
    assert architectures.position(rate, 1e-3) == pytest.approx(0.25)


def test_a_value_is_known_if_its_active_hyperparameter_can_have_it():
    space = keras_tuner.HyperParameters()
    space.Choice("op", ["conv", "dense", "skip"])
    space.Choice("units", [8, 16], parent_name="op", parent_values=["conv"])
    space.Choice("units", [32], parent_name="op", parent_values=["dense"])
    is_known = architectures.is_known
    assert is_known({"op": "conv", "units": 8}, space)
    assert is_known({"op": "dense", "units": 32}, space)
    assert not is_known({"op": "conv", "units": 32}, space)
    assert is_known({"op": "skip", "units": 99}, space)
    assert is_known({"gone": 1}, space)
    assert not is_known({"op": "gone"}, space)
