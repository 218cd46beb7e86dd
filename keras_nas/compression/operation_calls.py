"""A Keras 3 operation in the places where a model calls it."""

import functools
import inspect
import itertools
import weakref

import keras

# TF-MOT copies layers by way of their configuration, in which an operation
# stands as a number. Held by the layers, so that they go together.
_CALLS = weakref.WeakValueDictionary()
_KEYS = itertools.count()


class OperationCalls:
    """A Keras 3 operation, and each of the ways in which a model calls it.

    Args:
        operation: Layer or other operation of Keras 3.

    Attributes:
        key: Integer, by which copies of the wrapping layer find it.
    """

    def __init__(self, operation):
        self.operation = operation
        self.key = next(_KEYS)
        self._arguments = []
        _CALLS[self.key] = self

    def add(self, args, kwargs):
        """Adds a way of calling it.

        Args:
            args: Positional arguments, with a `keras.KerasTensor` for each
                tensor.
            kwargs: The other arguments.

        Returns:
            Integer, its number.
        """
        # `training` is the wrapping layer's to say.
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        self._arguments.append((args, kwargs))
        return len(self._arguments) - 1

    def fill(self, number, tensors):
        """Returns the arguments of a call, with tensors in their places."""
        tensors = iter(tensors)
        return keras.tree.map_structure(
            lambda value: (
                next(tensors) if isinstance(value, keras.KerasTensor) else value
            ),
            self._arguments[number],
        )

    @property
    def trainable_variables(self):
        """The variables of a layer; an operation has none."""
        return getattr(self.operation, "trainable_variables", [])

    @property
    def non_trainable_variables(self):
        """The variables of a layer; an operation has none."""
        return getattr(self.operation, "non_trainable_variables", [])

    @property
    def num_regularized(self):
        """How many of the variables add to the loss."""
        return sum(v.regularizer is not None for v in self.trainable_variables)

    @functools.cached_property
    def takes_training(self):
        """Whether it computes something else in training."""
        return (
            isinstance(self.operation, keras.Layer)
            and "training" in inspect.signature(self.operation.call).parameters
        )


def operation_calls(key):
    """Returns the `OperationCalls` of a key."""
    return _CALLS[key]
