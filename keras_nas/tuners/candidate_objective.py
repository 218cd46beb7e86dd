"""The objective of a search as the evaluator of a candidate sees it."""

import keras_tuner

from keras_nas.objectives.parts import parts_of


class CandidateObjective(keras_tuner.Objective):
    """An objective that knows what the candidate costs.

    An evaluator reports metrics, epoch by epoch, and no costs. With this
    objective it need not know of them: they are filled in.

    Args:
        objective: `keras_tuner.Objective` of the search.
        costs: `keras_nas.tuners.candidate_costs.CandidateCosts`.

    Example:

    >>> from keras_nas.objectives import SoftConstraint
    >>> from keras_nas.tuners.candidate_costs import CandidateCosts
    >>> from keras_nas.costs import Flops
    >>> costs = CandidateCosts([Flops()], build=None, known={"flops": 100})
    >>> objective = CandidateObjective(
    ...     SoftConstraint("val_accuracy", Flops(), target=100), costs)
    >>> objective.get_value({"val_accuracy": 0.5})
    0.5
    """

    def __init__(self, objective, costs):
        super().__init__(objective.name, objective.direction)
        self._objective = objective
        self._costs = costs
        parts = parts_of(objective)
        if hasattr(objective, "objectives"):
            self.objectives = parts
            # What the evaluator has to report.
            self.name_to_direction = {
                part.name: part.direction
                for part in parts
                if part.name not in costs.names
            }
        self._is_constant = all(part.name in costs.names for part in parts)

    def has_value(self, logs):
        """Whether the logs have all that is not a cost."""
        return self._objective.has_value(self._costs.values() | logs)

    def get_value(self, logs):
        """Returns the value of the objective, with the costs filled in."""
        return self._objective.get_value(self._costs.values() | logs)

    def better_than(self, a, b):
        """Whether `a` is better than `b`."""
        # Where costs are all that counts, no epoch is better than another;
        # the last one has learnt most.
        return self._is_constant or self._objective.better_than(a, b)
