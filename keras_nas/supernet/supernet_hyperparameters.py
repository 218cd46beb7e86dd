"""The `hp` that a build receives when it builds a supernet."""

import contextlib

import keras_tuner

from keras_nas import architectures
from keras_nas.layers.elastic_value import ElasticValue, SharingError
from keras_nas.supernet.architecture_space import ArchitectureSpace
from keras_nas.supernet.realization import realize


class SupernetHyperParameters(keras_tuner.HyperParameters):
    """Gives all values of a hyperparameter at once.

    What `Choice`, `Int`, `Float` and `Boolean` return is an `ElasticValue`,
    and the choice primitives ask `realize` to be realised. The space and its
    conditions are registered as in a trial.

    Where there is one value only, nothing has to be shared, and it is given
    as it is.

    Args:
        fixed: Dict from names to values that are not searched.

    Attributes:
        constants: Dict from the names of those that have one value only.

    Example:

    >>> hp = SupernetHyperParameters({"rate": 0.1})
    >>> hp.Float("rate", 0.0, 0.5)
    0.1
    >>> hp.Choice("units", [8, 16])
    <value of the hyperparameter units>
    """

    def __init__(self, fixed=None):
        super().__init__()
        self.fixed = dict(fixed or {})
        self.unused_fixed = set(self.fixed)
        self.constants = {}
        self._prefixes = []
        self.architectures = ArchitectureSpace()

    def Choice(self, name, values, *args, **kwargs):  # noqa: N802
        """Returns all values at once."""
        register = super().Choice
        values = list(values)
        self._check_fixed(name, values)
        return self._all(name, lambda: register(name, values, *args, **kwargs))

    def Int(self, name, *args, **kwargs):  # noqa: N802
        """Returns all values at once."""
        register = super().Int
        return self._all(name, lambda: register(name, *args, **kwargs))

    def Float(self, name, *args, **kwargs):  # noqa: N802
        """Returns all values at once."""
        register = super().Float
        return self._all(name, lambda: register(name, *args, **kwargs))

    def Boolean(self, name, *args, **kwargs):  # noqa: N802
        """Returns both values at once."""
        register = super().Boolean
        self._check_fixed(name, [False, True])
        return self._all(name, lambda: register(name, *args, **kwargs))

    def Fixed(self, name, *args, **kwargs):  # noqa: N802
        """Returns the value."""
        register = super().Fixed
        return self._all(name, lambda: register(name, *args, **kwargs))

    def get(self, name):
        """Returns all values of a hyperparameter at once."""
        full_name = self._full_name(name)
        if full_name in self.fixed:
            return self.fixed[full_name]
        if full_name in self.constants:
            return self.constants[full_name]
        if full_name in self.architectures.choices:
            choices = self.architectures.choices[full_name]
            return self.architectures.add(full_name, choices)
        return super().get(name)

    def __getitem__(self, name):
        return self.get(name)

    @contextlib.contextmanager
    def name_scope(self, name):
        """Prefixes the names of what is registered in the body."""
        self._prefixes.append(name)
        try:
            with super().name_scope(name):
                yield
        finally:
            self._prefixes.pop()

    def option(self, name, choices):
        """Registers a choice; returns the number of its option.

        Args:
            name: String.
            choices: List of its values.

        Returns:
            `ElasticValue`, or an integer where the choice is fixed.
        """
        choices = list(choices)
        value = self.Choice(name, choices)
        if isinstance(value, ElasticValue):
            return self.architectures.option(value.names[0], choices)
        return choices.index(value)

    def condition(self, name, values):
        """Returns the scope of what exists at some values only.

        Args:
            name: String, the hyperparameter that decides.
            values: List of its values.
        """
        if self._full_name(name) in self.fixed:
            # It is not in the space, and so not needed for a condition.
            return contextlib.nullcontext()
        return self.conditional_scope(name, values)

    def realize(self, primitive, inputs):
        """Realises a choice primitive as switches; returns its outputs."""
        return realize(self, primitive, inputs)

    def _full_name(self, name):
        return "/".join([*self._prefixes, name])

    def _check_fixed(self, name, choices):
        """Raises if a fixed value is none of a choice.

        Numbers of `Int` and `Float` may lie beside what would be searched.
        """
        full_name = self._full_name(name)
        value = self.fixed.get(full_name, choices[0])
        if value not in choices:
            raise ValueError(
                "Invalid value received for argument `fixed`. Expected for "
                f"{full_name!r} one of {choices}. Received: {value!r}"
            )

    def _all(self, name, register):
        """Registers a hyperparameter; returns all its values at once."""
        full_name = self._full_name(name)
        self.unused_fixed.discard(full_name)
        if full_name in self.fixed:
            return self.fixed[full_name]
        register()
        for parameter in self.space:
            if parameter.name != full_name:
                continue
            choices = architectures.finite_values(parameter)
            if choices is None:
                raise SharingError(
                    f"Hyperparameter {full_name!r} has endlessly many values, "
                    "which a supernet cannot share. Fix it: "
                    f"`Supernet(build, fixed={{{full_name!r}: "
                    f"{parameter.default}}})`."
                )
            value = self._add(full_name, list(choices))
        return value

    def _add(self, full_name, choices):
        if len(choices) == 1 and full_name not in self.architectures.choices:
            constant = self.constants.setdefault(full_name, choices[0])
            if constant == choices[0]:
                return constant
        elif full_name not in self.constants:
            return self.architectures.add(full_name, choices)
        raise ValueError(
            f"Hyperparameter {full_name!r} is registered with the values "
            f"{choices}, and with others elsewhere. Places that share a name "
            "must have the same values."
        )


def check_fixed(fixed):
    """Raises a `ValueError` unless `fixed` is a dict from names, or `None`.

    Args:
        fixed: What was received.
    """
    if fixed is None or (
        isinstance(fixed, dict) and all(isinstance(n, str) for n in fixed)
    ):
        return
    raise ValueError(
        "Invalid value received for argument `fixed`. Expected a dict from "
        'names of hyperparameters to values, such as `{"learning_rate": '
        f"1e-3}}`. Received: fixed={fixed!r}"
    )
