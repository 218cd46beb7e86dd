"""Keras 3 models as tf_keras models, and their weights back."""

import dataclasses

import keras

from keras_nas.compression.accepted_name import accepted_name
from keras_nas.compression.legacy_keras import import_tfmot
from keras_nas.compression.model_copy import copy_with_values
from keras_nas.compression.operation_calls import OperationCalls
from keras_nas.compression.parity import (
    describe_difference,
    random_inputs,
    relative_difference,
)
from keras_nas.compression.twins import make_twin
from keras_nas.compression.wrapping_layer import wrapping_layer_class
from keras_nas.export.float_weights import check_float_weights
from keras_nas.graph import Graph, functional, has_graph


class BridgeError(ValueError):
    """A model that cannot be rebuilt in tf_keras."""


class Bridge:
    """A Keras 3 model rebuilt in tf_keras, for tools that know only that.

    TF-MOT, whose pruning, clustering and quantisation aware training the files
    of phones are made with, accepts tf_keras models only. The bridge reads the
    graph of a model and builds it once more in tf_keras. A layer becomes its
    namesake with the same arguments and weights; where tf_keras has none that
    computes the same, a layer is made that owns the weights and calls the
    Keras 3 layer, and so do operations of `keras.ops` and custom layers.

    Both models are then run on random inputs. If they differ by more than
    `tolerance`, an error names the first layer that does.

    Models inside of models are unfolded, since TF-MOT refuses them. A model in
    mixed precision becomes one in float32. Shared layers stay shared.

    Args:
        model: A built Keras 3 model: `Sequential` or functional.
        batch_norm_momentum: Optional float. The momentum of each
            `BatchNormalization` is lowered to it. Fine-tuning takes some
            hundred steps, too few for the 0.99 of Keras.
        tolerance: Float, the largest difference of an output from the output of
            `model`, by the largest number in that.

    Attributes:
        source: The Keras 3 model.
        model: The tf_keras model. Its inputs and outputs have the structure
            and the order of those of `source`.
        wrapped: Tuple of the names of the layers and operations that have no
            namesake.
        largest_difference: Float, what was found, relative as `tolerance`.

    Raises:
        BridgeError: If `model` has no graph of layers, or if it does not
            compute the same in tf_keras.
        ValueError: If `model` is no Keras 3 model or is not built.

    Example:

    >>> import keras
    >>> from keras_nas.compression import Bridge
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="relu6")(inputs)
    >>> x = keras.ops.mean(x, axis=(1, 2))
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> bridge = Bridge(model)
    >>> [type(layer).__name__ for layer in bridge.model.layers]
    ['InputLayer', 'Conv2D', 'ReLU', 'WrappingLayer', 'Dense']
    >>> type(bridge.model).__module__.startswith("tf_keras")
    True
    """

    def __init__(self, model, *, batch_norm_momentum=None, tolerance=1e-5):
        check_model(model)
        self.source = model
        self._tf_keras = import_tfmot()[1]
        self._momentum = batch_norm_momentum
        self._names = set()
        self._made = {}
        self._wrapping = {}
        self._weighted = {}
        self._wrapped = []
        self._graph = Graph(model)
        self._tensors = {}
        self.model = self._build()
        self.wrapped = tuple(self._wrapped)
        self.largest_difference = self._check_parity(tolerance)

    def layer_of(self, name):
        """Returns the Keras 3 layer behind a tf_keras layer.

        Args:
            name: String, name of the tf_keras layer.

        Returns:
            The Keras 3 layer, or `None` for one without weights.
        """
        entry = self._weighted.get(name)
        return entry and entry[0]

    def weight_names(self, name):
        """Returns how tf_keras calls the weights of a layer.

        Args:
            name: String, name of the tf_keras layer.

        Returns:
            List of strings, in the order of the weights of the Keras 3 layer.
        """
        return self._weighted[name][3]

    @property
    def weighted_names(self):
        """Names of the tf_keras layers that have weights, in order."""
        return list(self._weighted)

    def copy_weights(self, model=None):
        """Returns the Keras 3 model with the weights of a tf_keras model.

        Args:
            model: tf_keras model whose layers have the names and weights of
                those of `bridge.model`, which is the default.

        Returns:
            A new Keras 3 model: a clone of `source`, compiled if that is.
        """
        layers = {layer.name: layer for layer in (model or self.model).layers}
        return self.with_weights(
            {
                name: [
                    weight.numpy()
                    for weight in self._in_order(name, layers[name])
                ]
                for name in self._weighted
            }
        )

    def with_weights(self, weights):
        """Returns the Keras 3 model with other weights in some layers.

        Args:
            weights: Dict from names of tf_keras layers to lists of arrays, in
                the order of the weights of the Keras 3 layer.

        Returns:
            A new Keras 3 model: a clone of `source`, compiled if that is.
        """
        values = {}
        for name, arrays in weights.items():
            variables = self._weighted[name][2]
            for variable, array in zip(variables, arrays, strict=True):
                values[id(variable)] = array
        return copy_with_values(self.source, values)

    def _in_order(self, name, layer):
        """Returns the weights of a layer, which TF-MOT may have reordered."""
        weights = _weights(layer)
        by_name = {weight.name: weight for weight in weights}
        names = self.weight_names(name)
        if len(by_name) < len(weights) or set(by_name) != set(names):
            return weights
        return [by_name[weight_name] for weight_name in names]

    def _build(self):
        inputs = []
        for tensor in self._graph.inputs:
            made = self._tf_keras.Input(
                batch_shape=tuple(tensor.shape),
                dtype=tensor.dtype,
                name=self._unique(tensor.name),
            )
            inputs.append(made)
            self._tensors[id(tensor)] = made
        for node in self._needed_nodes():
            args, kwargs = keras.tree.map_structure(
                lambda value: self._tensors.get(id(value), value),
                (node.args, node.kwargs),
            )
            outputs = self._apply(node, args, kwargs)
            for old, new in zip(
                node.outputs, keras.tree.flatten(outputs), strict=True
            ):
                self._tensors[id(old)] = new
        outputs = [self._tensors[id(tensor)] for tensor in self._graph.outputs]
        outputs = self._distinct(outputs)
        source = functional(self.source)
        return self._tf_keras.Model(
            _pack(source.input, inputs),
            _pack(source.output, outputs),
            name=accepted_name(self.source.name),
        )

    def _needed_nodes(self):
        """Returns the nodes without those that only make masks.

        Keras 3 passes masks as arguments, while tf_keras, and the layers
        around layers of TF-MOT, find them at the tensors.
        """
        needed = {id(tensor) for tensor in self._graph.outputs}
        nodes = []
        for node in reversed(self._graph.nodes):
            if not any(id(tensor) in needed for tensor in node.outputs):
                continue
            nodes.append(node)
            if self._drops_mask(node):
                kwargs = {k: v for k, v in node.kwargs.items() if k != "mask"}
                node = dataclasses.replace(node, kwargs=kwargs)
                nodes[-1] = node
            needed.update(id(tensor) for tensor in node.inputs)
        return nodes[::-1]

    def _drops_mask(self, node):
        return (
            isinstance(node.kwargs.get("mask"), keras.KerasTensor)
            and self._twin(node.operation) is not None
            and any(_makes_mask(other.operation) for other in self._graph.nodes)
        )

    def _twin(self, operation):
        if id(operation) not in self._made:
            made = None
            if isinstance(operation, keras.Layer):
                name = self._unique(operation.name)
                made = make_twin(
                    operation, name, self._tf_keras, self._momentum
                )
                if made is None:
                    self._names.discard(name)
            self._made[id(operation)] = made
        return self._made[id(operation)]

    def _distinct(self, tensors):
        """Gives outputs that are inputs, or given twice, layers of their own.

        tf_keras would name them after a layer they share.
        """
        seen, distinct = set(), []
        for tensor in tensors:
            if id(tensor) in seen:
                tensor = self._tf_keras.layers.Activation(
                    "linear", name=self._unique("output")
                )(tensor)
            seen.add(id(tensor))
            distinct.append(tensor)
        return distinct

    def _apply(self, node, args, kwargs):
        operation = node.operation
        # Keras 3 records `training` for each node, and overrules it when the
        # model is called.
        kwargs = {
            key: value
            for key, value in kwargs.items()
            if value is not None and key != "training"
        }
        made = self._twin(operation)
        if made is not None:
            twin, activation = made
            outputs = twin(*args, **kwargs)
            self._set_weights(twin, operation, operation.weights)
            if activation is not None:
                outputs = self._activate(outputs, operation, activation)
            if operation.activity_regularizer is not None:
                outputs = keras.tree.map_structure(
                    lambda output: self._regularize(output, operation), outputs
                )
            return outputs
        outputs = self._apply_operation(node, args)
        return self._wrap(node) if outputs is None else outputs

    def _apply_operation(self, node, args):
        """Applies what TF-MOT knows as a layer and Keras 3 as an operation."""
        operation = node.operation
        if not type(operation).__module__.startswith("keras.src.ops."):
            return None
        layers = self._tf_keras.layers
        kind = type(operation).__name__
        if node.kwargs or len(node.inputs) != len(args):
            return None
        if kind in ("Add", "Subtract", "Multiply", "Maximum", "Minimum"):
            first, second = args
            # tf_keras broadcasts in ways of its own.
            if tuple(first.shape) != tuple(second.shape):
                return None
            layer = getattr(layers, kind)(name=self._unique(operation.name))
            return layer([first, second])
        name = self._unique(operation.name)
        if kind == "Relu6":
            return layers.ReLU(max_value=6.0, name=name)(*args)
        if kind in ("Relu", "Sigmoid", "Tanh") and len(args) == 1:
            return layers.Activation(kind.lower(), name=name)(*args)
        self._names.discard(name)
        return None

    def _activate(self, tensor, operation, activation):
        """Applies an activation that tf_keras does not know by its name."""
        layers = self._tf_keras.layers
        label = getattr(activation, "__name__", type(activation).__name__)
        name = self._unique(f"{operation.name}_{label}")
        if activation is keras.activations.relu6:
            return layers.ReLU(max_value=6.0, name=name)(tensor)
        if activation is keras.activations.leaky_relu:
            return layers.LeakyReLU(alpha=0.2, name=name)(tensor)
        return self._wrap_new(keras.layers.Activation(activation), name, tensor)

    def _regularize(self, tensor, operation):
        """Adds to the loss what Keras 3 adds for an output of a layer."""
        layer = keras.layers.Activation(
            "linear", activity_regularizer=operation.activity_regularizer
        )
        name = self._unique(f"{operation.name}_activity_regularizer")
        return self._wrap_new(layer, name, tensor)

    def _wrap_new(self, layer, name, tensor):
        calls = OperationCalls(layer)
        calls.add((_keras3_tensor(tensor),), {})
        self._wrapped.append(name)
        return wrapping_layer_class()(calls.key, name=name)(tensor)

    def _wrap(self, node):
        operation = node.operation
        tensors = [self._tensors[id(tensor)] for tensor in node.inputs]
        if id(operation) not in self._wrapping:
            calls = OperationCalls(operation)
            name = self._unique(operation.name)
            layer = wrapping_layer_class()(calls.key, name=name)
            self._wrapping[id(operation)] = layer, calls
            self._wrapped.append(name)
        layer, calls = self._wrapping[id(operation)]
        number = calls.add(node.args, node.kwargs)
        # In the plain form wherever that will do: the transformations of
        # TF-MOT read no other.
        outputs = layer(
            tensors[0] if len(tensors) == 1 else tensors,
            **({"number": number} if number else {}),
        )
        variables = getattr(operation, "variables", ())
        self._set_weights(layer, operation, variables)
        return outputs

    def _set_weights(self, layer, operation, variables):
        if not variables or layer.name in self._weighted:
            return
        weights = _weights(layer)
        if [tuple(w.shape) for w in weights] != [
            tuple(v.shape) for v in variables
        ]:
            raise BridgeError(
                f"Layer '{operation.name}' ({type(operation).__name__}) has "
                "other weights in tf_keras, which is a defect of keras_nas: "
                f"{[(w.name, tuple(w.shape)) for w in weights]} instead of "
                f"{[(v.name, tuple(v.shape)) for v in variables]}"
            )
        for weight, variable in zip(weights, variables, strict=True):
            weight.assign(variable.numpy())
        names = [weight.name for weight in weights]
        self._weighted[layer.name] = operation, layer, list(variables), names

    def _check_parity(self, tolerance):
        inputs = random_inputs(self._graph)
        difference = self._difference(self._graph.outputs, inputs)
        if not difference <= tolerance:
            raise BridgeError(
                describe_difference(
                    self._graph,
                    lambda tensors: self._difference(tensors, inputs),
                    difference,
                    tolerance,
                    self.source.name,
                )
            )
        return difference

    def _difference(self, tensors, inputs):
        ours = self._tf_keras.Model(
            self.model.inputs, [self._tensors[id(t)] for t in tensors]
        )
        return relative_difference(
            keras.Model(self._graph.inputs, list(tensors)),
            ours,
            inputs,
            self.source,
        )

    def _unique(self, name):
        """Makes a name that TensorFlow accepts and no other layer has."""
        base = accepted_name(name)
        unique, count = base, 1
        while unique in self._names:
            unique, count = f"{base}_{count}", count + 1
        self._names.add(unique)
        return unique


