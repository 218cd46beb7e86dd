"""Which parts of shared weights an architecture uses."""

import tensorflow as tf

from keras_nas.supernet.elastic_graph import elastic_axes
from keras_nas.supernet.switch import Switch


class WeightParts:
    """The weights of a supernet of which architectures use a part.

    A layer of searched width, and each behind it, has channels that smaller
    architectures do not use; a searched kernel has a rim.

    Args:
        elastic_graph: `ElasticGraph` of the supernet.
    """

    def __init__(self, elastic_graph):
        self._axes = {}
        self._visit(elastic_graph)
        self._axes = {key: axes for key, axes in self._axes.items() if axes}

    def used(self, variable, current):
        """Returns for each number of a weight whether it is used.

        Args:
            variable: `keras.Variable`.
            current: Function that gives the value of an `ElasticValue`, in
                one architecture or, with an axis for these, in several.

        Returns:
            Boolean tensor that has the shape of the weight, or broadcasts to
            it, behind the axis of the architectures, if there is one; `None`
            if all is used by all.
        """
        axes = self._axes.get(id(variable))
        if axes is None:
            return None
        rank = len(variable.shape)
        used = True
        for axis, part in axes.items():
            inside = part.contains(current)
            others = [1] * (rank - 1 - axis % rank)
            shape = tf.shape(inside)
            shape = tf.concat(
                [shape[:-1], [1] * (axis % rank), shape[-1:], others], axis=0
            )
            used = tf.logical_and(used, tf.reshape(inside, shape))
        return used

    def _visit(self, elastic_graph):
        for node in elastic_graph.graph.nodes:
            layer = node.operation
            if isinstance(layer, Switch):
                for branch in layer.branches:
                    if branch.elastic_graph is not None:
                        self._visit(branch.elastic_graph)
            elif getattr(layer, "weights", None):
                channels = elastic_graph.channels(node.inputs[0])
                for variable, axes in zip(
                    layer.weights, elastic_axes(layer, channels), strict=True
                ):
                    known = self._axes.setdefault(id(variable), axes)
                    # Shared by places that use different parts: all of it.
                    self._axes[id(variable)] = {
                        axis: part
                        for axis, part in axes.items()
                        if axis in known and part.is_same(known[axis])
                    }
