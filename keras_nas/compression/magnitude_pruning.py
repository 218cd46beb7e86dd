"""Pruning of the smallest weights, while the others are trained."""

import contextlib
import math
import numbers
import re

import keras
import numpy as np

from keras_nas.compression.compression_stage import (
    CompressionStage,
    describe_unknown,
)
from keras_nas.compression.kept_weights import KeptWeights
from keras_nas.compression.legacy_keras import import_tfmot

_PATTERN = re.compile(r"([1-9]\d*):([1-9]\d*)$")
_RNN_NAMES = ("GRU", "LSTM", "SimpleRNN")
# TF-MOT wraps these, finds nothing to prune in them, and loses masks or
# arguments on the way.
_WITH_KERNELS = frozenset(
    [
        "Conv1D",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "Dense",
        "Embedding",
        "MultiHeadAttention",
        "SeparableConv1D",
        "SeparableConv2D",
    ]
)
_BY_PATTERN = ("Conv2D", "Dense")
_MAX_UPDATES = 100


class MagnitudePruning(CompressionStage):
    """Sets the smallest weights of each kernel to zero, step by step.

    Args:
        sparsity: Float, the share of zeros in each kernel at the end; a string
            such as `"2:4"` for two zeros in every four weights along the
            input, of `Conv2D` and `Dense`; or a dict of these by name of layer,
            for layers that are to be pruned.
        schedule: `"polynomial"`, from no zeros to all over the first two
            thirds of the training (Zhu and Gupta, 2017), or `"constant"`, all
            from the start.
        skip: Names of layers to leave alone.

    Reference:

    - [Zhu and Gupta, 2017](https://arxiv.org/abs/1710.01878)
    """

    name = "prune"
    done = "pruned"

    def __init__(self, sparsity, schedule="polynomial", skip=()):
        super().__init__(sparsity, skip)
        self.schedule = schedule
        self._pruned = []
        # Share of the training after which no weight is pruned any more.
        self._end = 0.0

    def wrap(self, bridge, num_steps):
        """Makes the tf_keras model that is trained.

        Args:
            bridge: `Bridge`.
            num_steps: Integer, steps of the training.

        Returns:
            The model, a dict from names of Keras 3 layers to the reason they
            were left alone, and a list of Keras 3 callbacks.
        """
        tfmot, tf_keras = import_tfmot()
        notes = {}

        def wrap_layer(layer):
            source = bridge.layer_of(layer.name)
            if source is None:
                return layer
            sparsity = self.value_of(source.name)
            if sparsity is None:
                return layer
            reason = _refusal(layer, source, sparsity)
            if reason is not None:
                notes[source.name] = reason
                return layer
            if type(layer).__name__ in _RNN_NAMES:
                # TF-MOT looks for cells of `tf.keras`, which is Keras 3 here.
                layer.get_prunable_weights = lambda: [
                    layer.cell.kernel,
                    layer.cell.recurrent_kernel,
                ]
            elif type(layer).__name__ == "Conv1DTranspose":
                # Which TF-MOT has forgotten.
                layer.get_prunable_weights = lambda: [layer.kernel]
            try:
                wrapper = tfmot.sparsity.keras.prune_low_magnitude(
                    layer, **self._arguments(tfmot, sparsity, num_steps)
                )
            except ValueError as error:
                notes[source.name] = f"TF-MOT refuses it: {error}"
                return layer
            self._pruned.append(layer)
            return wrapper

        model = tf_keras.models.clone_model(
            bridge.model, clone_function=wrap_layer
        )
        return model, notes, [_pruning_steps(tfmot, model)]

    def unwrap(self, bridge, model):
        """Returns the Keras 3 model with the pruned weights."""
        # The wrappers mask the weights of the layers they wrap in place.
        return bridge.copy_weights()

    def kept_weights(self, model):
        """Returns what is put back after each step of the training.

        In the layers that are pruned more zeros come, and shared values get
        lost.

        Args:
            model: tf_keras model, as `wrap` returns it.

        Returns:
            `KeptWeights`.
        """
        pruned = [weight for layer in self._pruned for weight in layer.weights]
        return KeptWeights(model.trainable_variables, zeros_only=pruned)

    @contextlib.contextmanager
    def waiting(self, callbacks, num_epochs):
        """See `CompressionStage`.

        Of the epochs before all zeros are there, the first is often the best,
        and has the fewest zeros.
        """
        first = max(0, math.ceil(self._end * num_epochs) - 1)
        stopping = [
            callback
            for callback in callbacks
            if isinstance(callback, keras.callbacks.EarlyStopping)
        ]
        before = [callback.start_from_epoch for callback in stopping]
        for callback in stopping:
            callback.start_from_epoch = max(callback.start_from_epoch, first)
        try:
            yield
        finally:
            for callback, epoch in zip(stopping, before, strict=True):
                callback.start_from_epoch = epoch

    def shortfall(self, name, kernels):
        """See `CompressionStage`."""
        share = self.value_of(name)
        if isinstance(share, str):
            share = _share_of_pattern(share, kernels[0].shape)
        size = sum(kernel.size for kernel in kernels)
        reached = sum(int(np.sum(kernel == 0)) for kernel in kernels)
        # TF-MOT rounds to whole weights, and leaves one in each kernel.
        if reached >= share * size - max(0.005 * size, len(kernels)):
            return None
        return f"asked for {share:.1%} zeros, reached {reached / size:.1%}"

    def remark(self, name, kernels):
        """See `CompressionStage`."""
        asked = self.value_of(name)
        if not isinstance(asked, str):
            return None
        zeros, of = _numbers(asked)
        shape = kernels[0].shape
        share = _share_of_pattern(asked, shape)
        if share == zeros / of:
            return None
        return f"{asked} are {share:.1%} zeros of a kernel of the shape {shape}"

    def _arguments(self, tfmot, sparsity, num_steps):
        sparsity_api = tfmot.sparsity.keras
        # TF-MOT prunes at multiples of the frequency only.
        end = max(1, (2 * num_steps) // 3)
        frequency = max(1, end // _MAX_UPDATES)
        end -= end % frequency
        if isinstance(sparsity, str):
            zeros, of = _numbers(sparsity)
            return {
                "pruning_schedule": sparsity_api.ConstantSparsity(
                    zeros / of, begin_step=0, frequency=frequency
                ),
                "sparsity_m_by_n": (zeros, of),
            }
        sparsity = float(sparsity)
        if self.schedule == "constant":
            schedule = sparsity_api.ConstantSparsity(
                sparsity, begin_step=0, frequency=frequency
            )
        else:
            self._end = min(1.0, (end + 1) / max(1, num_steps))
            schedule = sparsity_api.PolynomialDecay(
                initial_sparsity=0.0,
                final_sparsity=sparsity,
                begin_step=0,
                end_step=end,
                frequency=frequency,
            )
        return {"pruning_schedule": schedule}


def check_sparsity(sparsity, schedule):
    """Checks what is passed on to `MagnitudePruning`.

    Args:
        sparsity: As there.
        schedule: As there.

    Raises:
        ValueError: If one is invalid.
    """
    values = sparsity.values() if isinstance(sparsity, dict) else [sparsity]
    for value in values:
        if isinstance(value, str):
            match = _PATTERN.match(value)
            is_valid = match and int(match[1]) < int(match[2])
        else:
            is_valid = (
                isinstance(value, numbers.Real)
                and not isinstance(value, bool)
                and 0 <= value < 1
            )
        if not is_valid:
            raise ValueError(
                "Invalid value received for argument `prune`. Expected the "
                "share of zeros, at least 0 and below 1, such as 0.5 for half "
                "of the weights, or a pattern such as '2:4', or a dict of "
                f"these by name of layer. Received: prune={sparsity!r}"
            )
    if schedule not in ("polynomial", "constant"):
        raise ValueError(
            "Invalid value received for argument `prune_schedule`. Expected "
            f"'polynomial' or 'constant'. Received: prune_schedule={schedule!r}"
        )


def _refusal(layer, source, sparsity):
    """Returns why a layer cannot be pruned, or `None`."""
    kind = type(layer).__name__
    if kind in ("DepthwiseConv1D", "DepthwiseConv2D"):
        return "depthwise kernels are not pruned: they hold few weights"
    if kind not in _WITH_KERNELS and kind not in _RNN_NAMES:
        return describe_unknown(layer, source, "prune")
    if isinstance(sparsity, str) and kind not in _BY_PATTERN:
        return f"the pattern {sparsity} is for Conv2D and Dense only"
    if isinstance(sparsity, str):
        shape = tuple(layer.kernel.shape)
        if not _share_of_pattern(sparsity, shape):
            return f"{sparsity} does not fit a kernel of the shape {shape}"
    return None


def _numbers(pattern):
    return tuple(map(int, _PATTERN.match(pattern).groups()))


def _share_of_pattern(pattern, shape):
    """Returns the share of zeros that a pattern makes in a kernel.

    Inputs that are too few for a group, such as the last two of ten, count as
    one that was filled up with zeros.
    """
    zeros, of = _numbers(pattern)
    num_inputs = shape[-2]
    num_groups, rest = divmod(num_inputs, of)
    return (num_groups * zeros + max(0, rest - (of - zeros))) / num_inputs


def _pruning_steps(tfmot, model):
    """Makes TF-MOT's callback one of Keras 3."""
    update = tfmot.sparsity.keras.UpdatePruningStep()
    update.set_model(model)

    class PruningSteps(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            update.on_train_begin()

        def on_epoch_end(self, epoch, logs=None):
            update.on_epoch_end(epoch)

        def on_train_end(self, logs=None):
            # The averages of an optimizer with `use_ema` are not masked.
            update.on_epoch_end(0)

    return PruningSteps()
