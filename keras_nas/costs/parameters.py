"""The number of parameters."""

from keras_nas.costs.cost import Cost


class Parameters(Cost):
    """Counts the numbers that a model stores, trainable or not.

    They decide the size of the file, and little else: a model with few
    parameters can be slow.

    Args:
        max_parameters: Optional integer, the most that are allowed.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> Parameters().measure(model)
    8
    """

    name = "parameters"

    def __init__(self, max_parameters=None):
        super().__init__(max_parameters)
        self.max_parameters = max_parameters

    def measure(self, model):
        """Counts the parameters of a built model."""
        return model.count_params()
