"""What a tuner and its `search()` are given: sorted and checked."""

import inspect
import numbers
import warnings
from collections.abc import Iterable

from keras_nas.costs import Cost
from keras_nas.objectives import ScalarizedObjective
from keras_nas.objectives.parts import parts_of
from keras_nas.oracles import Oracle


def oracle_arguments(kwargs):
    """Takes out of a tuner's keyword arguments those of its oracle.

    Args:
        kwargs: Dict; the arguments of `keras_nas.oracles.Oracle` are removed
            from it.

    Returns:
        Dict of what was removed.

    Example:

    >>> kwargs = {"directory": "here", "max_retries_per_trial": 2}
    >>> oracle_arguments(kwargs)
    {'max_retries_per_trial': 2}
    >>> kwargs
    {'directory': 'here'}
    """
    names = inspect.signature(Oracle).parameters
    return {name: kwargs.pop(name) for name in list(kwargs) if name in names}


def check_positive(name, value, is_whole=False):
    """Raises a `ValueError` unless `value` is a positive number or `None`.

    Args:
        name: String, the name of the argument.
        value: What was received.
        is_whole: Boolean, whether it has to be an integer.
    """
    kind = numbers.Integral if is_whole else numbers.Real
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    if value is not None and not (is_number and value > 0):
        expected = "positive integer" if is_whole else "positive number"
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a "
            f"{expected} or `None`. Received: {name}={value!r}"
        )


def check_callbacks(callbacks):
    """Raises a `ValueError` if a class stands where a callback should.

    Args:
        callbacks: What `search()` received, a callback or a list of them.
    """
    listed = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in listed:
        if isinstance(callback, type):
            raise ValueError(
                "Invalid value received for argument `callbacks`. Expected "
                f"objects such as `{callback.__name__}(...)`. Received the "
                f"class {callback.__name__}."
            )


def check_constraints(constraints, oracle):
    """Checks `constraints=`; returns them as a list.

    Args:
        constraints: Iterable of `keras_nas.costs.Cost`.
        oracle: The oracle that has to learn what is infeasible.

    Returns:
        List of costs with limits.

    Raises:
        ValueError: If one is no cost or has no limit, or if the oracle does
            not know of constraints.
    """
    given = () if constraints is None else constraints
    is_list = isinstance(given, Iterable) and not isinstance(given, str)
    constraints = list(given) if is_list else [given]
    for constraint in constraints:
        is_cost = isinstance(constraint, Cost)
        if not is_cost or constraint.limit is None:
            raise ValueError(
                "Invalid value received for argument `constraints`. Expected "
                "costs with a limit, such as "
                "`keras_nas.costs.Parameters(max_parameters=100_000)`, or "
                f"`DeviceProfile.constraints()`. Received: {constraint!r}"
            )
    if constraints and not hasattr(oracle, "screen"):
        raise ValueError(
            "`constraints` need an oracle of keras_nas, which learns what is "
            f"infeasible. Received: oracle={oracle!r}"
        )
    return constraints


def check_costs(constraints, oracle):
    """Sorts what has to be measured of each candidate.

    Args:
        constraints: List of costs with limits.
        oracle: The oracle, which may have costs among its objectives.

    Returns:
        Pair of lists of `keras_nas.costs.Cost`: all of them, one a name; and
        the constraints, to which belongs a cost in a list of objectives that
        has a limit.

    Raises:
        ValueError: If two costs of one name measure different things.
    """
    objective = oracle.objective
    parts = [p for p in parts_of(objective) if isinstance(p, Cost)]
    costs = {}
    for cost in [*parts, *constraints]:
        known = costs.setdefault(cost.name, cost)
        if not known.is_same_measure(cost):
            raise ValueError(
                f"Two costs are called `{cost.name}`, and a metric of that "
                "name can only be one of them. Expected another `name` for "
                f"one, or equal settings. Received: {known!r}, {cost!r}"
            )
    if isinstance(objective, ScalarizedObjective):
        parts = []  # The limit of such a cost is a target.
    limited = [part for part in parts if part.limit is not None]
    return list(costs.values()), check_constraints(
        [*constraints, *limited], oracle
    )


def check_stopping_rule(rule, oracle):
    """Returns the stopping rule of a search.

    Args:
        rule: `keras_nas.stopping.StoppingRule`, or anything with a method
            `should_stop`, or `None`.
        oracle: The oracle, which may have a rule of its own.

    Raises:
        ValueError: If `rule` is none, or there are two.
    """
    own_rule = getattr(oracle, "stopping_rule", None)
    if rule is None:
        return own_rule
    if own_rule is not None:
        raise ValueError(
            f"{type(oracle).__name__} has a stopping rule already, "
            f"{type(own_rule).__name__}. Expected no `stopping_rule=`, or "
            "another oracle, such as the one of `keras_nas.RandomSearch`. "
            f"Received: stopping_rule={rule!r}"
        )
    is_rule = callable(getattr(rule, "should_stop", None))
    if isinstance(rule, type) or not is_rule:
        raise ValueError(
            "Invalid value received for argument `stopping_rule`. Expected a "
            "rule such as `keras_nas.stopping.SuccessiveHalving()`. Received: "
            f"stopping_rule={rule!r}"
        )
    return rule


def check_verbose(verbose):
    """Checks `verbose=`; returns 0, 1 or 2."""
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        raise ValueError(
            "Invalid value received for argument `verbose`. Expected 0, 1, "
            f'2 or "auto". Received: verbose={verbose!r}'
        )
    return int(verbose)


def check_workers(workers, executor):
    """Checks `workers=` and `executor=` of `search()`.

    Args:
        workers: Integer or `None`.
        executor: `concurrent.futures.Executor` or `None`.

    Returns:
        Integer, how many trials run side by side; 0 for in this process.

    Raises:
        ValueError: If the number is not a positive integer, or unknown.

    Example:

    >>> check_workers(2, None)
    2
    """
    if workers is None and executor is None:
        return 0
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise ValueError(
            "Invalid value received for argument `executor`. Expected a "
            "`concurrent.futures.Executor`, such as "
            f"`dask_client.get_executor()`. Received: executor={executor!r}"
        )
    if workers is None:
        workers = getattr(executor, "_max_workers", None)
        if workers is None:
            raise ValueError(
                "This executor does not say how many workers it has. "
                "Expected `workers=`, how many trials to give it at a "
                f"time. Received: executor={executor!r}"
            )
    is_integer = isinstance(workers, int) and not isinstance(workers, bool)
    if not is_integer or workers < 1:
        raise ValueError(
            "Invalid value received for argument `workers`. Expected a "
            f"positive integer. Received: workers={workers!r}"
        )
    return workers


def warn_of_ignored(evaluator, fit_kwargs, stopping_rule):
    """Warns of what has no effect where candidates are not trained.

    Args:
        evaluator: `keras_nas.evaluators.Evaluator`.
        fit_kwargs: Dict, the keyword arguments of `search()`.
        stopping_rule: `keras_nas.stopping.StoppingRule` of the tuner, or
            `None`.
    """
    if evaluator.trains_candidates:
        return
    name = type(evaluator).__name__
    ignored = [
        f"`search({argument}=...)` (give `{name}({argument}=...)`)"
        for argument in ("epochs", "callbacks")
        if fit_kwargs.get(argument)
    ]
    if stopping_rule is not None:
        rule = type(stopping_rule).__name__
        ignored.append(f"the stopping rule {rule} (leave it out)")
    if ignored:
        warnings.warn(
            f"`{name}` does not train candidates one by one, so these have no "
            f"effect: {', '.join(ignored)}.",
            stacklevel=3,
        )
