import numpy as np
import pytest

from keras_nas.predictors import GaussianProcess
from keras_nas.predictors.gaussian_process import normal_quantiles


def one_hot(digits, options):
    """Encodes an integer array `(points, hyperparameters)`."""
    digits = np.asarray(digits)
    codes = np.eye(options)[digits]
    return codes.reshape(len(digits), -1)


def groups(hyperparameters, options):
    return np.repeat(np.arange(hyperparameters), options)


def some_data(points=40, noise=0.0, seed=0, options=3):
    """Five hyperparameters; only the first two count, and together."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(options, size=(points, 5))
    y = np.sin(2.0 * digits[:, 0]) + digits[:, 1] * (digits[:, 0] == 1)
    y = (y - y.mean()) / y.std() + noise * rng.standard_normal(points)
    return one_hot(digits, options), y


def fitted(x, y, **arguments):
    return GaussianProcess(groups(5, 3)).fit(x, y, **arguments)


def by_the_book(model, x, y, at):
    """Equations 2.25 and 2.26 of Rasmussen & Williams, point by point."""

    def kernel(a, b):
        return np.array(
            [
                [np.exp(-np.sum(model.weights * (p - q) ** 2)) for q in b]
                for p in a
            ]
        )

    covariance = kernel(x, x) + (model.noise + 1e-8) * np.eye(len(x))
    solved = np.linalg.solve(covariance, kernel(x, at))
    means = solved.T @ y
    variances = 1 - np.sum(kernel(x, at) * solved, axis=0)
    return means, np.sqrt(model.variance * variances)


def test_predictions_are_those_of_the_book():
    x, y = some_data()
    at, _ = some_data(seed=1)
    model = fitted(x, y)
    means, deviations = by_the_book(model, x, y, at)
    predicted = model.predict(at)
    np.testing.assert_allclose(predicted[0], means, atol=1e-6)
    np.testing.assert_allclose(predicted[1], deviations, atol=1e-4)


def test_conditioning_on_more_is_exact():
    x, y = some_data()
    at, _ = some_data(seed=1)
    model = fitted(x[:25], y[:25]).condition(x, y)
    means, deviations = by_the_book(model, x, y, at)
    predicted = model.predict(at)
    np.testing.assert_allclose(predicted[0], means, atol=1e-6)
    np.testing.assert_allclose(predicted[1], deviations, atol=1e-4)
    # And no trace of it is left.
    model.condition(x[:25], y[:25])
    again = fitted(x[:25], y[:25])
    np.testing.assert_array_equal(model.predict(at), again.predict(at))


def test_a_point_without_a_score_only_takes_uncertainty_away():
    x, y = some_data(points=12)
    at, _ = some_data(points=6, seed=1)
    model = fitted(x, y)
    means, deviations = model.predict(at)
    model.condition(np.concatenate([x, at[:1]]), y)
    new_means, new_deviations = model.predict(at)
    np.testing.assert_allclose(new_means, means)
    assert (new_deviations <= deviations + 1e-12).all()
    assert new_deviations[0] < 0.2 * deviations[0]


def test_the_rough_prediction_has_the_mean_and_bounds_the_deviation():
    x, y = some_data()
    at, _ = some_data(points=200, seed=1)
    model = fitted(x[:30], y[:30]).condition(x, y[:38])
    means, deviations = model.predict(at)
    for _ in range(2):
        rough_means, bounds = model.predict_roughly(at, keep=True)
        np.testing.assert_allclose(rough_means, means)
        assert (bounds >= deviations - 1e-9).all()
    # With a single point, it is no bound but the deviation itself.
    model.condition(x[:30], y[:30])
    alone = GaussianProcess().fit(x[:1], y[:1])
    np.testing.assert_allclose(
        alone.predict(at)[1], alone.predict_roughly(at)[1]
    )


def test_what_is_kept_is_of_the_latest_fit():
    x, y = some_data()
    model = fitted(x[:20], y[:20])
    model.predict_roughly(x, keep=True)
    model.fit(x[:30], y[:30])
    np.testing.assert_allclose(
        model.predict_roughly(x, keep=True)[0], model.predict(x)[0]
    )


def test_it_finds_out_which_hyperparameters_count():
    x, y = some_data(points=80)
    weights = fitted(x, y).weights.reshape(5, 3).mean(axis=1)
    assert weights[:2].min() > 3 * weights[2:].max()


def test_it_finds_out_that_one_value_is_unlike_the_others():
    rng = np.random.default_rng(0)
    digits = rng.integers(4, size=(60, 3))
    broken = (digits == 2).any(axis=1)
    y = np.where(broken, -1.0, 0.5) + 0.1 * rng.standard_normal(60)
    model = GaussianProcess(groups(3, 4)).fit(one_hot(digits, 4), y)
    weights = model.weights.reshape(3, 4)
    assert (weights.argmax(axis=1) == 2).all()


@pytest.mark.parametrize("noise", [0.0, 0.3, 1.0])
def test_it_finds_out_how_noisy_the_scores_are(noise):
    x, y = some_data(points=150, noise=noise)
    model = fitted(x, y)
    deviation = np.sqrt(model.noise * model.variance)
    if noise:
        assert deviation == pytest.approx(noise, rel=0.3)
    else:
        assert deviation < 0.1
    truth, expected = some_data(points=300, seed=2)
    means, _ = model.predict(truth)
    assert np.corrcoef(means, expected)[0, 1] > 0.9


def test_a_number_is_predicted_from_its_neighbours():
    x = np.linspace(0, 1, 9)[:, None]
    model = GaussianProcess(is_range=[True]).fit(x, np.sin(6 * x[:, 0]))
    at = np.array([[0.3], [0.7]])
    means, deviations = model.predict(at)
    np.testing.assert_allclose(means, np.sin(6 * at[:, 0]), atol=0.05)
    assert deviations.max() < 0.2


def test_the_fit_is_at_a_maximum_of_the_posterior_density():
    x, y = some_data(points=30)
    model = fitted(x, y)

    def density(log_weights, log_noise):
        """Up to a constant, computed as directly as can be."""
        model_weights = np.exp(log_weights)
        differences = x[:, None] - x
        kernel = np.exp(-(differences**2 * model_weights).sum(-1))
        covariance = kernel + (np.exp(log_noise) + 1e-8) * np.eye(30)
        _, determinant = np.linalg.slogdet(covariance)
        # Inverse gamma with shape and scale 1, at its best.
        fit = (y @ np.linalg.solve(covariance, y) + 2) / 32
        value = -0.5 * determinant - 16 * np.log(fit)
        prior = np.eye(15) + (np.repeat(range(5), 3)[:, None] == model.groups)
        offset = log_weights - np.log(0.5 / 5)
        value -= 0.5 * offset @ np.linalg.solve(prior, offset)
        return value - 0.5 * ((log_noise + 6) / 1.5) ** 2

    at = np.log(model.weights), np.log(model.noise)
    best = density(*at)
    for column in range(15):
        for step in (-0.3, 0.3):
            moved = at[0] + step * (np.arange(15) == column)
            assert density(moved, at[1]) < best
    assert max(density(at[0], at[1] + step) for step in (-0.5, 0.5)) < best


def test_of_many_points_some_are_enough_to_fit():
    x, y = some_data(points=200, noise=0.1)
    few = fitted(x, y, max_points=60)
    at, expected = some_data(points=300, seed=2)
    assert np.corrcoef(few.predict(at)[0], expected)[0, 1] > 0.95
    # All are conditioned on, though.
    means, deviations = by_the_book(few, x, y, at)
    np.testing.assert_allclose(few.predict(at)[0], means, atol=1e-6)


def test_repeated_points_and_equal_scores_do_no_harm():
    x, _ = some_data(points=10)
    model = fitted(np.concatenate([x, x]), np.zeros(20))
    means, deviations = model.predict(x)
    assert np.abs(means).max() < 1e-9
    assert np.isfinite(deviations).all()


def test_the_same_data_give_the_same_bits():
    x, y = some_data()
    np.testing.assert_array_equal(
        fitted(x, y).predict(x), fitted(x.copy(), y.copy()).predict(x)
    )


def test_quantiles_are_those_of_the_normal_distribution():
    # The middles of four quarters: 12.5%, 37.5%, 62.5%, 87.5%.
    np.testing.assert_allclose(
        normal_quantiles([3.0, 9.0, -50.0, 7.0]),
        [-0.318639, 1.150349, -1.150349, 0.318639],
        atol=1e-6,
    )
    # Equal scores share the middle of their places.
    np.testing.assert_allclose(
        normal_quantiles([1, 0, 1, 1]),
        [0.318639, -1.150349] + [0.318639] * 2,
        atol=1e-6,
    )
    assert normal_quantiles([]).shape == (0,)
