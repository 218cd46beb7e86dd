"""Trials that start from the weights of others."""

import pathlib

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.evaluators import Training, training_recorder
from keras_nas_tests.tuners.tiny_searches import X, Y, batches, trials_of


def make_model(units, depth=1, learning_rate=0.0, activation="linear"):
    model = keras.Sequential([keras.Input((2,))])
    for _ in range(depth):
        model.add(keras.layers.Dense(units, activation))
    model.add(keras.layers.Dense(1))
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer, "mse", run_eagerly=True)
    return model


def build(hp):
    """A training that changes nothing: what was inherited stays visible."""
    return make_model(
        hp.Choice("units", [3, 5]),
        hp.Int("depth", 1, 3),
        activation=hp.Choice("activation", ["linear", "relu", "tanh"]),
    )


def architecture(units=3, depth=1, activation="linear"):
    return {"units": units, "depth": depth, "activation": activation}


def make_tuner(directory, build=build, trials=(), evaluator=None, **arguments):
    arguments = {"max_trials": len(trials) or 3, "seed": 1} | arguments
    tuner = nas.RandomSearch(
        build,
        objective=arguments.pop("objective", "val_loss"),
        evaluator=evaluator or Training(inherit_weights=True),
        directory=str(directory),
        **arguments,
    )
    for values in trials:
        tuner.oracle.enqueue(values)
    return tuner


def search(tuner, **changes):
    data = batches()
    arguments = {"x": data, "validation_data": data, "verbose": 0} | changes
    tuner.search(**arguments)
    return tuner


def run(directory, *trials, **arguments):
    return search(make_tuner(directory, trials=trials, **arguments))


def trial_at(tuner, index):
    return tuner.oracle.trials[tuner.oracle.start_order[index]]


def weights(tuner, index):
    return tuner.load_model(trial_at(tuner, index)).get_weights()


def metric(tuner, index, name):
    metrics = trial_at(tuner, index).metrics
    return metrics.get_last_value(name) if metrics.exists(name) else None


def ancestors(tuner):
    """Lists the number of the trial that each one inherited from."""
    return [
        metric(tuner, index, "inherited_from")
        for index in range(len(tuner.oracle.start_order))
    ]


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_trial_starts_from_the_weights_of_the_one_before(tmp_path, capsys):
    tuner = run(
        tmp_path, architecture(), architecture(activation="relu"), max_trials=2
    )
    assert equal(weights(tuner, 0), weights(tuner, 1))
    assert ancestors(tuner) == [None, 0.0]
    assert metric(tuner, 0, "inherited_share") == 0.0
    assert metric(tuner, 1, "inherited_share") == 1.0
    message = "inherited 100% of its weights from trial_0000"
    assert trial_at(tuner, 1).message == message
    capsys.readouterr()
    tuner.results_summary()
    assert message in capsys.readouterr().out


def test_without_it_every_trial_is_fresh(tmp_path):
    tuner = run(
        tmp_path,
        architecture(),
        architecture(activation="relu"),
        evaluator=Training(),
    )
    assert not equal(weights(tuner, 0)[:1], weights(tuner, 1)[:1])
    assert metric(tuner, 1, "inherited_share") is None
    assert not list(tmp_path.rglob("inheritable_weights.npz"))


def test_what_has_another_shape_stays_fresh(tmp_path):
    """3 hidden units and then 5: no kernel fits, so no bias is taken."""
    tuner = run(tmp_path, architecture(units=3), architecture(units=5))
    assert metric(tuner, 1, "inherited_share") == 0.0
    assert ancestors(tuner) == [None, None]
    assert trial_at(tuner, 1).message is None


def test_a_deeper_model_inherits_all_but_the_new_layer(tmp_path):
    tuner = run(tmp_path, architecture(depth=1), architecture(depth=2))
    first, second = weights(tuner, 0), weights(tuner, 1)
    # 2x3+3 and 3x1+1 of 2x3+3, 3x3+3 and 3x1+1 numbers.
    assert metric(tuner, 1, "inherited_share") == pytest.approx(13 / 25)
    assert equal(first, second[:2] + second[4:])
    assert np.any(second[2])


