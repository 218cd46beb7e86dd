"""What the tests of tuners search: models and scores that cost little."""

import keras
import keras_tuner
import numpy as np
import tensorflow as tf

import keras_nas as nas

X = np.linspace(-1.0, 1.0, 16, dtype="float32").reshape(8, 2)
Y = X.sum(axis=1, keepdims=True)

UNITS = [1, 2, 3, 4, 5, 6]


def make_model(units=1, learning_rate=0.1):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)]
    )
    # A graph would cost more than it saves.
    model.compile(keras.optimizers.SGD(learning_rate), "mse", run_eagerly=True)
    return model


def build(hp):
    return make_model(hp.Choice("units", UNITS))


def batches(size=8):
    """X and Y for tests that are not about arrays.

    `fit` makes a pipeline of arrays each time, which takes five times as long
    as the training and the validation of the tiny model.
    """
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)


class ScoredByUnits(nas.evaluators.Evaluator):
    """Builds a model, does not train it, and wants few units."""

    def evaluate(self, candidate):
        candidate.build()
        return {"val_loss": float(candidate.hyperparameters["units"])}


class Scripted(keras_tuner.HyperModel):
    """Returns given results from `fit`, or raises them."""

    def __init__(self, *results):
        super().__init__()
        self.results = list(results)
        self.fits = []

    def build(self, hp):
        return build(hp)

    def fit(self, hp, model, *args, **kwargs):
        self.fits.append((model, args, kwargs))
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result


def make_history(**metrics):
    """Makes a `History` as a training with these metrics would."""
    history = keras.callbacks.History()
    history.epoch = list(range(max(map(len, metrics.values()))))
    history.history = metrics
    return history


def trials_of(tuner):
    """Lists what a search did: (id, status, score, values) in order."""
    return [
        (
            trial_id,
            tuner.oracle.trials[trial_id].status,
            tuner.oracle.trials[trial_id].score,
            tuner.oracle.trials[trial_id].hyperparameters.values,
        )
        for trial_id in tuner.oracle.start_order
    ]


def snapshot(folder):
    """Reads a whole folder: path -> content, with the time of its writing."""
    return {
        path.relative_to(folder): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(folder.rglob("*"))
    }
