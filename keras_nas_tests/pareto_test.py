import time

import numpy as np
import pytest

from keras_nas import pareto


def dominates(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(
        a < b for a, b in zip(one, other, strict=True)
    )


def brute_force_front(losses):
    return [
        not any(dominates(other, one) for other in losses) for one in losses
    ]


def grid_volume(losses, reference):
    """Counts unit cells: losses and reference are whole numbers from 0."""
    cells = np.stack(
        np.meshgrid(*[np.arange(r) for r in reference], indexing="ij"), axis=-1
    )
    covered = np.zeros(cells.shape[:-1], dtype=bool)
    for point in losses:
        covered |= (cells >= point).all(axis=-1)
    return covered.sum()


def random_losses(objectives, seed, points=40, values=8):
    # Few values, so that there are ties and equal points.
    rng = np.random.default_rng(seed)
    return rng.integers(0, values, size=(points, objectives)).astype(float)


# The Pareto front


def test_the_front_of_a_hand_made_set():
    losses = [[1, 5], [2, 3], [4, 1], [4, 3], [3, 3], [5, 5], [1, 6]]
    expected = [True, True, True, False, False, False, False]
    assert pareto.non_dominated(losses).tolist() == expected


def test_equal_points_are_all_in_the_front_or_all_out():
    losses = [[2, 2], [1, 1], [2, 2], [1, 1], [0, 3], [0, 3]]
    expected = [False, True, False, True, True, True]
    assert pareto.non_dominated(losses).tolist() == expected


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_front_is_that_of_brute_force(objectives):
    for seed in range(10):
        losses = random_losses(objectives, seed)
        front = pareto.non_dominated(losses).tolist()
        assert front == brute_force_front(losses)
        assert any(front)


def test_infinite_losses_are_compared():
    inf = np.inf
    losses = [[inf, inf], [inf, 1], [0, inf], [-inf, inf], [inf, inf]]
    expected = [False, True, False, True, False]
    assert pareto.non_dominated(losses).tolist() == expected


def test_ranks_of_a_hand_made_set():
    losses = [[3, 3], [1, 2], [2, 1], [2, 2], [4, 4], [1, 2], [5, 0]]
    assert pareto.non_dominated_sort(losses).tolist() == [2, 0, 0, 1, 3, 0, 0]


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_each_rank_is_the_front_of_what_is_left(objectives):
    losses = random_losses(objectives, seed=3)
    ranks = pareto.non_dominated_sort(losses)
    assert set(ranks) == set(range(ranks.max() + 1))
    assert ranks.max() >= 2
    for rank in range(ranks.max() + 1):
        left = losses[ranks >= rank]
        front = np.array(brute_force_front(left))
        assert (front == (ranks[ranks >= rank] == rank)).all()


def test_one_objective_is_ranked_by_value():
    assert pareto.non_dominated_sort([[5], [1], [3], [1]]).tolist() == [
        2,
        0,
        1,
        0,
    ]


# Crowding


def test_crowding_of_a_hand_made_front():
    # First objective: neighbours of (2, 4) are 1 and 6, of (6, 1) 2 and 11,
    # of a range of 10; second: 1 and 6 of 6, 0 and 4 of 6.
    losses = [[6, 1], [1, 6], [11, 0], [2, 4]]
    distances = pareto.crowding_distance(losses)
    assert distances[1] == distances[2] == np.inf
    assert distances[3] == pytest.approx(5 / 10 + 5 / 6)
    assert distances[0] == pytest.approx(9 / 10 + 4 / 6)


def test_an_objective_without_a_range_says_nothing():
    distances = pareto.crowding_distance([[0, 7], [1, 7], [4, 7]])
    assert distances.tolist() == [np.inf, 1.0, np.inf]
    assert pareto.crowding_distance([[1, 7], [1, 7]]).tolist() == [0, 0]


def test_a_repeated_point_inside_the_front_is_crowded():
    distances = pareto.crowding_distance([[0, 4], [1, 2], [1, 2], [4, 0]])
    # To each, the other is one of the neighbours in both objectives.
    assert distances[1] + distances[2] == pytest.approx(1 + 1)
    assert distances[[0, 3]].tolist() == [np.inf, np.inf]


@pytest.mark.parametrize("points", [1, 2])
def test_few_points_are_all_ends(points):
    losses = [[1, 2], [2, 1]][:points]
    distances = pareto.crowding_distance(losses)
    assert distances.tolist() == ([0.0] if points == 1 else [np.inf, np.inf])


def test_crowding_needs_finite_losses():
    with pytest.raises(ValueError, match="finite"):
        pareto.crowding_distance([[1, np.inf], [2, 1]])


# Hypervolume


def test_hypervolume_of_hand_made_sets():
    assert pareto.hypervolume([[1, 1]], [3, 4]) == 6
    # 3 x 1 of the first, 2 x 3 of the second, of which 2 x 1 is in both.
    assert pareto.hypervolume([[1, 3], [2, 1]], [4, 4]) == 3 + 6 - 2
    assert pareto.hypervolume([[2.5]], [4]) == 1.5
    assert pareto.hypervolume([[0, 0, 0]], [2, 3, 4]) == 24
    # Two boxes of 4 and 4 that share a cube of 1.
    assert pareto.hypervolume([[0, 1, 1], [1, 0, 0]], [2, 2, 2]) == 2 + 4 - 1


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_hypervolume_is_that_of_counting(objectives):
    for seed in range(5):
        losses = random_losses(objectives, seed, points=12, values=9)
        reference = [7, 8, 6, 7][:objectives]
        volume = pareto.hypervolume(losses, reference)
        assert volume == grid_volume(losses, reference)
        assert volume > 0


def test_points_that_are_dominated_or_repeated_add_nothing():
    front = [[1, 3, 2], [2, 1, 3]]
    more = [*front, *front, [2, 3, 3], [4, 1, 3]]
    reference = [5, 5, 5]
    assert pareto.hypervolume(more, reference) == pareto.hypervolume(
        front, reference
    )


def test_points_outside_the_reference_add_nothing():
    inside = [[1, 1]]
    outside = [[0, 3], [3, 0], [-9, 4], [np.inf, 0], [3, 3]]
    assert pareto.hypervolume(inside + outside, [3, 3]) == 4
    assert pareto.hypervolume(outside, [3, 3]) == 0


def test_the_order_of_points_makes_no_difference():
    rng = np.random.default_rng(0)
    losses = rng.random((30, 3))
    volume = pareto.hypervolume(losses, [1, 1, 1])
    for _ in range(3):
        shuffled = rng.permutation(losses)
        assert pareto.hypervolume(shuffled, [1, 1, 1]) == pytest.approx(volume)


# Any of them


@pytest.mark.parametrize("empty", [[], np.empty((0, 2))], ids=["list", "array"])
def test_no_points(empty):
    assert pareto.non_dominated(empty).shape == (0,)
    assert pareto.non_dominated_sort(empty).shape == (0,)
    assert pareto.crowding_distance(empty).shape == (0,)
    assert pareto.hypervolume(empty, [1, 1]) == 0.0


@pytest.mark.parametrize(
    "function",
    [
        pareto.non_dominated,
        pareto.non_dominated_sort,
        pareto.crowding_distance,
        lambda losses: pareto.hypervolume(losses, [1, 1]),
    ],
    ids=["front", "sort", "crowding", "hypervolume"],
)
@pytest.mark.parametrize(
    "losses", [[[1, np.nan]], [1, 2], [[[1]]], np.empty((2, 0))], ids=str
)
def test_losses_that_are_none(function, losses):
    with pytest.raises(ValueError, match="(?s)`losses`.*Expected an array"):
        function(losses)


@pytest.mark.parametrize(
    "reference, message",
    [
        ([1, np.inf], "finite"),
        ([1, np.nan], "finite"),
        ([[1, 1]], "finite"),
        ([1, 1, 1], "same number of objectives"),
    ],
    ids=str,
)
def test_references_that_are_none(reference, message):
    with pytest.raises(ValueError, match=message):
        pareto.hypervolume([[0, 0]], reference)


def test_arguments_are_not_changed():
    losses = random_losses(3, seed=0)
    before = losses.copy()
    pareto.non_dominated_sort(losses)
    pareto.crowding_distance(losses)
    pareto.hypervolume(losses, [9, 9, 9])
    assert (losses == before).all()


# Knees, and a few points for all


def test_the_knee_is_furthest_below_the_line_of_the_ends():
    # Shares (0, 1), (0.1, 0.3), (0.6, 0.2), (1, 0): sums 1, 0.4, 0.8, 1.
    assert pareto.knee([[0, 100], [1, 30], [6, 20], [10, 0]]) == 1
    # What is dominated has no say, however far it is out.
    points = [[0, 100], [900, 100], [6, 20], [1, 30], [10, 0]]
    assert pareto.knee(points) == 3


def test_the_unit_of_an_objective_does_not_move_the_knee():
    points = np.array([[0, 5], [1, 2], [2, 1], [5, 0.5]])
    knee = pareto.knee(points)
    assert pareto.knee(points * [1000, 0.001]) == knee


@pytest.mark.parametrize(
    "points", [[[3, 4]], [[3, 4], [3, 4]], [[1, 2], [2, 1]], [[1, 9]] * 3]
)
def test_without_a_knee_the_first_objective_decides(points):
    assert pareto.knee(points) == 0
    assert pareto.knee([[2, 1], [1, 2]]) == 1


def test_a_knee_of_three_objectives():
    ends = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert pareto.knee([*ends, [0.5, 0.5, 0.5], [0.9, 0.9, 0.1]]) == 3


@pytest.mark.parametrize("points", [[], [[1, float("inf")]]])
def test_there_is_no_knee_of_nothing(points):
    with pytest.raises(ValueError, match="`losses`"):
        pareto.knee(points)


def test_any_first_few_points_represent_all():
    #  A line from (0, 8) to (8, 0), with a knee at (2, 1) and a second front.
    points = [[0, 8], [1, 6], [2, 1], [5, 0.5], [8, 0], [9, 9], [3, 2]]
    order = pareto.spread_order(points).tolist()
    # The knee, the two ends, the widest gap (5, 0.5), the rest, the last ones.
    assert order == [2, 0, 4, 3, 1, 6, 5]


def test_the_order_of_nothing_and_of_equals():
    assert pareto.spread_order([]).tolist() == []
    assert sorted(pareto.spread_order([[1, 2]] * 3).tolist()) == [0, 1, 2]


def test_each_end_is_the_best_in_its_objective():
    rng = np.random.default_rng(1)
    points = rng.random((40, 3))
    first = pareto.spread_order(points)[:4].tolist()
    assert first[0] == pareto.knee(points)
    for index in range(3):
        assert points[:, index].argmin() in first


# Hypervolume over time


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_curve_is_the_hypervolume_of_each_beginning(objectives):
    rng = np.random.default_rng(objectives)
    points = rng.integers(0, 8, size=(40, objectives))
    reference = [7] * objectives
    expected = [
        pareto.hypervolume(points[: number + 1], reference)
        for number in range(len(points))
    ]
    curve = pareto.hypervolume_curve(points, reference)
    assert curve.tolist() == pytest.approx(expected)
    assert len(set(expected)) > 1


def test_a_curve_of_no_points_is_empty_and_needs_a_reference():
    assert pareto.hypervolume_curve([], [1, 1]).tolist() == []
    with pytest.raises(ValueError, match="`reference`"):
        pareto.hypervolume_curve([], [1, float("nan")])
    with pytest.raises(ValueError, match="do not agree"):
        pareto.hypervolume_curve([[1, 2]], [1, 2, 3])


def test_a_thousand_points_take_a_moment():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1000, 3))
    points /= -np.linalg.norm(points, axis=1, keepdims=True)
    started_s = time.monotonic()
    pareto.hypervolume_curve(-np.abs(points), [0.1, 0.1, 0.1])
    assert time.monotonic() - started_s < 10
