"""What can be said of the objective before a training, and what cannot."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

from keras_nas.tuners.objective_check import check_objective
from keras_nas_tests.tuners.tiny_searches import X, Y, make_model

MISSING = keras_tuner.Objective("no_such_metric", "min")


def check(objective, *args, model=None, **kwargs):
    if isinstance(objective, str):
        objective = keras_tuner.Objective(objective, "min")
    check_objective(model or make_model(), objective, args, kwargs)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        return X, Y


DATASET = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


@pytest.mark.parametrize(
    "data",
    [(X, Y), (tf.constant(X), tf.constant(Y)), (DATASET,), (Batches(),)],
    ids=["arrays", "tensors", "dataset", "PyDataset"],
)
def test_a_metric_that_is_missing_is_found_on_any_data(data):
    check("loss", *data)
    check("val_loss", *data, validation_data=data)
    with pytest.raises(ValueError, match=r"`no_such_metric`.*\['loss'\]"):
        check(MISSING, *data)


def test_data_may_be_given_by_name():
    check("loss", x=X, y=Y)
    with pytest.raises(ValueError, match="no_such_metric"):
        check(MISSING, x=X, y=Y)


def test_models_of_several_inputs_are_checked():
    inputs = {"a": keras.Input((2,), name="a"), "b": keras.Input((2,))}
    outputs = keras.layers.Dense(1)(keras.layers.Add()([*inputs.values()]))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", run_eagerly=True)
    data = ({"a": X, "b": X}, Y)
    check("loss", *data, model=model)
    with pytest.raises(ValueError, match="no_such_metric"):
        check(MISSING, *data, model=model)


def test_metrics_are_known_by_their_own_names():
    model = make_model()
    model.compile(
        "sgd",
        "mse",
        metrics=[keras.metrics.MeanAbsoluteError(name="distance")],
        run_eagerly=True,
    )
    check("distance", X, Y, model=model)
    check("val_distance", X, Y, model=model, validation_split=0.5)
    with pytest.raises(ValueError, match=r"\['distance', 'loss'\]"):
        check("mae", X, Y, model=model)


@pytest.mark.parametrize("data", [(), ({},)], ids=["none", "empty"])
def test_without_validation_data_a_validation_metric_is_missing(data):
    with pytest.raises(ValueError, match="validation"):
        check("val_loss", *data)


def test_a_generator_is_not_consumed():
    generator = iter([(X, Y), (X, Y)])
    check(MISSING, generator)
    assert len(list(generator)) == 2


class OfTheUser(keras.callbacks.Callback):
    pass


def test_callbacks_of_the_user_may_add_the_metric():
    check(MISSING, X, Y, callbacks=[OfTheUser()])
    with pytest.raises(ValueError, match="no_such_metric"):
        check(MISSING, X, Y, callbacks=[keras.callbacks.TerminateOnNaN()])


def test_a_model_that_does_not_fit_the_data_is_refused():
    with pytest.raises(ValueError, match="nothing was trained"):
        check("loss", np.ones((4, 3)), np.ones(4))


@pytest.mark.parametrize("is_dataset", [False, True])
def test_validation_data_that_do_not_fit_are_found_too(is_dataset):
    wrong = np.concatenate([X, X], axis=1), Y
    data = wrong
    if is_dataset:
        data = tf.data.Dataset.from_tensor_slices(wrong).batch(4)
    with pytest.raises(ValueError, match="examples of `validation_data` that"):
        check("val_loss", X, Y, validation_data=data)
    check("val_loss", X, Y, validation_data=(X, Y, np.ones(len(X))))


def test_no_more_examples_are_evaluated_than_a_batch_has():
    sizes = []

    class Watching(keras.Sequential):
        def test_on_batch(self, x, y=None, **kwargs):
            sizes.append(len(x))
            return super().test_on_batch(x, y, **kwargs)

    model = Watching([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    many = np.ones((500, 2)), np.ones(500)
    check(
        "val_loss",
        *many,
        model=model,
        batch_size=5,
        validation_data=many,
        validation_batch_size=3,
    )
    assert sizes == [5, 3]


def test_the_check_does_not_train():
    model = make_model()
    before = [np.array(weight) for weight in model.get_weights()]
    check("loss", X, Y, model=model)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_misspelt_arguments_of_fit_are_found():
    with pytest.raises(ValueError, match="`epoch=`.*mean `epochs`"):
        check("val_loss", X, Y, validation_data=(X, Y), epoch=3)


def test_a_fit_of_ones_own_may_take_more():
    class Mine(keras.Sequential):
        def fit(self, x=None, y=None, mixup=0.0, **kwargs):
            return super().fit(x, y, **kwargs)

    model = Mine([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    check("val_loss", X, Y, validation_data=(X, Y), mixup=0.2, model=model)
