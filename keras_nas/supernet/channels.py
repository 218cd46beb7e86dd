"""Which channels of a tensor an architecture has."""

import keras
import numpy as np
import tensorflow as tf

from keras_nas.layers.elastic_value import ElasticValue


class Channels:
    """The channels of a tensor, on its last axis, that are searched.

    In the supernet a tensor has as many channels as the largest architecture
    needs. Others use the first of them, or the first of each part where
    tensors were concatenated.

    Args:
        counts: List of `ElasticValue`s, how many channels each part has.
        part: Integer array, the part that each channel belongs to; -1 for
            what all architectures have.
        rank: Integer array, the number of each channel in its part.
        are_zero: Boolean, whether channels that are not used are zero.

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> width = ArchitectureSpace().add("width", [1, 2])
    >>> both = concatenated([first(width), everything(1)])
    >>> both.used({"width": 0})
    array([0, 2])
    """

    def __init__(self, counts, part, rank, are_zero=True):
        self.counts = list(counts)
        self.part = part
        self.rank = rank
        self.are_zero = are_zero
        for count in self.counts:
            count.follow()

    @property
    def names(self):
        """The hyperparameters that decide."""
        return list(dict.fromkeys(n for c in self.counts for n in c.names))

    def used(self, options):
        """Returns the numbers of the channels of one architecture.

        Args:
            options: Mapping from hyperparameters to numbers of options.
        """
        counts = [count.at(options) for count in self.counts]
        # The last is for part -1.
        limits = np.array([*counts, len(self.part)])
        return np.flatnonzero(self.rank < limits[self.part])

    def contains(self, current):
        """Returns for each channel whether it is used.

        Args:
            current: Function that gives the value of an `ElasticValue`, in
                one architecture or, with an axis for these, in several.

        Returns:
            Boolean tensor of shape `(..., channels)`.
        """
        counts = [current(count) for count in self.counts]
        # The last is for part -1.
        whole = tf.fill(tf.shape(counts[0]), len(self.part))
        limits = tf.stack([*counts, whole], axis=-1)
        part = self.part % (len(counts) + 1)
        return self.rank < tf.gather(limits, part, axis=-1)

    def with_zeros(self, are_zero):
        """Returns the same channels, zero where not used or not."""
        return Channels(self.counts, self.part, self.rank, are_zero)

    def repeated(self, times):
        """Returns the channels of a tensor whose pixels became channels."""
        return Channels(
            self.counts,
            np.tile(self.part, times),
            np.tile(self.rank, times),
            self.are_zero,
        )

    def is_same(self, other):
        """Returns whether another tensor has the same channels."""
        return (
            isinstance(other, Channels)
            and len(self.counts) == len(other.counts)
            and all(map(lambda a, b: a.is_same(b), self.counts, other.counts))
            and np.array_equal(self.part, other.part)
            and np.array_equal(self.rank, other.rank)
        )


def first(count):
    """Returns the channels of which the first are used."""
    size = int(count.largest)
    return Channels([count], np.zeros(size, int), np.arange(size))


def everything(size):
    """Returns the channels of a tensor of which all are used."""
    return Channels([], np.full(size, -1), np.arange(size))


def concatenated(parts):
    """Returns the channels of tensors side by side."""
    counts, numbers = [], []
    for channels in parts:
        numbers.append(
            np.where(channels.part < 0, -1, channels.part + len(counts))
        )
        counts.extend(channels.counts)
    rank = np.concatenate([channels.rank for channels in parts])
    part = np.concatenate(numbers)
    return Channels(counts, part, rank, all(c.are_zero for c in parts))


class MaskChannels(keras.layers.Layer):
    """Sets channels to zero that the running architecture does not have.

    Args:
        channels: `Channels` of the inputs.
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def call(self, inputs):
        """Returns the inputs with zeros in the channels not used."""
        is_used = self.channels.contains(ElasticValue.current)
        zero = tf.zeros([], inputs.dtype)
        return tf.where(is_used, inputs, zero)

    def compute_output_spec(self, inputs):
        """Returns what the inputs are."""
        return keras.KerasTensor(inputs.shape, inputs.dtype)
