"""Functions on hyperparameter values: what an architecture is.

An *architecture* is a dict `{hyperparameter name: value}` that holds exactly
the active hyperparameters of a search space. A *space* is a
`keras_tuner.HyperParameters`; its own `values` are never read or changed here.

Search strategies are written with these functions only, so conditional
scopes, steps, logarithmic ranges and hyperparameters that appear during a
build are dealt with once, here. Every function that draws takes a
`numpy.random.Generator`.
"""

import collections
import itertools
import json
import math
import numbers

import numpy as np
from keras_tuner.engine import hyperparameters as hp_types

# Draws from the prior before a value is picked from the list of all others:
# with two equally likely values the list is needed once in 65,536 calls.
_MAX_REDRAWS = 16

# The standard deviation of a step, as a share of the range of a number.
_STEP_SHARE = 0.1

# The end of the range [0, 1) that KerasTuner maps values to.
_ALMOST_ONE = 1 - 1e-12

# Assignments of conditional parents that `size` counts one by one.
_MAX_COUNTED_ASSIGNMENTS = 20_000


def active_values(values, space):
    """Returns the active part of `values`, as plain Python numbers.

    Use it on anything that came from outside (a file, NumPy, another
    version of the space): inactive and unknown names are dropped, and each
    value gets the type its hyperparameter has, so equal architectures
    compare equal.

    Args:
        values: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        A new dict, parents before children. An active hyperparameter that
        `values` does not have is left out.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("head", ["flat", "dense"])
    >>> _ = space.Int("units", 8, 64, parent_name="head",
    ...               parent_values=["dense"])
    >>> active_values({"units": 16, "head": "flat"}, space)
    {'head': 'flat'}
    """
    active = {}
    for hp in parents_first(space):
        known = hp.name in values and hp.name not in active
        if known and is_active(hp, active):
            active[hp.name] = _plain(hp, values[hp.name])
    return active


def canonical_key(values, space):
    """Returns a string that is equal exactly for equal architectures.

    Inactive values, the order of names and the number types (`8`, `8.0`,
    `np.int64(8)`) make no difference. Use it to recognise duplicates.

    Args:
        values: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        A JSON string.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("units", 8, 64)
    >>> canonical_key({"units": np.int64(8), "gone": 1}, space)
    '{"units": 8}'
    """
    return json.dumps(active_values(values, space), sort_keys=True)


def sample(space, rng):
    """Draws a random architecture from the prior of the space.

    Every hyperparameter is drawn as KerasTuner draws it (uniform over
    choices; linear, log or reverse-log over ranges), parents before
    children.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        rng: `numpy.random.Generator`.

    Returns:
        Dict of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("activation", ["relu", "gelu"])
    >>> sample(space, np.random.default_rng(0))
    {'activation': 'gelu'}
    """
    return complete({}, space, rng)


def complete(values, space, rng):
    """Draws the active hyperparameters that an architecture lacks.

    Args:
        values: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.
        rng: `numpy.random.Generator`.

    Returns:
        A new dict of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("a", [1, 2])
    >>> _ = space.Choice("b", [1, 2])
    >>> complete({"a": 2}, space, np.random.default_rng(0))
    {'a': 2, 'b': 2}
    """
    known = active_values(values, space)
    completed = {}
    for hp in parents_first(space):
        if hp.name in completed or not is_active(hp, completed):
            continue
        if hp.name in known:
            completed[hp.name] = known[hp.name]
        else:
            completed[hp.name] = _draw(hp, rng)
    return completed


def default(space):
    """Returns the architecture of all default values.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        Dict of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("units", 8, 64, default=32)
    >>> default(space)
    {'units': 32}
    """
    values = {}
    for hp in parents_first(space):
        if hp.name not in values and is_active(hp, values):
            values[hp.name] = _plain(hp, hp.default)
    return values


def check_values(values, space):
    """Raises unless the values could stand in an architecture of the space.

    Use it on values that a person wrote. Values may be missing.

    Args:
        values: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.

    Raises:
        ValueError: If a name is unknown or a value is out of range; it names
            both, and what is possible.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("units", [8, 16])
    >>> check_values({"units": 12}, space)
    Traceback (most recent call last):
    ...
    ValueError: Invalid value for hyperparameter `units`. Expected one of ...
    """
    by_name = {}
    for hp in space.space:
        by_name.setdefault(hp.name, []).append(hp)
    for name, value in values.items():
        if name not in by_name:
            raise ValueError(
                f"Unknown hyperparameter `{name}`. Expected some of "
                f"{sorted(by_name)}. Received: {values}. Leave out what a "
                "build asks for only later, as in a loop: it is drawn. Or "
                "make it known beforehand, with `hyperparameters=`."
            )
        if not any(_can_be(hp, value) for hp in by_name[name]):
            expected = " or ".join(map(_range_text, by_name[name]))
            raise ValueError(
                f"Invalid value for hyperparameter `{name}`. Expected "
                f"{expected}. Received: {value!r}"
            )


