"""The largest, the smallest and some between (Yu et al., 2020)."""

import numpy as np
import tensorflow as tf

from keras_nas.layers.arguments import check_integer
from keras_nas.supernet.sampling_rule import SamplingRule, pick


class SandwichSampling(SamplingRule):
    """Each step trains the largest, the smallest and some random networks.

    The largest learns from the labels. The others learn from what the largest
    predicts, in place (distillation). Take it for searched widths, kernel
    sizes and depths: subnets are then good enough to be used without further
    training. A step costs as many times more as networks are trained.

    Args:
        num_random: Integer, how many random networks a step trains.

    Raises:
        ValueError: If `num_random` is no integer from 0 on.

    Reference:

    - [Yu et al., 2020, BigNAS](https://arxiv.org/abs/2003.11142)
    - [Yu and Huang, 2019, Universally Slimmable
      Networks](https://arxiv.org/abs/1903.05134)

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> space.add("width", [8, 16, 32]).use("width")
    >>> rule = SandwichSampling(num_random=1).prepare(space)
    >>> rule.paths(step=0, seed=1).numpy()[:2].tolist()
    [[2], [0]]
    """

    distills = True

    def __init__(self, num_random=2):
        check_integer("num_random", num_random, minimum=0)
        self.num_random = num_random
        self.num_paths = 2 + num_random

    def paths(self, step, seed):
        """Returns the architectures of a step."""
        ordered = self.space.by_size()
        ends = np.array([[o[0] for o in ordered], [o[-1] for o in ordered]])
        num_options = self.space.num_options
        draws = self._uniform([self.num_random, len(ordered)], step, seed)
        return tf.concat(
            [tf.constant(ends, "int32"), pick(draws, num_options)], axis=0
        )

    def get_config(self):
        """Returns the arguments the rule was made with."""
        return {"num_random": self.num_random}
