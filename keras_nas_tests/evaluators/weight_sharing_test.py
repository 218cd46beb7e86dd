"""Tests of scoring by shared weights, through tuners."""

import json
import re
import signal
import time
import warnings

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from keras_tuner.errors import FatalValueError

import keras_nas as nas
from keras_nas.evaluators import WeightSharing, training_recorder
from keras_nas.supernet import FairSampling
from keras_nas_tests.supernet import builds

X, _ = builds.data(size=128)
Y = (X[:, 0] > 0.5).astype(int)


class Epochs(keras.callbacks.Callback):
    """Counts epochs, and may stop all of it."""

    def __init__(self, stop_at=None):
        super().__init__()
        self.seen = []  # A list: a number would be restored.
        self.stop_at = stop_at

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)
        if len(self.seen) == self.stop_at:
            raise KeyboardInterrupt


def make(directory, max_trials=5, objective="val_accuracy", **arguments):
    evaluator = WeightSharing(**({"epochs": 3} | arguments))
    return nas.RegularizedEvolution(
        builds.small,
        objective=objective,
        max_trials=max_trials,
        population_size=3,
        evaluator=evaluator,
        directory=directory,
        seed=1,
    )


def search(tuner):
    tuner.search(X, Y, batch_size=16, validation_data=(X, Y), verbose=0)
    return {
        trial.trial_id: (trial.hyperparameters.values, trial.score)
        for trial in tuner.oracle.trials.values()
    }


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """The folder of a whole search."""
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def trials(directory):
    """What the whole search found."""
    return search(make(directory))


def test_candidates_are_scored_with_the_weights_of_one_supernet(
    directory, trials
):
    assert len(trials) == 5
    files = {
        path.name
        for path in (directory / "untitled_project" / "supernet").iterdir()
    }
    assert files == {"supernet.json", "supernet.weights.h5"}
    tuner = make(directory)
    for model, trial in zip(
        tuner.get_best_models(5), tuner.oracle.get_best_trials(5), strict=True
    ):
        # The scores are those of the ordinary models with these weights.
        assert model.evaluate(X, Y, verbose=0)[1] == pytest.approx(trial.score)
        assert model.layers[1].units == trial.hyperparameters.get("width")


def test_a_resumed_search_does_not_train_the_supernet_again(tmp_path, trials):
    search(make(tmp_path, max_trials=3))
    epochs = Epochs()
    resumed = make(tmp_path, callbacks=[epochs])
    with warnings.catch_warnings():
        # Keras's, of an optimizer that nobody needs any more.
        warnings.filterwarnings("error", "Skipping variable loading")
        assert search(resumed) == trials
    assert epochs.seen == []


def test_a_training_of_the_supernet_that_was_killed_goes_on(tmp_path, trials):
    with pytest.raises(KeyboardInterrupt):
        search(make(tmp_path, callbacks=[Epochs(stop_at=3)]))
    epochs = Epochs()
    assert search(make(tmp_path, callbacks=[epochs])) == trials
    assert epochs.seen[0] > 0
    assert epochs.seen[-1] == 2


