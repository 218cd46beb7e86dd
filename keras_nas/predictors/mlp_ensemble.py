"""An ensemble of small neural networks with a Bayesian last layer."""

import numpy as np

# Adam's usual ones.
_MOMENTUM, _SECOND_MOMENTUM, _EPSILON = 0.9, 0.999, 1e-8

# Noise, as shares of the prior variance of the scores, of which the most
# likely one is taken.
_NOISES = np.array([1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0])

_SMALLEST_VARIANCE = 1e-10

# Rows that go through the networks at a time, so that memory stays small.
_ROWS_AT_A_TIME = 4096


class MLPEnsemble:
    """Predicts scores, and how sure it is, by several neural networks.

    Multilayer perceptrons that differ in their random beginning are trained
    at once, as batched matrix products in `float32`. Strong weight decay
    makes them ignore what does not matter; that counts more, with some
    dozens of points, than their size and the number of steps.

    After the training, the last layer of each is replaced by Bayesian linear
    regression on its hidden features, which `condition` does again within
    milliseconds when there are new points. A prediction is the mixture of
    the networks: its variance is what they are unsure of, and what they
    disagree on.

    The scores should have about mean 0 and variance 1, see
    `gaussian_process.normal_quantiles`.

    Args:
        members: Integer, the number of networks.
        units: Integer, the width of the two hidden layers.
        learning_rate: Float, the first one of Adam; it falls to 0 along a
            cosine.
        weight_decay: Float, the share of the weights that a step takes away
            is this times the learning rate (decoupled, as in AdamW).
        batch_size: Integer, the points of a step.

    Reference:
        Lakshminarayanan et al., [Simple and Scalable Predictive Uncertainty
        Estimation using Deep Ensembles](https://arxiv.org/abs/1612.01474),
        2017. Snoek et al., [Scalable Bayesian Optimization Using Deep Neural
        Networks](https://arxiv.org/abs/1502.05700), 2015: the last layer.

    Example:

    >>> x = np.eye(3)
    >>> model = MLPEnsemble()
    >>> _ = model.fit(x, np.array([-1.0, 0.0, 1.0]), np.random.default_rng(0))
    >>> mean, deviation = model.predict(x)
    >>> int(mean.argmax())
    2
    """

    def __init__(
        self,
        members=5,
        units=64,
        learning_rate=0.01,
        weight_decay=1.0,
        batch_size=64,
    ):
        self.members = members
        self.units = units
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size

    def fit(self, x, y, rng):
        """Trains the networks, and conditions on the data.

        Args:
            x: Array of shape `(points, columns)`.
            y: Array of shape `(points,)`.
            rng: `numpy.random.Generator`.

        Returns:
            The object itself.
        """
        self._layers = self._train(
            np.asarray(x, "float32"), np.asarray(y, "float32"), rng
        )
        return self.condition(x, y)

    def condition(self, x, y):
        """Fits the last layers to other data, with the hidden ones as they are.

        Args:
            x: Array of shape `(points, columns)`.
            y: Array of shape `(known points,)`. Points behind them have no
                score yet: they are taken to be as predicted, so that there is
                nothing left to learn from them.

        Returns:
            The object itself.
        """
        features = self._features(x)
        known = len(y)
        self._means, self._roots, self.noises = [], [], []
        for member in features:
            mean, root, noise = _linear_regression(
                member[:known], np.asarray(y, "float64"), member[known:]
            )
            self._means.append(mean)
            self._roots.append(root)
            self.noises.append(noise)
        return self

    def predict(self, x):
        """Predicts the scores without noise.

        Args:
            x: Array of shape `(points, columns)`.

        Returns:
            Two arrays of shape `(points,)`: means and standard deviations.
        """
        features = self._features(x)
        means = np.array(
            [f @ mean for f, mean in zip(features, self._means, strict=True)]
        )
        variances = np.array(
            [
                np.square(f @ root.astype("float32")).sum(axis=1)
                for f, root in zip(features, self._roots, strict=True)
            ]
        )
        variance = variances.mean(axis=0) + means.var(axis=0)
        return means.mean(axis=0), np.sqrt(
            np.maximum(variance, _SMALLEST_VARIANCE)
        )

    def _features(self, x):
        """The last hidden layers and a constant, `(members, points, units)`."""
        x = np.asarray(x, "float32")
        parts = []
        for start in range(0, max(1, len(x)), _ROWS_AT_A_TIME):
            part = x[start : start + _ROWS_AT_A_TIME][None]
            for weights, biases in self._layers[:-1]:
                part = np.maximum(part @ weights + biases, 0)
            constant = np.ones((*part.shape[:2], 1), "float32")
            parts.append(np.concatenate([part, constant], axis=2))
        return np.concatenate(parts, axis=1)

    def _train(self, x, y, rng):
        widths = [x.shape[1], self.units, self.units, 1]
        shapes = list(zip(widths[:-1], widths[1:], strict=True))
        size = sum((rows + 1) * columns for rows, columns in shapes)
        # All parameters in one array: a step of Adam is a few operations.
        parameters = np.zeros((self.members, size), "float32")
        gradient = np.zeros_like(parameters)
        moment = np.zeros_like(parameters)
        second_moment = np.zeros_like(parameters)
        layers = _views(parameters, shapes)
        slopes = _views(gradient, shapes)
        for weights, biases in layers:
            # He et al. (2015) for the hidden layers.
            scale = np.sqrt(2 / max(1, weights.shape[1]))
            if weights is layers[-1][0]:
                scale *= 0.2
            else:
                biases[...] = 0.1 * rng.standard_normal(biases.shape)
            weights[...] = scale * rng.standard_normal(weights.shape)

        steps = _number_of_steps(len(y))
        for step in range(1, steps + 1):
            if len(y) > self.batch_size:
                shape = (self.members, self.batch_size)
                batch = rng.integers(len(y), size=shape)
            else:
                batch = np.arange(len(y))[None]
            _back_propagate(layers, slopes, x[batch], y[batch][..., None])
            rate = self.learning_rate
            rate *= 0.5 * (1 + np.cos(np.pi * (step - 1) / steps))
            moment += (1 - _MOMENTUM) * (gradient - moment)
            np.square(gradient, out=gradient)
            second_moment += (1 - _SECOND_MOMENTUM) * (gradient - second_moment)
            correction = np.sqrt(1 - _SECOND_MOMENTUM**step)
            correction /= 1 - _MOMENTUM**step
            parameters *= 1 - rate * self.weight_decay
            parameters -= (
                np.float32(rate * correction)
                * moment
                / (np.sqrt(second_moment) + np.float32(_EPSILON))
            )
        return layers


