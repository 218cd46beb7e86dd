"""Gaussian process regression on encoded architectures."""

import statistics

import numpy as np

# The prior of the parameters, in logarithms. Two random architectures have a
# correlation of exp(-1), give or take a factor of e in the exponent; columns of
# one hyperparameter differ by another factor of e. The noise is small unless
# the data say otherwise.
_DISTANCE_DEVIATION = 1.0
_COLUMN_DEVIATION = 1.0
_NOISE_MEAN, _NOISE_DEVIATION = -6.0, 1.5
# Inverse gamma prior of the signal variance, for scores of about unit variance.
_VARIANCE_SHAPE = 1.0
# A position in a range counts more than a column of a one-hot code: 0 to 1 is
# its whole range, and most differences are small.
_RANGE_FACTOR = 4.0

_JITTER = 1e-8
_SMALLEST_VARIANCE = 1e-10
_MAX_ITERATIONS = 30
_MAX_STEP = 2.0


class GaussianProcess:
    """Predicts scores, and how sure it is, from encoded architectures.

    The kernel is a squared exponential with a weight for each column,

        k(x, y) = variance * exp(-sum_c weight_c * (x_c - y_c)^2)

    On the columns of a one-hot code, that is an exponentiated Hamming distance
    with a weight for each value, so it can tell that one operation is unlike
    all others. On a column with the place in a range, it is the usual kernel of
    a number. Weights, noise and variance are those of the largest posterior
    density, under a weak prior that keeps columns of one hyperparameter
    alike.

    The scores should have about mean 0 and variance 1, see `normal_quantiles`.

    Args:
        groups: Array-like of integers, one a column: which columns belong to
            the same hyperparameter. By default each to its own.
        is_range: Boolean array-like, one a column: whether it is a place in a
            range rather than a category. By default none is.

    Reference:
        Rasmussen & Williams, [Gaussian Processes for Machine
        Learning](https://gaussianprocess.org/gpml/), 2006, chapters 2 and 5.
        Kandasamy et al., [Neural Architecture Search with Bayesian
        Optimisation and Optimal Transport](https://arxiv.org/abs/1802.07191),
        2018, which introduced the approach to architectures.

    Example:

    >>> x = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> model = GaussianProcess(groups=[0, 0, 0])
    >>> _ = model.fit(x, np.array([-1.0, 0.0, 1.0]))
    >>> mean, deviation = model.predict(x)
    >>> bool(np.allclose(mean, [-1.0, 0.0, 1.0], atol=0.05))
    True
    """

    def __init__(self, groups=None, is_range=None):
        self.groups = groups
        self.is_range = is_range

    def fit(self, x, y, max_points=None):
        """Finds the parameters, and conditions on the data.

        Args:
            x: Array of shape `(points, columns)`.
            y: Array of shape `(points,)`.
            max_points: Optional integer. Of more points, so many from the
                worst to the best are used to find the parameters; the time
                grows with the third power.

        Returns:
            The object itself.
        """
        x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
        mean, precision = self._prior(x.shape[1])
        used = slice(None)
        if max_points is not None and len(y) > max_points:
            places = np.linspace(0, len(y) - 1, max_points).round()
            used = np.argsort(y, kind="stable")[places.astype(int)]

        def objective(parameters):
            value, gradient = _negative_log_likelihood(
                parameters, x[used], y[used]
            )
            offset = parameters - mean
            pull = precision @ offset
            return value + 0.5 * offset @ pull, gradient + pull

        parameters = _minimize(objective, mean)
        self.weights = np.exp(parameters[:-1])
        self.noise = float(np.exp(parameters[-1]))
        # The inverse of the Cholesky factor, which later calls extend.
        self._fitted, self._kept = x, None
        factor = np.linalg.cholesky(self._covariance(x))
        self._fitted_inverse = np.tril(np.linalg.inv(factor))
        return self.condition(x, y)

    def condition(self, x, y):
        """Conditions on other data, with the parameters as they are.

        Only what is new costs time.

        Args:
            x: Array of shape `(points, columns)`. It begins with the points
                of `fit`.
            y: Array of shape `(known points,)`. Points behind them have no
                score yet: they are taken to be as predicted, so that there is
                nothing left to learn from them.

        Returns:
            The object itself.
        """
        x, y = np.asarray(x, "float64"), np.asarray(y, "float64")
        self._inverse = self._extend(x)
        known = self._inverse[: len(y), : len(y)]
        self._x, self._known = x, len(y)
        self._coefficients = known.T @ (known @ y)
        self.variance = (y @ self._coefficients + 2 * _VARIANCE_SHAPE) / (
            len(y) + 2 * _VARIANCE_SHAPE
        )
        return self

    def predict(self, x):
        """Predicts the scores without noise.

        Args:
            x: Array of shape `(points, columns)`.

        Returns:
            Two arrays of shape `(points,)`: means and standard deviations.
        """
        kernel = self._kernel(np.asarray(x, "float64"), self._x)
        explained = kernel @ self._inverse.T
        unexplained = 1 - np.einsum("ij,ij->i", explained, explained)
        variances = np.maximum(unexplained, _SMALLEST_VARIANCE) * self.variance
        means = kernel[:, : self._known] @ self._coefficients
        return means, np.sqrt(variances)

    def predict_roughly(self, x, keep=False):
        """Predicts the scores, with an upper bound of the deviations.

        A fraction of the work of `predict`: the bound is the deviation given
        the nearest point alone.

        Args:
            x: Array of shape `(points, columns)`.
            keep: Boolean, whether to keep what depends on `x` and the points
                of `fit`, for a call with the same object later.

        Returns:
            Two arrays of shape `(points,)`: means and bounds.
        """
        if self._kept is not None and self._kept[0] is x:
            _, kernel, nearest = self._kept
        else:
            kernel = self._kernel(np.asarray(x, "float64"), self._fitted)
            nearest = kernel.max(axis=1)
            if keep:
                self._kept = x, kernel, nearest
        old = len(self._fitted)
        means = kernel[:, : self._known] @ self._coefficients[:old]
        if len(self._x) > old:
            added = self._kernel(np.asarray(x, "float64"), self._x[old:])
            nearest = np.maximum(nearest, added.max(axis=1))
            later = self._coefficients[old:]
            means = means + added[:, : len(later)] @ later
        explained = nearest**2 / (1 + self.noise + _JITTER)
        unexplained = np.maximum(1 - explained, _SMALLEST_VARIANCE)
        return means, np.sqrt(unexplained * self.variance)

    def _prior(self, columns):
        groups = np.arange(columns) if self.groups is None else self.groups
        groups = np.asarray(groups)
        factors = np.ones(columns)
        if self.is_range is not None:
            factors[np.asarray(self.is_range, bool)] = _RANGE_FACTOR
        # Two different categories differ in two columns.
        factors[factors == 1] = 0.5
        mean = np.append(np.log(factors / len(np.unique(groups))), _NOISE_MEAN)
        covariance = np.zeros((columns + 1, columns + 1))
        covariance[:-1, :-1] = _DISTANCE_DEVIATION**2 * (
            groups[:, None] == groups
        ) + _COLUMN_DEVIATION**2 * np.eye(columns)
        covariance[-1, -1] = _NOISE_DEVIATION**2
        return mean, np.linalg.inv(covariance)

    def _kernel(self, x, y):
        return _kernel(x, y, self.weights)

    def _covariance(self, x):
        return self._kernel(x, x) + (self.noise + _JITTER) * np.eye(len(x))

    def _extend(self, x):
        """The inverse Cholesky factor with rows for the points since `fit`."""
        old = len(self._fitted)
        if len(x) == old:
            return self._fitted_inverse
        added = x[old:]
        across = self._kernel(added, self._fitted) @ self._fitted_inverse.T
        rest = self._covariance(added) - across @ across.T
        inverse = np.zeros((len(x), len(x)))
        inverse[:old, :old] = self._fitted_inverse
        corner = np.tril(np.linalg.inv(np.linalg.cholesky(rest)))
        inverse[old:, old:] = corner
        inverse[old:, :old] = -corner @ (across @ self._fitted_inverse)
        return inverse


