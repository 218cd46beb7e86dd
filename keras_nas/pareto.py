"""Functions on several losses: domination, knees, crowding and hypervolume.

A point is a row of losses, one an objective, each to be minimised; what is to
be maximised is negated by the caller. One point *dominates* another if it is
nowhere worse and somewhere better. Equal points do not dominate each other.
"""

import numpy as np


def non_dominated(losses):
    """Finds the points that no other point dominates: the Pareto front.

    Args:
        losses: Array-like of shape `(points, objectives)`. Infinite losses
            are compared like any other.

    Returns:
        Boolean array of shape `(points,)`, true for the points of the front.
        Of equal points all are in it, or none.

    Raises:
        ValueError: If a loss is NaN, or the shape is another.

    Example:

    >>> non_dominated([[1, 3], [2, 2], [2, 4], [3, 1]])
    array([ True,  True, False,  True])
    """
    losses = _checked(losses)
    front = np.zeros(len(losses), dtype=bool)
    # What dominates a point comes before it in this order, so the first of
    # those that are left is always in the front.
    left = np.lexsort(losses.T[::-1])
    while len(left):
        first = losses[left[0]]
        equal = (losses[left] == first).all(axis=1)
        front[left[equal]] = True
        left = left[(losses[left] < first).any(axis=1)]
    return front


def non_dominated_sort(losses):
    """Ranks points by the front that they belong to.

    Rank 0 is the Pareto front, rank 1 the front of what is left without
    rank 0, and so on.

    Args:
        losses: Array-like of shape `(points, objectives)`.

    Returns:
        Integer array of shape `(points,)`.

    Raises:
        ValueError: If a loss is NaN, or the shape is another.

    Reference:
        Deb et al., [A Fast and Elitist Multiobjective Genetic Algorithm:
        NSGA-II](https://doi.org/10.1109/4235.996017), 2002.

    Example:

    >>> non_dominated_sort([[1, 3], [2, 2], [2, 4], [3, 5]])
    array([0, 0, 1, 2])
    """
    losses = _checked(losses)
    ranks = np.zeros(len(losses), dtype=int)
    left = np.arange(len(losses))
    rank = 0
    while len(left):
        front = non_dominated(losses[left])
        ranks[left[front]] = rank
        left = left[~front]
        rank += 1
    return ranks


def knee(losses):
    """Finds the point where more of one objective costs most of the others.

    The losses of the front are brought to a range from 0 to 1 each, and the
    ends of the front span a line (a plane for three objectives). The knee is
    the point that lies furthest below it, towards the ideal. On a front that
    is a straight line, or of two points, there is none: then it is the best
    in the first objective.

    Args:
        losses: Array-like of shape `(points, objectives)`, at least one
            point, all finite. Those that are dominated are left out.

    Returns:
        Integer, the index of the point.

    Raises:
        ValueError: If there is no point, a loss is not finite, or the shape
            is another.

    Reference:
        Das, [On characterizing the "knee" of the Pareto curve based on
        Normal-Boundary
        Intersection](https://doi.org/10.1007/BF01195985), 1999. Branke et
        al., [Finding Knees in Multi-objective
        Optimization](https://doi.org/10.1007/978-3-540-30217-9_73), 2004:
        why it is what most users take.

    Example:

    >>> knee([[0, 10], [1, 3], [6, 2], [10, 0]])
    1
    """
    losses = _finite(losses)
    if not len(losses):
        raise ValueError(
            "Invalid value received for argument `losses`. Expected at least "
            f"one point. Received: losses={losses}"
        )
    front = np.flatnonzero(non_dominated(losses))
    shares = _shares(losses[front])
    # All points of that plane have one sum. Rounded, or the last bit would
    # decide between equals.
    depths = np.round(shares.sum(axis=1), 9)
    order = np.lexsort((*shares.T[::-1], depths))
    return int(front[order[0]])


