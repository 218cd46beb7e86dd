"""The devices that a search by gradient runs on."""

import keras
import tensorflow as tf


class Replicas:
    """Runs steps on all devices of a distribution strategy, or on the one.

    Each device gets an equal part of a batch. The loss of a device is its
    part of the whole: Keras divides it by the number of devices, and its
    optimizers add the gradients up.

    Args:
        strategy: `tf.distribute.Strategy`, such as
            `supernet.distribute_strategy`.

    Example:

    >>> replicas = Replicas(tf.distribute.get_strategy())
    >>> step = replicas.function(lambda batch: replicas.sum(batch[0]))
    >>> step(replicas.split((tf.constant([1, 2]), None, None))).numpy()
    array([1, 2], dtype=int32)
    """

    def __init__(self, strategy):
        self._strategy = strategy
        # Without a strategy TensorFlow has one that does nothing.
        with strategy.scope():
            self._is_distributed = tf.distribute.has_strategy()

    @property
    def count(self):
        """How many devices there are."""
        return self._strategy.num_replicas_in_sync

    def scope(self):
        """Returns the context to make variables in."""
        return self._strategy.scope()

    def function(self, step):
        """Returns a traced function of a step that runs on all devices.

        Args:
            step: Function of what `split` returns and of other tensors. It
                runs on each device; what it returns should be the same on
                all, or `None`.
        """
        if not self._is_distributed:
            return tf.function(step, reduce_retracing=True)

        @tf.function(reduce_retracing=True)
        def run(*arguments):
            results = self._strategy.run(step, args=arguments)
            if results is None:
                return None
            return self._strategy.experimental_local_results(results)[0]

        return run

    def check_size(self, size, what=""):
        """Raises a `ValueError` unless a batch can be shared out.

        Args:
            size: Integer, its examples.
            what: String, what it is for.
        """
        if size % self.count:
            raise ValueError(
                "A search by gradient gives each device an equal part of a "
                "batch. Expected a `batch_size` that is a multiple of "
                f"{self.count}, the number of devices of the "
                "`distribution_strategy`, and as many examples at least. (A "
                "part of the data that is smaller than a batch makes one.) "
                f"Received a batch of {size}{what}."
            )

    def split(self, batch):
        """Returns the parts of a batch, as functions of `function` take them.

        Args:
            batch: Tuple `(x, y, sample_weight)`, structures of tensors.

        Raises:
            ValueError: If there is no equal part for each device.
        """
        if not self._is_distributed:
            return batch
        size = int(keras.tree.flatten(batch[0])[0].shape[0])
        self.check_size(size)
        part = size // self.count

        def distributed(tensor):
            def of_replica(context):
                start = context.replica_id_in_sync_group * part
                return tensor[start : start + part]

            return self._strategy.experimental_distribute_values_from_function(
                of_replica
            )

        return tuple(
            None
            if structure is None
            else keras.tree.map_structure(distributed, structure)
            for structure in batch
        )

    def sum(self, tensors):
        """Returns the sums of tensors over all devices; call it in a step."""
        if self.count == 1:
            return tensors
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)
