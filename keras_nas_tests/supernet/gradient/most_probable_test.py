import itertools

import numpy as np

from keras_nas.supernet.gradient.most_probable import most_probable


def test_all_architectures_come_once_in_the_order_of_their_probability():
    rng = np.random.default_rng(0)
    given = [rng.dirichlet(np.ones(size)) for size in (3, 4, 2, 3)]

    def probability(vector):
        return np.prod([p[i] for p, i in zip(given, vector, strict=True)])

    everything = itertools.product(*(range(len(p)) for p in given))
    expected = sorted(everything, key=probability, reverse=True)
    assert list(most_probable(given)) == expected
    assert len(expected) == 72


def test_the_first_of_a_huge_space_come_at_once():
    given = [[0.1, 0.6, 0.3]] * 40  # 10 ** 19 architectures.
    found = list(itertools.islice(most_probable(given), 42))
    assert found[0] == (1,) * 40
    assert all(sum(n == 2 for n in vector) == 1 for vector in found[1:41])
    assert sum(n == 2 for n in found[41]) == 2


def test_what_is_impossible_comes_last():
    assert list(most_probable([[0.0, 1.0], [0.5, 0.5]]))[:2] == [(1, 0), (1, 1)]
