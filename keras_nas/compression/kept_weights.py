"""Zeros and shared values of kernels, which training would lose."""

import keras
import numpy as np

from keras_nas.compression.compression_stage import is_kernel

# As many values as TF-MOT takes for clusters. A kernel with more is not
# clustered, however often the same number is in it by chance.
_MAX_VALUES = 1024


class KeptWeights:
    """Puts the zeros and the shared values of kernels back after a step.

    An optimizer moves each weight by itself, so that a pruned or clustered
    kernel is no such any more after one step. This remembers which weights
    are zero and which have the same value. `put_back` sets the former to zero
    and the latter to their mean: the step that the optimizer made, projected
    onto the weights that are pruned and clustered as before.

    A kernel of nothing but zeros, or of one value, is one that was initialized
    so, and is left alone.

    Args:
        variables: Variables of Keras 3 or TensorFlow. Those that are no kernels
            are left alone.
        zeros_only: Those of them of which the zeros are kept and the shared
            values are not.
    """

    def __init__(self, variables, zeros_only=()):
        import tensorflow as tf

        loose = {id(variable) for variable in zeros_only}
        self._masked, self._shared = [], []
        for variable in variables:
            if not is_kernel(variable) or "float" not in str(variable.dtype):
                continue
            array = np.asarray(variable.numpy())
            own = variable
            if isinstance(variable, keras.Variable):
                own = variable.value
            groups = None
            if id(variable) not in loose:
                groups = _groups(array)
            if groups is not None:
                self._shared.append((own, groups))
            elif 0 < np.count_nonzero(array) < array.size:
                mask = tf.constant(array != 0)
                self._masked.append((own, mask))

    def __bool__(self):
        """Whether there is anything to put back."""
        return bool(self._masked or self._shared)

    def put_back(self):
        """Sets the weights; works in a `tf.function` too."""
        import tensorflow as tf

        for variable, mask in self._masked:
            variable.assign(tf.where(mask, variable, tf.zeros_like(variable)))
        for variable, groups in self._shared:
            weights = tf.reshape(variable, [-1])
            first = tf.gather(weights, groups.first)
            # What they differ by is small, often nothing, so that no rounding
            # adds up in a long training.
            difference = tf.math.unsorted_segment_sum(
                weights - tf.gather(first, groups.indices),
                groups.indices,
                len(groups.first),
            )
            sizes = tf.cast(groups.sizes, weights.dtype)
            value = tf.where(
                groups.is_zero, tf.zeros_like(first), first + difference / sizes
            )
            variable.assign(
                tf.reshape(tf.gather(value, groups.indices), variable.shape)
            )


class _Groups:
    """Which weights of a kernel have the same value.

    Attributes:
        indices: The group of each weight.
        first: The index of one weight of each group.
        sizes: How many weights each has.
        is_zero: Whether it is that of the zeros.
    """

    def __init__(self, values, first, indices, sizes):
        self.indices = indices.reshape(-1).astype("int32")
        self.first = first.astype("int32")
        self.sizes = sizes
        self.is_zero = values == 0


def _groups(array):
    """Returns the `_Groups` of a clustered kernel, or `None`."""
    flat = array.reshape(-1)
    # A look at some spares the sorting of a large kernel.
    if len(np.unique(flat[: 4 * _MAX_VALUES])) > _MAX_VALUES + 1:
        return None
    values, first, indices, sizes = np.unique(
        flat, return_index=True, return_inverse=True, return_counts=True
    )
    num_values = int(np.sum(values != 0))
    num_weights = int(np.sum(sizes[values != 0]))
    if not 1 < num_values <= min(_MAX_VALUES, num_weights - 1):
        return None
    return _Groups(values, first, indices, sizes)
