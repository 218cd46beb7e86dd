"""One network that contains every architecture of a search space."""

import contextlib
import hashlib
import inspect

import keras
import keras_tuner
import numpy as np
import tensorflow as tf

from keras_nas import architectures
from keras_nas.compile_arguments import compile_arguments
from keras_nas.layers.elastic_value import ElasticValue, SharingError
from keras_nas.supernet.calibration import Calibration, layers_of
from keras_nas.supernet.distillation import distillation_loss, loss_of
from keras_nas.supernet.elastic_graph import ElasticGraph
from keras_nas.supernet.extraction import inherit
from keras_nas.supernet.fit_data import (
    calibration_batches,
    calibration_inputs,
    evaluate_arguments,
)
from keras_nas.supernet.path_updates import PathUpdates
from keras_nas.supernet.rank_correlation import (
    check_metric,
    comparable_trials,
    rank_correlation,
)
from keras_nas.supernet.same_outputs import check_same_outputs
from keras_nas.supernet.sampling_rule import SamplingRule
from keras_nas.supernet.supernet_hyperparameters import (
    SupernetHyperParameters,
    check_fixed,
)
from keras_nas.supernet.switch import Switch
from keras_nas.supernet.uniform_sampling import UniformSampling
from keras_nas.supernet.weight_parts import WeightParts

# A seed is drawn below this where none is given.
_SEEDS = 2**31 - 1


