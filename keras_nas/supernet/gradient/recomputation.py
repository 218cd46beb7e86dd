"""Runs a branch again in the backward pass, instead of keeping what it made.

The gradient that TensorFlow takes of a condition keeps what the branch that
ran has made, and gives it out of the condition beside placeholders of what the
others would have made: a graph several times as large. Here only the inputs
of a branch are kept, and it runs a second time where its gradient is needed.
A step takes longer, by about a third, and less memory for activations.

Reference:

- [Chen et al., 2016, Training Deep Nets with Sublinear Memory Cost](
  https://arxiv.org/abs/1604.06174)
"""

import math

import keras
import tensorflow as tf

from keras_nas.supernet.calibration import layers_of
from keras_nas.supernet.switch import Switch, zeros


class Recomputation:
    """Runs switches one after the other, and again for their gradients.

    One object serves one pass through a network. TensorFlow would run edges of
    a cell that do not depend on each other at the same time, and keep what
    all of them make.

    Make it where no layer runs: within a layer of half precision, Keras gives
    the weights in half precision.

    Args:
        variables: Iterable of the `keras.Variable`s to train. There are no
            gradients by others, which saves the time to calculate them.
    """

    def __init__(self, variables=()):
        self._values = {id(v): tf.convert_to_tensor(v.value) for v in variables}
        self._last_outputs = []  # Of the switch before.
        self._last_gradients = []

    def run(self, switch, inputs, training=None, factor=None):
        """Returns what the branch gives that the architecture says.

        Args:
            switch: `Switch`.
            inputs: Its inputs, a tensor or a structure of tensors.
            training: Boolean, whether it is trained.
            factor: Optional scalar tensor that the outputs are multiplied by.
        """
        space = switch.index.source
        running = space.looked_up, space.relaxation
        number = switch.index.current()
        branches = [
            _Branch(branch, inputs, training, factor is not None)
            for branch in switch.branches
        ]
        weights = [
            weight
            for weight in _once(w for b in branches for w in b.weights)
            if id(weight) in self._values
        ]
        # The second time, dropout has to draw what it drew the first time.
        state = [
            (variable, tf.identity(variable.value))
            for variable in _once(v for b in branches for v in b.state)
        ]
        packing = _Packing(branches, weights)
        given = keras.tree.flatten(inputs) + [factor] * (factor is not None)

        @tf.custom_gradient
        def call(*arguments):
            arguments = _after(self._last_outputs, arguments)
            tensors = arguments[: len(given)]
            values = [*zip(weights, arguments[len(given) :], strict=True)]
            outputs = tf.switch_case(
                number, [lambda b=b: b.run(tensors) for b in branches]
            )
            self._last_outputs = keras.tree.flatten(outputs)

            def gradient(*gradients, variables=()):
                gradients = _after(self._last_gradients, gradients)

                def run_again(branch):
                    found, by_weights = branch.gradients(
                        tensors, values, state, gradients
                    )
                    return found, packing.pack(branch, by_weights)

                with space.running(*running):
                    found, packed = tf.switch_case(
                        number, [lambda b=b: run_again(b) for b in branches]
                    )
                self._last_gradients = [*found, packed]
                found = [*found, *packing.unpack(packed, number)]
                # What it trains is among the arguments, not the variables.
                return (found, [None] * len(variables)) if variables else found

            return outputs, gradient

        return call(*given, *(self._values[id(weight)] for weight in weights))


def can_run_again(switch, inputs):
    """Returns whether a switch can be recomputed.

    One with switches in its branches cannot, and neither can those: a gradient
    within the gradient of a condition cannot read variables.

    Args:
        switch: `Switch`.
        inputs: Its inputs.
    """
    tensors = keras.tree.flatten([inputs, switch.compute_output_spec(inputs)])
    if not all(tf.as_dtype(tensor.dtype).is_floating for tensor in tensors):
        return False
    return not any(
        isinstance(layer, Switch)
        for branch in switch.branches
        if branch.model is not None
        for layer in layers_of(branch.model)
    )


def times(outputs, factor):
    """Returns a structure of tensors, with numbers times a factor.

    Args:
        outputs: Structure of tensors. Those of integers stay as they are.
        factor: Scalar tensor.
    """
    return keras.tree.map_structure(
        lambda x: x * tf.cast(factor, x.dtype) if x.dtype.is_floating else x,
        outputs,
    )


