"""All branches at once, weighed by probability (Liu et al., 2019)."""

import keras
import tensorflow as tf

from keras_nas.layers.elastic_value import SharingError
from keras_nas.supernet.gradient.architecture_parameters import (
    branch_probabilities,
)


class Mixture:
    """Runs all branches of each switch and returns their weighted sum.

    Pass it to `ArchitectureSpace.running`, inside of one traced function.

    Args:
        probabilities: Dict from names of hyperparameters to tensors, as
            `ArchitectureParameters.probabilities` gives it.
        auxiliary_skip: Optional scalar tensor. So many times its inputs are
            added to the outputs of each switch between operations of which
            one is the identity. It takes over what a skip connection does
            for the training of a deep network, so that the probability of
            the skip says how good an operation it is (DARTS-).
        skip_drop_rate: Optional scalar tensor below 1. In training, the
            identity gives zeros so often, an example at a time, so that
            operations with weights get the gradients (P-DARTS).
        seed: Optional pair of integer tensors, for the random numbers.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)
    - [Chu et al., 2021, DARTS-](https://arxiv.org/abs/2009.01027)
    - [Chen et al., 2019, P-DARTS](https://arxiv.org/abs/1904.12760)
    """

    def __init__(
        self,
        probabilities,
        auxiliary_skip=None,
        skip_drop_rate=None,
        seed=None,
    ):
        self.probabilities = probabilities
        self._auxiliary_skip = auxiliary_skip
        self._drop_rate = skip_drop_rate
        self._seed = seed
        self._num_switches = 0

    def run(self, switch, inputs, training=None):
        """Returns what a switch gives.

        Args:
            switch: `Switch`.
            inputs: Its inputs.
            training: Boolean, whether it is trained.
        """
        self._num_switches += 1
        number = self._num_switches
        probabilities = branch_probabilities(
            switch.index, self.probabilities, len(switch.branches)
        )
        has_skip = False
        total = None
        for i, branch in enumerate(switch.branches):
            if branch.zeros is not None:
                continue  # Would add nothing.
            outputs = branch(inputs, training)
            if branch.is_identity and is_operation(switch.index):
                has_skip = True
                if training and self._drop_rate is not None:
                    outputs = self._dropped(outputs, number)
            total = _add(total, outputs, probabilities[i], switch)
        if has_skip and self._auxiliary_skip is not None:
            total = _add(total, inputs, self._auxiliary_skip, switch)
        if total is None:  # All branches are zero.
            return switch.branches[0](inputs, training)
        return total

    def _dropped(self, tensors, number):
        """Sets examples to zero at random, and scales up the others."""
        seed = tf.random.experimental.stateless_fold_in(self._seed, number)

        def drop(tensor):
            shape = tf.concat(
                [tf.shape(tensor)[:1], [1] * (len(tensor.shape) - 1)], axis=0
            )
            is_kept = tf.random.stateless_uniform(shape, seed)
            is_kept = tf.cast(is_kept >= self._drop_rate, tensor.dtype)
            rate = tf.cast(self._drop_rate, tensor.dtype)
            return tensor * is_kept / (1 - rate)

        return keras.tree.map_structure(drop, tensors)


def is_operation(index):
    """Returns whether a switch chooses between operations, not a depth.

    Args:
        index: `ElasticValue` of the switch.
    """
    kinds = index.source.kinds
    return all(kinds[name] == "operation" for name in index.names)


def _add(total, outputs, weight, switch):
    def weigh(tensor):
        if not tensor.dtype.is_floating:
            raise SharingError(
                f"The choice of {switch.index!r} is between tensors of "
                f"{tensor.dtype.name}, of which there is no mixture. Expected "
                "floating point numbers, or a fixed choice."
            )
        return tensor * tf.cast(weight, tensor.dtype)

    outputs = keras.tree.map_structure(weigh, outputs)
    if total is None:
        return outputs
    return keras.tree.map_structure(tf.add, total, outputs)
