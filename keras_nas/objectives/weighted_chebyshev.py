"""The weighted distance to an ideal point (Steuer & Choo, 1983)."""

from keras_nas.objectives.scalarized_objective import (
    ScalarizedObjective,
    check_finite,
)


class WeightedChebyshev(ScalarizedObjective):
    """Measures how far an architecture is from ideal, at its worst.

    Each objective becomes a loss that is 0 at its `ideal` and 1 at its
    `nadir`. To be minimised is the largest weighted loss, and a little of
    their sum, so that of two architectures with the same largest loss the one
    that is better elsewhere wins:

        max(weight * loss) + augmentation * sum(weight * loss)

    Each Pareto-optimal trade-off is the best for some weights, also where the
    front bends inwards, where no weighted sum would find it.

    Take it where one balanced model is wanted and the range of each objective
    is known. Where it is not, give the search a list of objectives, and take
    the knee of its front.

    Args:
        objectives: List of strings, `keras_tuner.Objective` or costs.
        ideal: List of numbers, the best value of each that can be hoped for.
        nadir: List of numbers, the value of each that counts as bad.
        weights: Optional list of positive numbers, how much each objective
            matters; all the same by default. Only their ratios count.
        augmentation: Number of at least 0, the share of the sum.

    Raises:
        ValueError: If the lists are not of one length, a weight is not
            positive, or a nadir is not worse than the ideal.

    Reference:
        Steuer & Choo, [An interactive weighted Tchebycheff procedure for
        multiple objective
        programming](https://doi.org/10.1007/BF02591870), 1983.

    Example:

    >>> objective = WeightedChebyshev(
    ...     ["val_accuracy", "latency_ms"], ideal=[1.0, 0], nadir=[0.5, 20],
    ...     augmentation=0)
    >>> objective.get_value({"val_accuracy": 0.9, "latency_ms": 8})
    0.2
    """

    def __init__(
        self, objectives, ideal, nadir, weights=None, augmentation=0.05
    ):
        if not isinstance(objectives, (list, tuple)):
            raise ValueError(
                "Invalid value received for argument `objectives`. Expected a "
                f"list of objectives. Received: objectives={objectives!r}"
            )
        super().__init__("weighted_chebyshev", "min", objectives)
        number = len(self.objectives)
        if weights is None:
            weights = [1.0] * number
        for name, values in (
            ("ideal", ideal),
            ("nadir", nadir),
            ("weights", weights),
        ):
            if not hasattr(values, "__len__") or len(values) != number:
                raise ValueError(
                    f"Invalid value received for argument `{name}`. Expected "
                    f"a list of {number} numbers, one an objective. Received: "
                    f"{name}={values!r}"
                )
            for value in values:
                check_finite(name, value, is_positive=name == "weights")
        check_finite("augmentation", augmentation)
        if augmentation < 0:
            raise ValueError(
                "Invalid value received for argument `augmentation`. Expected "
                "a number of at least 0. Received: "
                f"augmentation={augmentation!r}"
            )
        for part, best, bad in zip(self.objectives, ideal, nadir, strict=True):
            if not part.better_than(best, bad):
                raise ValueError(
                    "Invalid value received for argument `nadir`. Expected "
                    f"for `{part.name}` ({part.direction}) a value that is "
                    f"worse than the ideal, {best!r}. Received: {bad!r}"
                )
        self.ideal = [float(value) for value in ideal]
        self.nadir = [float(value) for value in nadir]
        total = float(sum(weights))
        self.weights = [float(weight) / total for weight in weights]
        self.augmentation = augmentation

    def scalarize(self, *values):
        """Computes the distance from the values of the objectives."""
        losses = [
            weight * (value - best) / (bad - best)
            for value, weight, best, bad in zip(
                values, self.weights, self.ideal, self.nadir, strict=True
            )
        ]
        return max(losses) + self.augmentation * sum(losses)

    def get_config(self):
        """Returns the points, the normalised weights and the augmentation."""
        return {
            "ideal": self.ideal,
            "nadir": self.nadir,
            "weights": self.weights,
            "augmentation": self.augmentation,
        }
