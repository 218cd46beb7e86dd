"""Stopping rules in a search: with every oracle, here and in workers."""

import json
import os
import time

import keras
import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.oracles.oracle_contract import ORACLES
from keras_nas_tests.tuners.tiny_searches import X, Y, trials_of

EPOCHS = 4


class Logged(keras.callbacks.Callback):
    """Gives a model the loss that its units ask for: many are bad."""

    def on_epoch_end(self, epoch, logs=None):
        units = self.model.layers[0].units
        logs["val_loss"] = units + 1 / (epoch + 1)


def build(hp):
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 12))]
    )
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def search(tuner, **arguments):
    tuner.search(
        X,
        Y,
        validation_data=(X, Y),
        epochs=EPOCHS,
        callbacks=[Logged()],
        verbose=0,
        **arguments,
    )
    return tuner


def epochs_of(tuner):
    """Reads how many epochs each trial of a given number of units had."""
    epochs = {}
    for trial in tuner.oracle.trials.values():
        folder = tuner.get_trial_dir(trial.trial_id)
        with open(os.path.join(folder, "epochs.json")) as file:
            count = len(json.load(file)["epochs"])
        epochs[trial.hyperparameters["units"]] = count
    return epochs


def halved(directory, **arguments):
    arguments = {"max_trials": 9, "seed": 2} | arguments
    return nas.ASHA(
        build,
        "val_loss",
        reduction_factor=2,
        directory=directory,
        **arguments,
    )


@pytest.fixture(scope="module")
def halved_search(tmp_path_factory):
    return search(halved(tmp_path_factory.mktemp("halved")))


