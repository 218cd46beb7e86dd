"""The architectures of a supernet, as numbers that a graph can read."""

import contextlib
import threading

import numpy as np
import tensorflow as tf

from keras_nas.layers.elastic_value import ElasticValue, SharingError

# What becomes larger by a hyperparameter.
KINDS = ("operation", "depth", "width", "kernel")


class ArchitectureSpace:
    """The searched hyperparameters of a supernet and their options.

    An architecture is a vector of integers: for each hyperparameter, in the
    order in which the build asked for them, the number of its option. What
    depends on it, such as which branch of a switch runs, is an
    `ElasticValue`. All of these are looked up at once, when the supernet is
    called, so a change of the architecture is a change of data, and nothing
    is traced again.

    Example:

    >>> space = ArchitectureSpace()
    >>> kernel = space.add("kernel", [3, 5])
    >>> kernel.table
    array([3, 5])
    >>> space.options({"kernel": 5})
    {'kernel': 1}
    """

    def __init__(self):
        self.choices = {}
        self.kinds = {}
        self._sizes = {}
        self._values = []
        self._rows = {}
        self._running = threading.local()

    @property
    def names(self):
        """The names of the hyperparameters, in the order of a vector."""
        return list(self.choices)

    @property
    def num_options(self):
        """Integer array, how many options each hyperparameter has."""
        return np.array([len(c) for c in self.choices.values()], "int32")

    def add(self, name, choices):
        """Adds a hyperparameter, or finds it; returns its `ElasticValue`."""
        choices = list(choices)
        known = self.choices.setdefault(name, choices)
        if known != choices:
            raise ValueError(
                f"Hyperparameter {name!r} is registered with the values "
                f"{choices}, and with {known} elsewhere. Places that share a "
                "name must have the same values."
            )
        return ElasticValue((name,), choices, self)

    def option(self, name, choices):
        """Adds a hyperparameter; returns the number of its option."""
        self.add(name, choices)
        return ElasticValue((name,), np.arange(len(choices)), self)

    def mark(self, value, kind, sizes=None):
        """Remembers that a value is made use of.

        Args:
            value: `ElasticValue`.
            kind: String, one of `KINDS`: what it decides.
            sizes: Optional list of numbers, one an option, larger for
                options that make a larger network. By default the value.
        """
        for axis, name in enumerate(value.names):
            self.kinds.setdefault(name, kind)
            if sizes is None or len(value.names) > 1:
                others = tuple(i for i in range(value.table.ndim) if i != axis)
                means = value.table.mean(axis=others)
            else:
                means = np.asarray(sizes, float)
            # Places that share a hyperparameter are large together.
            self._sizes[name] = self._sizes.get(name, 0) + means

    def unused(self):
        """Returns the names of which nothing has made use."""
        return [name for name in self.choices if name not in self.kinds]

    def by_size(self):
        """Returns for each hyperparameter its options, the largest first.

        Returns:
            List of integer arrays. Options of one size keep their order.
        """
        return [
            np.argsort(-self._sizes[name], kind="stable")
            for name in self.choices
        ]

    def vector(self, options):
        """Returns the architecture as an integer array."""
        return np.array([options[name] for name in self.choices], "int32")

    def options(self, values):
        """Translates values of hyperparameters.

        Args:
            values: Dict of values, those of a trial. What is not active in
                it may be missing, and others may be in it.

        Returns:
            Dict from names to the numbers of the options.

        Raises:
            ValueError: If a value is not among the options.
        """
        options = {}
        for name, choices in self.choices.items():
            if name not in values:
                options[name] = 0
            elif values[name] in choices:
                options[name] = choices.index(values[name])
            else:
                raise ValueError(
                    f"Hyperparameter {name!r} has the value "
                    f"{values[name]!r}, which the supernet does not know. "
                    f"Expected one of {choices}."
                )
        return options

    def values(self, vector):
        """Translates an architecture to values of hyperparameters."""
        return {
            name: choices[int(number)]
            for (name, choices), number in zip(
                self.choices.items(), vector, strict=True
            )
        }

    def follow(self, value):
        """Has a value looked up in each call of the supernet."""
        if _key(value) not in self._rows:
            self._rows[_key(value)] = len(self._values)
            self._values.append(value)

    def row(self, value):
        """Returns where `look_up` tells of a followed value."""
        return self._rows[_key(value)]

    def look_up(self, architectures):
        """Returns what was `follow`ed, in the given architectures.

        Args:
            architectures: Integer tensor of shape `(..., hyperparameters)`.

        Returns:
            Integer tensor of shape `(..., values)`.
        """
        names = self.names
        strides = np.zeros((len(self._values), len(names)), "int32")
        starts, tables = [], []
        for row, value in enumerate(self._values):
            starts.append(sum(map(len, tables)))
            tables.append(value.table.ravel())
            step = 1
            for name, size in zip(
                reversed(value.names),
                reversed(value.table.shape),
                strict=True,
            ):
                strides[row, names.index(name)] = step
                step *= size
        table = np.concatenate([*tables, [0]]).astype("int32")
        places = tf.reduce_sum(architectures[..., None, :] * strides, axis=-1)
        return tf.gather(table, places + np.array(starts, "int32"))

    @property
    def is_running(self):
        """Whether an architecture runs, or several, in this thread."""
        return any(part is not None for part in self._state)

    @property
    def is_mixture(self):
        """Whether a mixture of all architectures runs, in this thread."""
        looked_up, relaxation = self._state
        return looked_up is None and relaxation is not None

    @property
    def looked_up(self):
        """What `look_up` told of the architecture of this thread."""
        return self._state[0]

    @property
    def relaxation(self):
        """What runs switches in place of one branch, in this thread."""
        return self._state[1]

    @property
    def _state(self):
        return getattr(self._running, "state", (None, None))

    @contextlib.contextmanager
    def running(self, looked_up, relaxation=None):
        """Runs the body in the architecture of which `look_up` told.

        Args:
            looked_up: What `look_up` has returned for one architecture.
                `None` where `relaxation` runs them all.
            relaxation: Optional object whose `run(switch, inputs, training)`
                is what each `Switch` does, for search by gradient.
        """
        before = self._state
        self._running.state = looked_up, relaxation
        try:
            yield
        finally:
            self._running.state = before

    def current(self, value):
        """Returns a value in the architecture that runs, as a tensor.

        Raises:
            SharingError: If all architectures run at once.
        """
        looked_up, relaxation = self._state
        if looked_up is not None:
            return looked_up[self.row(value)]
        if relaxation is not None:
            raise SharingError(
                f"There is no mixture of the values of the hyperparameter "
                f"{' and '.join(value.names)}: {value.table.tolist()}."
            )
        return tf.constant(value.largest, "int32")


def _key(value):
    return value.names, value.table.astype("int32").tobytes()
