import numpy as np
import pytest

from keras_nas.oracles.acquisition import log_expected_improvement, normal_cdf


@pytest.mark.parametrize("mean", [-0.8, 0.0, 0.7])
@pytest.mark.parametrize("deviation", [0.5, 2.0])
def test_it_is_the_mean_improvement(mean, deviation):
    scores = mean + deviation * np.random.default_rng(0).standard_normal(10**6)
    expected = np.log(np.maximum(scores - 0.2, 0).mean())
    computed = log_expected_improvement(
        np.array([mean]), np.array([deviation]), best=0.2
    )
    assert computed[0] == pytest.approx(expected, abs=0.02)


def test_it_rises_with_mean_and_deviation_down_to_the_hopeless():
    means = np.linspace(-60, 5, 4000)
    values = log_expected_improvement(means, np.ones(4000), best=0.0)
    assert np.isfinite(values).all()
    assert (np.diff(values) > 0).all()
    deviations = np.geomspace(0.01, 10, 1000)
    values = log_expected_improvement(np.full(1000, -1.0), deviations, 0.0)
    assert (np.diff(values) > 0).all()


def test_the_distribution_function_is_exact_in_the_tail():
    # The values are tabulated.
    np.testing.assert_allclose(
        normal_cdf(np.array([0.0, 1.959963985, -10.0])),
        [0.5, 0.975, 7.61985302416e-24],
        rtol=1e-8,
    )
