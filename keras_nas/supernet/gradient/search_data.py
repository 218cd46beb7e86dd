"""The batches of a search by gradient: some for weights, some for alphas."""

import itertools

import keras
import numpy as np
import tensorflow as tf


class SearchData:
    """Batches to train weights with, and others to train alphas with.

    Architecture parameters that learn from the examples that the weights have
    learnt from choose what overfits best. So a part of the training data is
    held out for them, or they get data of their own.

    All batches of a kind have one size, so that nothing is traced twice; what
    is left over of an epoch comes in another one, as arrays are shuffled
    anew. If there are fewer examples for the alphas than `batch_size`, each
    of their batches has them all; the weights' batches stay as they are.

    Args:
        x: Array or nested structure of arrays, or `tf.data.Dataset` of
            batches.
        y: Array or nested structure of arrays; `None` with a dataset.
        sample_weight: Optional array.
        batch_size: Integer, for arrays; at most so many examples as there
            are.
        alpha_split: Float between 0 and 1, the share of arrays that is held
            out for the alphas.
        alpha_data: Optional data for the alphas in its place: a tuple
            `(x, y)` or `(x, y, sample_weight)`, or a `tf.data.Dataset`.
        steps_per_epoch: Optional integer, batches of an epoch.
        seed: Integer, for the split and the order.

    Raises:
        ValueError: If the data is of another kind or too little.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055), section 3.1.

    Example:

    >>> data = SearchData(np.arange(8.0), np.arange(8.0), batch_size=2)
    >>> for weights, alphas in data.epoch(0):
    ...     print(weights[0].shape, alphas[0].shape)
    (2,) (2,)
    (2,) (2,)
    """

    def __init__(
        self,
        x,
        y=None,
        sample_weight=None,
        batch_size=32,
        alpha_split=0.5,
        alpha_data=None,
        steps_per_epoch=None,
        seed=0,
    ):
        self._seed = seed
        self._steps = steps_per_epoch
        is_dataset = isinstance(x, tf.data.Dataset)
        data = x if is_dataset else (x, y, sample_weight)
        if alpha_data is None:
            if is_dataset:
                raise ValueError(
                    "A `tf.data.Dataset` cannot be split so that the alphas "
                    "never see what the weights are trained with. Expected "
                    "arrays, or `search(dataset, alpha_data=other_dataset)`. "
                    f"Received: x={x!r}"
                )
            weights, alphas = self._split(data, alpha_split)
        else:
            if isinstance(alpha_data, (tuple, list)) and (
                len(alpha_data) in (2, 3)
            ):
                alpha_data = (*alpha_data, None)[:3]
            elif not isinstance(alpha_data, tf.data.Dataset):
                raise ValueError(
                    "Invalid value received for argument `alpha_data`. "
                    "Expected a tuple `(x, y)` or `(x, y, sample_weight)`, or "
                    "a `tf.data.Dataset` of such batches. Received a value of "
                    f"type {type(alpha_data).__name__}"
                )
            weights, alphas = (
                part if isinstance(part, tf.data.Dataset) else _arrays(part)
                for part in (data, alpha_data)
            )
        for part in (weights, alphas):
            if isinstance(part, tuple) and _size(part) < 1:
                raise ValueError(
                    "There is nothing to train weights or alphas with. "
                    "Expected at least two examples. Received arrays that, "
                    f"split by alpha_split={alpha_split}, leave none for one "
                    "of them."
                )
        self._batch_size = batch_size
        self._weights, self._alphas = weights, alphas

    @property
    def batch_sizes(self):
        """Dict of the sizes of batches, as far as they are known already."""
        parts = {"weights": self._weights, "alphas": self._alphas}
        return {
            kind: self._length(part)
            for kind, part in parts.items()
            if isinstance(part, tuple)
        }

    def epoch(self, number):
        """Yields the batches of an epoch.

        Args:
            number: Integer. The same number gives the same batches of arrays.

        Yields:
            Pair of tuples `(x, y, sample_weight)` of tensors, one for the
            weights and one for the alphas.
        """
        weights = self._batches(self._weights, [self._seed, number, 0])
        alphas = (
            batch
            for round_ in itertools.count()
            for batch in self._alpha_batches([self._seed, number, 1, round_])
        )
        pairs = zip(weights, alphas, strict=False)
        yield from itertools.islice(pairs, self._steps)

    def alpha_batch(self, number):
        """Returns one batch for the alphas, of a number."""
        return next(self._alpha_batches([self._seed, number, 2]))

    def _alpha_batches(self, seed):
        is_empty = True
        for batch in self._batches(self._alphas, seed):
            is_empty = False
            yield batch
        if is_empty:
            raise ValueError(
                "There is nothing to train alphas with. Expected `alpha_data` "
                "with at least one batch. Received a dataset that is empty: "
                f"{self._alphas!r}"
            )

    def _length(self, arrays):
        return min(self._batch_size, _size(arrays))  # A whole batch at least.

    def _split(self, data, share):
        arrays = _arrays(data)
        size = _size(arrays)
        rng = np.random.default_rng([self._seed, 0])
        order = rng.permutation(size)
        cut = size - round(size * share)
        return _take(arrays, order[:cut]), _take(arrays, order[cut:])

    def _batches(self, part, seed):
        if isinstance(part, tuple):
            size, length = _size(part), self._length(part)
            order = np.random.default_rng(seed).permutation(size)
            for start in range(0, size - length + 1, length):
                chosen = order[start : start + length]
                yield _tensors(_take(part, chosen))
            return
        if part.cardinality() == tf.data.INFINITE_CARDINALITY and (
            not self._steps
        ):
            raise ValueError(
                "The dataset is endless. Expected `steps_per_epoch`, the "
                f"number of batches of an epoch. Received: {part!r}"
            )
        whole = None
        for batch in part:
            batch = keras.utils.unpack_x_y_sample_weight(batch)
            size = _size(batch)
            whole = whole or size
            if size == whole:
                yield batch


def _arrays(data):
    """Checks data and returns it as NumPy arrays."""

    def array(value):
        if not hasattr(value, "shape") or not hasattr(value, "dtype"):
            raise ValueError(
                "Search by gradient takes its data as arrays or as a "
                "`tf.data.Dataset`. Received a value of type "
                f"{type(value).__name__}"
            )
        return np.asarray(value)

    x, y, sample_weight = data
    arrays = tuple(
        None if part is None else keras.tree.map_structure(array, part)
        for part in (x, y, sample_weight)
    )
    sizes = {
        len(leaf) for leaf in keras.tree.flatten(arrays) if leaf is not None
    }
    if len(sizes) != 1:
        raise ValueError(
            "Expected arrays with as many examples as one another. Received "
            f"sizes: {sorted(sizes)}"
        )
    return arrays


def _size(batch):
    return int(keras.tree.flatten(batch[0])[0].shape[0])


def _take(arrays, numbers):
    return tuple(
        None
        if part is None
        else keras.tree.map_structure(lambda array: array[numbers], part)
        for part in arrays
    )


def _tensors(arrays):
    def tensor(array):
        if array.dtype.kind == "f":
            array = array.astype(keras.config.floatx())
        return tf.convert_to_tensor(array)

    return tuple(
        None if part is None else keras.tree.map_structure(tensor, part)
        for part in arrays
    )
