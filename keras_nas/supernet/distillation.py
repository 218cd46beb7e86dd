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
    teacher predicts, for others the loss itself.

    Args:
        loss: Name, function or object, as `model.compile` takes it for a
            model with one output.

    Returns:
        Function of the teacher's and the student's predictions; a scalar
        tensor.

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
        return lambda teacher, student: keras.ops.mean(given(teacher, student))
    config = given.get_config() if isinstance(given, keras.Loss) else {}
    from_logits = config.get("from_logits", False)
    function = crossentropy(from_logits=from_logits)
    is_binary = crossentropy is keras.losses.BinaryCrossentropy
    squash = keras.ops.sigmoid if is_binary else keras.ops.softmax

    def student_loss(teacher, student):
        return function(squash(teacher) if from_logits else teacher, student)

    return student_loss
