"""Stop before there are many skip connections (Liang et al., 2019)."""

import numpy as np

from keras_nas import architectures
from keras_nas.supernet.gradient.alpha_stopping import AlphaStopping
from keras_nas.supernet.gradient.mixture import is_operation
from keras_nas.supernet.switch import Switch


class SkipStopping(AlphaStopping):
    """Stops when the architecture has many skip connections.

    Counted are the hyperparameters, active in the most probable architecture,
    whose value is the identity: `blocks.Identity()` and whatever else returns
    its inputs as they are. The search stops as soon as there are `max_skips`
    of them, and takes the last architecture with no more than that.

    Args:
        max_skips: Integer.
        prefix: String; only hyperparameters whose names begin with it are
            counted, such as the name of the normal cell.

    Raises:
        ValueError: If an argument is wrong.

    Reference:

    - [Liang et al., 2019, DARTS+](https://arxiv.org/abs/1909.06035), which
      stops at two in one normal cell.

    Example:

    >>> SkipStopping(max_skips=2).chosen([0, 1, 1])
    >>> SkipStopping(max_skips=2).chosen([0, 1, 1, 3])
    2
    """

    name = "skips"

    def __init__(self, max_skips=2, prefix=""):
        is_integer = isinstance(max_skips, int)
        if not is_integer or isinstance(max_skips, bool) or max_skips < 1:
            raise ValueError(
                "Invalid value received for argument `max_skips`. Expected a "
                f"positive integer. Received: max_skips={max_skips!r}"
            )
        if not isinstance(prefix, str):
            raise ValueError(
                "Invalid value received for argument `prefix`. Expected a "
                f"string. Received: prefix={prefix!r}"
            )
        self.max_skips = max_skips
        self.prefix = prefix

    def check(self, search):
        """Raises unless there are skip connections to be counted."""
        if not self._skips(search):
            raise ValueError(
                "`SkipStopping` finds no skip connection to count: no choice "
                f"whose name begins with {self.prefix!r} has the identity as "
                "a candidate. Expected a candidate such as "
                "`keras_nas.blocks.Identity`, or another `prefix`. The search "
                f"has the hyperparameters {search.space.names}."
            )

    def measure(self, search, data, epoch):
        """Returns how many skips the most probable architecture has."""
        values = next(search.architectures())
        active = architectures.active_values(values, search.supernet.space)
        return sum(
            active.get(name) in skips
            for name, skips in self._skips(search).items()
        )

    def chosen(self, measured):
        """Stops at `max_skips`; chooses the last epoch without more."""
        if measured[-1] < self.max_skips:
            return None
        few = [i for i, count in enumerate(measured) if count <= self.max_skips]
        if few:
            return few[-1]
        return measured.index(min(measured))

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {"max_skips": self.max_skips, "prefix": self.prefix}

    def _skips(self, search):
        """Finds the values that are skip connections.

        Returns:
            Dict from names of hyperparameters to lists of values.
        """
        skips = {}
        for switch in search.supernet.network_layers():
            if not isinstance(switch, Switch) or not is_operation(switch.index):
                continue
            # A cell's edge also depends on whether it is there at all; its
            # own choice is the first.
            name = switch.index.names[0]
            if not name.startswith(self.prefix):
                continue
            identities = [
                i for i, b in enumerate(switch.branches) if b.is_identity
            ]
            values = search.space.choices[name]
            rows = zip(values, switch.index.table, strict=True)
            found = skips.setdefault(name, [])
            found += [
                value
                for value, row in rows
                if np.isin(row, identities).any() and value not in found
            ]
        return {name: found for name, found in skips.items() if found}