def is_known(values, space):
    """Whether a space has the values, as far as it has their names.

    Args:
        values: Dict of hyperparameter values, by name. Names that the space
            lacks, or where they are inactive, do not count.
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        Bool.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("units", [8, 16])
    >>> is_known({"units": 12}, space), is_known({"units": 8, "x": 1}, space)
    (False, True)
    """
    owners = _owners(values, parents_first(space))
    return all(_can_be(hp, values[name]) for name, hp in owners.items())


def _can_be(hp, value):
    options = finite_values(hp)
    if options is not None:
        is_number = isinstance(value, numbers.Real)
        if isinstance(hp, hp_types.Float) and is_number:
            return bool(np.isclose(options, value, rtol=1e-9, atol=0).any())
        return value in options
    is_number = isinstance(value, numbers.Real)
    return is_number and hp.min_value <= value <= hp.max_value


def _range_text(hp):
    if isinstance(hp, (hp_types.Int, hp_types.Float)):
        step = f" in steps of {hp.step}" if hp.step else ""
        return f"a number from {hp.min_value} to {hp.max_value}{step}"
    return f"one of {list(finite_values(hp))}"


def mutate(values, space, rng, step_probability=0.0):
    """Returns a neighbour: one active hyperparameter has another value.

    The hyperparameter is picked uniformly among the active ones that have
    more than one value, and its new value is drawn from the prior without
    the old one, so a mutation is never a no-op. A number can take a step
    instead: to a value near the old one, on the scale that it is sampled on
    (normally distributed, with a tenth of the range as standard deviation).
    What depends on it follows:

    - Children of a changed category (an unordered `Choice`, a `Boolean`)
      are drawn anew: the same name under another operation means something
      else.
    - Children of a changed number (a depth, say) that were active before
      and still are keep their value, for block 0 of a network stays block 0
      when a block is added behind it; newly active ones are drawn.

    Args:
        values: Dict of hyperparameter values, by name; the parent. Active
            hyperparameters it lacks (discovered since) are drawn.
        space: `keras_tuner.HyperParameters`, the search space.
        rng: `numpy.random.Generator`.
        step_probability: Float in [0, 1], how often an `Int`, a `Float` or an
            ordered `Choice` takes a step instead of a new draw. Draws find
            the region, steps the best place in it.

    Returns:
        A new dict of the active hyperparameter values, by name.

    Raises:
        ValueError: If no active hyperparameter has a second value.

    Reference:
        Real et al., [Regularized Evolution for Image Classifier Architecture
        Search](https://arxiv.org/abs/1802.01548), 2019.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("batch_norm")
    >>> mutate({"batch_norm": True}, space, np.random.default_rng(0))
    {'batch_norm': False}
    """
    parent = active_values(values, space)
    owners = _owners(parent, parents_first(space))
    mutable = [hp for hp in owners.values() if _has_choice(hp)]
    if not mutable:
        raise ValueError(
            "Cannot mutate: no active hyperparameter has a second value. "
            "Expected at least one `Choice`, `Boolean`, `Int` or `Float` "
            f"with two or more values. Received: values={values}"
        )
    target = mutable[rng.integers(len(mutable))]
    # Without steps, no number of the generator is spent on them.
    is_step = (
        step_probability > 0
        and is_ordered(target)
        and rng.random() < step_probability
    )
    value = _draw_other(target, parent[target.name], rng, is_step)
    return replace(parent, target.name, value, space, rng)


