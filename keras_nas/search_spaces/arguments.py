"""What ready search spaces are given: checked; how they end: compiled."""

import keras


def check_input_shape(input_shape):
    """Raises unless it is the shape of an image, channels last."""
    is_shape = isinstance(input_shape, (tuple, list)) and len(input_shape) == 3
    if not is_shape or not isinstance(input_shape[-1], int):
        raise ValueError(
            "Invalid value received for argument `input_shape`. Expected "
            "(height, width, channels), such as (32, 32, 3). Received: "
            f"input_shape={input_shape!r}"
        )


def check_integer(argument, value, minimum=1):
    """Raises unless `value` is an integer of at least `minimum`."""
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < minimum:
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected an "
            f"integer of at least {minimum}. Received: {argument}={value!r}"
        )


def check_choices(argument, values, minimum=1):
    """Raises unless `values` are different integers of at least `minimum`."""
    is_list = isinstance(values, (tuple, list)) and values
    if (
        not is_list
        or not all(
            isinstance(value, int)
            and not isinstance(value, bool)
            and value >= minimum
            for value in values
        )
        or len(set(values)) < len(values)
    ):
        raise ValueError(
            f"Invalid value received for argument `{argument}`. Expected a "
            f"tuple of different integers of at least {minimum} to choose "
            f"from. Received: {argument}={values!r}"
        )


def check_repeats(min_repeats, max_repeats):
    """Raises unless these are the ends of a range of depths."""
    check_integer("min_repeats", min_repeats, minimum=0)
    check_integer("max_repeats", max_repeats, minimum=0)
    if min_repeats > max_repeats:
        raise ValueError(
            "Invalid value received for argument `min_repeats`. Expected at "
            f"most `max_repeats`. Received: min_repeats={min_repeats}, "
            f"max_repeats={max_repeats}"
        )


def check_stages(filters, strides):
    """Raises unless there are channels and a stride for each stage."""
    for argument, values in (("filters", filters), ("strides", strides)):
        if not isinstance(values, (tuple, list)) or not values:
            raise ValueError(
                f"Invalid value received for argument `{argument}`. Expected "
                "a tuple of integers, one a stage. Received: "
                f"{argument}={values!r}"
            )
        for value in values:
            check_integer(argument, value)
    if len(filters) != len(strides):
        raise ValueError(
            "Arguments `filters` and `strides` do not agree. Expected one of "
            f"each for a stage. Received: filters={filters!r}, "
            f"strides={strides!r}"
        )


def check_make_optimizer(optimizer):
    """Raises unless `optimizer` is `None` or makes a new one at each call."""
    is_made = isinstance(optimizer, keras.optimizers.Optimizer)
    if optimizer is not None and (is_made or not callable(optimizer)):
        raise ValueError(
            "Invalid value received for argument `optimizer`. Expected a "
            "function that makes an optimizer, since each model needs its "
            "own, such as `lambda: keras.optimizers.AdamW(1e-3)`. Received: "
            f"optimizer={optimizer!r}"
        )


def compile_classifier(model, make_optimizer):
    """Compiles a model that gives probabilities of classes.

    Args:
        model: `keras.Model`.
        make_optimizer: Optional function without arguments.
    """
    if make_optimizer is None:
        # Constant rates have to be lower than the 0.1 of the papers, which
        # falls to 0 along a cosine.
        optimizer = keras.optimizers.SGD(
            0.025, momentum=0.9, nesterov=True, weight_decay=3e-4
        )
    else:
        optimizer = make_optimizer()
    model.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