def normal_quantiles(scores):
    """Replaces scores by what a normal distribution has at their ranks.

    A few architectures that do not learn at all would otherwise squeeze all
    good ones into a corner. The order is kept; equal scores stay equal.

    Args:
        scores: Array-like of shape `(points,)`.

    Returns:
        `float64` array of shape `(points,)`.

    Example:

    >>> normal_quantiles([50.0, 99.0, 0.1]).round(2)
    array([ 0.  ,  0.97, -0.97])
    """
    _, place, counts = np.unique(
        scores, return_inverse=True, return_counts=True
    )
    middles = np.cumsum(counts) - counts / 2
    normal = statistics.NormalDist()
    quantiles = [normal.inv_cdf(m / max(1, len(place))) for m in middles]
    return np.array(quantiles, dtype="float64")[place]


def _kernel(x, y, weights):
    weighted = x * weights
    distances = 2 * (weighted @ y.T)
    distances -= np.einsum("ij,ij->i", weighted, x)[:, None]
    distances -= np.einsum("ij,j,ij->i", y, weights, y)
    return np.exp(np.minimum(distances, 0, out=distances), out=distances)


def _negative_log_likelihood(parameters, x, y):
    """And its gradient. The signal variance is the most likely one."""
    weights, noise = np.exp(parameters[:-1]), np.exp(parameters[-1])
    points = len(x)
    kernel = _kernel(x, x, weights)
    covariance = kernel + (noise + _JITTER) * np.eye(points)
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return np.inf, np.zeros_like(parameters)
    inverse = np.linalg.inv(covariance)
    solved = inverse @ y
    freedom = points + 2 * _VARIANCE_SHAPE
    variance = (y @ solved + 2 * _VARIANCE_SHAPE) / freedom
    value = 0.5 * freedom * np.log(variance) + np.log(np.diag(factor)).sum()
    # The derivative by the covariance.
    by_covariance = 0.5 * (inverse - np.outer(solved, solved) / variance)
    slope = by_covariance * kernel
    # Sum over pairs of slope * (x_i - x_j)^2, without the array of pairs.
    by_weight = -2 * (
        slope.sum(axis=1) @ (x * x) - np.einsum("ij,ij->j", x, slope @ x)
    )
    return value, np.append(
        by_weight * weights, noise * np.trace(by_covariance)
    )


def _minimize(function, start):
    """BFGS with backtracking (Nocedal & Wright, 2006, chapter 6)."""
    at = start
    value, gradient = function(at)
    inverse_hessian = None
    for _ in range(_MAX_ITERATIONS):
        if inverse_hessian is None:
            direction = -gradient / max(1.0, np.abs(gradient).max())
        else:
            direction = -inverse_hessian @ gradient
        direction /= max(1.0, np.abs(direction).max() / _MAX_STEP)
        slope = gradient @ direction
        if slope > -1e-5:
            break
        step = 1.0
        for _ in range(12):
            new_value, new_gradient = function(at + step * direction)
            if new_value <= value + 1e-4 * step * slope:
                break
            step *= 0.4
        else:
            break
        moved, bend = step * direction, new_gradient - gradient
        at, value, gradient = at + moved, new_value, new_gradient
        curvature = moved @ bend
        if curvature <= 1e-10:
            continue
        if inverse_hessian is None:
            inverse_hessian = np.eye(len(at)) * curvature / (bend @ bend)
        update = np.eye(len(at)) - np.outer(moved, bend) / curvature
        inverse_hessian = update @ inverse_hessian @ update.T
        inverse_hessian += np.outer(moved, moved) / curvature
    return at
