"""Differentiable architecture search (Liu et al., 2019)."""

import contextlib

import keras
import tensorflow as tf

from keras_nas.supernet.gradient.gradient_search import GradientSearch
from keras_nas.supernet.gradient.mixture import Mixture

# The step of the finite difference, over the norm of its direction.
_EPSILON = 0.01


class DARTSSearch(GradientSearch):
    """Runs all candidates, weighed by their probabilities.

    The alphas minimise the loss on held-out examples, of the weights that are
    best for them. Those are never known. With `order=1` the present ones
    stand for them; with `order=2` those after one more step of gradient
    descent, which costs about four times as much.

    Args:
        supernet: Compiled `keras_nas.Supernet`.
        epochs: Integer, how long.
        order: Integer, 1 or 2.
        auxiliary_skip: Boolean. With `True` a skip connection is added to
            each choice that has one as a candidate, and fades out until the
            last epoch (DARTS-).
        skip_drop_rate: Float from 0 to below 1, how often a candidate that is
            a skip connection is dropped in the first epoch; less and less
            until the last.
        **kwargs: Arguments of `GradientSearch`.

    Reference:

    - [Liu et al., 2019, DARTS](https://arxiv.org/abs/1806.09055), equations
      6 to 8.
    - [Chu et al., 2021, DARTS-](https://arxiv.org/abs/2009.01027)
    """

    def __init__(
        self,
        supernet,
        epochs,
        order=1,
        auxiliary_skip=False,
        skip_drop_rate=0.0,
        **kwargs,
    ):
        super().__init__(supernet, epochs, **kwargs)
        self.order = order
        self._auxiliary_skip = auxiliary_skip
        self._skip_drop_rate = skip_drop_rate
        self._product = self.replicas.function(self._multiply)

    def weights_loss(self, batch, progress, step):
        """Returns the predictions and the loss of the mixture."""
        self.supernet.updates.begin_step_of_all()
        with self._mixing(progress, step):
            return self.loss(batch)

    def alphas_gradient(self, batch, weights_batch, progress, step):
        """Returns the loss of the mixture, and its gradient by the alphas."""
        if self.order == 2:
            return self._second_order(batch, weights_batch, progress, step)
        logits = self.parameters.logits.value
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(logits)
            with self._mixing(progress, step) as probabilities:
                loss = self.alphas_loss(batch, probabilities)
            scaled = self.scaled(loss)
        return loss, self.unscaled(tape.gradient(scaled, logits))

    def hessian_product(self, batch, vector, progress, step):
        """Multiplies the Hessian of the loss by the alphas by a vector.

        Nothing is changed by it, the seeds of random layers included, so all
        products of one batch are those of one matrix.

        Args:
            batch: Tuple `(x, y, sample_weight)` of held-out examples.
            vector: Array as long as the logits.
            progress: Float, how much of the search is over.
            step: Integer, the number of the step.
        """
        return self._product(
            self.replicas.split(batch),
            tf.constant(vector, "float32"),
            tf.constant(progress, "float32"),
            tf.constant(step),
        ).numpy()

    def _multiply(self, batch, vector, progress, step):
        logits = self.parameters.logits.value
        with (
            keras.StatelessScope(collect_losses=True),  # Drops all changes.
            tf.GradientTape(watch_accessed_variables=False) as outer,
        ):
            outer.watch(logits)
            with tf.GradientTape(watch_accessed_variables=False) as inner:
                inner.watch(logits)
                with self._mixing(progress, step) as probabilities:
                    loss = self.alphas_loss(batch, probabilities)
                scaled = self.scaled(loss)
            slope = tf.reduce_sum(inner.gradient(scaled, logits) * vector)
        product = outer.gradient(
            slope, logits, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return self.replicas.sum(self.unscaled(product))

    def _second_order(self, batch, weights_batch, progress, step):
        """The gradient through one step of the weights (equation 7)."""
        variables = self.supernet.trainable_variables
        weights = [tf.convert_to_tensor(v.value) for v in variables]
        logits = self.parameters.logits.value
        rate = tf.cast(self.supernet.optimizer.learning_rate, "float32")

        def gradients(examples, of_alphas, weights, by):
            # Nothing is changed by it, the seeds of random layers included:
            # a difference is small, so both ends of it must draw the same.
            with (
                tf.GradientTape(watch_accessed_variables=False) as tape,
                keras.StatelessScope(
                    zip(variables, weights, strict=True), collect_losses=True
                ),
            ):
                tape.watch(by)
                with self._mixing(progress, step) as probabilities:
                    loss = (
                        self.alphas_loss(examples, probabilities)
                        if of_alphas
                        else self.loss(examples)[1]
                    )
                scaled = self.scaled(loss)
            found = tape.gradient(
                scaled, by, unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            return loss, [self.unscaled(gradient) for gradient in found]

        def shifted(times, direction):
            return [
                weight + tf.cast(times, weight.dtype) * change
                for weight, change in zip(weights, direction, strict=True)
            ]

        _, descent = gradients(weights_batch, False, weights, weights)
        descent = self.replicas.sum(descent)
        # A gradient beyond float16 must not get into the loss that is shown.
        is_finite = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(d)) for d in descent]
        )
        descent = [tf.where(is_finite, d, 0) for d in descent]
        after = shifted(-rate, descent)
        loss, (by_alphas, *by_weights) = gradients(
            batch, True, after, [logits, *after]
        )
        by_weights = self.replicas.sum(by_weights)
        epsilon = _EPSILON / tf.linalg.global_norm(by_weights)
        # No slope, no second term.
        epsilon = tf.where(tf.math.is_finite(epsilon), epsilon, 1.0)
        ends = [
            gradients(
                weights_batch,
                False,
                shifted(sign * epsilon, by_weights),
                [logits],
            )[1][0]
            for sign in (1.0, -1.0)
        ]
        implicit = (ends[0] - ends[1]) / (2 * epsilon)
        # The optimizer skips what is not finite, and lowers the scale.
        rate = tf.where(is_finite, rate, float("nan"))
        return loss, by_alphas - rate * implicit

    @contextlib.contextmanager
    def _mixing(self, progress, step):
        """Runs the body in the mixture; gives the probabilities."""
        probabilities = self.parameters.probabilities()
        rest = 1 - progress
        mixture = Mixture(
            probabilities,
            auxiliary_skip=rest if self._auxiliary_skip else None,
            skip_drop_rate=(
                self._skip_drop_rate * rest if self._skip_drop_rate else None
            ),
            seed=self.random_seed(step, 0),
        )
        with self.space.running(None, mixture):
            yield probabilities