def spread_order(losses):
    """Puts points in an order in which any first few represent all.

    The front comes first: its knee, its ends (the best in each objective, in
    the order of the objectives), and then always the point that is furthest
    from those before it, so that the gaps are filled evenly. What is
    dominated follows, front by front, in the same way.

    Args:
        losses: Array-like of shape `(points, objectives)`, all finite.

    Returns:
        Integer array of shape `(points,)`, indices.

    Raises:
        ValueError: If a loss is not finite, or the shape is another.

    Example:

    >>> spread_order([[0, 10], [1, 3], [6, 2], [10, 0], [10, 10]])
    array([1, 0, 3, 2, 4])
    """
    losses = _finite(losses)
    order = []
    left = np.arange(len(losses))
    while len(left):
        is_front = non_dominated(losses[left])
        front, left = left[is_front], left[~is_front]
        order += front[_spread(losses[front])].tolist()
    return np.array(order, dtype=int)


def crowding_distance(losses):
    """Measures how lonely each point of a front is.

    For each objective, a point gets the distance between its two neighbours
    in the order of that objective, as a share of the range of the front. The
    sum over the objectives is its crowding distance; the two ends of an
    objective get infinity. An objective in which all points are equal says
    nothing and is left out.

    Args:
        losses: Array-like of shape `(points, objectives)`, the points of one
            front. All losses have to be finite.

    Returns:
        Array of shape `(points,)`; larger is lonelier.

    Raises:
        ValueError: If a loss is not finite, or the shape is another.

    Reference:
        Deb et al., [A Fast and Elitist Multiobjective Genetic Algorithm:
        NSGA-II](https://doi.org/10.1109/4235.996017), 2002.

    Example:

    >>> crowding_distance([[0, 4], [1, 2], [4, 0]])
    array([inf,  2., inf])
    """
    losses = _finite(losses)
    distances = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        if not len(ordered) or ordered[0] == ordered[-1]:
            continue
        share = (ordered[2:] - ordered[:-2]) / (ordered[-1] - ordered[0])
        distances[order[1:-1]] += share
        distances[order[[0, -1]]] = np.inf
    return distances


def hypervolume(losses, reference):
    """Measures the space between a set of points and a reference point.

    It is the volume of all places that some point dominates and that
    dominate the reference, so it grows with every improvement of the front,
    and with nothing else. Exact: a sweep for two objectives, slice by slice
    along the last objective for more. The time grows with the size of the
    front to the power of the objectives less one.

    Args:
        losses: Array-like of shape `(points, objectives)`. A point that is
            not below the reference in every objective adds nothing.
        reference: Array-like of shape `(objectives,)`, finite losses that
            count as bad.

    Returns:
        Float; 0.0 for no points.

    Raises:
        ValueError: If a loss is NaN, the reference is not finite, or the
            shapes do not agree.

    Reference:
        Zitzler & Thiele, [Multiobjective Evolutionary Algorithms: A
        Comparative Case Study and the Strength Pareto
        Approach](https://doi.org/10.1109/4235.797969), 1999. The slicing:
        While et al., [A Faster Algorithm for Calculating
        Hypervolume](https://doi.org/10.1109/TEVC.2005.851275), 2006.

    Example:

    >>> hypervolume([[1, 2], [2, 1]], reference=[3, 3])
    3.0
    """
    losses = _checked(losses)
    reference = np.asarray(reference, dtype="float64")
    is_vector = reference.ndim == 1 and reference.size
    if not is_vector or not np.isfinite(reference).all():
        raise ValueError(
            "Invalid value received for argument `reference`. Expected one "
            f"finite number an objective. Received: reference={reference}"
        )
    if len(losses) and losses.shape[1] != len(reference):
        raise ValueError(
            "Arguments `losses` and `reference` do not agree. Expected the "
            "same number of objectives. Received: losses of shape "
            f"{losses.shape}, reference of shape {reference.shape}"
        )
    if not len(losses):
        return 0.0
    inside = losses[(losses < reference).all(axis=1)]
    return float(_volume(inside, reference))


