"""Finds the hyperparameters of a hypermodel by building it."""

from keras_nas import architectures


def explore(build, space):
    """Builds a hypermodel until each of its conditional scopes was active.

    Hyperparameters are registered while a model is built, so a space is
    known only after builds that between them enter every scope. With k
    mutually exclusive scopes that takes k builds here (KerasTuner 1.4.8
    makes k(k-1)/2+1). A scope that a build skips altogether is not known
    here; its hyperparameters join the space when a trial comes upon them.

    Args:
        build: Function of `keras_tuner.HyperParameters` that returns a
            model.
        space: `keras_tuner.HyperParameters` registered in advance; not
            changed.

    Returns:
        A pair: the whole space as `keras_tuner.HyperParameters` with
        default values, and the model of the first build.

    Example:

    >>> import keras_tuner
    >>> def build(hp):
    ...     deep = hp.Boolean("deep")
    ...     with hp.conditional_scope("deep", [True]):
    ...         if deep:
    ...             hp.Int("layers", 2, 8)
    ...     with hp.conditional_scope("deep", [False]):
    ...         if not deep:
    ...             hp.Int("units", 8, 64)
    >>> space, _ = explore(build, keras_tuner.HyperParameters())
    >>> [hp.name for hp in space.space]
    ['deep', 'units', 'layers']
    """
    space = space.copy()
    first_model = None
    entered, waiting = [], [[]]
    while waiting:
        conditions = waiting.pop(0)
        if conditions in entered:
            continue
        hp = space.copy()
        hp.values = _values_that_meet(conditions, space)
        # Also where the scope turns out to be out of reach: once is enough.
        entered.append(conditions)
        model = build(hp)
        if first_model is None:
            first_model = model
        space.merge(hp, overwrite=False)
        entered += [s for s in hp.active_scopes if s not in entered]
        for scope in hp.inactive_scopes:
            if scope not in entered and scope not in waiting:
                waiting.append(list(scope))
    space.values = _values_that_meet([], space)
    return space, first_model


def _values_that_meet(conditions, space):
    """Default values, but for those that make `conditions` true."""
    required = {}

    def require(condition):
        required.setdefault(condition.name, condition.values[0])
        for hp in space.space:
            if hp.name == condition.name:
                for grandparent in hp.conditions:
                    if grandparent.name not in required:
                        require(grandparent)
                break

    for condition in conditions:
        require(condition)
    values = {}
    for hp in architectures.parents_first(space):
        if all(condition.is_active(values) for condition in hp.conditions):
            values[hp.name] = required.get(hp.name, hp.default)
    return values
