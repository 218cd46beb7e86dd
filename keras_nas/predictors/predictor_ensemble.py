"""Neural networks and a Gaussian process that predict together."""

import numpy as np

from keras_nas.predictors.gaussian_process import GaussianProcess
from keras_nas.predictors.mlp_ensemble import MLPEnsemble


class PredictorEnsemble:
    """Predicts scores by two kinds of models that err in different ways.

    Neural networks generalise far from a few points, but agree on mistakes
    that none of them can see. A Gaussian process knows what it does not know,
    but learns slowly which columns matter. A prediction is the mean of both,
    each weighed by its precision, the inverse of its variance: near the data
    the Gaussian process counts, elsewhere the networks. The deviation is
    that of the Gaussian process.

    In searches on NAS-Bench-201, networks alone stayed for long with an
    architecture whose neighbours they had wrongly dismissed, be it with
    expected improvement or Thompson sampling.

    The scores should have about mean 0 and variance 1, see
    `gaussian_process.normal_quantiles`.

    Args:
        groups: Array-like of integers, one a column: which columns belong to
            the same hyperparameter. By default each to its own.
        is_range: Boolean array-like, one a column: whether it is a place in a
            range rather than a category. By default none is.

    Reference:
        White et al., [How Powerful are Performance Predictors in Neural
        Architecture Search?](https://arxiv.org/abs/2104.01177), 2021: the
        best predictors combine some that differ.

    Example:

    >>> x = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> model = PredictorEnsemble(groups=[0, 0, 0])
    >>> _ = model.fit(x, np.array([-1.0, 0.0, 1.0]), np.random.default_rng(0))
    >>> mean, deviation = model.predict(x)
    >>> int(mean.argmax())
    2
    """

    def __init__(self, groups=None, is_range=None):
        self.gaussian_process = GaussianProcess(groups, is_range)
        self.networks = MLPEnsemble()

    def fit(self, x, y, rng, max_points=None):
        """Fits both to the data.

        Args:
            x: Array of shape `(points, columns)`.
            y: Array of shape `(points,)`.
            rng: `numpy.random.Generator`.
            max_points: Optional integer; of more points, so many are used to
                find the parameters of the Gaussian process.

        Returns:
            The object itself.
        """
        self.gaussian_process.fit(x, y, max_points=max_points)
        self.networks.fit(x, y, rng)
        return self

    def condition(self, x, y):
        """Conditions on other data, without a training.

        Args:
            x: Array of shape `(points, columns)`. It begins with the points
                of `fit`.
            y: Array of shape `(known points,)`. Points behind them have no
                score yet: they are taken to be as predicted.

        Returns:
            The object itself.
        """
        self.gaussian_process.condition(x, y)
        self.networks.condition(x, y)
        return self

    def predict(self, x):
        """Predicts the scores without noise.

        Args:
            x: Array of shape `(points, columns)`.

        Returns:
            Two arrays of shape `(points,)`: means and standard deviations.
        """
        means, deviations = self.gaussian_process.predict(x)
        others = self.networks.predict(x)
        return _weighed(means, deviations, *others), deviations

    def predict_roughly(self, x, keep=False):
        """Predicts upper bounds of the means and of the deviations.

        A fraction of the work of `predict`.

        Args:
            x: Array of shape `(points, columns)`.
            keep: Boolean, whether to keep what does not depend on the data
                since `fit`, for a call with the same object later.

        Returns:
            Two arrays of shape `(points,)`.
        """
        means, deviations = self.gaussian_process.predict_roughly(x, keep)
        others = self.networks.predict(x)
        # The larger the deviation, the more the networks count. So the mean is
        # between that of the Gaussian process and this one.
        weighed = _weighed(means, deviations, *others)
        return np.maximum(means, weighed), deviations


def _weighed(means, deviations, other_means, other_deviations):
    share = deviations**2 / (deviations**2 + other_deviations**2)
    return means + share * (other_means - means)
