"""Search by gradient on one sampled path (Dong and Yang, 2019)."""

import tensorflow as tf

from keras_nas.supernet.gradient.gradient_search import GradientSearch
from keras_nas.supernet.gradient.sampled_path import SampledPath, sample


class GDASSearch(GradientSearch):
    """Runs one architecture a step, drawn by the probabilities.

    A step costs the time and the memory of one architecture, however many
    candidates there are.

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

    def weights_loss(self, batch, progress, step):
        """Returns the predictions and the loss of one path.

        The factor of `SampledPath` is 1 and says nothing to weights: it is
        left out.
        """
        looked_up, _ = self._draw(progress, step, purpose=0)
        self.supernet.updates.begin_step(self.space, looked_up[None])
        with self.space.running(looked_up):
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
        return loss, tape.gradient(
            loss, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )

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