class Supernet(keras.Model):
    """Network that contains every architecture of a search space.

    It is built by the `build(hp)` that also builds single models. Where that
    leaves a choice, the supernet has a switch with all candidates, and where
    it searches a width or a kernel size, one layer of the largest size.
    Training it trains all architectures at once, since they share weights;
    any of them can then be scored within seconds, without a training of its
    own.

    Each training step runs the architectures that `sampling` draws, by default
    one; gradients of several are added. Which one runs is data and not code:
    the network is traced once.
    `evaluate`, `predict` and calls run the architecture of
    `set_architecture`.

    If the model of `build` is compiled, so is the supernet; `compile` changes
    it. `fit` takes all callbacks; `keras.callbacks.BackupAndRestore` takes a
    training up again where it was killed.

    Scores of shared weights order architectures, and sometimes wrongly:
    `rank_correlation` shows how far they can be trusted.

    Args:
        build: Function or `keras_tuner.HyperModel` that makes a functional
            or `Sequential` model from hyperparameters.
        sampling: `SamplingRule`: which architectures a step trains. By
            default `UniformSampling()`.
        fixed: Optional dict from names of hyperparameters to values that are
            not searched. Needed for those that cannot share weights, such as
            a learning rate.
        seed: Optional integer, for the architectures that are drawn.
        name: Optional string.

    Raises:
        SharingError: If a hyperparameter is used where its values cannot
            share weights.
        ValueError: If the model has no graph, there is nothing to search,
            or `fixed` has names that `build` does not ask for.

    Reference:

    - [Guo et al., 2020, Single Path One-Shot Neural Architecture Search with
      Uniform Sampling](https://arxiv.org/abs/1904.00420)
    - [Cai et al., 2020, Once-for-All](https://arxiv.org/abs/1908.09791)

    Example:

    >>> import keras_nas as nas
    >>> def build(hp):
    ...     x = inputs = keras.Input((8,))
    ...     x = nas.layers.Dense(hp.Choice("units", [4, 16]), "relu")(x)
    ...     x = nas.layers.LayerChoice(hp, "op", {
    ...         "norm": keras.layers.BatchNormalization,
    ...         "identity": nas.blocks.Identity})(x)
    ...     model = keras.Model(inputs, keras.layers.Dense(2)(x))
    ...     model.compile("adam", "mse")
    ...     return model
    >>> supernet = Supernet(build, seed=1)
    >>> x, y = np.ones((32, 8)), np.ones((32, 2))
    >>> _ = supernet.fit(x, y, epochs=2, verbose=0)
    >>> supernet.set_architecture({"units": 4, "op": "norm"})
    >>> supernet.calibrate(x)
    >>> loss = supernet.evaluate(x, y, verbose=0)
    >>> subnet = supernet.extract_subnet({"units": 4, "op": "norm"})
    >>> subnet.count_params()
    62
    """

    def __init__(self, build, sampling=None, fixed=None, seed=None, name=None):
        super().__init__(name=name)
        if isinstance(build, keras_tuner.HyperModel):
            build = build.build
        if isinstance(build, keras.Model) or not callable(build):
            raise ValueError(
                "Invalid value received for argument `build`. Expected a "
                "function `build(hp)` that returns a model, or a "
                "`keras_tuner.HyperModel`. "
                f"Received: build={build!r}"
            )
        check_fixed(fixed)
        if not isinstance(seed, (int, np.integer, type(None))):
            raise ValueError(
                "Invalid value received for argument `seed`. Expected an "
                f"integer or `None`. Received: seed={seed!r}"
            )
        if sampling is not None and not isinstance(sampling, SamplingRule):
            raise ValueError(
                "Invalid value received for argument `sampling`. Expected a "
                "`keras_nas.supernet.SamplingRule`, such as "
                f"`UniformSampling()`. Received: sampling={sampling!r}"
            )
        self.seed = (
            int(np.random.default_rng().integers(_SEEDS))
            if seed is None
            else seed
        )
        self._build_function = build
        self._hp = SupernetHyperParameters(fixed)
        model = self._build_all()
        self._elastic_graph = ElasticGraph(model)
        self.network = self._elastic_graph.model
        self._check_outputs()
        self._check_devices()
        space = self._hp.architectures
        self.selection = self.add_weight(
            shape=(len(space.names),),
            dtype="int32",
            initializer="zeros",
            trainable=False,
            name="selection",
        )
        self.built = True
        self._fitted_x = self._fitted_validation = None
        self._uses = self._uses_of_variables()
        self._parts = WeightParts(self._elastic_graph)
        self._updates = PathUpdates(
            self._uses, self._parts, self.trainable_variables
        )
        self._regularized = self._take_regularizers()
        self.sampling = (sampling or UniformSampling()).prepare(space)
        self._calibration = Calibration(self, self.network, self._parts)
        self._verify()
        self.set_architecture(self.largest_architecture())
        self._initial_checksum = self.checksum()
        if model.compiled:
            self.compile(**compile_arguments(model))

    # What it contains.

    @property
    def space(self):
        """`keras_tuner.HyperParameters`, the search space."""
        return keras_tuner.HyperParameters.from_config(self._hp.get_config())

    @property
    def choices(self):
        """Dict from searched hyperparameters to lists of their values."""
        return dict(self.architecture_space.choices)

    @property
    def architecture(self):
        """Dict of hyperparameter values, the architecture that runs."""
        return self._values(self.selection.numpy())

    def largest_architecture(self):
        """Returns the values with the most of everything."""
        return self._values([o[0] for o in self.architecture_space.by_size()])

    def smallest_architecture(self):
        """Returns the values with the least of everything."""
        return self._values([o[-1] for o in self.architecture_space.by_size()])

    def random_architecture(self, rng):
        """Returns values drawn uniformly.

        Args:
            rng: `numpy.random.Generator`.
        """
        return self._values(rng.integers(self.architecture_space.num_options))

    @property
    def architecture_space(self):
        """`ArchitectureSpace`, the searched part of the space as numbers."""
        return self._hp.architectures

    @property
    def updates(self):
        """`PathUpdates` of the optimizer, for training loops of one's own."""
        return self._updates

    @property
    def is_trained(self):
        """Whether the weights are others than when it was made."""
        return self.checksum() != self._initial_checksum

    def checksum(self):
        """Returns a text that is another one for other weights."""
        digest = hashlib.sha256()
        for variable in self.trainable_variables:
            digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
        return digest.hexdigest()

    def network_layers(self):
        """Returns all layers, those of all candidates included."""
        return layers_of(self.network)

    @property
    def known_names(self):
        """Set of the names of all hyperparameters, those of one value too."""
        return {*self.choices, *self._hp.constants, *self._hp.fixed}

    def unknown_values(self, space):
        """Says which values of a space the supernet does not have.

        Args:
            space: `keras_tuner.HyperParameters`.

        Returns:
            List of strings, one for each hyperparameter; of hyperparameters
            that both have.
        """
        messages = []
        for parameter in space.space:
            values = architectures.finite_values(parameter)
            known = self.choices.get(parameter.name)
            if known and not (values and set(known).issuperset(values)):
                messages.append(
                    f"{parameter.name!r} is searched among "
                    f"{values and list(values)}, the supernet has {known}"
                )
        return messages

    def get_config(self):
        """Raises an error: the code that makes the network has no config."""
        raise NotImplementedError(
            "A `Supernet` is made by the function `build` and cannot be "
            "saved as a whole, cloned, or written as JSON. Keep its weights: "
            '`supernet.save_weights("supernet.weights.h5")`, '
            '`ModelCheckpoint("supernet.weights.h5", save_weights_only=True)`;'
            " then `supernet = Supernet(build)` and `supernet.load_weights("
            '"supernet.weights.h5")`. To keep one architecture as an ordinary '
            'model: `supernet.extract_subnet(architecture).save("best.keras")`.'
        )

    # Running one architecture.

    def set_architecture(self, architecture):
        """Selects the subnet that `evaluate`, `predict` and calls run.

        Args:
            architecture: Dict of hyperparameter values, or
                `keras_tuner.HyperParameters`. Values that are not active may
                be missing.

        Raises:
            ValueError: If a value is missing, or none of the space, or a
                dict has a name that the space does not have.
        """
        options = self._options(architecture)
        self.selection.assign(self.architecture_space.vector(options))

    def call(self, inputs, training=None):
        """Runs the selected architecture."""
        space = self.architecture_space
        with contextlib.ExitStack() as stack:
            if not space.is_running:
                selection = tf.convert_to_tensor(self.selection)
                values = space.look_up(selection)
                stack.enter_context(space.running(values))
            return self.network(inputs, training=training)

    def calibrate(self, x, batch_size=128, num_batches=8):
        """Measures the statistics of BatchNormalization for the subnet.

        Call it after `set_architecture` and before `evaluate`: the moving
        statistics of the training are a mixture of all architectures.

        Only BatchNormalization runs as in training. Dropout and other
        layers run as in `evaluate`, so that the same data always give the
        same statistics. What other architectures have in addition, such as
        the channels of a larger width, keeps the statistics it had.

        Args:
            x: Array, or nested structure of arrays, of which examples are
                drawn, always the same; or `tf.data.Dataset` of batches of
                inputs, or of tuples that begin with the inputs, of which the
                first are taken: shuffle it if it is sorted; or
                `keras.utils.PyDataset`.
            batch_size: Integer, for arrays.
            num_batches: Integer, the batches to use at most. More are more
                exact and take longer.

        Raises:
            ValueError: If the data does not fit the inputs of the model.
        """
        batches = calibration_batches(
            self.network.inputs,
            **calibration_inputs(x, batch_size, num_batches),
        )
        self._calibration.run(batches)

    def statistics(self):
        """Returns the statistics of BatchNormalization of the subnet.

        Returns:
            List of arrays, for `set_statistics` on the same architecture.
        """
        return [variable.numpy() for variable in self._statistics()]

    def set_statistics(self, values):
        """Puts statistics back that `statistics` has returned."""
        for variable, value in zip(self._statistics(), values, strict=True):
            variable.assign(value)

    def _statistics(self):
        names = self.architecture_space.names
        selected = self.selection.numpy().tolist()
        options = dict(zip(names, selected, strict=True))
        return [
            variable
            for variable in self._calibration.variables
            if (use := self._uses.get(id(variable))) is None or use.at(options)
        ]

    def copy_weights_to(self, model, architecture):
        """Gives the ordinary model of an architecture its weights.

        Args:
            model: `keras.Model`, as `build(hp)` gives it.
            architecture: Dict of hyperparameter values, or
                `keras_tuner.HyperParameters`.
        """
        inherit(model, self._elastic_graph, self._options(architecture))

    def extract_subnet(self, architecture, calibrate_on=None):
        """Makes the ordinary model of one architecture.

        Args:
            architecture: Dict of hyperparameter values, or
                `keras_tuner.HyperParameters`.
            calibrate_on: Optional data as for `calibrate`, by which the
                statistics of BatchNormalization are measured first.

        Returns:
            `keras.Model` that `build(hp)` gives, with the weights of the
            supernet.

        Raises:
            ValueError: If `build` does not give the architecture that the
                supernet holds, or a model that predicts something else.
        """
        options = self._options(architecture)
        model = self._build_one(options)
        if calibrate_on is not None:
            before = self.selection.numpy()
            self.selection.assign(self.architecture_space.vector(options))
            self.calibrate(calibrate_on)
            self.selection.assign(before)
        self._inherit(model, options)
        return model

    def rank_correlation(
        self,
        trials,
        x=None,
        validation_data=None,
        metric=None,
        batch_size=128,
        num_batches=8,
    ):
        """Shows how far scores by shared weights can be trusted.

        Train some architectures on their own, two dozen or more, with any
        tuner, before you believe the order that the supernet gives.

        Args:
            trials: List of finished `keras_tuner.engine.trial.Trial`s, as
                `tuner.oracle.get_best_trials(24)` or `tuner.oracle.trials`;
                those that have failed are left out.
            x: Optional inputs that BatchNormalization is calibrated on; those
                of the last `fit` by default.
            validation_data: Optional data that subnets are scored on; that
                of the last `fit` by default.
            metric: Optional string, the metric to compare without `val_`,
                such as `"accuracy"`; by default that or, failing it, the
                loss.
            batch_size: Integer, for `calibrate`.
            num_batches: Integer, for `calibrate`.

        Returns:
            `RankCorrelation`; print it.

        Raises:
            ValueError: If there are fewer than 3 trials, trials of another
                space or scored by shared weights, or no data.

        Reference:

        - [Yu et al., 2020, Evaluating the Search Phase of Neural
          Architecture Search](https://arxiv.org/abs/1902.08142)
        """
        x = self._fitted_x if x is None else x
        if validation_data is None:
            validation_data = self._fitted_validation
        if x is None or validation_data is None:
            raise ValueError(
                "Expected the data that architectures are scored on: "
                "`rank_correlation(trials, x=x_train, validation_data=(x_val, "
                "y_val))`, or a `fit` with `validation_data` before. "
                f"Received: x={type(x).__name__}, validation_data="
                f"{type(validation_data).__name__}"
            )
        inputs = calibration_inputs(x, batch_size, num_batches)
        validation = evaluate_arguments(validation_data)
        trials = comparable_trials(trials, self._options, self.known_names)
        if metric is None:
            has_accuracy = all(
                trial.metrics.exists("val_accuracy") for trial in trials
            )
            metric = "accuracy" if has_accuracy else "loss"
        check_metric(metric, trials)
        before = self.selection.numpy()
        scores, trained = [], []
        for trial in trials:
            self.set_architecture(trial.hyperparameters)
            self.calibrate(**inputs)
            results = self.evaluate(**validation, verbose=0, return_dict=True)
            if metric not in results:
                raise ValueError(
                    "Invalid value received for argument `metric`. Expected "
                    "a metric that the supernet was compiled with: "
                    f"{sorted(results)}. Received: metric={metric!r}"
                )
            scores.append(results[metric])
            trained.append(trial.metrics.get_best_value(f"val_{metric}"))
        self.selection.assign(before)
        return rank_correlation(scores, trained)

    # Training.

    def fit(self, *args, **kwargs):
        """Trains all architectures; takes what `keras.Model.fit` takes."""
        given = inspect.signature(super().fit).bind(*args, **kwargs).arguments
        self._fitted_x = given.get("x")
        self._fitted_validation = given.get("validation_data")
        # Without `compile` there is none, and Keras says so.
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and not optimizer.built:
            # Else it makes its variables while the first step is traced, and
            # TensorFlow traces the step once more.
            with self.distribute_strategy.scope():
                optimizer.build(self.trainable_variables)
        return super().fit(*args, **kwargs)

    def compile(self, *args, distillation_loss=None, **kwargs):
        """Configures the supernet as `keras.Model.compile` does.

        Args:
            *args: Arguments of `keras.Model.compile`.
            distillation_loss: Optional function of the predictions of teacher
                and student that returns a number for each example, or their
                mean, or `keras.Loss`; for sampling rules that distill. By
                default it follows from the loss.
            **kwargs: Arguments of `keras.Model.compile`.
        """
        super().compile(*args, **kwargs)
        self._distillation_loss = distillation_loss
        if self.optimizer is not None:
            self._updates.apply_to(self.optimizer)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the loss, with the regularizers of what the subnet uses."""
        loss = super().compute_loss(
            x, y, y_pred, sample_weight, training=training
        )
        return loss + self._regularization() if self._regularized else loss

    def train_step(self, data):
        """Trains the architectures that the sampling rule draws."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        space = self.architecture_space
        step = self.optimizer.iterations
        paths = self.sampling.paths(step, self.seed)
        num_paths = self.sampling.num_paths_of(step)
        looked_up = space.look_up(paths)
        self._updates.begin_step(space, looked_up)
        variables = self.trainable_variables

        def run(values, objective):
            """Returns the predictions, the loss and its gradients."""
            with tf.GradientTape() as tape, space.running(values):
                predictions = self(x, training=True)
                loss = objective(predictions)
                scaled = self.optimizer.scale_loss(loss)
            gradients = tape.gradient(
                scaled,
                [variable.value for variable in variables],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return predictions, loss, gradients

        predictions, loss, gradients = run(
            looked_up[0],
            lambda predictions: self._loss_of_labels(
                x, y, predictions, sample_weight
            ),
        )
        if self.sampling.num_paths > 1:
            objective = self._objective_of_others(
                x, y, predictions, sample_weight
            )

            def add(number, sums):
                _, _, gradients = run(looked_up[number], objective)
                return number + 1, [
                    total + gradient
                    for total, gradient in zip(sums, gradients, strict=True)
                ]

            _, gradients = tf.while_loop(
                lambda number, _: number < num_paths,
                add,
                (tf.constant(1), list(gradients)),
                parallel_iterations=1,
            )
        if self._regularized:
            # Once, however many architectures have run.
            with space.running(looked_up[0]):
                loss += self._regularization()
            gradients = self._add_regularizers(gradients, variables)
        self.optimizer.apply(gradients, variables)
        return self.record(x, y, sample_weight, predictions, loss)

    def record(self, x, y, sample_weight, predictions, loss):
        """Updates the metrics by a training step; returns their results.

        Args:
            x: Inputs of the step.
            y: Targets.
            sample_weight: Weights of the examples, or `None`.
            predictions: What the network has predicted.
            loss: Scalar tensor, what `compute_loss` has returned.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        # The last batch may be smaller.
        size = tf.shape(keras.tree.flatten(x)[0])[0]
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss * replicas, sample_weight=size)
        return self.compute_metrics(x, y, predictions, sample_weight)

    def _loss_of_labels(self, x, y, predictions, sample_weight):
        """Returns the loss without regularizers."""
        return super().compute_loss(
            x, y, predictions, sample_weight, training=True
        )

    def _regularization(self):
        """Returns what regularizers add in the architecture that runs.

        They see zeros where it does not use a weight. Where a mixture of all
        runs, it uses all.
        """
        space = self.architecture_space
        if not space.is_running:
            values = space.look_up(tf.convert_to_tensor(self.selection))
            with space.running(values):
                return self._regularization()
        is_mixture = space.is_mixture
        total = 0.0
        for variable, regularizer in self._regularized:
            if not variable.trainable:
                continue
            weight = tf.convert_to_tensor(variable.value)
            use = part = None
            if not is_mixture:
                use = self._uses.get(id(variable))
                part = self._parts.used(variable, ElasticValue.current)
            if part is not None:
                weight = tf.where(part, weight, tf.zeros([], weight.dtype))
            added = regularizer(weight)
            if use is not None:
                added = tf.where(use.current() > 0, added, 0.0)
            total += added
        # Losses of replicas are added.
        return total / tf.distribute.get_strategy().num_replicas_in_sync

    def _add_regularizers(self, gradients, variables):
        """Adds the gradients of regularizers to others.

        What the step does not use is not changed by the optimizer anyway.
        """
        of_variables = {id(v): r for v, r in self._regularized}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        results = []
        for gradient, variable in zip(gradients, variables, strict=True):
            regularizer = of_variables.get(id(variable))
            if regularizer is not None:
                with tf.GradientTape() as tape:
                    added = regularizer(variable.value) / replicas
                    added = self.optimizer.scale_loss(added)
                gradient += tape.gradient(added, variable.value)
            results.append(gradient)
        return results

    def _objective_of_others(self, x, y, teacher, sample_weight):
        """Returns the loss of all paths but the first."""
        if not self.sampling.distills:
            return lambda predictions: self._loss_of_labels(
                x, y, predictions, sample_weight
            )
        loss = (
            distillation_loss(self.loss)
            if self._distillation_loss is None
            else loss_of(self._distillation_loss)
        )
        teacher = tf.nest.map_structure(tf.stop_gradient, teacher)
        return lambda predictions: loss(teacher, predictions, sample_weight)

    # Building.

    def _build_all(self):
        try:
            model = self._build_function(self._hp)
        except SharingError:
            raise
        except Exception as error:
            named = [
                name
                for name in self._hp.architectures.names
                if repr(self._hp.get(name)) in str(error)
            ]
            if not named:
                raise
            raise SharingError(
                f"Hyperparameter {named[0]!r} is used where its values cannot "
                "share weights. Use the layers of `keras_nas.layers` for it, "
                "or a `LayerChoice`, or fix its value: "
                f"`Supernet(build, fixed={{{named[0]!r}: ...}})`. "
                f"Received the error: {error}"
            ) from error
        if self._hp.unused_fixed:
            raise ValueError(
                "Invalid value received for argument `fixed`. Expected names "
                "of hyperparameters that `build` asks for: "
                f"{[p.name for p in self._hp.space]}. Received also: "
                f"{sorted(self._hp.unused_fixed)}"
            )
        if unused := self._hp.architectures.unused():
            raise SharingError(
                f"`build` asks for the hyperparameters {unused}, and uses "
                "them for nothing that shares weights. Use them for a layer "
                "of `keras_nas.layers`, or fix them: "
                f"`Supernet(build, fixed={{{unused[0]!r}: ...}})`."
            )
        if not self._hp.architectures.names:
            raise ValueError(
                "`build` has no hyperparameter of two or more values that "
                "is not fixed: there is one architecture only, and nothing "
                "to share."
            )
        return model

    def _check_outputs(self):
        for known in self._elastic_graph.output_channels:
            if known is not None:
                raise SharingError(
                    "The width of the outputs of the model depends on the "
                    f"hyperparameter {known.names[0]!r}. Let the model end "
                    "with a layer of fixed width."
                )

    def _check_devices(self):
        """Raises if a candidate needs the other devices to run."""
        if self.distribute_strategy.num_replicas_in_sync == 1:
            return
        for switch in self.network_layers():
            models = [
                branch.model
                for branch in getattr(switch, "branches", ())
                if branch.model is not None
            ]
            for layer in (x for model in models for x in layers_of(model)):
                if getattr(layer, "synchronized", False):
                    raise SharingError(
                        f"The layer {layer.name!r} of a searched candidate "
                        "cannot ask the other devices for their statistics, "
                        "as TensorFlow has no such call within a choice. "
                        "Expected `BatchNormalization(synchronized=False)`, "
                        "or one device. Received a distribution strategy of "
                        f"{self.distribute_strategy.num_replicas_in_sync}."
                    )

    def _uses_of_variables(self):
        """Says for each variable of a layer where it is used.

        Returns:
            Dict from the ids of variables to `ElasticValue`s that are 1 in
            the architectures that use the variable; `None` for what all use.
        """
        uses = {}

        def visit(model, use):
            for layer in model.layers:
                if isinstance(layer, Switch):
                    for number, branch in enumerate(layer.branches):
                        if branch.model is not None:
                            runs = layer.index.equals(number)
                            visit(
                                branch.model,
                                runs if use is None else runs * use,
                            )
                    continue
                for variable in layer.variables:
                    known = uses.setdefault(id(variable), use)
                    if known is use:
                        continue
                    # Shared by several places: used if any of them is.
                    if known is not None and use is not None:
                        use = known + use - known * use
                    else:
                        use = None
                    uses[id(variable)] = use

        visit(self.network, None)
        return uses

    def _take_regularizers(self):
        """Takes the regularizers from the variables.

        Keras would add those of all candidates to the loss of each.

        Returns:
            List of pairs of a `keras.Variable` and its regularizer.
        """
        found = []
        for variable in self.trainable_variables:
            if variable.regularizer is not None:
                found.append((variable, variable.regularizer))
                variable.regularizer = None
        return found

    def _build_one(self, options):
        hp = self.space
        values = self._hp.architectures.values(
            self._hp.architectures.vector(options)
        )
        hp.values = {**values, **self._hp.constants, **self._hp.fixed}
        return self._build_function(hp)

    def _verify(self):
        """Compares some architectures with what `build` gives for them."""
        rng = np.random.default_rng(0)
        for values in (
            self.largest_architecture(),
            self.smallest_architecture(),
            self.random_architecture(rng),
        ):
            options = self._options(values)
            self._inherit(self._build_one(options), options)

    def _inherit(self, model, options):
        """Gives a model its weights; raises if it predicts anything else."""
        inherit(model, self._elastic_graph, options)
        space = self.architecture_space
        vector = space.vector(options)

        def subnet(inputs):
            with space.running(space.look_up(tf.constant(vector))):
                return self.network(inputs, training=False)

        # Layers may count their calls, for one.
        changing = [
            *model.non_trainable_variables,
            *self.network.non_trainable_variables,
        ]
        before = [variable.numpy() for variable in changing]
        check_same_outputs(model, subnet, self._values(vector))
        for variable, value in zip(changing, before, strict=True):
            variable.assign(value)

    def _values(self, vector):
        return self.architecture_space.values(vector)

    def _options(self, architecture):
        values = architecture
        if isinstance(values, keras_tuner.HyperParameters):
            values = values.values
        elif not isinstance(values, dict):
            raise ValueError(
                "Invalid value received for argument `architecture`. "
                "Expected a dict of hyperparameter values, or "
                "`keras_tuner.HyperParameters`. Received: "
                f"architecture={architecture!r}"
            )
        else:
            self._check_names(values)
        self._check_complete(values)
        return self.architecture_space.options(values)

    def _check_names(self, values):
        """Raises if there are values that nothing asks for."""
        known = self.known_names
        unknown = [
            name
            for name in values
            # What KerasTuner's tuners write beside the values of a trial.
            if name not in known and not name.startswith("tuner/")
        ]
        if unknown:
            raise ValueError(
                "Invalid value received for argument `architecture`. Expected "
                f"values of {list(self.choices)}. Received also: {unknown}"
            )

    def _check_complete(self, values):
        """Raises if a hyperparameter that is active has no value."""
        # Of what is fixed, the space knows nothing.
        active = dict(self._hp.fixed)
        for hp in architectures.parents_first(self._hp):
            if not architectures.is_active(hp, active):
                continue
            if hp.name in self._hp.constants:
                active[hp.name] = self._hp.constants[hp.name]
                if values.get(hp.name, active[hp.name]) == active[hp.name]:
                    continue
                raise ValueError(
                    f"Hyperparameter {hp.name!r} has the value "
                    f"{values[hp.name]!r}, which the supernet does not know. "
                    f"Expected {active[hp.name]!r}."
                )
            if hp.name not in values:
                raise ValueError(
                    "Invalid value received for argument `architecture`. "
                    "Expected a value of each active hyperparameter. "
                    f"{hp.name!r} is missing. Received: architecture={values}"
                )
            active[hp.name] = values[hp.name]
