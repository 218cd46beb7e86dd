"""All candidates once in each step (Chu et al., 2021)."""

import tensorflow as tf

from keras_nas.supernet.sampling_rule import SamplingRule, pick


class FairSampling(SamplingRule):
    """Each step trains every candidate of every place once.

    As many architectures as the largest number of options are drawn without
    replacement, place by place; the weights change once, by the sum of their
    gradients. So no candidate is ahead of another because it was drawn more
    often, and scores are easier to compare. A step costs as many times more.

    Where a place has fewer options than another, some come twice; which ones
    differs from step to step.

    The paper has no places that only some architectures have, such as those
    inside of a `Repeat`. In a step these are in some of its architectures,
    and so run some of their candidates: all as often over many steps, but
    not in each, and less often than the candidates of other places.

    Reference:

    - [Chu et al., 2021, FairNAS](https://arxiv.org/abs/1907.01845)

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> _ = space.add("op", ["conv", "pool", "skip"])
    >>> paths = FairSampling().prepare(space).paths(step=0, seed=1)
    >>> sorted(paths.numpy().ravel().tolist())
    [0, 1, 2]
    """

    def prepare(self, space):
        """Is told the space before the first step."""
        self.num_paths = int(space.num_options.max())
        return super().prepare(space)

    def paths(self, step, seed):
        """Returns the architectures of a step."""
        num_options = self.space.num_options
        shape = [self.num_paths, len(num_options)]
        order = tf.argsort(self._uniform(shape, step, seed), axis=0)
        shift = pick(self._uniform(shape[1:], step, seed, 1), num_options)
        return (order + shift) % num_options