def replace(values, name, value, space, rng):
    """Returns the neighbour in which one hyperparameter has a given value.

    What depends on it follows as in `mutate`: children of a changed category
    are drawn anew, children of a changed number are kept where they stay
    active.

    Args:
        values: Dict of hyperparameter values, by name. Active
            hyperparameters it lacks are drawn.
        name: String, an active hyperparameter.
        value: Its new value.
        space: `keras_tuner.HyperParameters`, the search space.
        rng: `numpy.random.Generator`.

    Returns:
        A new dict of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("depth", 1, 2)
    >>> _ = space.Boolean("norm")
    >>> replace({"depth": 1, "norm": True}, "depth", 2, space,
    ...         np.random.default_rng(0))
    {'depth': 2, 'norm': True}
    """
    parent = active_values(values, space)
    ordered = parents_first(space)
    owners = _owners(parent, ordered)
    child = {}
    drawn_anew = set()
    for hp in ordered:
        if hp.name in child or not is_active(hp, child):
            continue
        if hp is owners.get(name):
            child[name] = _plain(hp, value)
            if not is_ordered(hp):
                drawn_anew.add(name)
        elif owners.get(hp.name) is hp and not drawn_anew.intersection(
            c.name for c in hp.conditions
        ):
            child[hp.name] = parent[hp.name]
        else:
            child[hp.name] = _draw(hp, rng)
            drawn_anew.add(hp.name)
    return child


def crossover(first, second, space, rng):
    """Returns a child that has each hyperparameter from one of two parents.

    Uniform crossover: where both parents have a hyperparameter active under
    the same conditions, either value is taken with equal chance; where one
    has, its value; where the combination activates a hyperparameter that
    neither has, it is drawn. The child may equal a parent.

    Args:
        first: Dict of hyperparameter values, by name.
        second: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.
        rng: `numpy.random.Generator`.

    Returns:
        A new dict of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("a", [1, 2])
    >>> _ = space.Choice("b", [1, 2])
    >>> crossover({"a": 1, "b": 1}, {"a": 2, "b": 2}, space,
    ...           np.random.default_rng(3))
    {'a': 2, 'b': 1}
    """
    parents = [active_values(first, space), active_values(second, space)]
    ordered = parents_first(space)
    owners = [_owners(parent, ordered) for parent in parents]
    child = {}
    for hp in ordered:
        if hp.name in child or not is_active(hp, child):
            continue
        donors = [
            parent[hp.name]
            for parent, owner in zip(parents, owners, strict=True)
            if owner.get(hp.name) is hp
        ]
        if donors:
            child[hp.name] = donors[rng.integers(len(donors))]
        else:
            child[hp.name] = _draw(hp, rng)
    return child


def encode(values, space):
    """Encodes an architecture as a vector of numbers in [0, 1].

    For surrogates and predictors. An unordered `Choice` becomes one column
    a value (one-hot); a `Boolean` one column; an `Int`, a `Float` or an
    ordered `Choice` one column with the position in its range, on the scale
    it is sampled on (a log range is encoded logarithmically). An inactive
    hyperparameter is all zeros, and a conditional one that is not one-hot
    gets one more column that is 1 where it is active. Hyperparameters with a
    single value have no column.

    Args:
        values: Dict of hyperparameter values, by name.
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        `float64` array of shape `(columns,)`; `encoding_columns(space)`
        names the columns.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("op", ["conv", "pool", "skip"])
    >>> _ = space.Boolean("batch_norm")
    >>> encode({"op": "pool", "batch_norm": True}, space)
    array([0., 1., 0., 1.])
    """
    active = active_values(values, space)
    owners = _owners(active, parents_first(space))
    vector = []
    for hp in space.space:
        if not _has_choice(hp):
            continue
        on = owners.get(hp.name) is hp
        if _is_one_hot(hp):
            vector += [
                float(on and value == active[hp.name])
                for value in finite_values(hp)
            ]
            continue
        if isinstance(hp, hp_types.Boolean):
            vector.append(float(on and active[hp.name]))
        else:
            vector.append(position(hp, active[hp.name]) if on else 0.0)
        if hp.conditions:
            vector.append(float(on))
    return np.array(vector, dtype="float64")


def encoding_columns(space):
    """Names the columns of `encode`, in order.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        List of strings: `"op=conv"` for a one-hot column, `"units"` for a
        number, `"units is active"` for the flag of a conditional one. Two
        hyperparameters of one name under different conditions give equal
        names.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("op", ["conv", "pool"])
    >>> _ = space.Int("units", 8, 64, parent_name="op",
    ...               parent_values=["conv"])
    >>> encoding_columns(space)
    ['op=conv', 'op=pool', 'units', 'units is active']
    """
    columns = []
    for hp in space.space:
        if not _has_choice(hp):
            continue
        if _is_one_hot(hp):
            columns += [f"{hp.name}={value}" for value in finite_values(hp)]
            continue
        columns.append(hp.name)
        if hp.conditions:
            columns.append(f"{hp.name} is active")
    return columns


