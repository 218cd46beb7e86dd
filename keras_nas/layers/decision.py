"""What a build takes for one hyperparameter, and a look at the rest."""

import contextlib
import random


class Decision:
    """The value that this build takes for the hyperparameter of a primitive.

    Besides the value it knows whether this build is the one that discovers
    the hyperparameter. That build alone looks at the values not taken, with
    `explore`, so that everything that depends on them is registered and
    checked once, and every later build costs what its own model costs.

    Args:
        hp: The `keras_tuner.HyperParameters` of the build.
        name: String, the name of the hyperparameter.
        owner: String, how errors call the primitive.
        register: Function without arguments that registers the hyperparameter
            and returns its value.
    """

    def __init__(self, hp, name, owner, register):
        self._hp = hp
        self._name = name
        known = len(hp.space)
        try:
            self.value = register()
        except KeyError as error:
            raise ValueError(
                f"{owner} has no value for {name!r} in `hp.values`, although "
                "it is active. After changing values by hand, call "
                "`hp.ensure_active_values()`. In a search, know that "
                "KerasTuner's oracles lose the value of a name that is "
                "registered under several conditions: give the places "
                "different names."
            ) from error
        if self.value is None:
            raise ValueError(
                f"{owner} is inactive: it was called in a "
                "`hp.conditional_scope` whose condition does not hold. Call "
                "it only when the condition holds, for example under `if`."
            )
        # The only public way to learn a name with its name scopes, and the
        # conditions we are in, is to open a scope.
        with hp.conditional_scope(name, [self.value]):
            *conditions, here = hp.active_scopes[-1]
        self._full_name = here.name
        _forget_repetitions(hp, known)
        # The second of two primitives that share a name finds it registered.
        # Scopes of values that are not taken show that `explore` ran on the
        # first: only there can they have been active.
        self.is_discovered = len(hp.space) > known or any(
            last.name == self._full_name
            and self.value not in last.values
            and _implies(conditions, outer)
            for *outer, last in hp.active_scopes
        )

    @contextlib.contextmanager
    def scope(self, values):
        """Opens the scope of what exists only for these values."""
        known = len(self._hp.space)
        with self._hp.conditional_scope(self._name, values):
            yield
        _forget_repetitions(self._hp, known)

    @contextlib.contextmanager
    def explore(self, value):
        """Runs the body as if the build had taken another value.

        A user's factory closes over `hp` itself, so the values are exchanged
        in place. What the body registers stays registered, as conditional
        hyperparameters that are not active. All else is left as it was.
        """
        hp = self._hp
        values = hp.values
        random_state = random.getstate()  # Keras seeds initializers from it.
        hp.values = {**values, self._full_name: value}
        # What depends on this decision starts from its default: it may be
        # registered already, from another place, or have a namesake of
        # another type under the value that was taken.
        independent = {
            parameter.name
            for parameter in hp.space
            if hp.is_active(parameter) and not self._decides(parameter)
        }
        for parameter in hp.space:
            if parameter.name not in independent:
                hp.values.pop(parameter.name, None)
        for parameter in hp.space:
            if hp.is_active(parameter):
                hp.values.setdefault(parameter.name, parameter.default)
        try:
            yield
        finally:
            hp.values = values
            random.setstate(random_state)

    def _decides(self, parameter):
        return any(
            condition.name == self._full_name
            for condition in parameter.conditions
        )


def _forget_repetitions(hp, known):
    """Drops what is in the space already, under conditions that suffice.

    In a `Repeat` of cells that share an architecture, the second cell
    registers under "depth > 1" what the first one registered for any depth.
    KerasTuner takes these for two hyperparameters, counts and draws both, and
    `ensure_active_values` drops the value of the name when the second is
    inactive.

    Args:
        hp: A `keras_tuner.HyperParameters`.
        known: Integer, how many hyperparameters of the space to keep anyway.
    """
    space = hp.space
    for parameter in space[known:]:
        if any(
            other is not parameter
            and other.name == parameter.name
            and _implies(parameter.conditions, other.conditions)
            and _without_conditions(other) == _without_conditions(parameter)
            for other in space[: space.index(parameter)]
        ):
            space.remove(parameter)


def _implies(conditions, others):
    """Returns whether `others` hold wherever `conditions` hold."""
    return all(
        any(
            condition.name == other.name
            and set(condition.values) <= set(other.values)
            for condition in conditions
        )
        for other in others
    )


def _without_conditions(parameter):
    return {**parameter.get_config(), "conditions": None}
