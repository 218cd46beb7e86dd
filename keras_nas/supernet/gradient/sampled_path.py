"""One sampled branch that tells of its probability (Dong and Yang, 2019)."""

import tensorflow as tf

from keras_nas.supernet.gradient.architecture_parameters import (
    branch_probabilities,
)
from keras_nas.supernet.gradient.recomputation import (
    Recomputation,
    can_run_again,
    times,
)


class SampledPath:
    """Runs one branch of each switch, for one pass through the network.

    Only that branch runs, and it runs again for its gradient (see
    `Recomputation`), so a step keeps little of what branches make.

    With `probabilities` the outputs are multiplied by `1 + p -
    stop_gradient(p)`, where `p` is the probability of the branch: by 1, with
    the gradient of the probability. There are gradients by these
    probabilities then, and otherwise by the `variables`.

    Pass it to `ArchitectureSpace.running`, with the values of the sampled
    architecture and inside of one traced function.

    Args:
        probabilities: Optional dict from names of hyperparameters to tensors,
            the smoothed probabilities that `sample` has returned.
        variables: Iterable of the `keras.Variable`s to train.

    Reference:

    - [Dong and Yang, 2019, GDAS](https://arxiv.org/abs/1910.04465)
    - [Cai et al., 2019, ProxylessNAS](https://arxiv.org/abs/1812.00332)
    """

    def __init__(self, probabilities=None, variables=()):
        self.probabilities = probabilities
        self._recomputation = Recomputation(variables)
        self._is_within_switch = False

    def run(self, switch, inputs, training=None):
        """Returns what a switch gives.

        Args:
            switch: `Switch`.
            inputs: Its inputs.
            training: Boolean, whether it is trained.
        """
        factor = None
        if self.probabilities is not None:
            probability = branch_probabilities(
                switch.index, self.probabilities, len(switch.branches)
            )[switch.index.current()]
            factor = 1 + probability - tf.stop_gradient(probability)
        if not self._is_within_switch and can_run_again(switch, inputs):
            return self._recomputation.run(switch, inputs, training, factor)
        before = self._is_within_switch
        self._is_within_switch = True
        try:
            outputs = switch.run_one(inputs, training)
        finally:
            self._is_within_switch = before
        return outputs if factor is None else times(outputs, factor)


def sample(logits, temperature, seed):
    """Draws an architecture from the softmax of logits (Gumbel-max).

    Args:
        logits: Dict from names of hyperparameters to tensors.
        temperature: Scalar tensor: the lower, the nearer the smoothed
            probabilities are to 0 and 1.
        seed: Pair of integer tensors.

    Returns:
        The architecture, an `int32` tensor of shape `(hyperparameters,)`, and
        the smoothed probabilities, a dict from names to tensors. The option
        drawn is the one with the highest of them.

    Reference:

    - [Jang et al., 2017, Gumbel-Softmax](https://arxiv.org/abs/1611.01144)
    """
    numbers, probabilities = [], {}
    for position, (name, part) in enumerate(logits.items()):
        # The smallest normal number in place of 0, which has no logarithm.
        uniform = tf.random.stateless_uniform(
            tf.shape(part),
            tf.random.experimental.stateless_fold_in(seed, position),
            minval=1.2e-38,
        )
        noisy = tf.nn.log_softmax(part) - tf.math.log(-tf.math.log(uniform))
        numbers.append(tf.argmax(noisy, output_type="int32"))
        probabilities[name] = tf.nn.softmax(noisy / temperature)
    return tf.stack(numbers), probabilities
