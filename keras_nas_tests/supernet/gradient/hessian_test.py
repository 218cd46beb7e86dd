import numpy as np
import pytest

from keras_nas.supernet.gradient.hessian import largest_eigenvalue


@pytest.mark.parametrize("shift", [-6.0, -1.0, 0.0, 4.0])
def test_it_is_the_largest_eigenvalue_numpy_finds(shift):
    """Also where one of the other end has a larger magnitude."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((8, 8))
    matrix = (matrix + matrix.T) / 2 + shift * np.eye(8)
    values = np.linalg.eigvalsh(matrix)
    found = largest_eigenvalue(
        matrix.dot, 8, rng, tolerance=1e-10, max_iterations=2000
    )
    assert found == pytest.approx(values[-1], abs=1e-4)


def test_it_stops_when_it_knows_enough():
    products = []

    def product(vector):
        products.append(vector)
        return np.diag([5.0, 0.1, 0.1]) @ vector

    rng = np.random.default_rng(0)
    assert largest_eigenvalue(product, 3, rng) == pytest.approx(5.0, rel=1e-3)
    assert 2 <= len(products) < 8


def test_a_matrix_of_zeros_has_the_eigenvalue_zero():
    rng = np.random.default_rng(0)
    assert largest_eigenvalue(np.zeros((3, 3)).dot, 3, rng) == 0
