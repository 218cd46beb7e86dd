"""What an architecture costs on average (Cai et al., 2019)."""

import numpy as np
import tensorflow as tf


class ExpectedCost:
    """The mean cost of the architectures that the probabilities describe.

    It is differentiable by the probabilities, so added to a loss it makes
    the search look for cheap architectures. The cost of an architecture is
    the sum of the costs of its values. A hyperparameter that depends on
    another one costs something only as often as it is active.

    Args:
        costs: Dict from names of hyperparameters to dicts from values to
            numbers, such as measured latencies. What is missing is free. Or
            a function that takes a dict from names to the probabilities of
            the options, tensors, and returns a scalar tensor.
        space: `ArchitectureSpace`.
        hyperparameters: `keras_tuner.HyperParameters` of the same, which
            know what depends on what.

    Raises:
        ValueError: If there is a name or a value that the search space does
            not have, or a cost that is no finite number.

    Reference:

    - [Cai et al., 2019, ProxylessNAS](https://arxiv.org/abs/1812.00332),
      section 3.3.1.

    Example:

    >>> import keras_tuner
    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> hyperparameters, space = (
    ...     keras_tuner.HyperParameters(), ArchitectureSpace())
    >>> _ = hyperparameters.Choice("op", ["conv", "skip"])
    >>> _ = space.add("op", ["conv", "skip"])
    >>> cost = ExpectedCost({"op": {"conv": 8.0}}, space, hyperparameters)
    >>> float(cost({"op": tf.constant([0.25, 0.75])}))
    2.0
    """

    def __init__(self, costs, space, hyperparameters):
        self._function = costs if callable(costs) else self._sum
        self._space = space
        self._registered = {}
        for parameter in hyperparameters.space:
            self._registered.setdefault(parameter.name, []).append(parameter)
        if isinstance(costs, dict):
            # What has one value only costs the same in all architectures.
            costs = {
                name: of
                for name, of in costs.items()
                if name in space.choices or name not in self._registered
            }
        if not callable(costs):
            _check(costs, space)
            self._costs = {
                name: np.array(
                    [of.get(value, 0.0) for value in space.choices[name]],
                    "float32",
                )
                for name, of in costs.items()
            }

    def __call__(self, probabilities):
        """Returns the expected cost, a scalar tensor.

        Args:
            probabilities: Dict from names to tensors.
        """
        return self._function(probabilities)

    def _sum(self, probabilities):
        total = tf.zeros([])
        for name, costs in self._costs.items():
            cost = tf.reduce_sum(probabilities[name] * costs)
            total += cost * self._activity(name, probabilities)
        return total

    def _activity(self, name, probabilities):
        """Returns how probable it is that a hyperparameter is active."""
        total = tf.zeros([])
        for parameter in self._registered[name]:
            probability = tf.ones([])
            for condition in parameter.conditions:
                probability *= self._holds(condition, probabilities)
            total += probability
        # Two registrations may hold at once.
        return tf.minimum(total, 1.0)

    def _holds(self, condition, probabilities):
        if condition.name not in probabilities:
            return tf.ones([])  # Of a fixed one: it was built, so it holds.
        values = self._space.choices[condition.name]
        holds = [float(value in condition.values) for value in values]
        return tf.reduce_sum(probabilities[condition.name] * holds)


def _check(costs, space):
    expected = (
        "Invalid value received for argument `cost`. Expected a dict from "
        "names of hyperparameters to dicts from values to numbers, or a "
        "function of the probabilities. "
    )
    if not isinstance(costs, dict) or not costs:
        raise ValueError(f"{expected}Received: cost={costs!r}")
    for name, of in costs.items():
        if name not in space.choices:
            raise ValueError(
                f"{expected}The search has the hyperparameters "
                f"{space.names}. Received the name: {name!r}"
            )
        if not isinstance(of, dict):
            raise ValueError(f"{expected}Received for {name!r}: {of!r}")
        for value, cost in of.items():
            if value not in space.choices[name]:
                raise ValueError(
                    f"{expected}{name!r} has the values "
                    f"{space.choices[name]}. Received the value: {value!r}"
                )
            is_number = isinstance(cost, (int, float, np.number))
            if not is_number or not np.isfinite(cost):
                raise ValueError(
                    f"{expected}Received for {name!r}={value!r}: {cost!r}"
                )
