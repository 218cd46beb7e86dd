"""Architectures in the order of their probability."""

import heapq

import numpy as np

from keras_nas import architectures


def most_probable(probabilities):
    """Yields all architectures, the most probable first.

    Args:
        probabilities: List of arrays, for each hyperparameter those of its
            options. Hyperparameters are independent of one another.

    Yields:
        Tuples of the numbers of options. Of two alike, the one with the
        options that come first.

    Example:

    >>> list(most_probable([[0.2, 0.8], [0.6, 0.4]]))
    [(1, 0), (1, 1), (0, 0), (0, 1)]
    """
    orders = [np.argsort(-np.asarray(p), kind="stable") for p in probabilities]
    with np.errstate(divide="ignore"):
        losses = [
            -np.log(np.asarray(p, "float64"))[order]
            for p, order in zip(probabilities, orders, strict=True)
        ]

    def loss(ranks):
        return sum(
            float(values[rank])
            for values, rank in zip(losses, ranks, strict=True)
        )

    best = (0,) * len(orders)
    waiting = [(loss(best), best, 0)]
    while waiting:
        _, ranks, last = heapq.heappop(waiting)
        yield tuple(
            int(order[rank]) for order, rank in zip(orders, ranks, strict=True)
        )
        # Each is reached once: by raising ranks from left to right.
        for place in range(last, len(ranks)):
            if ranks[place] + 1 < len(orders[place]):
                worse = (*ranks[:place], ranks[place] + 1, *ranks[place + 1 :])
                heapq.heappush(waiting, (loss(worse), worse, place))


def most_probable_architectures(probabilities, space, fixed=None):
    """Yields the architectures of a space, the most probable first.

    Where hyperparameters are conditional, most of the tuples that
    `most_probable` yields differ in inactive ones alone. Here only active
    ones are enumerated, so that each architecture comes once, and soon. It is
    as probable as the best tuple that gives it: the options of inactive
    hyperparameters are taken to be the most probable ones.

    Args:
        probabilities: Dict from names of hyperparameters to dicts from their
            values to probabilities.
        space: `keras_tuner.HyperParameters`, which knows the conditions.
        fixed: Optional dict of the values of other hyperparameters. What is
            in neither, and has two or more values, is left out.

    Yields:
        Dicts of the values of the active hyperparameters.

    Example:

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> _ = space.Choice("head", ["flat", "dense"])
    >>> _ = space.Choice("units", [8, 16], parent_name="head",
    ...                  parent_values=["dense"])
    >>> probabilities = {"head": {"flat": 0.7, "dense": 0.3},
    ...                  "units": {8: 0.5, 16: 0.5}}
    >>> for values in most_probable_architectures(probabilities, space):
    ...     print(values)
    {'head': 'flat'}
    {'head': 'dense', 'units': 8}
    {'head': 'dense', 'units': 16}
    """
    ordered = architectures.parents_first(space)
    options = {}
    for name, of_values in probabilities.items():
        values = list(of_values)
        given = np.array([of_values[value] for value in values], "float64")
        order = np.argsort(-given, kind="stable")
        with np.errstate(divide="ignore"):
            # Relative to the best option, so inactive ones add nothing, and
            # no completion of a part is better than the part.
            losses = np.log(given.max()) - np.log(given[order])
        options[name] = [
            (float(loss), values[number])
            for loss, number in zip(losses, order, strict=True)
        ]
    for hp in ordered:
        values = architectures.finite_values(hp)
        if hp.name not in options and values is not None and len(values) == 1:
            # Nothing to be learnt of it, but others may depend on it.
            options[hp.name] = [(0.0, values[0])]
    options |= {name: [(0.0, value)] for name, value in (fixed or {}).items()}

    def next_place(place, values):
        """The next hyperparameter that is active and has no value yet."""
        while place < len(ordered):
            hp = ordered[place]
            if (
                hp.name in options
                and hp.name not in values
                and architectures.is_active(hp, values)
            ):
                break
            place += 1
        return place

    # The ranks of the options so far decide between parts that are alike.
    waiting = [(0.0, (), next_place(0, {}), {})]
    while waiting:
        loss, ranks, place, values = heapq.heappop(waiting)
        if place == len(ordered):
            yield architectures.active_values(values, space)
            continue
        name = ordered[place].name
        for rank, (more, value) in enumerate(options[name]):
            known = {**values, name: value}
            heapq.heappush(
                waiting,
                (
                    loss + more,
                    (*ranks, rank),
                    next_place(place + 1, known),
                    known,
                ),
            )
