"""What a candidate costs, measured once."""

from keras_tuner.errors import FatalValueError


class CandidateCosts:
    """Measures the costs of one candidate, each when it is first needed.

    That is when its model is first built: before the training, so that all
    epochs are scored with them. An evaluator that builds no model gets one
    built for them, at the latest when its result is recorded.

    Args:
        costs: List of `keras_nas.costs.Cost`.
        build: Function without arguments that returns the model.
        known: Optional dict of numbers by the name of the cost: what was
            measured before.

    Example:

    >>> import keras
    >>> from keras_nas.costs import Flops, Parameters
    >>> def build():
    ...     return keras.Sequential(
    ...         [keras.Input((3,)), keras.layers.Dense(2, use_bias=False)])
    >>> costs = CandidateCosts([Flops(), Parameters()], build, {"flops": 12})
    >>> costs.values()
    {'flops': 12.0, 'parameters': 6.0}
    """

    def __init__(self, costs, build, known=None):
        self._costs = list(costs)
        self._build = build
        self._values = {k: float(v) for k, v in (known or {}).items()}

    @property
    def names(self):
        """List of the names of the costs."""
        return [cost.name for cost in self._costs]

    @property
    def known(self):
        """Dict of what has been measured already."""
        return dict(self._values)

    def measure(self, model):
        """Measures what is not known yet.

        Args:
            model: `keras.Model` of the candidate.

        Raises:
            keras_tuner.errors.FatalValueError: If the model is not built.
        """
        measured = measured_costs(self._costs, model, self._values)
        self._values |= {name: float(v) for name, v in measured.items()}

    def values(self):
        """Returns the costs, a dict of floats by name."""
        if any(name not in self._values for name in self.names):
            self.measure(self._build())
        return {name: self._values[name] for name in self.names}


def measured_costs(costs, model, known=()):
    """Measures a model.

    Args:
        costs: List of `keras_nas.costs.Cost`.
        model: `keras.Model`.
        known: Names of costs to leave out.

    Returns:
        Dict of numbers by the name of the cost.

    Raises:
        keras_tuner.errors.FatalValueError: If the model is not built.
    """
    values = {}
    for cost in costs:
        if cost.name not in known and cost.name not in values:
            _check_built(model)
            values[cost.name] = cost.measure(model)
    return values


def _check_built(model):
    if not model.built:
        raise FatalValueError(
            "Costs in `constraints` and in the `objective` are measured "
            "before a model meets any data, and the one that `build(hp)` "
            "returned does not know its input shape yet. Expected a model "
            "that is built: begin it with `keras.Input(shape)`, or call "
            "`model.build(input_shape)` before returning it."
        )
