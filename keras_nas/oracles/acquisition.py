"""What an evaluation is worth, by a prediction and its uncertainty."""

import math

import numpy as np

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)

# Below so many deviations, the difference of two nearly equal numbers is
# replaced by the first term of its series.
_FAR_BELOW = -10.0


def log_expected_improvement(means, deviations, best):
    """The logarithm of how much better than the best a score will be.

    Expected improvement (scores are to be maximised) underflows where the
    model is sure; its logarithm still tells what is the least hopeless.

    Args:
        means: Array of predicted scores.
        deviations: Array of their standard deviations, above 0.
        best: Float, the score to beat.

    Returns:
        Array.

    Reference:
        Jones et al., [Efficient Global Optimization of Expensive Black-Box
        Functions](https://doi.org/10.1023/A:1008306431147), 1998. The
        logarithm: Ament et al., [Unexpected Improvements to Expected
        Improvement](https://arxiv.org/abs/2310.20708), 2023.

    Example:

    >>> log_expected_improvement(np.zeros(1), np.ones(1), best=0.0).round(3)
    array([-0.919])
    """
    means, deviations = np.broadcast_arrays(means, deviations)
    z = (means - best) / deviations
    near = np.maximum(z, _FAR_BELOW)
    improvement = np.exp(-0.5 * near**2 - _LOG_SQRT_2PI)
    improvement += near * normal_cdf(near)
    far = np.minimum(z, _FAR_BELOW)
    logarithm = np.where(
        z > _FAR_BELOW,
        np.log(np.maximum(improvement, 1e-300)),
        -0.5 * far**2 - _LOG_SQRT_2PI - 2 * np.log(-far),
    )
    return logarithm + np.log(deviations)


def normal_cdf(z):
    """The standard normal distribution function, exact in the left tail."""
    flat = np.ravel(z)
    halves = [0.5 * math.erfc(-value / math.sqrt(2)) for value in flat.tolist()]
    return np.reshape(np.array(halves, dtype="float64"), np.shape(z))