def check_model(model):
    """Checks that a model can be rebuilt in tf_keras, as far as is seen.

    Args:
        model: What should be a built Keras 3 model with a graph.

    Raises:
        BridgeError: If it has no graph of layers.
        ValueError: If it is no Keras 3 model, not built, or quantized.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            "Invalid value received for argument `model`. Expected a Keras 3 "
            f"model. Received: model={model!r} (of type "
            f"{type(model).__module__}.{type(model).__name__})"
        )
    if not model.built:
        raise ValueError(
            f"Model '{model.name}' must be built, so that the shapes of its "
            "inputs are known. Call it on data once, or start it with "
            "`keras.Input`."
        )
    if not has_graph(model):
        raise BridgeError(
            f"Model '{model.name}' ({type(model).__name__}) has no graph of "
            "layers, and TF-MOT can prune, cluster and train for quantisation "
            "only what has one. Build it of layers with `keras.Model(inputs, "
            "outputs)`, or quantise it after training: "
            "`keras_nas.export.to_tflite(model, quantize='int8', "
            "representative_data=x)`."
        )
    check_float_weights(model)


def _makes_mask(operation):
    return isinstance(operation, keras.layers.Masking) or getattr(
        operation, "mask_zero", False
    )


def _weights(layer):
    if hasattr(layer, "weights_in_order"):
        return layer.weights_in_order()
    return layer.weights


def _pack(structure, tensors):
    return keras.tree.pack_sequence_as(structure, tensors)


def _keras3_tensor(tensor):
    return keras.KerasTensor(tuple(tensor.shape), tensor.dtype.name)
