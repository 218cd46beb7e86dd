"""Weights that share few values, so that files compress well."""

import numbers

import keras
import numpy as np

from keras_nas.compression.compression_stage import (
    CompressionStage,
    describe_unknown,
    is_kernel,
)
from keras_nas.compression.kept_weights import KeptWeights
from keras_nas.compression.legacy_keras import import_tfmot

_CLUSTERED = frozenset(
    [
        "Bidirectional",
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Dense",
        "Embedding",
        "GRU",
        "LSTM",
        "MultiHeadAttention",
        "SeparableConv1D",
        "SeparableConv2D",
        "SimpleRNN",
    ]
)

# The values of an enumeration that TF-MOT does not export: what a cluster goes
# by, of the gradients of its weights.
_SUM, _AVERAGE = "GradientAggregation.SUM", "GradientAggregation.AVG"


class WeightClustering(CompressionStage):
    """Gives each kernel a small number of different values.

    Zeros stay zeros, as one of these values.

    Args:
        num_clusters: Integer, how many values a kernel may have, or a dict of
            these by name of layer, for layers that are to be clustered.
        skip: Names of layers to leave alone.

    Reference:

    - [Han et al., 2016, Deep compression](https://arxiv.org/abs/1510.00149)
    """

    name = "cluster"
    done = "clustered"

    def __init__(self, num_clusters, skip=()):
        super().__init__(num_clusters, skip)
        self._clustered = []

    def wrap(self, bridge, num_steps):
        """Makes the tf_keras model that is trained.

        Args:
            bridge: `Bridge`.
            num_steps: Integer, steps of the training.

        Returns:
            The model, a dict from names of Keras 3 layers to the reason they
            were left alone, and a list of Keras 3 callbacks.
        """
        del num_steps
        tfmot, tf_keras = import_tfmot()
        clustering = tfmot.clustering.keras
        aggregation = _aggregation(bridge.source.optimizer)
        notes = {}

        def wrap_layer(layer):
            source = bridge.layer_of(layer.name)
            if source is None:
                return layer
            number = self.value_of(source.name)
            if number is None:
                return layer
            reason = _refusal(layer, source, number)
            if reason is not None:
                notes[source.name] = reason
                return layer
            try:
                wrapper = clustering.cluster_weights(
                    layer,
                    number_of_clusters=int(number),
                    cluster_centroids_init=(
                        clustering.CentroidInitialization.KMEANS_PLUS_PLUS
                    ),
                    preserve_sparsity=_is_pruned(layer),
                    cluster_gradient_aggregation=aggregation,
                )
            except ValueError as error:
                notes[source.name] = f"TF-MOT refuses it: {error}"
                return layer
            self._clustered.append(wrapper)
            return wrapper

        model = tf_keras.models.clone_model(
            bridge.model, clone_function=wrap_layer
        )
        return model, notes, []

    def unwrap(self, bridge, model):
        """Returns the Keras 3 model with the clustered weights."""
        tfmot, _ = import_tfmot()
        return bridge.copy_weights(
            tfmot.clustering.keras.strip_clustering(model)
        )

    def kept_weights(self, model):
        """Returns what is put back after each step of the training.

        Args:
            model: tf_keras model, as `wrap` returns it.

        Returns:
            `KeptWeights` of the layers that are not clustered here.
        """
        clustered = {
            id(weight)
            for wrapper in self._clustered
            for weight in wrapper.trainable_weights
        }
        return KeptWeights(
            [
                weight
                for weight in model.trainable_variables
                if id(weight) not in clustered
            ]
        )

    def shortfall(self, name, kernels):
        """See `CompressionStage`."""
        asked = self.value_of(name)
        reached = max(map(_num_values, kernels))
        if reached <= asked:
            return None
        return f"asked for {asked} values, has {reached}"


def check_num_clusters(num_clusters, keep_sparsity):
    """Checks what is passed on to `WeightClustering`.

    Args:
        num_clusters: As there.
        keep_sparsity: As there.

    Raises:
        ValueError: If the number is invalid.
    """
    least = 3 if keep_sparsity else 2
    values = (
        num_clusters.values()
        if isinstance(num_clusters, dict)
        else [num_clusters]
    )
    for value in values:
        if (
            not isinstance(value, numbers.Integral)
            or isinstance(value, bool)
            or value < least
        ):
            raise ValueError(
                "Invalid value received for argument `cluster`. Expected an "
                f"integer of at least {least}, or a dict of these by name of "
                f"layer. Received: cluster={num_clusters!r}"
            )


def _aggregation(optimizer):
    """Chooses how the gradients of the weights of a cluster are put together.

    With their average, a cluster goes as if each weight went its own step of
    SGD, and all were averaged then. Their sum makes steps thousands of times
    larger, which tears networks apart. Other optimizers give all steps one
    size, and with the sum they learn a little better (on digits, 16 clusters:
    a loss of 0.022 instead of 0.035).
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return _AVERAGE if isinstance(inner, keras.optimizers.SGD) else _SUM


def _refusal(layer, source, number):
    if type(layer).__name__ not in _CLUSTERED:
        return describe_unknown(layer, source, "cluster")
    kernels = [w.numpy() for w in layer.trainable_weights if is_kernel(w)]
    if not kernels and any(map(is_kernel, layer.weights)):
        return "TF-MOT does not cluster weights that are not trainable"
    # Its k-means++ fails if there are fewer values to choose from.
    fewest = min(map(_num_values, kernels), default=None)
    if fewest is not None and fewest <= number:
        return (
            f"asked for {number} values, has no more than {fewest} different "
            "weights as it is"
        )
    return None


def _is_pruned(layer):
    return any(
        0 < np.count_nonzero(array) < array.size
        for array in (
            weight.numpy()
            for weight in layer.trainable_weights
            if is_kernel(weight)
        )
    )


def _num_values(array):
    return len(np.unique(array[array != 0]))
