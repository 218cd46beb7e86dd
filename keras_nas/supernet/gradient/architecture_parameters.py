"""Probabilities of architectures, to be learnt by gradient (alpha)."""

import keras
import numpy as np
import tensorflow as tf

from keras_nas.layers.elastic_value import SharingError

# What has no branches to weigh.
_WITHOUT_BRANCHES = {"width", "kernel"}


class ArchitectureParameters:
    """One logit for each option of each hyperparameter.

    The softmax over the options of a hyperparameter gives their
    probabilities; hyperparameters are independent of one another. All logits
    are one variable, so that its Hessian is one matrix.

    Args:
        space: `ArchitectureSpace`.
        rng: `numpy.random.Generator`, for the first values.
        scale: Float, the standard deviation of the first values. Small, so
            that the search begins with all options alike.

    Raises:
        SharingError: If a searched hyperparameter is the width or the kernel
            size of a layer, which has no branches to weigh.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055)

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> space.option("op", ["conv", "pool"]).use("operation")
    >>> rng = np.random.default_rng(0)
    >>> parameters = ArchitectureParameters(space, rng, scale=0.0)
    >>> parameters.probabilities()["op"].numpy()
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, space, rng, scale=1e-3):
        _check(space)
        self.space = space
        self._sizes = [int(size) for size in space.num_options]
        initial = scale * rng.standard_normal(sum(self._sizes))
        self.logits = keras.Variable(
            initial.astype("float32"), dtype="float32", name="alphas"
        )

    def split(self, vector):
        """Cuts a vector as long as the logits into those of each name.

        Returns:
            Dict from names to tensors.
        """
        parts = tf.split(vector, self._sizes)
        return dict(zip(self.space.names, parts, strict=True))

    def probabilities(self):
        """Returns a dict from names to the probabilities of the options."""
        logits = self.split(tf.convert_to_tensor(self.logits.value))
        return {name: tf.nn.softmax(part) for name, part in logits.items()}


def branch_probabilities(index, probabilities, num_branches):
    """Returns how probable it is that each branch of a switch runs.

    That is, for a branch, the sum over all combinations of options that run
    it of the product of their probabilities.

    Args:
        index: `ElasticValue`, the number of the branch that runs.
        probabilities: Dict from names of hyperparameters to tensors.
        num_branches: Integer.

    Returns:
        Tensor of shape `(num_branches,)`.

    Example:

    >>> from keras_nas.supernet.architecture_space import ArchitectureSpace
    >>> space = ArchitectureSpace()
    >>> both = space.option("a", [0, 1]) * space.option("b", [0, 1])
    >>> given = {"a": tf.constant([0.5, 0.5]), "b": tf.constant([0.2, 0.8])}
    >>> branch_probabilities(both, given, 2).numpy()
    array([0.6, 0.4], dtype=float32)
    """
    joint = tf.ones([])
    for name in index.names:
        joint = joint[..., None] * probabilities[name]
    numbers = index.table.astype("int32").ravel()
    # A sum by multiplication: it has second derivatives, as a Hessian needs.
    runs = numbers[None, :] == np.arange(num_branches)[:, None]
    return tf.linalg.matvec(runs.astype("float32"), tf.reshape(joint, [-1]))


def _check(space):
    wrong = [
        name for name, kind in space.kinds.items() if kind in _WITHOUT_BRANCHES
    ]
    if wrong:
        name = wrong[0]
        raise SharingError(
            f"Search by gradient weighs branches, and the hyperparameters "
            f"{wrong} are widths or kernel sizes of layers. Give each value a "
            f"branch, `LayerChoice(hp, {name!r}, {{'...': lambda: ...}})`, or "
            f"fix it: `fixed={{{name!r}: {space.choices[name][0]!r}}}`. "
            "Searches by trial and supernets trained with `fit` take them as "
            "they are."
        )
