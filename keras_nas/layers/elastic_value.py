"""A number that depends on the architecture a supernet runs."""

import operator

import numpy as np


class SharingError(ValueError):
    """A hyperparameter was used where its values cannot share weights."""


class ElasticValue:
    """What a hyperparameter's value is while a supernet is built.

    A supernet holds all values of a hyperparameter at once. So `hp.Choice`,
    `hp.Int` and so on return an `ElasticValue` there: a table with the value
    for each option. The layers of `keras_nas.layers` and the choice
    primitives know what to do with it. It can be calculated with; the result
    is another table. Wherever a plain number is needed, as in `if`, `range`
    or an ordinary Keras layer, it raises an error that names the
    hyperparameter, so that no hyperparameter is silently ignored.

    Args:
        names: Tuple of strings, the hyperparameters that it depends on.
        table: Array-like of values with one axis for each of `names`, as
            long as it has options.
        source: What knows the options in force: has `current(value)`.

    Example:

    >>> width = ElasticValue(("width",), [8, 16], source=None)
    >>> (2 * width + 1).table
    array([17, 33])
    >>> if width > 8: pass
    Traceback (most recent call last):
        ...
    keras_nas.layers.elastic_value.SharingError: Hyperparameter 'width' ...
    """

    def __init__(self, names, table, source):
        self.names = tuple(names)
        self.table = np.asarray(table)
        self.source = source

    @property
    def largest(self):
        """The largest value, as a Python number."""
        return self.table.max().item()

    def map(self, function):
        """Returns the value that `function` gives for each of the table."""
        flat = [function(value.item()) for value in self.table.flat]
        table = np.reshape(np.array(flat), self.table.shape)
        return ElasticValue(self.names, table, self.source)

    def at(self, options):
        """Returns the value in one architecture, as a Python number.

        Args:
            options: Mapping from the names of hyperparameters to the numbers
                of their options.
        """
        return self.table[tuple(options[name] for name in self.names)].item()

    def current(self):
        """Returns the value in the architecture that runs, as a tensor.

        Outside of a running supernet, where Keras only asks for shapes, it is
        the largest value.
        """
        return self.source.current(self)

    def is_same(self, other):
        """Returns whether the two agree in every architecture."""
        return (
            isinstance(other, ElasticValue)
            and self.names == other.names
            and np.array_equal(self.table, other.table)
        )

    def use(self, kind, sizes=None):
        """Tells the source that the value decides something.

        Args:
            kind: String: `"operation"`, `"depth"`, `"width"` or `"kernel"`.
            sizes: Optional list of numbers, one an option, larger for
                options that make a larger network. By default the values.
        """
        self.source.mark(self, kind, sizes)
        self.follow()

    def follow(self):
        """Has `current` know the value; returns the object itself."""
        self.source.follow(self)
        return self

    def _combined(self, other, function):
        if isinstance(other, ElasticValue):
            names = self.names + tuple(
                name for name in other.names if name not in self.names
            )
            tables = self._spread(names), other._spread(names)
        elif isinstance(other, (int, float)):
            names, tables = self.names, (self.table, other)
        else:
            return NotImplemented
        return ElasticValue(names, function(*tables), self.source)

    def _spread(self, names):
        """Returns the table with an axis for each of `names`."""
        present = [name for name in names if name in self.names]
        table = np.transpose(
            self.table, [self.names.index(name) for name in present]
        )
        return np.expand_dims(
            table, [i for i, name in enumerate(names) if name not in self.names]
        )

    def equals(self, other):
        """Returns 1 where it equals `other`, and 0 elsewhere."""
        return self._combined(other, np.equal).map(int)

    def exceeds(self, other):
        """Returns 1 where it is larger than `other`, and 0 elsewhere."""
        return self._combined(other, np.greater).map(int)

    def __round__(self, digits=None):
        return self.map(lambda value: round(value, digits))

    def __neg__(self):
        return self.map(operator.neg)

    def __repr__(self):
        return f"<value of the hyperparameter {' and '.join(self.names)}>"

    def _refuse(self, *_, **__):
        names = " and ".join(map(repr, self.names))
        raise SharingError(
            f"Hyperparameter {names} is used where the supernet needs one "
            "plain value, so its values cannot share weights. Either give it "
            "to a layer that can: `filters`, `units` and `kernel_size` of "
            "`keras_nas.layers.Conv2D`, `DepthwiseConv2D` and `Dense`, "
            "`expansion` and `kernel_size` of `keras_nas.blocks`, a "
            "`LayerChoice`, `InputChoice`, `Repeat` or `Cell`. Or fix its "
            f"value: `Supernet(build, fixed={{{self.names[0]!r}: ...}})`."
        )

    __bool__ = __int__ = __index__ = __float__ = __len__ = __iter__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __hash__ = __str__ = __format__ = __contains__ = __getitem__ = _refuse
    __array__ = __trunc__ = __floor__ = __ceil__ = _refuse


