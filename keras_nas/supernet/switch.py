"""A layer that runs one of several branches."""

import keras
import tensorflow as tf

from keras_nas.layers.combining import combine


class Switch(keras.layers.Layer):
    """Runs the branch that the architecture says, and that one only.

    All branches are traced into one graph, once. Which of them runs is data.

    Args:
        branches: List of `Branch`es.
        index: `ElasticValue`, the number of the branch that runs.
    """

    def __init__(self, branches, index):
        super().__init__()
        self.branches = list(branches)
        self.index = index
        index.follow()
        # For Keras to find the weights.
        self._models = [branch.model for branch in branches if branch.model]

    def call(self, inputs, training=None):
        """Applies the branch to the inputs."""
        relaxation = self.index.source.relaxation
        if relaxation is not None:
            return relaxation.run(self, inputs, training)
        return self.run_one(inputs, training)

    def run_one(self, inputs, training=None):
        """Applies the branch of the architecture that runs."""
        return tf.switch_case(
            self.index.current(),
            [
                lambda branch=branch: branch(inputs, training)
                for branch in self.branches
            ],
        )

    def compute_output_spec(self, inputs, training=None):
        """Returns what the first branch gives; all of them agree."""
        del training
        branch = self.branches[0]
        return keras.tree.map_structure(
            lambda tensor: keras.KerasTensor(tensor.shape, tensor.dtype),
            inputs if branch.model is None else branch.model.output,
        )


class Branch:
    """One of several ways through a network.

    Args:
        model: Functional `keras.Model`. Without it the branch is the
            identity.
        zeros: Optional `KerasTensor`: the branch gives zeros that look like
            it, whatever the model.
        elastic_graph: Optional `ElasticGraph` of the model.
    """

    def __init__(self, model=None, zeros=None, elastic_graph=None):
        self.model = model
        self.zeros = zeros
        self.elastic_graph = elastic_graph

    @property
    def is_identity(self):
        """Whether it gives its inputs as they are."""
        return self.model is None and self.zeros is None

    @property
    def num_weights(self):
        """How many numbers its weights hold."""
        return self.model.count_params() if self.model else 0

    def __call__(self, inputs, training=None):
        """Applies the branch to the inputs."""
        if self.zeros is not None:
            first = keras.tree.flatten(inputs)[0]
            batch_size = tf.shape(first)[:1]
            shape = tf.concat([batch_size, self.zeros.shape[1:]], axis=0)
            return zeros(shape, self.zeros.dtype, after=first)
        if self.model is not None:
            return self.model(inputs, training=training)
        return keras.tree.map_structure(tf.identity, inputs)


class ChosenSum(keras.layers.Layer):
    """Sum of the inputs that the architecture has.

    The others are zero already: switches in front of it give zeros.

    Args:
        chosen: List of `ElasticValue`s, one an input: 1 if it is chosen.
    """

    def __init__(self, chosen):
        super().__init__()
        self.chosen = list(chosen)

    def call(self, inputs):
        """Returns the sum."""
        return keras.ops.sum(keras.ops.stack(inputs), axis=0)

    def compute_output_spec(self, inputs):
        """Returns what one of the inputs is."""
        return keras.KerasTensor(inputs[0].shape, inputs[0].dtype)


def combination(members, reduction):
    """Returns a function that combines some of several inputs.

    Args:
        members: List of integers, which of the inputs.
        reduction: String, `"none"` for a list of them, else as `combine`.
    """

    def apply(inputs):
        chosen = [inputs[index] for index in members]
        return chosen if reduction == "none" else combine(chosen, reduction)

    return apply


def zeros(shape, dtype, after):
    """Returns zeros that are made when and where they are needed.

    What a branch makes of nothing but a known shape, TensorFlow makes while
    it optimizes the graph, or at the start of every step, whichever branch
    runs. It is then kept to the end: a tensor for each switch.

    Args:
        shape: Integer tensor.
        dtype: String or `tf.DType`.
        after: A tensor that only the branch has.
    """
    some = tf.cast(tf.reshape(after, [-1])[:1], "float32")
    zero = tf.cast(tf.reduce_any(some > float("inf")), dtype)
    return tf.fill(shape, zero)
