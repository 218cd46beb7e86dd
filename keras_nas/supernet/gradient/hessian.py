"""The largest eigenvalue of a matrix that is known by its products only."""

import numpy as np


def largest_eigenvalue(product, size, rng, tolerance=1e-3, max_iterations=50):
    """Returns the largest eigenvalue of a symmetric matrix.

    Power iteration finds the eigenvalue of the largest magnitude. If that is
    negative, the matrix is shifted by it, and a second iteration finds the
    one at the other end.

    Args:
        product: Function that multiplies the matrix by a vector, such as
            Hessian-vector products.
        size: Integer, how long vectors are.
        rng: `numpy.random.Generator`, for the first vector.
        tolerance: Float, the relative change at which the iteration ends.
        max_iterations: Integer, products to take at most, of each iteration.

    Returns:
        Float.

    Example:

    >>> matrix = np.diag([2.0, -5.0, 1.0])
    >>> value = largest_eigenvalue(
    ...     matrix.dot, 3, np.random.default_rng(0), tolerance=1e-9)
    >>> round(value, 4)
    2.0
    """
    start = rng.standard_normal(size)
    dominant = _dominant(product, start, tolerance, max_iterations)
    if dominant >= 0:
        return dominant
    return dominant + _dominant(
        lambda vector: product(vector) - dominant * vector,
        start,
        tolerance,
        max_iterations,
    )


def _dominant(product, start, tolerance, max_iterations):
    vector = start / np.linalg.norm(start)
    value = None
    for _ in range(max_iterations):
        image = np.asarray(product(vector), "float64")
        before, value = value, float(vector @ image)
        norm = np.linalg.norm(image)
        if norm == 0 or not np.isfinite(norm):
            return value
        vector = image / norm
        if before is not None and abs(value - before) <= tolerance * abs(value):
            break
    return value