def size(space):
    """Counts the distinct architectures of a space.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        An int; `math.inf` if a `Float` without a step can be active, or if
        the conditions are too entangled to be counted.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("head", ["flat", "dense"])
    >>> _ = space.Int("units", 1, 10, parent_name="head",
    ...               parent_values=["dense"])
    >>> size(space)
    11
    """
    total = 1
    for group in _independent_groups(parents_first(space)):
        total *= _count(group)
    return total


def enumerate_architectures(space, rng=None):
    """Yields the distinct architectures of a space, lazily.

    A depth-first walk. With `rng`, the values of each hyperparameter are
    visited in random order, so that the first architectures are not all
    alike. A `Float` without a step, which has no list of values,
    contributes one draw (its default without `rng`).

    Args:
        space: `keras_tuner.HyperParameters`, the search space.
        rng: Optional `numpy.random.Generator`.

    Yields:
        Dicts of the active hyperparameter values, by name.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("a")
    >>> list(enumerate_architectures(space))
    [{'a': True}, {'a': False}]
    """
    ordered = parents_first(space)

    def walk(position, values):
        while position < len(ordered) and (
            ordered[position].name in values
            or not is_active(ordered[position], values)
        ):
            position += 1
        if position == len(ordered):
            yield dict(values)
            return
        hp = ordered[position]
        options = finite_values(hp)
        if options is None:
            options = [hp.default if rng is None else _draw(hp, rng)]
        order = range(len(options))
        if rng is not None:
            order = rng.permutation(len(options))
        for index in order:
            values[hp.name] = options[index]
            yield from walk(position + 1, values)
            del values[hp.name]

    yield from walk(0, {})


def parents_first(space):
    """Lists the hyperparameters so that parents stand before children.

    KerasTuner registers them in that order, but loses it when a space
    passes through its chief and worker protocol.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        List of `HyperParameter` objects; the original order wherever that
        is possible.

    Raises:
        ValueError: If hyperparameters are conditions of one another.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("a")
    >>> [hp.name for hp in parents_first(space)]
    ['a']
    """
    if not any(hp.conditions for hp in space.space):
        return list(space.space)
    waiting = list(space.space)
    # A name may be registered under several conditions; its children stand
    # after all of them.
    unplaced = collections.Counter(hp.name for hp in waiting)
    ordered = []
    while waiting:
        later = []
        for hp in waiting:
            if any(unplaced[c.name] for c in hp.conditions):
                later.append(hp)
            else:
                ordered.append(hp)
                unplaced[hp.name] -= 1
        if len(later) == len(waiting):
            raise ValueError(
                "The conditions of these hyperparameters form a circle: "
                f"{[hp.name for hp in later]}. Expected each parent to be "
                "active without its children."
            )
        waiting = later
    return ordered


def has_choice(space):
    """Whether a space has more than one architecture.

    Args:
        space: `keras_tuner.HyperParameters`, the search space.

    Returns:
        Bool.

    Example:

    >>> import keras_tuner
    >>> has_choice(keras_tuner.HyperParameters())
    False
    """
    return any(_has_choice(hp) for hp in space.space)


def is_active(hp, values):
    """Whether a hyperparameter has a value, given those of its parents.

    Args:
        hp: A hyperparameter of a space.
        values: Dict of hyperparameter values, by name.

    Returns:
        Bool.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Boolean("norm")
    >>> is_active(space.space[0], {})
    True
    """
    return not hp.conditions or all(
        condition.is_active(values) for condition in hp.conditions
    )


def finite_values(hp):
    """Lists the distinct values of one hyperparameter.

    Args:
        hp: A hyperparameter of a space.

    Returns:
        A sequence of them, without repetitions and in their order; `None`
        for a `Float` without a step.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Int("kernel", 1, 5, step=2)
    >>> list(finite_values(space.space[0]))
    [1, 3, 5]
    """
    if isinstance(hp, hp_types.Fixed):
        return (hp.value,)
    if isinstance(hp, hp_types.Int) and (
        hp.step is None or hp.sampling == "linear"
    ):
        return range(hp.min_value, hp.max_value + 1, hp.step or 1)
    if isinstance(hp, hp_types.Float) and hp.step is None:
        return (hp.min_value,) if hp.min_value == hp.max_value else None
    return tuple(dict.fromkeys(_plain(hp, value) for value in hp.values))


def is_ordered(hp):
    """Whether the values of a hyperparameter can be near to one another.

    Args:
        hp: A hyperparameter of a space.

    Returns:
        Bool; true for an `Int`, a `Float` and an ordered `Choice`.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("op", ["conv", "pool"])
    >>> is_ordered(space.space[0])
    False
    """
    if isinstance(hp, hp_types.Choice):
        return hp.ordered
    return isinstance(hp, (hp_types.Int, hp_types.Float))