def _number_of_steps(points):
    return min(300, 100 + points // 2)


def _views(flat, shapes):
    """The weights and biases of each layer, as parts of one array."""
    views, start = [], 0
    for rows, columns in shapes:
        end = start + rows * columns
        views.append(
            (
                flat[:, start:end].reshape(-1, rows, columns),
                flat[:, end : end + columns].reshape(-1, 1, columns),
            )
        )
        start = end + columns
    return views


def _back_propagate(layers, slopes, x, y):
    """Writes the gradient of half the mean squared error into `slopes`."""
    outputs = [x]
    for weights, biases in layers[:-1]:
        outputs.append(np.maximum(outputs[-1] @ weights + biases, 0))
    weights, biases = layers[-1]
    error = (outputs[-1] @ weights + biases - y) / np.float32(x.shape[1])
    for number in range(len(layers) - 1, -1, -1):
        by_weights, by_biases = slopes[number]
        np.matmul(outputs[number].swapaxes(1, 2), error, out=by_weights)
        by_biases[...] = error.sum(axis=1, keepdims=True)
        if number:
            error = error @ layers[number][0].swapaxes(1, 2)
            error *= outputs[number] > 0


def _linear_regression(features, y, unscored):
    """Bayesian linear regression; noise and scale are the most likely ones.

    Returns:
        The mean of the weights, a matrix `root` so that `root @ root.T` is
        their covariance, and the share of noise.
    """
    features = features.astype("float64")
    scale = np.sqrt(max(np.square(features).sum() / len(y), 1e-12))
    features = features / scale
    values, vectors = np.linalg.eigh(features.T @ features)
    values = np.maximum(values, 0)
    rotated = vectors.T @ (features.T @ y)
    noises = _NOISES[:, None]
    residual = y @ y - np.square(rotated) @ (1 / (values + noises)).T
    variances = np.maximum(residual / _NOISES, 1e-12) / len(y)
    likelihood = -0.5 * len(y) * np.log(variances * _NOISES)
    likelihood -= 0.5 * np.log1p(values / noises).sum(axis=1)
    best = likelihood.argmax()
    noise, variance = _NOISES[best], variances[best]
    mean = vectors @ (rotated / (values + noise)) / scale
    if len(unscored):
        unscored = unscored.astype("float64") / scale
        values, vectors = np.linalg.eigh(
            features.T @ features + unscored.T @ unscored
        )
        values = np.maximum(values, 0)
    root = vectors * np.sqrt(variance * noise / (values + noise)) / scale
    return mean, root, noise
