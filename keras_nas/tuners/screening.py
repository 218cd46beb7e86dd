"""Candidates that violate constraints, before they become trials."""

import math

from keras_tuner.errors import FatalError

from keras_nas import architectures
from keras_nas.tuners.candidate_costs import measured_costs
from keras_nas.tuners.keras_settings import clear_session


class Screening:
    """Compares candidates with the constraints of a search.

    What was measured of a candidate within them is remembered until it is
    taken for its trial, so that nothing is measured twice.

    Args:
        constraints: List of `keras_nas.costs.Cost` with limits.
        build: Function of `keras_tuner.HyperParameters` that returns the
            model of a candidate.

    Attributes:
        turned_away: Integer, how many candidates in a row were refused.

    Example:

    >>> import keras, keras_tuner
    >>> from keras_nas.costs import Parameters
    >>> def build(hp):
    ...     return keras.Sequential(
    ...         [keras.Input((3,)), keras.layers.Dense(hp.Int("units", 1, 9))])
    >>> hp = keras_tuner.HyperParameters()
    >>> _ = build(hp)
    >>> hp.values["units"] = 4
    >>> Screening([Parameters(10)], build).compare(hp)["reason"]
    'parameters 16 of 10'
    """

    def __init__(self, constraints, build):
        self._constraints = list(constraints)
        self._build = build
        self._measured = {}
        self.turned_away = 0

    def compare(self, hp):
        """Judges a candidate.

        Args:
            hp: `keras_tuner.HyperParameters` with its values.

        Returns:
            Dict, see `keras_nas.oracles.Oracle.screen`. One that cannot be
            built or measured passes: its trial will show the error.

        Raises:
            keras_tuner.errors.FatalError: If no candidate can be measured.
        """
        key = architectures.canonical_key(hp.values, hp)
        # It may have been found feasible before.
        measured = self._measured.get(key)
        if measured is None:
            try:
                clear_session()
                measured = measured_costs(self._constraints, self._build(hp))
            except FatalError:
                raise
            except Exception:
                return {"violation": 0.0, "reason": "", "ratios": {}}
        screened = self._judge(measured)
        if screened["violation"] > 0:
            self.turned_away += 1
        else:
            self._measured[key] = measured
            self.turned_away = 0
        return screened

    def take(self, hp):
        """Returns, and forgets, what was measured of a candidate.

        Args:
            hp: `keras_tuner.HyperParameters` with its values.

        Returns:
            Dict of numbers by the name of the cost, empty if nothing was.
        """
        key = architectures.canonical_key(hp.values, hp)
        return self._measured.pop(key, {})

    def _judge(self, measured):
        total, reasons, ratios = 0.0, [], {}
        for constraint in self._constraints:
            name, limit = constraint.name, constraint.limit
            value = measured[name]
            violation = constraint.violation(value)
            # A cost may tolerate more than its limit: then it is met.
            ratio = 1 + violation if violation else min(1.0, value / limit)
            if math.isfinite(ratio):
                ratios[name] = max(float(ratio), ratios.get(name, 0.0))
            if violation > 0:
                total += violation
                reasons.append(f"{name} {value:,} of {limit:,}")
        reason = " and ".join(reasons)
        return {"violation": total, "reason": reason, "ratios": ratios}
