"""Successive halving: who passes a rung."""

import collections

import pytest

from keras_nas.stopping import SuccessiveHalving

NAN = float("nan")


def flat(loss, epochs):
    return [loss] * epochs


@pytest.mark.parametrize(
    ("reduction_factor", "rungs"),
    [(3, [2, 6, 18]), (2, [2, 4, 8, 16]), (4, [2, 8])],
)
def test_trials_are_judged_at_rungs_only(reduction_factor, rungs):
    rule = SuccessiveHalving(2, reduction_factor)
    others = {number: flat(0.0, 20) for number in range(9)}
    stopped = [
        epochs
        for epochs in range(1, 21)
        if rule.should_stop(flat(1.0, epochs), others, number=9)
    ]
    assert stopped == rungs


@pytest.mark.parametrize(
    ("rivals", "passing"),
    # Of so many rivals at most this many may be better: of 3 trials the
    # best passes, of 6 the best two, of 8 still two, of 9 three.
    [(0, 0), (1, 1), (2, 0), (4, 0), (5, 1), (7, 1), (8, 2)],
)
def test_one_of_so_many_passes(rivals, passing):
    rule = SuccessiveHalving(1, 3)

    def is_stopped(better):
        others = {i: [0.1 if i < better else 0.9] for i in range(rivals)}
        return rule.should_stop([0.5], others, number=rivals)

    assert not is_stopped(passing)
    if passing < rivals:
        assert is_stopped(passing + 1)


def test_the_best_epoch_up_to_the_rung_counts():
    rule = SuccessiveHalving(2, 2)
    # The other is better, but only after the rung.
    assert not rule.should_stop([0.2, 0.9], {0: [0.5, 0.5, 0.0]}, number=1)
    assert rule.should_stop([0.6, 0.9], {0: [0.5, 0.9, 0.9]}, number=1)
    assert rule.should_stop([NAN, NAN], {0: [0.5, 0.9]}, number=1)


def test_those_that_have_not_come_to_the_rung_do_not_count():
    others = {0: [0.0], 1: [0.0], 2: [0.0]}
    rule = SuccessiveHalving(2, 2)
    assert not rule.should_stop([0.9, 0.9], others, number=3)


def test_brackets_start_later_and_have_fewer_trials():
    rule = SuccessiveHalving(1, 3, brackets=3)
    others = {number: flat(0.0, 30) for number in range(900)}
    first_stops = collections.Counter(
        next(
            epochs
            for epochs in range(1, 30)
            if rule.should_stop(flat(1.0, epochs), others, number)
        )
        for number in range(900, 1290)
    )
    # Weights 1, 1/3 and 1/9 of 13/9.
    assert set(first_stops) == {1, 3, 9}
    assert first_stops[1] == pytest.approx(270, abs=3)
    assert first_stops[3] == pytest.approx(90, abs=3)


def test_trials_compete_within_their_bracket():
    rule = SuccessiveHalving(1, 2, brackets=2)
    judged_at_1 = [
        number
        for number in range(20)
        if rule.should_stop(
            [1.0], {i: [0.0] for i in range(20) if i != number}, number
        )
    ]
    others = {i: [0.0] for i in range(20) if i not in judged_at_1}
    assert judged_at_1
    assert others
    assert not rule.should_stop([1.0], others, judged_at_1[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_epochs", 0),
        ("brackets", 1.0),
        ("reduction_factor", 1),
        ("reduction_factor", "3"),
        ("reduction_factor", NAN),
    ],
)
def test_arguments_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        SuccessiveHalving(**{name: value})
