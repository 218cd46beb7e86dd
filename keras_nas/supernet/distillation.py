"""Loss of a student that learns what a teacher predicts."""

import keras

_CROSSENTROPIES = {
    "categoricalcrossentropy": keras.losses.CategoricalCrossentropy,
    "sparsecategoricalcrossentropy": keras.losses.CategoricalCrossentropy,
    "binarycrossentropy": keras.losses.BinaryCrossentropy,
}


def distillation_loss(loss):
    """Returns the loss of a student for the loss of its teacher.

    For a crossentropy it is the crossentropy with the probabilities that the
    teacher predicts, for others the loss itself. It is reduced as that of the
    teacher is, and weighs examples in the same way.

    Args:
        loss: Name, function or object, as `model.compile` takes it for a
            model with one output.

    Returns:
        `keras.Loss` of the teacher's and the student's predictions.

    Raises:
        ValueError: If `loss` is no loss for one output.

    Reference:

    - [Hinton et al., 2015](https://arxiv.org/abs/1503.02531)

    Example:

    >>> loss = distillation_loss("sparse_categorical_crossentropy")
    >>> import numpy as np
    >>> sure = np.array([[1.0, 0.0]])
    >>> round(float(loss(sure, sure)), 5)
    0.0
    """
    if isinstance(loss, (list, tuple, dict)) or loss is None:
        raise ValueError(
            "A sampling rule that distills needs a model with one output and "
            "one loss, or `compile(distillation_loss=...)`, a function of the "
            f"predictions of teacher and student. Received: loss={loss!r}"
        )
    given = keras.losses.get(loss)
    name = getattr(given, "__name__", type(given).__name__)
    crossentropy = _CROSSENTROPIES.get(name.replace("_", "").lower())
    if crossentropy is None:
        return loss_of(given)
    config = given.get_config() if isinstance(given, keras.Loss) else {}
    from_logits = config.get("from_logits", False)
    function = crossentropy(from_logits=from_logits, reduction="none")
    is_binary = crossentropy is keras.losses.BinaryCrossentropy
    squash = keras.ops.sigmoid if is_binary else keras.ops.softmax

    def student_loss(teacher, student):
        return function(squash(teacher) if from_logits else teacher, student)

    return _FunctionLoss(
        student_loss, config.get("reduction", "sum_over_batch_size")
    )


def loss_of(function):
    """Returns a function of two predictions as a `keras.Loss`.

    That weighs examples and knows of `tf.distribute`.

    Args:
        function: Function that returns a number for each example, or one for
            all; or `keras.Loss`, which is returned as it is.
    """
    if isinstance(function, keras.Loss):
        return function
    return _FunctionLoss(function)


class _FunctionLoss(keras.Loss):
    """Loss of a function of the predictions of teacher and student."""

    def __init__(self, function, reduction="sum_over_batch_size"):
        super().__init__(reduction=reduction)
        self._function = function

    def call(self, y_true, y_pred):
        """Returns the loss of each example."""
        values = keras.ops.convert_to_tensor(self._function(y_true, y_pred))
        if len(values.shape) == 0:
            first = keras.tree.flatten(y_pred)[0]
            values = keras.ops.broadcast_to(values, keras.ops.shape(first)[:1])
        return values