def hypervolume_curve(losses, reference):
    """Measures how the hypervolume grows, point by point.

    Args:
        losses: Array-like of shape `(points, objectives)`, in the order in
            which they were found.
        reference: Array-like of shape `(objectives,)`, finite losses that
            count as bad.

    Returns:
        Array of shape `(points,)`: the hypervolume of each point and all
        before it. Each is computed from the one before, by what the point
        adds.

    Raises:
        ValueError: As `hypervolume` does.

    Reference:
        While et al., [A Fast Way of Calculating Exact
        Hypervolumes](https://doi.org/10.1109/TEVC.2010.2077298), 2012: the
        volume that a point alone dominates.

    Example:

    >>> hypervolume_curve([[1, 2], [2, 2], [2, 1]], reference=[3, 3])
    array([2., 2., 3.])
    """
    losses = _checked(losses)
    hypervolume(losses[:0], reference)  # Checks the reference.
    if len(losses):
        hypervolume(losses[:1], reference)
    reference = np.asarray(reference, dtype="float64")
    front = np.empty((0, len(reference)))
    volumes, volume = [], 0.0
    for point in losses:
        is_inside = (point < reference).all()
        if is_inside and not (front <= point).all(axis=1).any():
            # What the front dominates of what the point dominates.
            shared = np.maximum(front, point)
            volume += float(np.prod(reference - point))
            volume -= float(_volume(shared, reference))
            front = front[~(front >= point).all(axis=1)]
            front = np.concatenate([front, point[None]])
        volumes.append(volume)
    return np.array(volumes)


def _shares(losses):
    """Losses as shares of their ranges; 0 where all are equal."""
    low = losses.min(axis=0)
    ranges = losses.max(axis=0) - low
    return (losses - low) / np.where(ranges > 0, ranges, 1.0)


def _spread(losses):
    """The order of the points of one front, see `spread_order`."""
    shares = _shares(losses)
    first = [knee(losses)]
    for index in range(losses.shape[1]):
        others = np.delete(losses, index, axis=1)
        ends = np.lexsort((*others.T[::-1], losses[:, index]))
        first.append(ends[0])
    order = list(dict.fromkeys(int(index) for index in first))
    distances = np.full(len(losses), np.inf)
    for index in order:
        distances = _nearer(distances, shares, index)
    while len(order) < len(losses):
        distances[order] = -1.0
        order.append(int(np.round(distances, 9).argmax()))
        distances = _nearer(distances, shares, order[-1])
    return np.array(order)


def _nearer(distances, shares, index):
    return np.minimum(distances, np.linalg.norm(shares - shares[index], axis=1))


def _volume(points, reference):
    if not len(points):
        return 0.0
    if len(reference) == 1:
        return reference[0] - points.min()
    if len(reference) == 2:
        points = points[np.lexsort(points.T[::-1])]
        # From left to right, the lowest point so far bounds each strip.
        heights = reference[1] - np.minimum.accumulate(points[:, 1])
        edges = np.append(points[:, 0], reference[0])
        return np.diff(edges) @ heights
    points = points[non_dominated(points)]
    points = points[np.argsort(points[:, -1], kind="stable")]
    depths = np.diff(np.append(points[:, -1], reference[-1]))
    return sum(
        depth * _volume(points[: i + 1, :-1], reference[:-1])
        for i, depth in enumerate(depths)
        if depth > 0
    )


def _finite(losses):
    losses = _checked(losses)
    if not np.isfinite(losses).all():
        raise ValueError(
            "Invalid value received for argument `losses`. Expected finite "
            f"numbers. Received: losses={losses}"
        )
    return losses


def _checked(losses):
    array = np.asarray(losses, dtype="float64")
    if array.ndim == 1 and not array.size:
        array = array.reshape(0, 1)  # An empty list of points.
    if array.ndim != 2 or not array.shape[1] or np.isnan(array).any():
        raise ValueError(
            "Invalid value received for argument `losses`. Expected an array "
            "of shape (points, objectives) without NaN. Received: "
            f"losses={losses}"
        )
    return array
