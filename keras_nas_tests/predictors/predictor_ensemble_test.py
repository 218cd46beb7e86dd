import numpy as np
import pytest

from keras_nas.predictors import PredictorEnsemble


def some_data(points, seed=0):
    """Six hyperparameters of three options; the first three count."""
    rng = np.random.default_rng(seed)
    digits = rng.integers(3, size=(points, 6))
    y = np.sin(2.0 * digits[:, 0]) + digits[:, 1] * (digits[:, 2] == 1)
    x = np.eye(3)[digits].reshape(points, -1)
    return x, (y - 0.505) / 0.935


def fitted(points=40):
    model = PredictorEnsemble(groups=np.repeat(np.arange(6), 3))
    return model.fit(*some_data(points), np.random.default_rng(0))


def test_means_are_weighed_by_precision():
    model, (at, _) = fitted(), some_data(30, seed=1)
    first, others = model.gaussian_process, model.networks
    means, deviations = model.predict(at)
    for i in range(30):
        m, s = (float(a[i]) for a in first.predict(at))
        n, v = (float(a[i]) for a in others.predict(at))
        expected = (m / s**2 + n / v**2) / (1 / s**2 + 1 / v**2)
        assert means[i] == pytest.approx(expected, abs=1e-6)
        assert deviations[i] == pytest.approx(s)


def test_where_there_are_data_the_gaussian_process_counts():
    model, (x, y) = fitted(), some_data(40)
    np.testing.assert_allclose(model.predict(x)[0], y, atol=0.1)


def test_rough_predictions_are_upper_bounds():
    model, (at, _) = fitted(), some_data(200, seed=1)
    x, y = some_data(40)
    more_x, more_y = some_data(5, seed=2)
    model.condition(np.concatenate([x, more_x]), np.concatenate([y, more_y]))
    for keep in (True, True, False):
        exact, rough = model.predict(at), model.predict_roughly(at, keep)
        assert (rough[0] >= exact[0] - 1e-5).all()
        assert (rough[1] >= exact[1] - 1e-5).all()
    # And no useless ones.
    assert np.corrcoef(exact[0], rough[0])[0, 1] > 0.9


def test_conditioning_reaches_both():
    model, (at, truth) = fitted(20), some_data(200, seed=1)
    error = np.abs(model.predict(at)[0] - truth).mean()
    x, y = (
        np.concatenate(both)
        for both in zip(some_data(20), some_data(60, seed=2), strict=True)
    )
    model.condition(x, y)
    assert np.abs(model.predict(at)[0] - truth).mean() < 0.8 * error
