"""What all searches by gradient on a supernet share."""

import keras
import numpy as np
import tensorflow as tf

from keras_nas.supernet.gradient.architecture_parameters import (
    ArchitectureParameters,
)
from keras_nas.supernet.gradient.expected_cost import ExpectedCost
from keras_nas.supernet.gradient.most_probable import most_probable
from keras_nas.supernet.gradient.replicas import Replicas

# Of Liu et al. (2019).
_LEARNING_RATE = 3e-4
_BETA_1 = 0.5


class GradientSearch:
    """Trains the weights of a supernet and its alphas in turn.

    The alphas are the logits of the probabilities of options. Each step
    lowers the loss on held-out examples by the alphas, then the loss on
    training examples by the weights.

    Subclasses say how an architecture that is not decided yet is run:
    `weights_loss` and `alphas_gradient`. Both are traced once. They run on
    each device of the distribution strategy that the supernet was made with,
    with a part of the batch; the loss and the gradient of a device are its
    part of the whole.

    Args:
        supernet: Compiled `keras_nas.Supernet`. Its optimizer trains the
            weights.
        epochs: Integer, how long.
        warmup_epochs: Integer, how many of them train the weights alone, so
            that operations with weights have a fair start.
        alpha_optimizer: Optional `keras.optimizers.Optimizer` of the alphas,
            made in the scope of the supernet's distribution strategy. By
            default Adam with a learning rate of 3e-4 and `beta_1=0.5`. Where
            Keras scales the loss of the weights (`mixed_float16`), so
            is that of the alphas.
        alpha_regularization: Float, how much of the alphas is added to their
            gradient (an L2 penalty, the weight decay of the paper's Adam).
        cost: Optional dict or function as `ExpectedCost` takes it.
        cost_weight: Float, how many times the expected cost is added to the
            loss of the alphas.
        early_stopping: Optional `AlphaStopping`.
        seed: Integer.

    Raises:
        ValueError: If an argument is wrong.
        SharingError: If a searched hyperparameter is a width or a kernel
            size.
    """

    def __init__(
        self,
        supernet,
        epochs,
        warmup_epochs=0,
        alpha_optimizer=None,
        alpha_regularization=1e-3,
        cost=None,
        cost_weight=0.0,
        early_stopping=None,
        seed=0,
    ):
        self.supernet = supernet
        self.space = supernet.architecture_space
        self.epochs = epochs
        self.warmup_epochs = warmup_epochs
        self.early_stopping = early_stopping
        self.seed = seed
        self.replicas = Replicas(supernet.distribute_strategy)
        self._check_accumulation(alpha_optimizer)
        with self.replicas.scope():
            self._make_variables(alpha_optimizer)
        self.cost_weight = cost_weight
        self._regularization = alpha_regularization
        self._cost = (
            None
            if cost is None
            else ExpectedCost(cost, self.space, supernet.space)
        )
        if early_stopping is not None:
            early_stopping.check(self)
        self._train_weights = self.replicas.function(self._train_weights_once)
        self._train_alphas = self.replicas.function(self._train_alphas_once)
        self._is_prepared = False
        self._num_steps = 0
        self.history = []
        self._logits = []  # Of each epoch.
        self._chosen_epoch = None

    # How an architecture that is not decided runs. Override these.

    def weights_loss(self, batch, progress, step):
        """Returns the predictions and the loss that the weights minimise.

        Args:
            batch: Tuple `(x, y, sample_weight)`.
            progress: Scalar tensor, from 0 in the first epoch to 1 in the
                last.
            step: Integer scalar tensor, the number of the step.
        """
        raise NotImplementedError

    def alphas_gradient(self, batch, weights_batch, progress, step):
        """Returns the loss on held-out examples and its gradient by alphas.

        Differentiate the `scaled` loss, and return the gradient `unscaled`.

        Args:
            batch: Tuple `(x, y, sample_weight)` of held-out examples.
            weights_batch: The same of examples for the weights.
            progress: Scalar tensor, as above.
            step: Integer scalar tensor, as above.
        """
        raise NotImplementedError

    # The search.

    @property
    def is_finished(self):
        """Whether all epochs are over, or the search was stopped early."""
        return (
            self._chosen_epoch is not None or len(self.history) >= self.epochs
        )

    def check_data(self, data):
        """Raises a `ValueError` if data cannot be shared out to devices.

        Args:
            data: `SearchData`. Batches of a `tf.data.Dataset` are checked
                when they come.
        """
        for kind, size in data.batch_sizes.items():
            self.replicas.check_size(size, f" for the {kind}")

    def run_epoch(self, data):
        """Runs the next epoch.

        Args:
            data: `SearchData`.

        Returns:
            Dict of what to show of it.
        """
        epoch = len(self.history)
        progress = tf.constant(epoch / max(1, self.epochs - 1), "float32")
        self.supernet.reset_metrics()
        self._alpha_loss.reset_state()
        first_step = self._num_steps
        for batch, alpha_batch in data.epoch(epoch):
            if not self._is_prepared:
                self._prepare(batch)
            # An optimizer does not count all steps: not those whose gradients
            # it accumulates, nor those with gradients beyond float16.
            step = tf.constant(self._num_steps)
            self._num_steps += 1
            batch = self.replicas.split(batch)
            alpha_batch = self.replicas.split(alpha_batch)
            if epoch >= self.warmup_epochs:
                self._train_alphas(alpha_batch, batch, progress, step)
            self._train_weights(batch, progress, step)
        if self._num_steps == first_step:
            raise ValueError(
                "There is no whole batch in an epoch of the data. Expected "
                "at least one. Received a dataset that is empty."
            )
        logs = self.supernet.get_metrics_result()
        logs = {name: float(value) for name, value in logs.items()}
        if epoch >= self.warmup_epochs:
            logs["alpha_loss"] = float(self._alpha_loss.result())
        logs |= self._describe_alphas()
        self._logits.append(self.parameters.logits.numpy())
        if self.early_stopping is not None and epoch >= self.warmup_epochs:
            rule = self.early_stopping
            logs[rule.name] = float(rule.measure(self, data, epoch))
        self.history.append(logs)
        self._stop_early()
        return logs

    def probabilities(self):
        """Returns the probabilities that the search has come to.

        Returns:
            Dict from names of hyperparameters to lists of floats, one an
            option.
        """
        logits = self._logits[-1] if self._logits else self.parameters.logits
        if self._chosen_epoch is not None:
            logits = self._logits[self._chosen_epoch]
        # In float64, so that they are ordered as the logits are.
        logits = tf.cast(tf.convert_to_tensor(logits), "float64")
        return {
            name: tf.nn.softmax(part).numpy().tolist()
            for name, part in self.parameters.split(logits).items()
        }

    def architectures(self):
        """Yields the architectures found, the most probable first.

        Yields:
            Dicts of the values of all searched hyperparameters, active or
            not.
        """
        probabilities = list(self.probabilities().values())
        for vector in most_probable(probabilities):
            yield self.space.values(vector)

    def get_state(self):
        """Returns all that a resumed search has to know, as arrays.

        Returns:
            Dict with plain values, and a list of arrays under
            `"variables"`.
        """
        return {
            "seed": self.seed,
            "num_steps": self._num_steps,
            "history": list(self.history),
            "chosen_epoch": self._chosen_epoch,
            "logits": [part.tolist() for part in self._logits],
            "variables": [np.asarray(v.numpy()) for v in self._variables()],
        }

    def set_state(self, state):
        """Restores what `get_state` has returned.

        Raises:
            ValueError: If the state is that of another network.
        """
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        if shapes != [np.shape(value) for value in state["variables"]]:
            raise ValueError(
                "The stored search has weights of other shapes than the "
                "network that `build` gives now. Expected the build and the "
                "optimizer it was begun with."
            )
        for variable, value in zip(variables, state["variables"], strict=True):
            variable.assign(value)
        self.seed = state["seed"]
        self._num_steps = state["num_steps"]
        self.history = list(state["history"])
        self._chosen_epoch = state["chosen_epoch"]
        self._logits = [np.array(part, "float32") for part in state["logits"]]

    # The parts of the above.

    def loss(self, batch):
        """Returns the predictions and the loss of what runs now."""
        x, y, sample_weight = batch
        predictions = self.supernet(x, training=True)
        return predictions, self.supernet.compute_loss(
            x, y, predictions, sample_weight, training=True
        )

    def alphas_loss(self, batch, probabilities):
        """Returns the loss of the alphas of what runs now."""
        _, loss = self.loss(batch)
        if self._cost is not None:
            cost = self._cost(probabilities) / self.replicas.count
            loss += tf.cast(self.cost_weight * cost, loss.dtype)
        return loss

    def scaled(self, loss):
        """Returns a loss of which gradients are taken by the alphas.

        Half precision takes small gradients for zero, so Keras has optimizers
        that scale the loss.
        """
        return self.alpha_optimizer.scale_loss(loss)

    def unscaled(self, gradient):
        """Returns the gradient of a loss from that of the `scaled` one."""
        scale = tf.cast(self.alpha_optimizer.scale_loss(1.0), gradient.dtype)
        return gradient / scale

    def random_seed(self, step, purpose):
        """Returns the seed of a step; other purposes get another one."""
        seed = tf.stack([tf.constant(self.seed % 2**31), step])
        return tf.random.experimental.stateless_fold_in(seed, purpose)

    def _make_variables(self, alpha_optimizer):
        optimizer = self.supernet.optimizer
        self.parameters = ArchitectureParameters(
            self.space, np.random.default_rng([self.seed, 0])
        )
        self.alpha_optimizer = alpha_optimizer or keras.optimizers.Adam(
            _LEARNING_RATE, beta_1=_BETA_1
        )
        kind = keras.optimizers.LossScaleOptimizer
        if isinstance(optimizer, kind) and not isinstance(
            self.alpha_optimizer, kind
        ):
            # The gradients of the alphas pass through the same float16.
            self.alpha_optimizer = kind(self.alpha_optimizer)
        optimizer.build(self.supernet.trainable_variables)
        self.alpha_optimizer.build([self.parameters.logits])
        self._alpha_loss = keras.metrics.Mean(name="alpha_loss")

    def _prepare(self, batch):
        """Has metrics make their variables, or steps are traced twice."""
        # A few examples, as what runs eagerly keeps all it makes.
        x, y, sample_weight = tf.nest.map_structure(
            lambda part: None if part is None else part[:2], batch
        )
        with self.replicas.scope():
            predictions = self.supernet(x, training=False)
            self.supernet.compute_loss(x, y, predictions, sample_weight)
            self.supernet.compute_metrics(x, y, predictions, sample_weight)
            self.supernet.reset_metrics()
        self._is_prepared = True

    def _train_weights_once(self, batch, progress, step):
        network = self.supernet
        variables = network.trainable_variables
        with tf.GradientTape() as tape:
            predictions, loss = self.weights_loss(batch, progress, step)
            scaled = network.optimizer.scale_loss(loss)
        gradients = tape.gradient(
            scaled,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        network.optimizer.apply(self._agreed(gradients), variables)
        network.record(*batch, predictions, loss)

    def _train_alphas_once(self, batch, weights_batch, progress, step):
        loss, gradient = self.alphas_gradient(
            batch, weights_batch, progress, step
        )
        logits = self.parameters.logits
        regularization = self._regularization / self.replicas.count
        gradient += regularization * logits.value
        # The optimizer takes gradients that are scaled.
        gradients = self._agreed([self.scaled(gradient)])
        self.alpha_optimizer.apply(gradients, [logits])
        self._alpha_loss.update_state(loss * self.replicas.count)

    def _agreed(self, gradients):
        """Has all devices skip a step that one of them has to skip.

        Where the loss is scaled, Keras looks at the gradients of the first
        device only.
        """
        kind = keras.optimizers.LossScaleOptimizer
        is_scaled = isinstance(self.alpha_optimizer, kind)
        if self.replicas.count == 1 or not is_scaled:
            return gradients
        is_finite = tf.reduce_all(
            [tf.reduce_all(tf.math.is_finite(part)) for part in gradients]
        )
        failed = self.replicas.sum(1 - tf.cast(is_finite, "float32"))
        return [
            tf.where(failed > 0, tf.constant(float("nan"), part.dtype), part)
            for part in gradients
        ]

    def _check_accumulation(self, alpha_optimizer):
        """Raises if gradients are gathered over steps on several devices."""
        if self.replicas.count == 1:
            return
        for optimizer in (self.supernet.optimizer, alpha_optimizer):
            inner = getattr(optimizer, "inner_optimizer", optimizer)
            steps = getattr(inner, "gradient_accumulation_steps", None)
            if steps:
                raise ValueError(
                    "A search by gradient on several devices cannot "
                    "accumulate gradients, as Keras does so in a condition. "
                    "Expected an optimizer without "
                    "`gradient_accumulation_steps`, larger batches, or one "
                    "device. Received: gradient_accumulation_steps="
                    f"{steps} and {self.replicas.count} devices."
                )

    def _describe_alphas(self):
        """Says how far the alphas are decided."""
        probabilities = self.parameters.probabilities()
        certainty = [
            float(tf.reduce_max(part)) for part in probabilities.values()
        ]
        logs = {"certainty": float(np.mean(certainty))}
        if self._cost is not None:
            logs["cost"] = float(self._cost(probabilities))
        return logs

    def _stop_early(self):
        if self.early_stopping is None:
            return
        name = self.early_stopping.name
        measured = [logs[name] for logs in self.history if name in logs]
        if not measured:
            return
        chosen = self.early_stopping.chosen(measured)
        if chosen is not None:
            self._chosen_epoch = len(self.history) - len(measured) + chosen

    def _variables(self):
        variables = [
            *self.supernet.variables,
            *self.supernet.optimizer.variables,
            self.parameters.logits,
            *self.alpha_optimizer.variables,
        ]
        return list({id(v): v for v in variables}.values())
