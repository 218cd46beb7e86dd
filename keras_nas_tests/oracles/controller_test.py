import itertools

import numpy as np
import pytest

from keras_nas.oracles.controller import Controller

SIZES = [3, 2, 1, 4]
# Four sequences; in the last three some decisions are not asked.
ROWS = np.array([[2, 1, 0, 3], [0, -1, 0, 1], [1, 0, -1, -1], [-1, -1, 0, 2]])


def controller_of(sizes=SIZES, units=3, seed=0):
    """One whose weights are large enough to matter."""
    controller = Controller(sizes, units, np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    for weight in controller.weights.values():
        weight += 0.7 * rng.normal(size=weight.shape)
    return controller


def objective(controller, rows, advantages, entropy_bonus):
    return (advantages * controller.log_probabilities(rows)).sum() + (
        entropy_bonus * controller.entropy(rows).sum()
    )


@pytest.mark.parametrize("entropy_bonus", [0.0, 0.8])
def test_the_gradient_is_that_of_finite_differences(entropy_bonus):
    controller = controller_of()
    advantages = np.random.default_rng(5).normal(size=ROWS.shape)
    gradient = controller.gradient(ROWS, advantages, entropy_bonus)
    assert set(gradient) == set(controller.weights)
    step, compared = 1e-6, 0
    for name, weight in controller.weights.items():
        numeric = np.zeros_like(weight)
        for place in np.ndindex(weight.shape):
            before = weight[place]
            found = []
            for sign in (1, -1):
                weight[place] = before + sign * step
                found.append(
                    objective(controller, ROWS, advantages, entropy_bonus)
                )
            weight[place] = before
            numeric[place] = (found[0] - found[1]) / (2 * step)
        np.testing.assert_allclose(gradient[name], numeric, atol=1e-7)
        compared += (np.abs(numeric) > 1e-3).sum()
    assert compared > 45


def test_a_new_controller_begins_with_equal_chances():
    controller = Controller([4, 2], 8, np.random.default_rng(0))
    first = controller.log_probabilities(np.array([[0, 0], [3, 1]]))[:, 0]
    assert first.tolist() == pytest.approx([np.log(1 / 4)] * 2)


def test_probabilities_sum_up_to_one():
    controller = controller_of()
    rows = np.array(list(itertools.product(*map(range, SIZES))))
    total = np.exp(controller.log_probabilities(rows).sum(axis=1)).sum()
    assert total == pytest.approx(1)


def test_decisions_that_are_not_asked_change_nothing():
    controller = controller_of()
    short = controller_of([3, 4])
    for name in ("embedding", "readout", "bias"):
        short.weights[name][:] = controller.weights[name][[0, 3]]
    short.weights["recurrent"] = controller.weights["recurrent"]
    long = controller.log_probabilities(np.array([[2, -1, -1, 3]]))
    assert long[0, 1:3].tolist() == [0, 0]
    expected = short.log_probabilities(np.array([[2, 3]]))
    assert long[0, [0, 3]].tolist() == pytest.approx(expected[0].tolist())
    entropies = controller.entropy(np.array([[2, -1, -1, 3]]))
    assert entropies == pytest.approx(short.entropy(np.array([[2, 3]])))


def test_what_is_drawn_has_the_probability_it_is_said_to_have():
    controller = controller_of()
    rng = np.random.default_rng(0)
    draws, counts = 3000, {}
    for _ in range(draws):
        decide = controller.sampler(rng)
        row = (decide(0), decide(1), -1, decide(3))
        counts[row] = counts.get(row, 0) + 1
    rows = [
        (a, b, -1, c)
        for a, b, c in itertools.product(range(3), range(2), range(4))
    ]
    expected = np.exp(controller.log_probabilities(np.array(rows)).sum(axis=1))
    found = np.array([counts.get(row, 0) / draws for row in rows])
    # 4 standard errors, of 24 frequencies.
    assert (np.abs(found - expected) < 4 * np.sqrt(expected / draws)).all()
    assert expected.max() > 3 / 24


def test_a_high_temperature_leaves_it_to_chance():
    controller = controller_of()
    controller.weights["bias"][0] = [5, 0, 0, 0]
    rng = np.random.default_rng(0)

    def share_of_best(temperature):
        draws = [controller.sampler(rng, temperature)(0) for _ in range(300)]
        assert set(draws) <= {0, 1, 2}
        return draws.count(0) / 300

    assert share_of_best(1.0) > 0.95
    assert share_of_best(100.0) == pytest.approx(1 / 3, abs=0.12)
