import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_nas.supernet.gradient import SearchData

X = np.arange(20.0)


def seen(data, epochs=4):
    """What the weights and the alphas get to see."""
    pairs = list(itertools.chain.from_iterable(map(data.epoch, range(epochs))))
    return [
        {int(v) for pair in pairs for v in pair[side][0].numpy()}
        for side in (0, 1)
    ]


def test_alphas_never_see_what_the_weights_see():
    data = SearchData(X, 2 * X, batch_size=3, alpha_split=0.25, seed=1)
    weights, alphas = seen(data)
    assert weights.isdisjoint(alphas)
    assert (len(weights), len(alphas)) == (15, 5)
    for (x, y, weight), _ in data.epoch(0):
        assert weight is None
        assert x.dtype == tf.float32
        np.testing.assert_array_equal(y, 2 * x)


def test_an_epoch_is_all_whole_batches_of_the_weights():
    data = SearchData(X, X, batch_size=4, alpha_split=0.3, seed=1)
    pairs = list(data.epoch(0))
    assert len(pairs) == 3  # Of 14 examples; 6 for the alphas come again.
    assert all(len(side[0]) == 4 for pair in pairs for side in pair)
    xs = [int(v) for (x, _, _), _ in pairs for v in x]
    assert len(set(xs)) == 12
    assert len(list(SearchData(X, X, steps_per_epoch=1).epoch(0))) == 1


def test_epochs_differ_and_come_out_the_same_again():
    def order(number, seed=1):
        data = SearchData(X, X, batch_size=2, seed=seed)
        return [[s[0].numpy().tolist() for s in p] for p in data.epoch(number)]

    assert order(3) == order(3)
    assert order(3) != order(4)
    assert order(3) != order(3, seed=2)


def test_small_data_makes_smaller_batches():
    ((weights, alphas),) = SearchData(X, X, batch_size=32).epoch(0)
    assert len(weights[0]) == len(alphas[0]) == 10


def test_few_examples_for_the_alphas_leave_the_weights_their_batches():
    data = SearchData(X, X, batch_size=8, alpha_split=0.15, seed=1)
    pairs = list(data.epoch(0))
    assert [len(x) for (x, *_), _ in pairs] == [8, 8]  # Of 17.
    assert [len(x) for _, (x, *_) in pairs] == [3, 3]
    assert len(data.alpha_batch(0)[0]) == 3
    data = SearchData(X, X, batch_size=8, alpha_split=0.9, seed=1)
    ((weights, alphas),) = data.epoch(0)
    assert (len(weights[0]), len(alphas[0])) == (2, 8)


def test_an_empty_dataset_for_the_alphas_is_refused():
    weights = tf.data.Dataset.from_tensor_slices((X, X)).batch(4)
    for data in (
        SearchData(X, X, alpha_data=weights.take(0)),
        SearchData(weights, alpha_data=weights.filter(lambda x, y: False)),
    ):
        with pytest.raises(ValueError, match="`alpha_data`(.|\n)*empty"):
            list(data.epoch(0))
        with pytest.raises(ValueError, match="`alpha_data`(.|\n)*empty"):
            data.alpha_batch(0)


def test_nests_and_weights_are_cut_alike():
    data = SearchData(
        {"a": X, "b": X[:, None] + 1}, [X, -X], X / 2, batch_size=4
    )
    for x, y, weight in itertools.chain.from_iterable(data.epoch(0)):
        np.testing.assert_array_equal(x["a"], x["b"][:, 0] - 1)
        np.testing.assert_array_equal(y[0], -y[1])
        np.testing.assert_array_equal(weight, x["a"] / 2)


def test_data_of_their_own_is_taken_whole():
    data = SearchData(X, X, batch_size=5, alpha_data=(X + 100, X))
    weights, alphas = seen(data)
    assert weights == set(range(20))
    assert alphas == set(range(100, 120))


def test_datasets_are_taken_with_data_for_the_alphas():
    weights = tf.data.Dataset.from_tensor_slices((X, X)).batch(8)
    alphas = weights.map(lambda x, y: (x + 100, y))
    data = SearchData(weights, alpha_data=alphas)
    pairs = list(data.epoch(0))
    assert len(pairs) == 2  # The last, of 4, is left out.
    assert float(pairs[1][1][0][0]) == 108
    with pytest.raises(ValueError, match="alpha_data="):
        SearchData(weights)
    endless = SearchData(weights.repeat(), alpha_data=alphas)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        list(endless.epoch(0))
    endless = SearchData(weights.repeat(), alpha_data=(X, X), steps_per_epoch=7)
    assert len(list(endless.epoch(0))) == 7


@pytest.mark.parametrize(
    "x, y, message",
    [
        (X[:1], X[:1], "at least two"),
        (X, X[:5], r"\[5, 20\]"),
        (iter([1]), None, "arrays(.|\n)*list_iterator"),
    ],
)
def test_what_cannot_be_used_is_said(x, y, message):
    with pytest.raises(ValueError, match=message):
        SearchData(x, y)


def test_alpha_data_without_targets_is_refused():
    with pytest.raises(ValueError, match="`alpha_data`.*type ndarray"):
        SearchData(X, X, alpha_data=X)
