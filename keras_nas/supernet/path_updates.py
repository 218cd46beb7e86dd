"""Keeps an optimizer from changing weights that a step did not use.

A weight of a branch that did not run has a gradient of zero. Momentum would
move it all the same, and its moments would fade. So the optimizer is made to
skip it. Of a weight that is used in part, such as that of a searched width,
the rest is put back, and so are its moments.

Keras has no public place for that. This is the only file that touches private
parts of `keras.optimizers.Optimizer`: where it goes through the variables,
where it applies weight decay, how its own subclasses ask for the number of a
variable, and their lists of moments. They are replaced on the one instance.

What an optimizer keeps for all weights together is not told apart: Adam's
correction of its first steps counts all steps, also those that have skipped a
weight, and Adafactor's means over rows and columns are over all channels.
"""

import contextlib

import keras
import tensorflow as tf


class PathUpdates:
    """Which weights a training step may change.

    Args:
        uses: Dict from the ids of `keras.Variable`s to `ElasticValue`s that
            are 1 in the architectures that use the variable; without an
            entry, or with `None`, all do.
        parts: `WeightParts`.
        variables: List of the variables that may be trained.
    """

    def __init__(self, uses, parts, variables):
        self._uses = {k: use for k, use in uses.items() if use is not None}
        self._parts = parts
        self._variables = variables
        self._counts = {}
        self._masks = {}
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
        self._masks = {}

        def current(value):
            return looked_up[:, space.row(value)]

        for variable in self._variables:
            used = self._parts.used(variable, current)
            if used is None:
                continue
            use = self._uses.get(id(variable))
            if use is not None:
                shape = [-1, *(1 for _ in variable.shape)]
                runs = tf.reshape(current(use) > 0, shape)
                used = tf.logical_and(used, runs)
            self._masks[id(variable)] = tf.reduce_any(used, axis=0)

    def begin_step_of_all(self):
        """Is told that a step may change all weights."""
        self._counts, self._masks = {}, {}

    def apply_to(self, optimizer):
        """Makes an optimizer skip what was not used.

        Args:
            optimizer: `keras.optimizers.Optimizer`.
        """
        # For half precision, Keras puts the optimizer into another.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        update_step = type(optimizer).update_step.__get__(optimizer)
        cls = type(optimizer)
        one_by_one = cls._distributed_tf_update_step.__get__(optimizer)

        def known(variable):
            number = optimizer._get_variable_index(variable)
            return optimizer._trainable_variables[number]

        def update(gradient, variable, learning_rate):
            mask = self._masks.get(id(known(variable)))
            with _rest_kept(optimizer, variable, mask):
                _decay(optimizer, variable)
                update_step(gradient, variable, learning_rate)

        def update_if_used(gradient, variable, learning_rate):
            _if_used(
                self._count(known(variable)),
                lambda: update(gradient, variable, learning_rate),
            )

        def update_all(strategy, gradients_and_variables, learning_rate):
            if tf.distribute.has_strategy():
                # Each device has its own copies.
                one_by_one(strategy, gradients_and_variables, learning_rate)
                return
            # One condition for all weights of a branch is traced faster.
            branches = {}
            for gradient, variable in gradients_and_variables:
                use = self._uses.get(id(known(variable)))
                members = branches.setdefault(id(use), [])
                members.append((gradient, variable))
            for members in branches.values():
                _if_used(
                    self._count(known(members[0][1])),
                    lambda members=members: [
                        update(gradient, variable, learning_rate)
                        for gradient, variable in members
                    ],
                )

        optimizer.update_step = update_if_used
        optimizer._distributed_tf_update_step = update_all
        optimizer._apply_weight_decay = lambda variables: None

    def _count(self, variable):
        """Returns how many paths use a variable; `None` if all do."""
        return self._counts.get(id(self._uses.get(id(variable))))


def _if_used(count, update):
    if count is None:
        update()
        return

    def branch():
        update()
        return tf.constant(0)

    tf.cond(count > 0, branch, lambda: tf.constant(0))


@contextlib.contextmanager
def _rest_kept(optimizer, variable, mask):
    """Puts back what the body has changed outside of a part of a weight.

    Args:
        optimizer: `keras.optimizers.Optimizer`.
        variable: `tf.Variable`.
        mask: Boolean tensor, the part that may change; `None` for all.
    """
    if mask is None:
        yield
        return
    number = optimizer._get_variable_index(variable)
    count = len(optimizer._trainable_variables)
    moments = [
        members[number].value
        for name, members in vars(optimizer).items()
        if isinstance(members, (list, tuple))
        and name != "_trainable_variables"
        and len(members) == count
        and isinstance(members[number], keras.Variable)
        and members[number].shape == variable.shape
    ]
    changing = [variable, *moments]
    before = [tf.identity(tensor) for tensor in changing]
    yield
    for tensor, value in zip(changing, before, strict=True):
        tensor.assign(tf.where(mask, tensor, value))


def _decay(optimizer, variable):
    decay = optimizer.weight_decay
    if decay and optimizer._use_weight_decay(variable):
        rate = tf.cast(optimizer.learning_rate, variable.dtype)
        variable.assign_sub(variable * tf.cast(decay, rate.dtype) * rate)
