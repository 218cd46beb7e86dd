"""The number of parameters."""

import math

import keras

from keras_nas.costs.cost import Cost
from keras_nas.costs.layer_counts import check_built


class Parameters(Cost):
    """Counts the numbers that a model stores, trainable or not.

    They decide the size of the file, and little else: a model with few
    parameters can be slow.

    Args:
        max_parameters: Optional integer, the most that are allowed.

    Example:

    >>> import keras
    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(2, name="dense")])
    >>> Parameters().measure(model)
    8
    >>> Parameters().by_layer(model)
    {'dense': 8}
    """

    name = "parameters"

    def __init__(self, max_parameters=None):
        super().__init__(max_parameters)
        self.max_parameters = max_parameters

    def measure(self, model):
        """Counts the parameters of a built model.

        Args:
            model: Built `keras.Model`.

        Returns:
            Integer.

        Raises:
            ValueError: If the model is not built.
        """
        check_built(model)
        return model.count_params()

    def by_layer(self, model):
        """Counts the parameters of each layer that has some.

        Args:
            model: As for `measure`.

        Returns:
            Dict from the path of each layer, `"model/layer"` in a model inside
            of another, to an integer. They add up to what `measure` gives:
            what several layers share counts with the first.

        Raises:
            ValueError: As `measure`.
        """
        total = self.measure(model)
        counts, seen = {}, set()
        for path, layer in _leaves(model):
            count = 0
            for weight in layer.weights:
                if id(weight) not in seen:
                    seen.add(id(weight))
                    count += math.prod(weight.shape)
            if count:
                counts[path] = count
        # What a subclassed model has itself, beside its layers.
        own = total - sum(counts.values())
        return {**counts, model.name: own} if own else counts


def _leaves(model, prefix=""):
    for layer in model.layers:
        path = prefix + layer.name
        if isinstance(layer, keras.Model):
            yield from _leaves(layer, f"{path}/")
        else:
            yield path, layer
