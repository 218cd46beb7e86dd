"""Makes the replicas of a model agree before it is judged or saved."""

import keras
import numpy as np


class ReplicaAverage(keras.callbacks.Callback):
    """Gives all replicas the mean of their moving statistics.

    Under a `tf.distribute` strategy, Keras 3 lets `BatchNormalization` keep
    other statistics on each replica, validates each part of a batch with
    those of its replica, and saves those of the first. The score would then
    belong to no model that can be loaded. A moving average is linear, so the
    mean over the replicas is the moving average over the whole batches.

    Put it before callbacks that save weights. It does nothing where there is
    one replica, and nothing to what training sees.

    Example:

    >>> model = keras.Sequential(
    ...     [keras.Input((2,)), keras.layers.BatchNormalization()])
    >>> model.compile("sgd", "mse")
    >>> data = np.ones((4, 2))
    >>> history = model.fit(
    ...     data, data, verbose=0, callbacks=[ReplicaAverage()])
    """

    def on_test_begin(self, logs=None):
        """Before a validation."""
        self._average()

    def on_epoch_end(self, epoch, logs=None):
        """After an epoch, which may have had no validation."""
        self._average()

    def _average(self):
        strategy = self.model.distribute_strategy
        if strategy.num_replicas_in_sync == 1:
            return
        for variable in self.model.non_trainable_weights:
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            copies = strategy.experimental_local_results(variable.value)
            values = [copy.numpy() for copy in copies]
            if any((value != values[0]).any() for value in values):
                variable.assign(np.mean(values, axis=0))
