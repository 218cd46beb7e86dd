"""Subsets of inputs, written as values of one hyperparameter."""

import itertools
import math

# A hyperparameter with more values than this is no longer a choice that an
# oracle can learn anything about.
MAX_SUBSETS = 1024


def subsets(owner, count, size=None):
    """Returns the subsets of `count` inputs, each written once.

    A subset is written as its indices in ascending order, such as `"0+2"`,
    so no two values mean the same thing.

    Args:
        owner: String, who asks, for the error.
        count: Integer, the number of inputs.
        size: Integer, the size of a subset. `None` for every non-empty one.
    """
    total = 2**count - 1 if size is None else math.comb(count, size)
    if total > MAX_SUBSETS:
        wanted = "every non-empty subset" if size is None else f"{size}"
        raise ValueError(
            f"{owner} has too many outcomes: {wanted} of {count} inputs gives "
            f"{total} values of one hyperparameter, and at most {MAX_SUBSETS} "
            "are supported. Choose fewer inputs, or choose in several steps."
        )
    sizes = range(1, count + 1) if size is None else [size]
    return [
        "+".join(map(str, indices))
        for each in sizes
        for indices in itertools.combinations(range(count), each)
    ]


def members(subset):
    """Returns the indices in a subset: `"0+2"` gives `[0, 2]`."""
    return [int(index) for index in subset.split("+")]