class Interrupting(Epochs):
    """Presses Ctrl-C once, in the middle of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if len(self.seen) == self.stop_at and not batch:
            signal.raise_signal(signal.SIGINT)

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(epoch)

    def on_train_end(self, logs=None):
        self.has_ended = True


def test_ctrl_c_ends_the_training_of_the_supernet_after_its_epoch(
    tmp_path, trials, monkeypatch, capsys
):
    # As if saving an epoch took so long that only some are saved.
    monkeypatch.setattr(training_recorder, "_MAX_SHARE", 1e-9)
    interrupting = Interrupting(stop_at=1)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        tuner = make(tmp_path, callbacks=[interrupting])
        tuner.search(X, Y, batch_size=16, validation_data=(X, Y), verbose=1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupting.seen == [0, 1]
    out = capsys.readouterr().out
    assert "supernet: stopped after epoch 2/3; the next search goes on" in out
    assert "Search stopped: 0 trials completed" in out
    assert "Interrupted." not in out
    assert "Run the script again to go on." in out
    assert interrupting.has_ended
    rest = Epochs()
    tuner = make(tmp_path, callbacks=[rest])
    tuner.search(X, Y, batch_size=16, validation_data=(X, Y), verbose=1)
    assert rest.seen == [2]
    assert search(tuner) == trials
    assert "supernet: resumed after epoch 2/3." in capsys.readouterr().out


def test_ctrl_c_in_the_last_epoch_lets_a_trial_finish(tmp_path):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        found = search(make(tmp_path, callbacks=[Interrupting(stop_at=2)]))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(found) == 1


def test_models_are_there_after_a_reload(tmp_path):
    tuner = make(tmp_path, max_trials=2, epochs=1)
    search(tuner)
    (before,) = tuner.get_best_models(1)
    (after,) = make(tmp_path, epochs=1).get_best_models(1)
    for old, new in zip(before.get_weights(), after.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_supernet_is_there_after_a_search(tmp_path):
    tuner = make(tmp_path, max_trials=3)
    with pytest.raises(RuntimeError, match=r"Expected a call of `tuner.search"):
        _ = tuner.evaluator.supernet
    trials = search(tuner)
    supernet = tuner.evaluator.supernet
    again = make(tmp_path, max_trials=3)
    search(again)  # Has nothing to do.
    again.get_best_models()
    assert again.evaluator.supernet.checksum() == supernet.checksum()
    with pytest.raises(ValueError, match="compared with itself"):
        supernet.rank_correlation(
            tuner.oracle.trials, x=X, validation_data=(X, Y)
        )
    assert len(trials) == 3


def test_a_supernet_that_was_trained_since_scores_no_more(tmp_path):
    tuner = make(tmp_path, max_trials=1)
    search(tuner)
    tuner.oracle.max_trials = 2
    tuner.evaluator.supernet.fit(X, Y, verbose=0)
    with pytest.raises(FatalValueError, match="it was trained since"):
        search(tuner)


def test_a_supernet_that_is_trained_already(tmp_path):
    keras.utils.set_random_seed(0)
    supernet = nas.Supernet(builds.small, sampling=FairSampling(), seed=1)
    supernet.fit(X, Y, epochs=2, verbose=0)
    tuner = make(tmp_path, epochs=None, supernet=supernet)
    for values, score in search(tuner).values():
        supernet.set_architecture(values)
        supernet.calibrate(X, batch_size=16)
        assert supernet.evaluate(X, Y, verbose=0)[1] == score


def test_validation_split_holds_out_the_last_examples(tmp_path):
    whole = make(tmp_path / "a", max_trials=2, epochs=1)
    whole.search(X[:96], Y[:96], validation_data=(X[96:], Y[96:]), verbose=0)
    split = make(tmp_path / "b", max_trials=2, epochs=1)
    split.search(X, Y, validation_split=0.25, verbose=0)
    for one, other in zip(
        whole.oracle.trials.values(), split.oracle.trials.values(), strict=True
    ):
        assert one.score == other.score


def scores(directory, *data, **arguments):
    tuner = make(directory, max_trials=2, epochs=1)
    tuner.search(*data, **arguments, verbose=0)
    return [trial.score for trial in tuner.oracle.trials.values()]


def test_an_endless_validation_dataset_is_read_for_its_steps(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    half = X[:32], Y[:32]
    assert scores(
        tmp_path / "a",
        *(X, Y),
        validation_data=dataset.repeat(),
        validation_steps=2,
    ) == scores(tmp_path / "b", X, Y, validation_data=half)


def test_an_endless_dataset_without_steps_is_refused(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    with pytest.raises(FatalValueError, match="`validation_steps`"):
        scores(tmp_path, X, Y, validation_data=dataset.repeat())


def test_validation_split_keeps_the_weights_of_examples(tmp_path):
    weights = np.ones(len(X), "float32")
    weights[-32:-1] = 0
    tuner = make(tmp_path, max_trials=1, objective="val_loss")
    tuner.search(X, Y, sample_weight=weights, validation_split=0.25, verbose=0)
    (trial,) = tuner.oracle.trials.values()
    (model,) = tuner.get_best_models()
    held_out = {"x": X[-32:], "y": Y[-32:]}
    weighted = model.evaluate(
        **held_out, sample_weight=weights[-32:], verbose=0
    )[0]
    assert trial.score == pytest.approx(weighted, rel=1e-4)
    assert trial.score != pytest.approx(
        model.evaluate(**held_out, verbose=0)[0], rel=1e-2
    )


def test_what_fit_takes_besides_arrays(tmp_path):
    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            rows = slice(index * 16, index * 16 + 16)
            return X[rows], Y[rows]

    found = scores(tmp_path / "a", Rows(), validation_data=(X, Y))
    assert all(0 <= score <= 1 for score in found)
    assert len(found) == 2

    def endless():
        while True:
            yield X[:16], Y[:16]

    with pytest.raises(FatalValueError, match="read once(.|\n)*PyDataset"):
        scores(
            tmp_path / "b",
            endless(),
            steps_per_epoch=2,
            validation_data=(X, Y),
        )


def test_it_says_what_the_supernet_does(tmp_path, capsys):
    tuner = make(tmp_path, max_trials=1)
    tuner.search(X, Y, validation_data=(X, Y))
    out = capsys.readouterr().out
    assert "supernet: epoch 1/3" in out
    assert "supernet: epoch 3/3" in out


@pytest.mark.usefixtures("trials")
def test_a_longer_training_is_told_the_way(directory):
    tuner = make(directory, max_trials=6, epochs=4)
    with pytest.raises(FatalValueError) as caught:
        search(tuner)
    (path,) = re.findall(r"load_weights\('(.+?)'\)", str(caught.value))
    supernet = nas.Supernet(builds.small, seed=1)
    supernet.load_weights(path)
    assert supernet.is_trained


def test_another_training_of_the_supernet_is_another_project(directory):
    with pytest.raises(FatalValueError, match="`epochs` was 3, is 4"):
        search(make(directory, max_trials=6, epochs=4))
    path = directory / "untitled_project" / "supernet" / "supernet.json"
    assert json.loads(path.read_text())["epochs"] == 3


def build_with(**arguments):
    def build(hp):
        model = builds.small(hp)
        model.compile(
            **{
                "optimizer": keras.optimizers.Adam(0.01),
                "loss": "sparse_categorical_crossentropy",
                "metrics": ["accuracy"],
                **arguments,
            }
        )
        return model

    return build


OTHER_SETTINGS = {
    "num_calibration_batches": {"num_calibration_batches": 2},
    "batch_size": {"batch_size": 8},
    "loss": {
        "hypermodel": build_with(
            loss=keras.losses.SparseCategoricalCrossentropy(True)
        )
    },
    "loss_weights": {"hypermodel": build_with(loss_weights=0.5)},
    "optimizer": {"hypermodel": build_with(optimizer="sgd")},
    "sampling": {"sampling": FairSampling()},
}


def test_scores_of_other_settings_are_not_mixed(tmp_path):
    def run(max_trials, hypermodel=None, batch_size=16, **arguments):
        tuner = nas.RandomSearch(
            hypermodel or build_with(),
            objective="val_accuracy",
            max_trials=max_trials,
            evaluator=WeightSharing(**({"epochs": 1} | arguments)),
            directory=tmp_path,
            seed=1,
        )
        tuner.search(
            *(X, Y),
            batch_size=batch_size,
            validation_data=(X, Y),
            verbose=0,
        )
        return tuner.oracle.trials

    run(1)
    for name, changes in OTHER_SETTINGS.items():
        message = f"`{name}` was(.|\n)*overwrite"
        with pytest.raises(FatalValueError, match=message):
            run(2, **changes)
    assert len(run(2)) == 2


def test_scores_of_two_given_supernets_are_not_mixed(tmp_path):
    supernet = nas.Supernet(builds.small, seed=1)
    search(make(tmp_path, max_trials=2, epochs=None, supernet=supernet))
    same = nas.Supernet(builds.small, seed=1)
    same.set_weights(supernet.get_weights())
    search(make(tmp_path, max_trials=3, epochs=None, supernet=same))
    same.fit(X, Y, verbose=0)
    with pytest.raises(FatalValueError, match="`supernet` was"):
        search(make(tmp_path, max_trials=4, epochs=None, supernet=same))


def test_a_killed_training_does_not_go_on_with_other_settings(tmp_path):
    """There are no scores yet: the supernet is trained anew."""
    expected = search(make(tmp_path / "a", sampling=FairSampling()))
    with pytest.raises(KeyboardInterrupt):
        search(make(tmp_path / "b", callbacks=[Epochs(stop_at=3)]))
    epochs = Epochs()
    arguments = {"sampling": FairSampling(), "callbacks": [epochs]}
    assert search(make(tmp_path / "b", **arguments)) == expected
    assert epochs.seen == [0, 1, 2]


def test_workers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="workers=2"):
        make(tmp_path).search(X, Y, validation_data=(X, Y), workers=2)


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="fixed=3"):
        WeightSharing(epochs=1, fixed=3)
    with pytest.raises(ValueError, match="Expected one of the arguments"):
        WeightSharing()
    with pytest.raises(ValueError, match="epochs=0"):
        WeightSharing(epochs=0)
    with pytest.raises(ValueError, match="sampling='fair'"):
        WeightSharing(epochs=1, sampling="fair")
    with pytest.raises(ValueError, match="trained `keras_nas.Supernet`"):
        WeightSharing(supernet="mine")


def of_other_values(hp):
    hp.Choice("width", [4, 16])
    return builds.small(hp)


def with_another_choice(hp):
    model = builds.small(hp)
    x = keras.layers.Dense(hp.Choice("more", [2, 3]))(model.outputs[0])
    return builds.compiled(model.inputs, keras.layers.Dense(3)(x))


def of_another_model(hp):
    inputs = keras.Input((6,))
    width = hp.Choice("width", [4, 8])
    hp.Choice("op", ["first", "second", "third"])
    return builds.compiled(inputs, keras.layers.Dense(width)(inputs))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (of_other_values, r"'width' is searched among \[4, 16\]"),
        (with_another_choice, "the supernet has no 'more'"),
        (of_another_model, "another space than the candidates"),
    ],
    ids=["values", "choice", "model"],
)
def test_a_supernet_of_another_space_is_refused(tmp_path, build, message):
    supernet = nas.Supernet(builds.small, seed=1)
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        seed=1,
        evaluator=WeightSharing(supernet=supernet),
        directory=tmp_path,
    )
    with pytest.raises(FatalValueError, match=message):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)


def test_an_untrained_supernet_is_warned_of(tmp_path):
    supernet = nas.Supernet(builds.small, seed=1)
    tuner = make(tmp_path, max_trials=2, epochs=None, supernet=supernet)
    with pytest.warns(UserWarning, match="scores will be those of chance"):
        search(tuner)


@pytest.mark.parametrize(
    ("objective", "data", "message"),
    [
        ("accuracy", {"validation_data": (X, Y)}, "of the validation data on"),
        ("val_accuracy", {}, "`search\\(\\)` got none"),
        ("val_f1", {"validation_split": 0.5}, "not among the metrics"),
    ],
)
def test_a_bad_objective_is_found_before_the_training(
    tmp_path, objective, data, message
):
    epochs = Epochs()
    tuner = make(
        tmp_path,
        objective=keras_tuner.Objective(objective, "max"),
        callbacks=[epochs],
    )
    with pytest.raises(ValueError, match=message):
        tuner.search(X, Y, verbose=0, **data)
    assert epochs.seen == []


def test_what_has_no_effect_is_warned_of(tmp_path):
    class Rule(nas.stopping.StoppingRule):
        def should_stop(self, curve, others, number):
            return False

    tuner = make(tmp_path, max_trials=1, epochs=1)
    tuner.runner.stopping_rule = Rule()
    with pytest.warns(UserWarning, match="no effect") as warned:
        tuner.search(
            *(X, Y),
            validation_data=(X, Y),
            epochs=9,
            callbacks=[keras.callbacks.TerminateOnNaN()],
            verbose=0,
        )
    (text,) = [str(w.message) for w in warned if "effect" in str(w.message)]
    assert "WeightSharing(epochs=...)" in text
    assert "WeightSharing(callbacks=...)" in text
    assert "stopping rule Rule" in text


def test_tuners_that_search_by_gradient_refuse_it(tmp_path):
    with pytest.raises(ValueError, match="evaluator=WeightSharing"):
        nas.DARTS(
            builds.small,
            "val_loss",
            evaluator=WeightSharing(epochs=1),
            directory=tmp_path,
        )


def test_what_has_to_be_fixed_is_told_for_the_evaluator(tmp_path):
    def build(hp):
        model = builds.small(hp)
        model.compile(
            keras.optimizers.SGD(hp.Float("rate", 0.1, 1)),
            "sparse_categorical_crossentropy",
        )
        return model

    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        evaluator=WeightSharing(epochs=1),
        directory=tmp_path,
    )
    with pytest.raises(
        FatalValueError, match=r"`WeightSharing\(..., fixed={'rate': 0.1}\)`"
    ):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)


def test_the_time_left_is_that_of_trials(tmp_path, capsys, monkeypatch):
    class Slow(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            time.sleep(100)

    slept = []
    now = time.monotonic
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: now() + sum(slept))
    tuner = make(tmp_path, max_trials=2, epochs=2, callbacks=[Slow()])
    tuner.search(X, Y, validation_data=(X, Y), verbose=1)
    (line,) = re.findall("trial 1/2 .*", capsys.readouterr().out)
    assert re.search(r"spent 3m\d\ds", line)
    assert re.search(r"left ~\d", line)
    assert not re.search(r"left ~\d+m", line)
    # A resume remembers.
    assert 200 < make(tmp_path).get_state()["preparation_s"] < 300