class _Branch:
    """A branch that can be run again.

    Args:
        branch: `Branch`.
        inputs: What inputs look like.
        training: Boolean.
        has_factor: Boolean, whether the outputs are multiplied by the last
            of the tensors.
    """

    def __init__(self, branch, inputs, training, has_factor):
        self._branch = branch
        self._inputs = inputs
        self._training = training
        self._has_factor = has_factor
        self.weights, self.state = [], []
        if branch.model is not None:
            self.weights = branch.model.trainable_variables
            # Moving statistics say nothing to outputs in training.
            statistics = {
                id(weight)
                for layer in layers_of(branch.model)
                if isinstance(layer, keras.layers.BatchNormalization)
                for weight in layer.weights
            }
            self.state = [
                variable
                for variable in branch.model.non_trainable_variables
                if id(variable) not in statistics
            ]
        self._ids = {id(weight) for weight in self.weights}

    def run(self, tensors):
        """Returns the outputs.

        Args:
            tensors: List of tensors, the inputs, and the factor if any.
        """
        factor = None
        if self._has_factor:
            *tensors, factor = tensors
        inputs = keras.tree.pack_sequence_as(self._inputs, tensors)
        outputs = self._branch(inputs, self._training)
        if factor is None:
            return outputs
        return times(outputs, factor)

    def gradients(self, tensors, weights, state, gradients):
        """Returns the gradients by the tensors, and those by own weights.

        Args:
            tensors: List of tensors, as `run` takes them.
            weights: List of pairs of a variable and its value, of this branch
                or another.
            state: The same of what is not trained, as it was before the
                first time.
            gradients: List of tensors, the gradients by the outputs.
        """
        # Not before these are there: else all branches of a network would run
        # again at once, and be kept.
        gradients = [tf.identity(gradient) for gradient in gradients]
        with tf.control_dependencies(gradients):
            tensors = [tf.identity(tensor) for tensor in tensors]
        weights = [(w, value) for w, value in weights if self.has(w)]
        sources = [*tensors, *(value for _, value in weights)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            # What it updates has been updated the first time.
            with keras.StatelessScope(state_mapping=[*weights, *state]):
                outputs = self.run(tensors)
        found = tape.gradient(
            keras.tree.flatten(outputs), sources, output_gradients=gradients
        )
        found = [
            zeros(tf.shape(source), source.dtype, after=gradients[0])
            if gradient is None
            else tf.convert_to_tensor(gradient)
            for gradient, source in zip(found, sources, strict=True)
        ]
        return found[: len(tensors)], found[len(tensors) :]

    def has(self, weight):
        """Returns whether a weight is one of the branch."""
        return id(weight) in self._ids


class _Packing:
    """One vector for the gradients by the weights of any branch.

    All branches of a condition give the same tensors. With a gradient for each
    weight, a branch would have to give zeros for those of all others.

    Args:
        branches: List of `_Branch`es.
        weights: List of variables.
    """

    def __init__(self, branches, weights):
        self._weights = weights
        self._branches = branches
        self._size = max(map(self._count, branches))
        is_double = any(w.dtype == "float64" for w in weights)
        self._dtype = "float64" if is_double else "float32"

    def pack(self, branch, gradients):
        """Returns a vector of the gradients by the weights of a branch."""
        parts = [
            tf.cast(tf.reshape(gradient, [-1]), self._dtype)
            for gradient in gradients
        ]
        rest = self._size - self._count(branch)
        return tf.concat([*parts, tf.zeros([rest], self._dtype)], axis=0)

    def unpack(self, packed, number):
        """Returns the gradient by each weight, given which branch has run."""
        totals = {}
        for i, branch in enumerate(self._branches):
            has_run = tf.equal(number, i)
            start = 0
            for weight in filter(branch.has, self._weights):
                end = start + _size(weight)
                part = tf.reshape(packed[start:end], weight.shape)
                part = tf.where(has_run, part, tf.zeros([], self._dtype))
                part = tf.cast(part, weight.dtype)
                totals[id(weight)] = totals.get(id(weight), 0) + part
                start = end
        return [totals[id(weight)] for weight in self._weights]

    def _count(self, branch):
        return sum(map(_size, filter(branch.has, self._weights)))


def _size(weight):
    return math.prod(weight.shape)


def _after(before, tensors):
    """Returns the tensors, once others are there."""
    if tf.executing_eagerly():
        return list(tensors)
    graph = tf.compat.v1.get_default_graph()
    with tf.control_dependencies([t for t in before if t.graph is graph]):
        return [tf.identity(tensor) for tensor in tensors]


def _once(variables):
    return list({id(variable): variable for variable in variables}.values())
