"""Architectures in the order of their probability."""

import heapq

import numpy as np


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
