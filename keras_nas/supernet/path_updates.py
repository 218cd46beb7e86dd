"""Keeps an optimizer from changing weights that a step did not use.

A weight of a branch that did not run has a gradient of zero. Momentum would
move it all the same, and its moments would fade. So the optimizer is made to
skip it.

Keras has no public place for that. This is the only file that touches private
parts of `keras.optimizers.Optimizer`: where it updates all variables, where it
applies weight decay, and how its own subclasses ask for the number of a
variable. They are replaced on the one instance.
"""

import tensorflow as tf


class PathUpdates:
    """Which weights a training step may change.

    Args:
        uses: Dict from the ids of `keras.Variable`s to `ElasticValue`s that
            are 1 in the architectures that use the variable; without an
            entry, or with `None`, all do.
    """

    def __init__(self, uses):
        self._uses = {k: use for k, use in uses.items() if use is not None}
        self._counts = {}
        for use in self._uses.values():
            use.follow()

    def begin_step(self, space, looked_up):
        """Is told which architectures a step runs.

        Args:
            space: `ArchitectureSpace`.
            looked_up: What `space.look_up` returned, of shape
                `(architectures, values)`.
        """
        counts = tf.reduce_sum(looked_up, axis=0)
        # Weights of one branch have one `ElasticValue` in common.
        uses = {id(use): use for use in self._uses.values()}
        self._counts = {k: counts[space.row(use)] for k, use in uses.items()}

    def begin_step_of_all(self):
        """Is told that a step may change all weights."""
        self._counts = {}

    def mean(self, gradients, variables, num_paths):
        """Divides sums of gradients by the paths that have used the weight."""
        means = []
        for gradient, variable in zip(gradients, variables, strict=True):
            count = self._count(variable)
            paths = num_paths if count is None else tf.maximum(count, 1)
            means.append(gradient / tf.cast(paths, gradient.dtype))
        return means

    def apply_to(self, optimizer):
        """Makes an optimizer skip what was not used.

        Args:
            optimizer: `keras.optimizers.Optimizer`.
        """
        # For half precision, Keras puts the optimizer into another.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        update_step = type(optimizer).update_step.__get__(optimizer)
        one_by_one = type(optimizer)._backend_update_step.__get__(optimizer)

        def update(gradient, variable, learning_rate):
            _decay(optimizer, variable)
            update_step(gradient, variable, learning_rate)

        def update_if_used(gradient, variable, learning_rate):
            number = optimizer._get_variable_index(variable)
            _if_used(
                self._count(optimizer._trainable_variables[number]),
                lambda: update(gradient, variable, learning_rate),
            )

        def update_all(gradients, variables, learning_rate):
            if tf.distribute.has_strategy():
                # Gradients are summed over the replicas, which cannot be done
                # under a condition.
                one_by_one(gradients, variables, learning_rate)
                return
            # One condition for all weights of a branch is traced faster.
            for members in self._branches(variables):
                _if_used(
                    self._count(variables[members[0]]),
                    lambda members=members: [
                        update(gradients[i], variables[i].value, learning_rate)
                        for i in members
                    ],
                )

        optimizer.update_step = update_if_used
        optimizer._backend_update_step = update_all
        optimizer._apply_weight_decay = lambda variables: None

    def _count(self, variable):
        """Returns how many paths use a variable; `None` if all do."""
        return self._counts.get(id(self._uses.get(id(variable))))

    def _branches(self, variables):
        """Returns lists of the places of variables that are used together."""
        branches = {}
        for place, variable in enumerate(variables):
            use = self._uses.get(id(variable))
            branches.setdefault(id(use), []).append(place)
        return list(branches.values())


def _if_used(count, update):
    if count is None:
        update()
        return

    def branch():
        update()
        return tf.constant(0)

    tf.cond(count > 0, branch, lambda: tf.constant(0))


def _decay(optimizer, variable):
    decay = optimizer.weight_decay
    if decay and optimizer._use_weight_decay(variable):
        rate = tf.cast(optimizer.learning_rate, variable.dtype)
        variable.assign_sub(variable * tf.cast(decay, rate.dtype) * rate)
