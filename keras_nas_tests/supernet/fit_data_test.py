import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas.supernet.fit_data import (
    calibration_inputs,
    evaluate_arguments,
    split_validation,
)
from keras_nas_tests.supernet import builds

X = np.arange(10.0)


class Batches(keras.utils.PyDataset):
    """Batches of 4; of 10 examples, the last batch has 2."""

    def __init__(self, size=10):
        super().__init__()
        self.size = size

    def __len__(self):
        return -(-self.size // 4)

    def __getitem__(self, index):
        x = np.arange(self.size)[index * 4 : index * 4 + 4]
        return {"a": x, "b": -x}, x


@pytest.mark.parametrize("share", [0.1, 0.25, 0.3, 0.55])
def test_the_cut_is_where_keras_cuts(share):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, keras.layers.Rescaling(1.0)(inputs))
    model.compile("sgd", "mse")
    x, weight = 2.0 ** X[:, None], np.linspace(1, 2, 10)
    logs = model.fit(
        x,
        0 * x,
        sample_weight=weight,
        batch_size=10,
        validation_split=share,
        verbose=0,
    ).history
    parts = split_validation(x, 0 * x, weight, share)
    for part, name in zip(parts, ("loss", "val_loss"), strict=True):
        x_part, y_part, weight_part = part
        assert len(x_part) == len(y_part) == len(weight_part)
        loss = np.mean(weight_part * x_part[:, 0] ** 2)
        assert logs[name][0] == pytest.approx(loss, rel=1e-5)


def test_nests_are_cut_alike_and_nothing_stays_nothing():
    training, validation = split_validation({"a": X, "b": [X]}, X, None, 0.2)
    assert training[2] is validation[2] is None
    np.testing.assert_array_equal(validation[0]["b"][0], [8, 9])
    np.testing.assert_array_equal(validation[1], [8, 9])
    assert len(training[0]["a"]) == 8


@pytest.mark.parametrize(
    "x, share, message",
    [
        (X, 1e-20, "validation_split=1e-20 and 10"),
        (X, 0.99, "validation_split=0.99 and 10"),
        (tf.data.Dataset.range(3), 0.5, "`validation_data`"),
    ],
)
def test_what_cannot_be_cut_is_said(x, share, message):
    with pytest.raises(ValueError, match=message):
        split_validation(x, None, None, share)


def test_validation_data_is_evaluated_with_its_weights():
    assert list(evaluate_arguments((1, 2, 3)).values()) == [1, 2, 3]
    assert evaluate_arguments([1, 2]) == {"x": 1, "y": 2}
    dataset = tf.data.Dataset.range(3)
    assert evaluate_arguments(dataset) == {"x": dataset}


def test_inputs_of_a_py_dataset_come_from_all_of_it():
    found = calibration_inputs(Batches(), batch_size=32, num_batches=8)
    assert found["batch_size"] == 4
    assert found["x"]["a"].tolist() == list(range(10))
    found = calibration_inputs(Batches(4 * 9), batch_size=32, num_batches=3)
    # The batches 0, 3 and 6 of 9.
    assert found["x"]["b"].tolist() == [
        *range(0, -4, -1),
        *range(-12, -16, -1),
        *range(-24, -28, -1),
    ]


def test_a_supernet_is_calibrated_on_a_py_dataset():
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            rows = slice(index * 16, index * 16 + 16)
            return x[rows], y[rows]

    x, y = builds.data(size=64)
    supernet = nas.Supernet(builds.small, seed=1)
    statistics = []
    for inputs in (
        {"x": x, "batch_size": 16, "num_batches": 4},
        calibration_inputs(Rows(), 32, 4),
    ):
        supernet.calibrate(**inputs)
        statistics.append(supernet.statistics())
    for one, other in zip(*statistics, strict=True):
        np.testing.assert_array_equal(one, other)


def test_data_that_can_be_read_once_is_refused():
    with pytest.raises(ValueError, match="type generator"):
        calibration_inputs((x for x in [1]), 32, 8)
