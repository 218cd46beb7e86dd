"""One number of several losses, in a random direction (Knowles, 2006)."""

import numpy as np

# The share of the sum: of two architectures with the same largest loss, the
# one that is better elsewhere wins. As in the paper.
_AUGMENTATION = 0.05


class ChebyshevDirection:
    """Compares architectures as if each objective mattered so much.

    What an oracle for a single objective follows where there are several: a
    new direction for each proposal, so that its proposals spread over the
    front. The augmented Chebyshev distance to the best values seen, which
    reaches every part of a front, whatever its shape.

    Losses count by their place among all that were seen, from 0 for the best
    to 1 for the worst: neither the units matter, nor a few that exploded.

    Args:
        losses: Array-like of shape `(points, objectives)`: all that is known,
            at least one point.
        weights: Array-like of shape `(objectives,)`, positive.

    Reference:
        Knowles, [ParEGO: A Hybrid Algorithm With On-Line Landscape
        Approximation for Expensive Multiobjective Optimization
        Problems](https://doi.org/10.1109/TEVC.2005.851274), 2006.

    Example:

    >>> direction = ChebyshevDirection([[0, 30], [1, 20], [2, 10]], [0.5, 0.5])
    >>> [round(direction(losses), 3) for losses in ([0, 30], [1, 20])]
    [0.525, 0.275]
    """

    def __init__(self, losses, weights):
        columns = np.asarray(losses, dtype="float64").T
        self._weights = [float(weight) for weight in weights]
        self._scales = [_scale(column) for column in columns]

    def __call__(self, losses):
        """Returns how far points are from ideal, to be minimised.

        Args:
            losses: A point, a tuple of losses, or an array of shape
                `(points, objectives)`.

        Returns:
            Float, or an array of shape `(points,)`.
        """
        losses = np.asarray(losses, dtype="float64")
        parts = np.stack(
            [
                weight * np.interp(losses[..., index], *scale)
                for index, (weight, scale) in enumerate(
                    zip(self._weights, self._scales, strict=True)
                )
            ]
        )
        distances = parts.max(axis=0) + _AUGMENTATION * parts.sum(axis=0)
        return distances if losses.ndim > 1 else float(distances)


def _scale(column):
    """Losses and their places, between which places are interpolated."""
    values = np.unique(column)
    return values, np.linspace(0.0, 1.0, len(values))


def random_weights(number, rng):
    """Draws weights, uniformly from those that sum to 1.

    Args:
        number: Integer, how many.
        rng: `numpy.random.Generator`.

    Returns:
        Array of shape `(number,)`.
    """
    return rng.dirichlet(np.ones(number))
