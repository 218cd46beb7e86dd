"""Learning curves as stopping rules compare them."""

import numpy as np


def best_so_far(curve, epochs):
    """Returns the lowest loss of the first epochs; infinity if there is none.

    Args:
        curve: List of floats, losses by epoch, NaN where there was none.
        epochs: Integer, how many epochs count.

    Example:

    >>> best_so_far([0.5, float("nan"), 0.4, 0.3], epochs=3)
    0.4
    """
    losses = [loss for loss in curve[:epochs] if np.isfinite(loss)]
    return min(losses, default=float("inf"))
