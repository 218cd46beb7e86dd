"""Keeps an optimizer from changing weights that a step did not use.

A weight of a branch that did not run has a gradient of zero. Momentum would
move it all the same, and its moments would fade. So the optimizer is made to
skip it.
"""

import tensorflow as tf


class PathUpdates:
    """Which weights a training step may change.

    Args:
        variables: List of `keras.Variable`s, the trainable ones.
        uses: List, one a variable: an `ElasticValue` that is 1 where the
            architecture uses it, or `None` for those that all use.
    """

    def __init__(self, variables, uses):
        self._uses = uses
        self._counts = None
        self._num_variables = len(variables)
        for use in uses:
            if use is not None:
                use.follow()

    def begin_step(self, space, looked_up):
        """Is told which architectures a step runs.

        Args:
            space: `ArchitectureSpace`.
            looked_up: What `space.look_up` returned, of shape
                `(architectures, values)`.
        """
        counts = tf.reduce_sum(looked_up, axis=0)
        self._counts = [
            None if use is None else counts[space.row(use)]
            for use in self._uses
        ]

    def begin_step_of_all(self):
        """Is told that a step may change all weights."""
        self._counts = None

    def mean(self, gradients, num_paths):
        """Divides sums of gradients by the paths that have used the weight."""
        means = []
        for gradient, count in zip(gradients, self._counts, strict=True):
            if gradient is not None:
                paths = num_paths if count is None else tf.maximum(count, 1)
                gradient = gradient / tf.cast(paths, gradient.dtype)
            means.append(gradient)
        return means

    def apply_to(self, optimizer):
        """Makes an optimizer skip what was not used.

        It replaces the public `update_step` of this instance, which Keras
        calls once a variable. Weight decay moves there as well. The number of
        a variable is asked for as Keras's own optimizers do it.

        Args:
            optimizer: `keras.optimizers.Optimizer`.
        """
        # For half precision, Keras puts the optimizer into another.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        update_step = type(optimizer).update_step.__get__(optimizer)

        def update(gradient, variable, learning_rate):
            self._decay(optimizer, variable)
            update_step(gradient, variable, learning_rate)
            return tf.constant(0)

        def update_if_used(gradient, variable, learning_rate):
            count = None
            if self._counts is not None:
                count = self._counts[optimizer._get_variable_index(variable)]
            if count is None:
                update(gradient, variable, learning_rate)
                return
            tf.cond(
                count > 0,
                lambda: update(gradient, variable, learning_rate),
                lambda: tf.constant(0),
            )

        optimizer.update_step = update_if_used
        optimizer._apply_weight_decay = lambda variables: None

    def _decay(self, optimizer, variable):
        decay = optimizer.weight_decay
        if decay and optimizer._use_weight_decay(variable):
            rate = tf.cast(optimizer.learning_rate, variable.dtype)
            variable.assign_sub(variable * tf.cast(decay, rate.dtype) * rate)