def position(hp, value):
    """Says where a value stands in the range of its hyperparameter.

    Args:
        hp: A hyperparameter of a space.
        value: One of its values.

    Returns:
        Float from 0 to 1, on the scale that the hyperparameter is sampled
        on; `hp.prob_to_value` is the reverse.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Float("rate", 1e-4, 1.0, sampling="log")
    >>> position(space.space[0], 1e-2)
    0.5
    """
    if isinstance(hp, hp_types.Float) and hp.step is not None:
        # KerasTuner's floor division gives neighbouring steps one index.
        steps = np.array(finite_values(hp))
        return (np.abs(steps - value).argmin() + 0.5) / len(steps)
    return hp.value_to_prob(value)


def _owners(values, ordered):
    """Whose each value is: of several with one name, the first active one."""
    owners = {}
    for hp in ordered:
        known = hp.name in values and hp.name not in owners
        if known and is_active(hp, values):
            owners[hp.name] = hp
    return owners


def _draw(hp, rng):
    if isinstance(hp, hp_types.Fixed):
        return hp.value
    return _plain(hp, hp.prob_to_value(rng.random()))


def _draw_other(hp, current, rng, is_step):
    for _ in range(_MAX_REDRAWS):
        value = _step(hp, current, rng) if is_step else _draw(hp, rng)
        if value != current:
            return value
    others = [v for v in finite_values(hp) or () if v != current]
    return others[rng.integers(len(others))] if others else value


def _step(hp, current, rng):
    """Draws a value near the current one; the ends of the range reflect."""
    # From 0 over 1 back to 0 at 2, as a folded ruler.
    folded = abs(position(hp, current) + rng.normal(0, _STEP_SHARE)) % 2
    share = min(folded, 2 - folded, _ALMOST_ONE)
    return _plain(hp, hp.prob_to_value(share))


def _plain(hp, value):
    if isinstance(hp, hp_types.Int):
        return int(value)
    if isinstance(hp, hp_types.Float):
        return float(value)
    if isinstance(hp, hp_types.Boolean):
        return bool(value)
    is_listed = isinstance(hp, (hp_types.Choice, hp_types.Fixed))
    if is_listed and value in hp.values:
        return hp.values[hp.values.index(value)]
    return value.item() if isinstance(value, np.generic) else value


def _has_choice(hp):
    # Called for every hyperparameter of every mutation, so without a list
    # of the values.
    if isinstance(hp, hp_types.Fixed):
        return False
    if isinstance(hp, hp_types.Choice):
        return any(value != hp.values[0] for value in hp.values)
    return hp.prob_to_value(0.0) != hp.prob_to_value(_ALMOST_ONE)


def _is_one_hot(hp):
    return isinstance(hp, hp_types.Choice) and not hp.ordered


def _independent_groups(ordered):
    """Splits hyperparameters into groups that no condition connects."""
    group_of = {hp.name: {hp.name} for hp in ordered}
    for hp in ordered:
        for condition in hp.conditions:
            if condition.name not in group_of:
                continue
            merged = group_of[hp.name] | group_of[condition.name]
            for name in merged:
                group_of[name] = merged
    groups = {}
    for hp in ordered:
        groups.setdefault(min(group_of[hp.name]), []).append(hp)
    return list(groups.values())


def _count(group):
    """Counts one group: parents one by one, leaves by multiplication."""
    parents = {c.name for hp in group for c in hp.conditions}
    branching = [hp for hp in group if hp.name in parents]
    leaves = [hp for hp in group if hp.name not in parents]
    if any(finite_values(hp) is None for hp in branching):
        return math.inf
    possible = math.prod(len(finite_values(hp)) for hp in branching)
    if possible > _MAX_COUNTED_ASSIGNMENTS:
        return math.inf
    seen = set()
    total = 0
    for choice in itertools.product(*map(finite_values, branching)):
        values = {}
        for hp, value in zip(branching, choice, strict=True):
            if hp.name not in values and is_active(hp, values):
                values[hp.name] = value
        key = tuple(sorted(values.items()))
        if key in seen:
            continue
        seen.add(key)
        options = {}
        for hp in leaves:
            if is_active(hp, values):
                options.setdefault(hp.name, finite_values(hp))
        if any(values is None for values in options.values()):
            return math.inf
        total += math.prod(len(values) for values in options.values())
    return total
