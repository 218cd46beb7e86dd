"""From the largest network to all smaller ones (Cai et al., 2020)."""

import numpy as np
import tensorflow as tf

from keras_nas.layers.arguments import check_integer
from keras_nas.supernet.architecture_space import KINDS
from keras_nas.supernet.sampling_rule import SamplingRule, pick


class ProgressiveShrinking(SamplingRule):
    """Trains the largest network first, and lets smaller ones in by and by.

    For `steps_per_phase` steps only the largest network is trained. Then, kind
    by kind in `order`, smaller options are let in: every further phase of the
    kind one more of them. Once there is a choice, a step trains the largest
    network, and one random network that learns from its predictions.

    Take it where small networks that are trained together with large ones
    disturb them: wide ranges of widths and depths.

    Of Once-for-All it is the order. The paper also sorts channels by their
    importance before widths shrink, transforms kernels by small matrices
    instead of cutting them, keeps the teacher as it was after the first
    phase, has students learn from labels too, searches the size of images,
    and draws several students a step. None of this is here.

    Args:
        steps_per_phase: Integer, the length of a phase.
        order: Tuple of strings, the kinds of choices in the order in which
            they shrink: `"operation"` (candidates, connections), `"kernel"`,
            `"depth"`, `"width"`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:

    - [Cai et al., 2020, Once-for-All](https://arxiv.org/abs/1908.09791)

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> space.add("width", [8, 16, 32]).use("width")
    >>> rule = ProgressiveShrinking(steps_per_phase=100).prepare(space)
    >>> rule.num_phases
    3
    >>> rule.paths(step=99, seed=1).numpy().tolist()
    [[2], [2]]
    """

    num_paths = 2
    distills = True

    def __init__(
        self,
        steps_per_phase,
        order=("operation", "kernel", "depth", "width"),
    ):
        check_integer("steps_per_phase", steps_per_phase, minimum=1)
        if sorted(order) != sorted(KINDS):
            raise ValueError(
                "Invalid value received for argument `order`. Expected each "
                f"of {KINDS} once. Received: order={order!r}"
            )
        self.steps_per_phase = steps_per_phase
        self.order = tuple(order)

    def prepare(self, space):
        """Is told the space before the first step."""
        allowed = np.ones(len(space.names), "int32")
        phases = [allowed.copy()]
        num_options = space.num_options
        for kind in self.order:
            of_kind = np.array([space.kinds[n] == kind for n in space.names])
            while (more := of_kind & (allowed < num_options)).any():
                allowed = allowed + more
                phases.append(allowed.copy())
        self._phases = np.array(phases)
        self.num_phases = len(phases)
        return super().prepare(space)

    def num_paths_of(self, step):
        """Returns 1 while there is the largest network only, then 2."""
        return 1 + tf.minimum(self._phase(step), 1)

    def paths(self, step, seed):
        """Returns the architectures of a step."""
        allowed = tf.gather(self._phases, self._phase(step))
        draws = self._uniform([len(self.space.names)], step, seed)
        places = pick(draws, allowed)
        ordered = self.space.by_size()
        width = max(map(len, ordered))
        table = np.array([np.resize(o, width) for o in ordered], "int32")
        random = tf.gather(table, places, batch_dims=1)
        return tf.stack([tf.constant(table[:, 0]), random])

    def _phase(self, step):
        phase = tf.cast(step, "int32") // self.steps_per_phase
        return tf.minimum(phase, self.num_phases - 1)

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {"steps_per_phase": self.steps_per_phase, "order": self.order}