def test_the_nearest_is_taken(tmp_path):
    tuner = run(
        tmp_path,
        architecture(depth=1, activation="relu"),
        architecture(depth=3, activation="tanh"),
        architecture(depth=3, activation="relu"),  # One step from both.
        architecture(depth=2, activation="tanh"),  # One step from 1 only.
        keep_weights=None,
    )
    assert ancestors(tuner)[3] == 1.0
    scores = [trial_at(tuner, index).score for index in (0, 1)]
    assert scores[0] != scores[1]
    # Trial 2 shares all but the activation, or all but the depth.
    assert ancestors(tuner)[2] == float(np.argmin(scores))


class Rated(keras_tuner.HyperModel):
    """Trains, and says what score it wants; fails at `"fail"`."""

    def __init__(self, *ratings):
        super().__init__()
        self.ratings = list(ratings)
        self.starts = []

    def build(self, hp):
        hp.Choice("rating", list("abcdef"))
        return make_model(3, learning_rate=0.1)

    def fit(self, hp, model, *args, callbacks, **kwargs):
        start = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: self.starts.append(model.get_weights())
        )
        # Not the first of the callbacks: it sees what inheritance did.
        callbacks = [*callbacks, start]
        model.fit(*args, callbacks=callbacks, **kwargs)
        rating = self.ratings.pop(0)
        if rating == "fail":
            raise keras_tuner.errors.FailedTrialError("wanted")
        return {"rating": rating}


def rated(directory, *ratings, direction="min", **arguments):
    model = Rated(*ratings)
    tuner = run(
        directory,
        *({"rating": name} for name in "abcdef"[: len(ratings)]),
        build=model,
        objective=keras_tuner.Objective("rating", direction),
        **arguments,
    )
    return tuner, model


@pytest.mark.parametrize("direction, best", [("min", 1.0), ("max", 2.0)])
def test_among_equally_near_ones_the_best_is_taken(tmp_path, direction, best):
    tuner, _ = rated(tmp_path, 2.0, 1.0, 3.0, 2.0, direction=direction)
    assert ancestors(tuner)[3] == best


def test_among_equally_good_ones_the_latest_is_taken(tmp_path):
    tuner, model = rated(tmp_path, 1.0, 1.0, 1.0, 1.0)
    assert ancestors(tuner) == [None, 0.0, 1.0, 2.0]
    # What the best epoch left is what the next one starts from; the rating
    # is no metric of an epoch, so that is the last one.
    assert equal(model.starts[3], weights(tuner, 2))


def test_failed_trials_are_not_inherited_from(tmp_path):
    tuner, _ = rated(tmp_path, 2.0, "fail", 3.0, keep_weights=None)
    assert trial_at(tuner, 1).status == "FAILED"
    assert ancestors(tuner)[2] == 0.0


def test_trials_without_a_finite_score_are_not_inherited_from(tmp_path):
    # Their weights were written before anybody looked at the score.
    tuner, _ = rated(tmp_path, 2.0, float("nan"), 3.0, keep_weights=None)
    folder = pathlib.Path(tuner.get_trial_dir(trial_at(tuner, 1).trial_id))
    assert (folder / "inheritable_weights.npz").exists()
    assert ancestors(tuner)[2] == 0.0


def test_only_kept_weights_are_inherited_and_no_others_stay(tmp_path):
    tuner, _ = rated(tmp_path, 1.0, 3.0, 2.0, 1.0, keep_weights=1)
    # The first stays the best; among equals it is the first that is kept.
    assert ancestors(tuner) == [None, 0.0, 0.0, 0.0]
    left = sorted(tmp_path.rglob("inheritable_weights.npz"))
    assert [path.parent.name for path in left] == ["trial_0000"]


class RatedArchitectures(Rated):
    def build(self, hp):
        return build(hp)


def test_weights_that_a_killed_process_should_have_removed_are_removed(
    tmp_path,
):
    """The second trial is nearer to the third, but only one is kept."""
    trials = [
        architecture(depth=1, activation="linear"),
        architecture(depth=3, activation="tanh"),
        architecture(depth=3, activation="relu"),
    ]

    def make(*ratings):
        return make_tuner(
            tmp_path,
            RatedArchitectures(*ratings),
            trials,
            objective=keras_tuner.Objective("rating", "min"),
            keep_weights=1,
        )

    tuner = make(1.0, 2.0)
    tuner._drop_weights = kill = Kill(at=2)
    with pytest.raises(KeyboardInterrupt):
        search(tuner)
    assert kill.calls == 2
    assert len(list(tmp_path.rglob("inheritable_weights.npz"))) == 2
    assert ancestors(search(make(3.0))) == [None, 0.0, 0.0]


