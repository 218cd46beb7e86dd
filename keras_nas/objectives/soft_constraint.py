"""A target that may be missed, at a price (Tan et al., 2019)."""

from keras_nas.objectives.scalarized_objective import (
    ScalarizedObjective,
    check_finite,
)


class SoftConstraint(ScalarizedObjective):
    """Trades an objective for a cost, around a target.

    The reward of MnasNet, to be maximised:

        accuracy * (cost / target) ** exponent

    where the exponent is `alpha` within the target and `beta` beyond it. With
    -0.07 for both, the default, a model that is twice as expensive has to be
    5% better (0.05 of its accuracy, not five points) to be as good. With
    `alpha=0, beta=-1` the target is nearly a limit: nothing is gained below
    it, and what is beyond pays in proportion.

    Take it where one model near the target is wanted, not a front to choose
    from, with any oracle. For a limit that must not be passed there are the
    `constraints` of tuners.

    An objective that is to be minimised, such as a loss, is multiplied by the
    inverse, and the product minimised.

    Args:
        objective: String or `keras_tuner.Objective` that is never negative.
        cost: `keras_nas.costs.Cost`, or the name of a metric, to be minimised.
        target: Optional positive number, in the unit of the cost. By default
            the limit of the cost.
        alpha: Number of at most 0, the exponent within the target.
        beta: Number of at most 0, the exponent beyond it.

    Raises:
        ValueError: If an argument is wrong, or there is no target.

    Reference:
        Tan et al., [MnasNet: Platform-Aware Neural Architecture Search for
        Mobile](https://arxiv.org/abs/1807.11626), 2019.

    Example:

    >>> objective = SoftConstraint("val_accuracy", "latency_ms", target=10)
    >>> objective.get_value({"val_accuracy": 0.8, "latency_ms": 10})
    0.8
    >>> round(objective.get_value({"val_accuracy": 0.8, "latency_ms": 20}), 4)
    0.7621
    """

    def __init__(self, objective, cost, target=None, alpha=-0.07, beta=-0.07):
        super().__init__("soft_constraint", "max", [objective, cost])
        if target is None:
            target = getattr(self.objectives[1], "limit", None)
        check_finite("target", target, is_positive=True)
        for name, value in (("alpha", alpha), ("beta", beta)):
            check_finite(name, value)
            if value > 0:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    "a number of at most 0: a cost is never a gain. Received: "
                    f"{name}={value!r}"
                )
        if self.objectives[1].direction != "min":
            raise ValueError(
                "Invalid value received for argument `cost`. Expected what is "
                "to be minimised, such as `keras_nas.costs.Flops()`. Received: "
                f"cost={self.objectives[1]}"
            )
        self.target = target
        self.alpha = alpha
        self.beta = beta
        self.direction = self.objectives[0].direction

    def scalarize(self, value, cost):
        """Computes the reward from the objective and the cost."""
        if value < 0 or cost < 0 or (cost == 0 and (self.alpha or self.beta)):
            objective, of = (part.name for part in self.objectives)
            raise ValueError(
                f"`SoftConstraint` multiplies `{objective}` by a power of "
                f"`{of}`. Expected an objective of at least 0 and a cost above "
                f"0. Received: {objective}={value!r}, {of}={cost!r}. "
                "`WeightedChebyshev` takes any numbers."
            )
        exponent = self.alpha if cost <= self.target else self.beta
        if self.direction == "min":
            exponent = -exponent
        return value * (cost / self.target) ** exponent

    def get_config(self):
        """Returns the target and the exponents."""
        return {"target": self.target, "alpha": self.alpha, "beta": self.beta}
