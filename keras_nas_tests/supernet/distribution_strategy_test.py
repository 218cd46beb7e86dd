"""A supernet on several devices; TPUs and GPUs work in the same way."""

import numpy as np
import pytest

from keras_nas_tests.tuners.two_devices import run_on_two_devices

TRAINING = """
import contextlib
from keras_nas import layers
from keras_nas.supernet import SandwichSampling, UniformSampling
from keras_nas_tests.supernet import builds

runs = []

class Watched(keras.layers.Layer):
    '''Notes which branch runs on which replica in training.'''

    def __init__(self, key):
        super().__init__()
        self.key = key

    def call(self, inputs, training=None):
        if not training:
            return inputs
        context = tf.distribute.get_replica_context()
        replica = context.replica_id_in_sync_group
        def note(replica):
            runs.append([self.key, int(replica)])
            return np.int32(0)
        nothing = tf.numpy_function(note, [replica], tf.int32)
        with tf.control_dependencies([nothing]):
            return tf.identity(inputs)

def candidate(key, activation):
    def build():
        return keras.Sequential([
            keras.layers.Dense(6, activation, kernel_regularizer="l2"),
            Watched(key)])
    return build

def build(hp):
    x = inputs = keras.Input((6,))
    x = layers.Dense(hp.Choice("width", [4, 8]))(x)
    x = layers.LayerChoice(hp, "op", {
        "a": candidate("a", None),
        "b": candidate("b", "tanh"),
        "c": candidate("c", "elu")})(x)
    outputs = keras.layers.Dense(3, "softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.AdamW(0.01), "sparse_categorical_crossentropy")
    return model

x, y = builds.data()

def train(scope, rule):
    keras.utils.set_random_seed(0)
    with scope:
        supernet = nas.Supernet(build, sampling=rule, seed=1)
    runs.clear()
    history = supernet.fit(
        x, y, batch_size=32, epochs=3, shuffle=False, verbose=0)
    seen = list(runs)
    losses = []
    for op in "abc":
        supernet.set_architecture({"width": 4, "op": op})
        losses.append(supernet.evaluate(x, y, batch_size=64, verbose=0))
    return seen, history.history["loss"], losses, [
        np.array(weight).tolist() for weight in supernet.get_weights()]

results = []
for rule in (UniformSampling(), SandwichSampling(num_random=1)):
    one = train(contextlib.nullcontext(), rule)
    results.append([one, train(STRATEGY.scope(), rule)])

tuner = nas.RandomSearch(
    build, "val_loss", max_trials=2, seed=1, directory=sys.argv[1],
    evaluator=nas.evaluators.WeightSharing(epochs=1),
    distribution_strategy=STRATEGY)
tuner.search(x, y, batch_size=32, validation_data=(x, y), verbose=0)
def build_synchronized(hp):
    x = inputs = keras.Input((6,))
    x = layers.LayerChoice(hp, "op", {
        "a": lambda: keras.layers.BatchNormalization(
            synchronized=True, name="common"),
        "b": lambda: keras.layers.Dense(6)})(x)
    model = keras.Model(inputs, x)
    model.compile("sgd", "mse")
    return model

nas.Supernet(build_synchronized)
try:
    with STRATEGY.scope():
        nas.Supernet(build_synchronized)
except nas.supernet.SharingError as error:
    refused = str(error)

trials = tuner.oracle.trials.values()
print(json.dumps({
    "refused": refused,
    "results": results,
    "devices": devices(tuner.get_best_models(1)[0].weights),
    "trials": [[t.status, t.message, t.score] for t in trials],
    "again": [m.evaluate(x, y, verbose=0) for m in tuner.get_best_models(2)],
}))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return run_on_two_devices(TRAINING, tmp_path_factory.mktemp("trained"))


def test_all_replicas_take_the_same_path(trained):
    for (one, two), num_paths in zip(trained["results"], (1, 3), strict=True):

        def by_step(runs, num_paths=num_paths):
            # The paths of a step may run at the same time.
            keys = [key for key, _ in runs]
            starts = range(0, len(keys), num_paths)
            return [sorted(keys[i : i + num_paths]) for i in starts]

        runs = [
            by_step([run for run in two[0] if run[1] == replica])
            for replica in (0, 1)
        ]
        assert runs[0] == runs[1] == by_step(one[0])
        assert len({key for step in runs[0] for key in step}) > 1


def test_two_devices_train_as_one_does(trained):
    for one, two in trained["results"]:
        for expected, found in zip(one[1:3], two[1:3], strict=True):
            np.testing.assert_allclose(expected, found, rtol=1e-4)
        for expected, found in zip(one[3], two[3], strict=True):
            np.testing.assert_allclose(expected, found, rtol=1e-3, atol=1e-5)


def test_a_candidate_that_needs_other_devices_is_refused(trained):
    assert "'common'" in trained["refused"]
    assert "Expected `BatchNormalization(synchronized=" in trained["refused"]
    assert "strategy of 2." in trained["refused"]


def test_candidates_are_scored_on_all_devices(trained):
    assert trained["devices"] == [2]
    for status, message, _ in trained["trials"]:
        assert status == "COMPLETED", message
    scores = sorted(score for *_, score in trained["trials"])
    np.testing.assert_allclose(scores, trained["again"], rtol=1e-5)
