"""Search by gradient on one sampled path (Dong and Yang, 2019)."""

import keras
import tensorflow as tf

from keras_nas.supernet.gradient.gradient_search import GradientSearch
from keras_nas.supernet.gradient.sampled_path import SampledPath, sample


class GDASSearch(GradientSearch):
    """Runs one architecture a step, drawn by the probabilities.

    A step costs what one architecture does, however many candidates there are:
    less memory for activations, about a third more time (see
    `Recomputation`).

    Args:
        supernet: Compiled `keras_nas.Supernet`.
        epochs: Integer, how long.
        temperatures: Pair of positive floats, the temperature of the
            Gumbel-softmax in the first and in the last epoch.
        **kwargs: Arguments of `GradientSearch`.

    Reference:

    - [Dong and Yang, 2019, GDAS](https://arxiv.org/abs/1910.04465)
    """

    def __init__(self, supernet, epochs, temperatures=(10.0, 0.1), **kwargs):
        super().__init__(supernet, epochs, **kwargs)
        self._temperatures = temperatures
        optimizer = supernet.optimizer
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        self._recent = None
        if optimizer.gradient_accumulation_steps:
            # What has run since the last update of the weights, and which.
            size = len(
                self.space.look_up(tf.zeros(len(self.space.names), "int32"))
            )
            self._recent = keras.Variable(
                [0] * size, dtype="int32", trainable=False, name="recent_paths"
            )
            self._update = keras.Variable(
                0, dtype="int64", trainable=False, name="update"
            )

    def weights_loss(self, batch, progress, step):
        """Returns the predictions and the loss of one path.

        The factor of `SampledPath` is 1 and says nothing to weights: it is
        left out.
        """
        looked_up, _ = self._draw(progress, step, purpose=0)
        self.supernet.updates.begin_step(
            self.space, self._with_recent(looked_up)[None]
        )
        path = SampledPath(variables=self.supernet.trainable_variables)
        with self.space.running(looked_up, path):
            return self.loss(batch)

    def alphas_gradient(self, batch, weights_batch, progress, step):
        """Returns the loss of another path, and its gradient by the alphas."""
        del weights_batch
        logits = self.parameters.logits.value
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(logits)
            looked_up, smoothed = self._draw(progress, step, purpose=1)
            with self.space.running(looked_up, SampledPath(smoothed)):
                loss = self.alphas_loss(batch, self.parameters.probabilities())
            scaled = self.scaled(loss)
        gradient = tape.gradient(
            scaled, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return loss, self.unscaled(gradient)

    def _with_recent(self, looked_up):
        """Adds the paths whose gradients are accumulated with this one's."""
        if self._recent is None:
            return looked_up
        update = tf.cast(self.supernet.optimizer.iterations, "int64")
        is_same = tf.equal(update, self._update.value)
        recent = looked_up + tf.where(is_same, self._recent.value, 0)
        self._recent.assign(recent)
        self._update.assign(update)
        return recent

    def _variables(self):
        if self._recent is None:
            return super()._variables()
        return [*super()._variables(), self._recent, self._update]

    def _draw(self, progress, step, purpose):
        first, last = self._temperatures
        temperature = first + (last - first) * progress
        architecture, smoothed = sample(
            self.parameters.split(
                tf.convert_to_tensor(self.parameters.logits.value)
            ),
            temperature,
            self.random_seed(step, purpose),
        )
        return self.space.look_up(architecture), smoothed
