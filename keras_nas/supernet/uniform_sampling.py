"""One architecture a step, drawn uniformly (Guo et al., 2020)."""

from keras_nas.supernet.sampling_rule import SamplingRule, pick


class UniformSampling(SamplingRule):
    """Each step trains one architecture, drawn uniformly.

    The default: it costs what training one architecture costs, and does well
    where candidates are of a kind.

    Reference:

    - [Guo et al., 2020, Single Path One-Shot](https://arxiv.org/abs/1904.00420)

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> _ = space.add("op", ["conv", "pool"])
    >>> UniformSampling().prepare(space).paths(step=0, seed=1).shape
    TensorShape([1, 1])
    """

    def paths(self, step, seed):
        """Returns the architectures of a step."""
        num_options = self.space.num_options
        draws = self._uniform([1, len(num_options)], step, seed)
        return pick(draws, num_options)
