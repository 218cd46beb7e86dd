"""The arguments that a model was compiled with."""

import inspect

import keras


def replace_compile_arguments(model, optimizer=None, loss=None, metrics=None):
    """Compiles a model anew: what is given is replaced, the rest is kept.

    Call it in the scope of the distribution strategy of the model. Optimizer
    and metrics are copied, because each belongs to one model and has to be
    made where that model was.

    Args:
        model: `keras.Model`; one that is not compiled is compiled if
            optimizer and loss are given, and else stays as it is.
        optimizer: Optional optimizer, or its name.
        loss: Optional loss, as `model.compile` takes it.
        metrics: Optional metrics, as `model.compile` takes them.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", steps_per_execution=4)
    >>> replace_compile_arguments(model, optimizer="adam")
    >>> type(model.optimizer).__name__, model.loss, model.steps_per_execution
    ('Adam', 'mse', 4)
    """
    given = {
        "optimizer": _copied(optimizer),
        "loss": loss,
        "metrics": keras.tree.map_structure(_copied, metrics),
    }
    given = {name: value for name, value in given.items() if value is not None}
    if not given:
        return
    if getattr(model, "compiled", False):
        arguments = compile_arguments(model)
    elif "optimizer" in given and "loss" in given:
        arguments = {}
    else:
        return  # The tuner says what is missing.
    model.compile(**_accepted(model.compile, arguments | given))


def compile_arguments(model):
    """Returns the arguments that a model was compiled with, as they are.

    Args:
        model: Compiled `keras.Model`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> compile_arguments(model)["loss"]
    'mse'
    """
    # The public `get_compile_config()` writes a function as its name, and
    # nothing but a registered one can be found by its name again.
    arguments = dict(model._compile_config.config)
    # Keras has decided on "auto", and on models that XLA cannot compile.
    arguments["jit_compile"] = model.jit_compile
    return arguments


def compile_like(model, other):
    """Compiles a model with the arguments that another was compiled with.

    Optimizer and metrics are copied, because each belongs to one model.

    Args:
        model: `keras.Model`.
        other: `keras.Model`. If it is not compiled, nothing happens.

    Example:

    >>> layer = keras.layers.Dense(1)
    >>> other = keras.Sequential([keras.Input((2,)), layer])
    >>> other.compile(keras.optimizers.SGD(0.5), "mse")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> compile_like(model, other)
    >>> model.optimizer is other.optimizer, float(model.optimizer.learning_rate)
    (False, 0.5)
    """
    if not getattr(other, "compiled", False):
        return
    arguments = compile_arguments(other)
    for name in ("optimizer", "metrics", "weighted_metrics"):
        arguments[name] = keras.tree.map_structure(_copied, arguments.get(name))
    model.compile(**_accepted(model.compile, arguments))


def build_optimizer(model):
    """Makes the variables of the optimizer, as the first step of `fit` does.

    Keras warns when it loads the file of a compiled model that was never
    trained: it misses them. An optimizer that has them takes no others, so
    that nothing frozen could be trained later on.

    Args:
        model: `keras.Model`. If it is not compiled, or has a frozen layer,
            nothing happens.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> build_optimizer(model)
    >>> model.optimizer.built
    True
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or optimizer.built:
        return
    # Keras has no public way to reach the layers inside of layers.
    layers = model._flatten_layers()
    if all(layer.trainable for layer in layers if layer.weights):
        optimizer.build(model.trainable_variables)


def _copied(value):
    if not isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric):
        return value  # A name, a function, or nothing.
    try:
        # Not `keras.optimizers.deserialize`, which finds registered classes
        # only.
        return type(value).from_config(value.get_config())
    except TypeError:
        if isinstance(value, keras.optimizers.Optimizer):
            raise
        # A metric made of a function that is not registered has to be shared.
        # Keras forgets to reset it before the first use by another model.
        value.reset_state()
        return value


def _accepted(function, arguments):
    """Leaves out what a `compile` of the user's own does not take."""
    parameters = inspect.signature(function).parameters
    if any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
        return arguments
    return {k: v for k, v in arguments.items() if k in parameters}