def test_a_trial_that_falls_behind_ends_between_epochs(halved_search):
    # Worked out by hand from the order in which the units were tried: at
    # each rung (epochs 1, 2 and 4) a trial goes on if less than half of
    # those that came there, itself included, were better.
    order = [
        halved_search.oracle.trials[i].hyperparameters["units"]
        for i in halved_search.oracle.start_order
    ]
    expected, at_rung = {}, {1: [], 2: [], 4: []}
    for units in order:
        expected[units] = EPOCHS
        for rung, there in at_rung.items():
            better = sum(other < units for other in there)
            there.append(units)
            if len(there) >= 2 and better >= max(1, len(there) // 2):
                expected[units] = rung
                break
    assert 1 in expected.values()
    assert EPOCHS in expected.values()
    assert epochs_of(halved_search) == expected


def test_it_is_recorded_as_stopped(halved_search):
    epochs = epochs_of(halved_search)
    for trial in halved_search.oracle.trials.values():
        units = trial.hyperparameters["units"]
        assert trial.status == "COMPLETED"
        # The score is the one of the best epoch that it had.
        assert trial.score == pytest.approx(units + 1 / epochs[units])
        is_stopped = trial.metrics.exists("stopped_epoch")
        if epochs[units] < EPOCHS:
            assert is_stopped
        if is_stopped:
            stopped = trial.metrics.get_history("stopped_epoch")[0].value
            assert stopped == [epochs[units]]
            assert trial.message.startswith("stopped by SuccessiveHalving")


def test_the_summary_tells_who_was_stopped(halved_search, capsys):
    halved_search.results_summary()
    out = capsys.readouterr().out
    stopped = sum(
        trial.metrics.exists("stopped_epoch")
        for trial in halved_search.oracle.trials.values()
    )
    assert f"{stopped} stopped early." in out
    assert "stopped by SuccessiveHalving after 1 epoch\n" in out


def test_the_best_model_can_be_had(halved_search):
    (model,) = halved_search.get_best_models()
    best = min(epochs_of(halved_search))
    assert model.layers[0].units == best


class KillAt(keras.callbacks.Callback):
    """Interrupts a trial: the first in its second epoch, others at once."""

    def __init__(self, fit):
        super().__init__()
        self.fit = fit

    def on_train_batch_end(self, batch, logs=None):
        wanted = 2 if self.fit == 1 else 1
        steps = int(self.model.optimizer.iterations)
        if KillAt.fits == self.fit and steps >= wanted:
            raise KeyboardInterrupt

    def on_train_begin(self, logs=None):
        KillAt.fits += 1


@pytest.mark.parametrize("fit", [1, 2, 4])
def test_a_resumed_search_stops_the_same_trials(
    tmp_path, halved_search, fit, monkeypatch
):
    monkeypatch.setattr(KillAt, "fits", 0, raising=False)
    tuner = halved(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        tuner.search(
            X,
            Y,
            validation_data=(X, Y),
            epochs=EPOCHS,
            callbacks=[Logged(), KillAt(fit)],
            verbose=0,
        )
    resumed = search(halved(tmp_path))
    assert trials_of(resumed) == trials_of(halved_search)
    assert epochs_of(resumed) == epochs_of(halved_search)


class Reported(nas.evaluators.Evaluator):
    """Reports epochs as a training does, without one: oracles see no more."""

    def evaluate(self, candidate):
        units, epochs = candidate.hyperparameters["units"], []
        for epoch in range(EPOCHS):
            epochs.append({"val_loss": units + 1 / (epoch + 1)})
            if candidate.report(epochs):
                return epochs[-1] | {"stopped_epoch": float(epoch + 1)}
        return epochs[-1]


@pytest.mark.parametrize("participant", ORACLES, ids=str)
def test_every_oracle_can_have_a_rule(tmp_path, participant):
    objective = keras_tuner.Objective("val_loss", "min")
    oracle = participant(objective=objective, max_trials=8)
    rule = nas.stopping.MedianStoppingRule(min_trials=2)
    if oracle.stopping_rule is not None:
        rule = None  # Of two rules nobody knows which is meant.
    tuner = nas.Tuner(
        oracle,
        build,
        evaluator=Reported(),
        stopping_rule=rule,
        directory=tmp_path,
    )
    tuner.search(X, Y, verbose=0)
    epochs = epochs_of(tuner)
    assert len(epochs) == 8
    assert 1 in epochs.values()
    assert EPOCHS in epochs.values()
    for trial in oracle.trials.values():
        stopped = trial.metrics.exists("stopped_epoch")
        assert stopped == (epochs[trial.hyperparameters["units"]] < EPOCHS)


def test_the_oracles_of_keras_tuner_too(tmp_path):
    tuner = nas.Tuner(
        keras_tuner.oracles.RandomSearchOracle(
            keras_tuner.Objective("val_loss", "min"), max_trials=8, seed=1
        ),
        build,
        stopping_rule=nas.stopping.MedianStoppingRule(min_trials=2),
        directory=tmp_path,
    )
    assert 1 in epochs_of(search(tuner)).values()


class StopsBesideOthers(nas.stopping.StoppingRule):
    def should_stop(self, curve, others, number):
        return bool(others)


class WaitForTheOther(keras.callbacks.Callback):
    """Ends the first epoch of a trial when the other has ended one."""

    def __init__(self, units, path):
        super().__init__()
        self.units = units
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        deadline_s = time.monotonic() + 120
        while self.model.layers[0].units == self.units:
            if os.path.exists(self.path) or time.monotonic() > deadline_s:
                break
            time.sleep(0.05)


def test_workers_know_of_trials_that_are_still_running(tmp_path):
    def make(directory):
        return nas.RandomSearch(
            build,
            "val_loss",
            max_trials=2,
            seed=0,
            stopping_rule=StopsBesideOthers(),
            directory=directory,
        )

    (elsewhere := tmp_path / "elsewhere").mkdir()
    first = make(elsewhere).oracle.create_trial("a").hyperparameters["units"]
    tuner = make(tmp_path)
    other = os.path.join(tuner.project_dir, "trial_0001", "epochs.json")
    tuner.search(
        X,
        Y,
        validation_data=(X, Y),
        epochs=EPOCHS,
        callbacks=[WaitForTheOther(first, other)],
        verbose=0,
        workers=2,
    )
    assert len(epochs_of(tuner)) == 2
    assert epochs_of(tuner)[first] == 1


def test_a_rule_is_asked_with_the_curves_of_the_others(tmp_path):
    asked = []

    class Spy(nas.stopping.StoppingRule):
        def should_stop(self, curve, others, number):
            asked.append((number, list(curve), dict(others)))
            return False

    tuner = nas.RandomSearch(
        build,
        keras_tuner.Objective("val_loss", "max"),
        max_trials=2,
        seed=0,
        stopping_rule=Spy(),
        directory=tmp_path,
    )
    search(tuner)
    assert [number for number, _, _ in asked] == [0] * EPOCHS + [1] * EPOCHS
    first = tuner.oracle.trials["0000"].hyperparameters["units"]
    curve = [-(first + 1 / (epoch + 1)) for epoch in range(EPOCHS)]
    assert asked[EPOCHS - 1] == (0, pytest.approx(curve), {})
    assert asked[-1][2] == {0: pytest.approx(curve)}


def test_what_is_no_rule_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`stopping_rule`.*Received: .*'asha'"):
        nas.RandomSearch(build, stopping_rule="asha", directory=tmp_path)


def test_an_overridden_run_trial_cannot_have_a_rule(tmp_path):
    class Mine(nas.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            return 0.0

    with pytest.raises(ValueError, match="`Mine` overrides `run_trial`"):
        Mine(
            build,
            stopping_rule=nas.stopping.SuccessiveHalving(),
            directory=tmp_path,
        )


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_learning_curve_is_left_out(tmp_path, content):
    rule = nas.stopping.MedianStoppingRule(min_trials=1)
    arguments = {"seed": 0, "stopping_rule": rule, "directory": tmp_path}
    tuner = search(
        nas.RandomSearch(build, "val_loss", max_trials=1, **arguments)
    )
    path = os.path.join(tuner.get_trial_dir("0000"), "epochs.json")
    with open(path, "w") as file:
        file.write(content)
    tuner = nas.RandomSearch(build, "val_loss", max_trials=2, **arguments)
    with pytest.warns(UserWarning, match="trial_0000 is left out: .*epochs"):
        search(tuner)
    states = [trial.status for trial in tuner.oracle.trials.values()]
    assert states == ["COMPLETED", "COMPLETED"]


def test_a_class_is_no_rule(tmp_path):
    rule = nas.stopping.MedianStoppingRule
    with pytest.raises(ValueError, match="Received: stopping_rule=<class"):
        nas.RandomSearch(build, stopping_rule=rule, directory=tmp_path)


def test_an_oracle_with_a_rule_takes_no_other(tmp_path):
    rule = nas.stopping.MedianStoppingRule()
    with pytest.raises(ValueError, match="ASHAOracle has a stopping rule"):
        nas.ASHA(build, "val_loss", stopping_rule=rule, directory=tmp_path)