class Kill:
    """Stands for a function, and raises at the given call of it."""

    def __init__(self, at):
        self.at = at
        self.calls = 0

    def __call__(self, *_):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt


def test_a_damaged_file_is_passed_over(tmp_path):
    trials = [{"rating": name} for name in "abc"]
    arguments = {
        "build": Rated(1.0, 2.0, 3.0),
        "objective": keras_tuner.Objective("rating", "min"),
        "max_trials": 3,
    }
    tuner = make_tuner(tmp_path, trials=trials, **arguments)

    class Damage(keras.callbacks.Callback):
        """Cuts the file of the best, just before the third trial."""

        def on_train_end(self, logs=None):
            paths = sorted(tmp_path.rglob("inheritable_weights.npz"))
            paths[0].write_bytes(b"cut") if len(paths) == 1 else None

    search(tuner, callbacks=[Damage()])
    assert ancestors(tuner) == [None, 0.0, 1.0]


def test_normalization_statistics_go_with_their_layer(tmp_path):
    def build(hp):
        hp.Choice("same", [1, 2])
        model = keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(3),
                keras.layers.BatchNormalization(momentum=0.5),
                keras.layers.Dense(1),
            ]
        )
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    tuner = run(tmp_path, {"same": 1}, {"same": 2}, build=build)
    # Half of what a fresh layer had stays after one batch: with the ones
    # inherited, a quarter.
    first, second = (weights(tuner, index)[5] for index in range(2))
    batch = 2 * first - 1.0
    np.testing.assert_allclose(second, (first + batch) / 2, rtol=1e-5)
    assert np.abs(first - 1.0).max() > 0.01