def _binary(function):
    def method(self, other):
        return self._combined(other, function)

    def reflected(self, other):
        return self._combined(other, lambda left, right: function(right, left))

    return method, reflected


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _method, _reflected = _binary(getattr(operator, _name))
    setattr(ElasticValue, f"__{_name}__", _method)
    setattr(ElasticValue, f"__r{_name}__", _reflected)


def channels_of(tensor):
    """Returns how many channels a symbolic tensor has, searched or not.

    Args:
        tensor: `KerasTensor`.

    Returns:
        Integer; an `ElasticValue` where `mark_channels` has told so.
    """
    marked = getattr(tensor, "elastic_channels", None)
    return tensor.shape[-1] if marked is None else marked


def mark_channels(tensor, channels):
    """Remembers that the channels of a symbolic tensor are searched.

    Only for what is computed from them while a supernet is built, such as an
    expansion: Keras's own layers do not hand it on.

    Args:
        tensor: `KerasTensor`.
        channels: What `channels_of` shall return.

    Returns:
        The tensor.
    """
    if isinstance(channels, ElasticValue):
        tensor.elastic_channels = channels
    return tensor


def has_shortcut(block, inputs, outputs):
    """Returns whether a block can add its inputs to its outputs as they are.

    Args:
        block: `keras_nas.blocks.Block`, to be named in errors.
        inputs: Number of channels, searched or not.
        outputs: The same of what the block gives.

    Raises:
        SharingError: If that depends on the architecture.
    """
    given = inputs, outputs
    if not isinstance(inputs, ElasticValue):
        inputs, outputs = outputs, inputs
    if not isinstance(inputs, ElasticValue):
        return inputs == outputs
    answers = inputs.equals(outputs)
    if answers.table.min() == answers.table.max():
        return answers.table.all().item()
    names = " and ".join(map(repr, answers.names))
    before, after = (
        value.table.ravel().tolist()
        if isinstance(value, ElasticValue)
        else value
        for value in given
    )
    raise SharingError(
        f"{block!r} adds its inputs to its outputs, its shortcut, as they are "
        "where both have as many channels. Whether they have depends on the "
        f"hyperparameter {names}: inputs of {before}, outputs of {after} "
        "channels. Expected the same (searched) number before and in the "
        "block, no number in common, or strides above 1. Or fix its value: "
        f"`Supernet(build, fixed={{{answers.names[0]!r}: ...}})`."
    )


def is_elastic(value):
    """Returns whether a value, or a part of a pair, is an `ElasticValue`."""
    parts = value if isinstance(value, (tuple, list)) else [value]
    return any(isinstance(part, ElasticValue) for part in parts)


def largest(value):
    """Returns a plain value: the largest of an elastic one."""
    if isinstance(value, (tuple, list)):
        return tuple(map(largest, value))
    return value.largest if isinstance(value, ElasticValue) else value
