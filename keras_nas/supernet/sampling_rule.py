"""What all sampling rules share."""

import tensorflow as tf


class SamplingRule:
    """Says which architectures each training step of a supernet runs.

    The gradients of these are added, as in the papers, and the weights change
    once. A rule is a function of the number of the step and of a seed, without
    state: every replica takes the same architectures, and a training that is
    taken up again takes those that it would have taken. (XLA draws others
    than TensorFlow on the CPU does.)

    Attributes:
        num_paths: Integer, how many architectures a step runs at most.
        distills: Boolean, whether all but the first learn from the first.
    """

    num_paths = 1
    distills = False

    def prepare(self, space):
        """Is told the space before the first step.

        Args:
            space: `ArchitectureSpace`.

        Returns:
            The object itself.
        """
        self.space = space
        return self

    def paths(self, step, seed):
        """Returns the architectures of a step.

        Args:
            step: Integer scalar tensor.
            seed: Integer.

        Returns:
            `int32` tensor of shape `(num_paths, hyperparameters)`, the
            numbers of the options.
        """
        raise NotImplementedError

    def num_paths_of(self, step):
        """Returns how many of its `paths` a step runs, from the first on.

        Args:
            step: Integer scalar tensor.

        Returns:
            Integer, or integer scalar tensor; `num_paths` by default.
        """
        del step
        return self.num_paths

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {}

    def _uniform(self, shape, step, seed, purpose=0):
        """Draws from 0 to 1; other purposes get other numbers."""
        seed = tf.stack([tf.cast(seed, "int32"), tf.cast(step, "int32")])
        if purpose:
            seed = tf.random.experimental.stateless_fold_in(seed, purpose)
        return tf.random.stateless_uniform(shape, seed)


def pick(draws, num_options):
    """Turns draws from 0 to 1 into numbers of options.

    Args:
        draws: Float tensor of shape `(..., hyperparameters)`.
        num_options: Integer array, how many options each has.
    """
    numbers = tf.cast(draws * tf.cast(num_options, draws.dtype), "int32")
    # Rounding can give 1 at the top.
    return tf.minimum(numbers, num_options - 1)