def test_frozen_layers_keep_what_they_were_given(tmp_path):
    def build(hp):
        value = hp.Choice("value", [1.0, 2.0])
        frozen = keras.layers.Dense(
            3, kernel_initializer=keras.initializers.Constant(value)
        )
        frozen.trainable = False
        model = keras.Sequential(
            [keras.Input((2,)), frozen, keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    tuner = run(tmp_path, {"value": 1.0}, {"value": 2.0}, build=build)
    first, second = weights(tuner, 0), weights(tuner, 1)
    assert np.all(first[0] == 1.0)
    assert np.all(second[0] == 2.0)
    assert equal(first[2:], second[2:])
    assert metric(tuner, 1, "inherited_share") == pytest.approx(4 / 13)


def test_models_that_only_their_data_build_inherit(tmp_path):
    def build(hp):
        hp.Choice("same", [1, 2])
        model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    tuner = run(tmp_path, {"same": 1}, {"same": 2}, build=build)
    assert equal(weights(tuner, 0), weights(tuner, 1))


def test_the_choice_layers_of_keras_nas_inherit(tmp_path):
    def build(hp):
        x = inputs = keras.Input((2,))
        x = nas.layers.LayerChoice(
            hp,
            "first",
            {
                "small": lambda: keras.layers.Dense(4, "relu"),
                "bounded": lambda: keras.layers.Dense(4, "tanh"),
            },
        )(x)
        x = nas.layers.Repeat(
            hp,
            "body",
            min_repeats=1,
            max_repeats=2,
            block=lambda name: keras.layers.Dense(4, "relu"),
        )(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile(keras.optimizers.SGD(0.0), "mse", run_eagerly=True)
        return model

    tuner = run(tmp_path, build=build, max_trials=4)
    shares = [metric(tuner, index, "inherited_share") for index in range(4)]
    # 12 + 20 + 5 numbers with one repeat, 20 more with two.
    assert shares[0] == 0.0
    assert set(shares[1:]) <= {1.0, 37 / 57}


def test_the_optimizer_starts_anew(tmp_path):
    starts = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            starts.append([int(self.model.optimizer.iterations)])

    tuner = make_tuner(
        tmp_path, trials=[architecture(), architecture(activation="relu")]
    )
    search(tuner, x=batches(4), callbacks=[Look()])
    assert starts == [[0], [1], [0], [1]]


def test_each_execution_inherits(tmp_path):
    starts = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            starts.append(self.model.get_weights())

    tuner = make_tuner(
        tmp_path,
        trials=[architecture(), architecture(activation="relu")],
        evaluator=Training(executions=2, inherit_weights=True),
    )
    search(tuner, callbacks=[Look()])
    first, second, third, fourth = starts
    assert not equal(first[:1], second[:1])
    assert equal(third, fourth)
    assert equal(third, weights(tuner, 0))
    assert metric(tuner, 1, "inherited_share") == 1.0


class StopAt(keras.callbacks.Callback):
    """Stands for a kill: ends the process's search after some epochs."""

    epochs = 0
    limit = None

    def on_epoch_begin(self, epoch, logs=None):
        if StopAt.limit is not None and StopAt.epochs >= StopAt.limit:
            raise KeyboardInterrupt
        StopAt.epochs += 1


def learning(hp):
    return make_model(
        3,
        hp.Int("depth", 1, 3),
        learning_rate=0.05,
        activation=hp.Choice("activation", ["linear", "relu", "tanh"]),
    )


@pytest.mark.parametrize("executions, killed_at", [(1, [3, 4]), (2, [7])])
def test_a_search_killed_in_an_epoch_goes_on_exactly(
    tmp_path, executions, killed_at, monkeypatch
):
    evaluator = Training(executions, inherit_weights=True)
    # Else it would not save such short epochs.
    monkeypatch.setattr(training_recorder, "_MAX_SHARE", float("inf"))

    training = {"epochs": 2, "callbacks": [StopAt()]}

    def make(name):
        return make_tuner(
            tmp_path / name, learning, max_trials=3, evaluator=evaluator
        )

    monkeypatch.setattr(StopAt, "limit", None)
    whole = search(make("whole"), **training)
    num_epochs = 3 * 2 * executions
    for epochs in killed_at:
        monkeypatch.setattr(StopAt, "epochs", 0)
        monkeypatch.setattr(StopAt, "limit", epochs)
        name = f"killed_{epochs}"
        with pytest.raises(KeyboardInterrupt):
            search(make(name), **training)
        monkeypatch.setattr(StopAt, "limit", None)
        tuner = search(make(name), **training)
        # It went on where it was, and did not train that again.
        assert StopAt.epochs == num_epochs
        assert trials_of(tuner) == trials_of(whole)
        assert ancestors(tuner) == ancestors(whole)
        for index in range(3):
            assert metric(tuner, index, "inherited_share") == metric(
                whole, index, "inherited_share"
            )
            assert equal(weights(tuner, index), weights(whole, index))
    assert ancestors(whole)[1:] != [None] * 2


def test_a_worker_inherits_as_this_process_does(tmp_path):
    # A dataset cannot be sent.
    training = {"x": X, "y": Y, "validation_data": (X, Y), "epochs": 2}
    # Every trial starts a process of its own.
    whole, tuner = (
        make_tuner(tmp_path / name, learning, max_trials=2)
        for name in ("here", "there")
    )
    search(whole, **training)
    search(tuner, **training, workers=1)
    assert ancestors(tuner) == ancestors(whole)
    assert ancestors(tuner)[1] == 0.0
    assert trials_of(tuner) == trials_of(whole)


def test_trials_whose_weights_were_removed_are_not_inherited_from(tmp_path):
    tuner = run(tmp_path, architecture())
    folder = pathlib.Path(tuner.get_trial_dir("0000"))
    (folder / "inheritable_weights.npz").unlink()
    tuner = make_tuner(tmp_path, max_trials=2)
    tuner.oracle.enqueue(architecture(activation="relu"))
    search(tuner)
    assert ancestors(tuner) == [None, None]


@pytest.mark.parametrize("value", [1, "yes", None])
def test_the_argument_is_checked(value):
    with pytest.raises(ValueError, match="`inherit_weights`.*Received: inh"):
        Training(inherit_weights=value)
