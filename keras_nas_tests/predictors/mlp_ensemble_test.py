import numpy as np
import pytest

from keras_nas.predictors import MLPEnsemble


def some_data(points, seed=0):
    """Six hyperparameters of three options; the first three count."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(3, size=(points, 6))
    y = np.sin(2.0 * digits[:, 0]) + digits[:, 1] * (digits[:, 2] == 1)
    x = np.eye(3)[digits].reshape(points, -1)
    # The moments of the whole space, so that all data have one scale.
    return x, (y - 0.505) / 0.935


def fitted(x, y, seed=0, **arguments):
    return MLPEnsemble(**arguments).fit(x, y, np.random.default_rng(seed))


def test_it_ranks_what_it_has_not_seen():
    at, truth = some_data(300, seed=1)
    correlations = []
    for points in (20, 150):
        means, _ = fitted(*some_data(points)).predict(at)
        ranks = [np.argsort(np.argsort(v)) for v in (means, truth)]
        correlations.append(np.corrcoef(*ranks)[0, 1])
    assert correlations[0] > 0.4
    assert correlations[1] > 0.9


def test_without_decay_it_learns_the_data_by_heart():
    x, y = some_data(30)
    means, _ = fitted(x, y, weight_decay=0.0).predict(x)
    assert np.abs(means - y).max() < 0.2


def test_a_network_of_linear_features_is_bayesian_linear_regression():
    # A constant: its posterior is known in closed form.
    y = np.array([0.5, 1.5, 1.0, 1.4])
    model = fitted(np.zeros((4, 2)), y, members=1)
    # All features are the same in all points, so the prior of the function
    # has the variance v there, and the noise v * model.noises[0].
    noise = model.noises[0]
    mean = y.sum() / (4 + noise)
    residual = (np.sum(y**2) - y.sum() ** 2 / (4 + noise)) / noise
    variance = residual / 4 * noise / (4 + noise)
    means, deviations = model.predict(np.zeros((1, 2)))
    assert means == pytest.approx(mean, rel=1e-4)
    assert deviations == pytest.approx(np.sqrt(variance), rel=1e-3)


def test_members_that_disagree_are_unsure():
    x, y = some_data(40)
    at, _ = some_data(50, seed=1)
    rng = np.random.default_rng(0)
    alone = fitted(x, y, members=1).predict(at)
    model = MLPEnsemble(members=8).fit(x, y, rng)
    assert model.predict(at)[1].mean() > alone[1].mean()


def test_it_is_surer_of_what_it_has_seen():
    x, y = some_data(40)
    model = fitted(x, y)
    at, _ = some_data(100, seed=1)
    unseen = [i for i, row in enumerate(at) if not (row == x).all(1).any()]
    assert len(unseen) > 50
    seen_deviation = model.predict(x)[1].mean()
    assert seen_deviation < 0.8 * model.predict(at[unseen])[1].mean()


def test_new_points_count_without_a_training():
    x, y = some_data(40)
    at, truth = some_data(200, seed=1)
    model = fitted(x, y)
    before = np.abs(model.predict(at)[0] - truth).mean()
    more_x, more_y = some_data(120, seed=2)
    model.condition(np.concatenate([x, more_x]), np.concatenate([y, more_y]))
    assert np.abs(model.predict(at)[0] - truth).mean() < 0.8 * before


def test_points_without_a_score_are_taken_as_predicted():
    x, y = some_data(40)
    at, _ = some_data(5, seed=1)
    model = fitted(x, y)
    means, deviations = model.predict(at)
    model.condition(np.concatenate([x, at]), y)
    new_means, new_deviations = model.predict(at)
    np.testing.assert_allclose(new_means, means, atol=1e-4)
    assert (new_deviations < deviations).all()


def test_many_points_are_predicted_in_parts():
    model = fitted(*some_data(40))
    at, _ = some_data(5000, seed=1)
    means, deviations = model.predict(at)
    for part in (slice(0, 10), slice(4090, 4110), slice(4990, 5000)):
        part_means, part_deviations = model.predict(at[part])
        np.testing.assert_allclose(part_means, means[part], atol=1e-5)
        np.testing.assert_allclose(part_deviations, deviations[part], 1e-4)


def test_the_generator_decides():
    x, y = some_data(100)
    first, again, other = (fitted(x, y, seed).predict(x) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("points", [1, 2, 5])
def test_equal_scores_and_few_points_do_no_harm(points):
    x, _ = some_data(points)
    means, deviations = fitted(x, np.zeros(points)).predict(x)
    np.testing.assert_allclose(means, 0, atol=1e-3)
    assert np.isfinite(deviations).all()
    assert (deviations > 0).all()


def test_no_points_to_predict():
    means, deviations = fitted(*some_data(10)).predict(np.empty((0, 18)))
    assert means.shape == deviations.shape == (0,)
