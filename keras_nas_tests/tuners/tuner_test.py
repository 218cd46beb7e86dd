"""What a user of KerasTuner expects of a tuner."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import (
    UNITS,
    ScoredByUnits,
    Scripted,
    X,
    Y,
    batches,
    build,
    make_history,
    make_model,
    trials_of,
)

STATUSES = 1
SCORES = 2


def column(tuner, index):
    return [trial[index] for trial in trials_of(tuner)]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search of three trials with real training."""
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=3,
        seed=0,
        directory=tmp_path_factory.mktemp("searched"),
        project_name="tiny",
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=2, verbose=0)
    return tuner


def test_a_search_trains_as_many_candidates_as_it_was_told_to(searched):
    assert column(searched, STATUSES) == ["COMPLETED"] * 3
    assert searched.remaining_trials == 0
    units = [trial.hyperparameters["units"] for trial in _trials(searched)]
    assert len(set(units)) == 3
    assert set(units) <= set(UNITS)


def _trials(tuner):
    return [tuner.oracle.trials[i] for i in tuner.oracle.start_order]


def test_the_project_is_a_folder_of_the_directory(searched):
    assert searched.project_dir.endswith("/tiny")
    names = {
        name.rstrip("/") for name in tf.io.gfile.listdir(searched.project_dir)
    }
    assert names == {
        "keras_nas.json",
        "oracle.json",
        "trial_0000",
        "trial_0001",
        "trial_0002",
        "search.lock",
        "tuner0.json",
    }


def test_without_a_directory_the_project_is_in_the_current_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    nas.RandomSearch(build, "val_loss")
    assert (tmp_path / "untitled_project").is_dir()


def test_the_best_hyperparameters_come_best_first(searched):
    scores = {
        trial.hyperparameters["units"]: trial.score
        for trial in _trials(searched)
    }
    best = searched.get_best_hyperparameters(3)
    assert [hp["units"] for hp in best] == sorted(scores, key=scores.get)
    assert len(searched.get_best_hyperparameters()) == 1


def test_the_best_models_have_the_scores_that_were_recorded(searched):
    models = searched.get_best_models(3)
    best = searched.oracle.get_best_trials(3)
    assert [model.evaluate(X, Y, verbose=0) for model in models] == (
        pytest.approx([trial.score for trial in best], rel=1e-5)
    )
    assert all(type(model) is keras.Sequential for model in models)


def test_the_best_models_can_be_trained_further(searched):
    (model,) = searched.get_best_models()
    loss = model.evaluate(X, Y, verbose=0)
    model.fit(batches(), epochs=3, verbose=0)
    assert model.evaluate(X, Y, verbose=0) < loss


def test_fewer_models_than_asked_for_are_returned_if_fewer_succeeded(
    searched,
):
    assert len(searched.get_best_models(99)) == 3


def test_asking_for_models_before_a_search_says_what_to_do(tmp_path):
    tuner = nas.RandomSearch(build, "val_loss", directory=tmp_path)
    with pytest.raises(RuntimeError, match=r"Call `search\(\)` first"):
        tuner.get_best_models()


def test_the_summary_of_results_ranks_the_trials(searched, capsys):
    searched.results_summary(2)
    lines = capsys.readouterr().out.splitlines()
    best = searched.oracle.get_best_trials(2)
    assert lines[0] == f"Results in {searched.project_dir}"
    assert lines[1] == "Objective: val_loss (min)"
    assert [line.split(" | ") for line in lines[2:]] == [
        [
            f"  {rank}. trial {int(trial.trial_id) + 1} "
            f"(trial_{trial.trial_id})",
            f"{trial.score:.6g}",
            f"units={trial.hyperparameters['units']}",
        ]
        for rank, trial in enumerate(best, start=1)
    ]


def test_the_summary_of_results_gives_the_reasons_of_failures(tmp_path, capsys):
    tuner = nas.RandomSearch(
        Scripted(0.5, ValueError("kernel too large")),
        max_trials=2,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    tuner.results_summary()
    out = capsys.readouterr().out
    assert "1 failed (50% of those that ended):" in out
    assert "trial 2 (trial_0001) | ValueError: kernel too large" in out


def test_the_summary_of_the_space_names_the_hyperparameters(tmp_path, capsys):
    nas.RandomSearch(build, "val_loss", directory=tmp_path)
    tuner = nas.RandomSearch(build, "val_loss", directory=tmp_path)
    tuner.search_space_summary()
    out = capsys.readouterr().out
    assert "Default search space size: 1" in out
    assert "units (Choice)" in out


def test_the_tuners_are_keras_tuners(searched):
    assert isinstance(searched, keras_tuner.Tuner)
    assert isinstance(searched, nas.Tuner)


def test_overwrite_starts_anew(tmp_path):
    def search(overwrite):
        tuner = nas.RandomSearch(
            build,
            "val_loss",
            max_trials=2,
            evaluator=ScoredByUnits(),
            overwrite=overwrite,
            directory=tmp_path,
        )
        before = len(tuner.oracle.trials)
        tuner.search(verbose=0)
        return before, len(tuner.oracle.trials)

    assert search(overwrite=False) == (0, 2)
    assert search(overwrite=False) == (2, 2)
    assert search(overwrite=True) == (0, 2)


def test_overwrite_works_where_there_is_no_project(tmp_path):
    tuner = nas.RandomSearch(
        build, "val_loss", directory=tmp_path / "new", overwrite=True
    )
    assert tuner.oracle.trials == {}


# Data.


@pytest.mark.parametrize("validation_split", [None, 0.5])
def test_data_may_be_a_dataset_or_be_split(tmp_path, validation_split):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    if validation_split is None:
        data = batches(4)
        tuner.search(data, validation_data=data, epochs=1, verbose=0)
    else:
        tuner.search(
            X, Y, validation_split=validation_split, epochs=1, verbose=0
        )
    (trial,) = _trials(tuner)
    assert trial.status == "COMPLETED"
    assert trial.score == trial.metrics.get_last_value("val_loss")


def ascend_after(epochs):
    """Makes the loss fall for so many epochs, and rise afterwards."""
    return keras.callbacks.LearningRateScheduler(
        lambda epoch: 0.1 if epoch < epochs else -0.3
    )


def test_the_model_of_the_best_epoch_is_kept(tmp_path):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(
        batches(),
        validation_data=batches(),
        epochs=4,
        callbacks=[ascend_after(2)],
        verbose=0,
    )
    (trial,) = _trials(tuner)
    (model,) = tuner.get_best_models()
    assert trial.best_step == 1
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(trial.score)


def test_validation_may_skip_epochs(tmp_path):
    # The weights of the third epoch, which was not validated, must not
    # replace those of the second, which was the best of those that were.
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(
        batches(),
        validation_data=batches(),
        validation_freq=2,
        epochs=4,
        callbacks=[ascend_after(2)],
        verbose=0,
    )
    (trial,) = _trials(tuner)
    (model,) = tuner.get_best_models()
    assert trial.best_step == 1
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(trial.score)


# Callbacks.


class CountEpochs(keras.callbacks.Callback):
    """Remembers what it saw, to show that it is not used twice."""

    counts = []

    def __init__(self):
        super().__init__()
        self.epochs = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs += 1

    def on_train_end(self, logs=None):
        CountEpochs.counts.append(self.epochs)


def test_every_execution_gets_copies_of_the_callbacks(tmp_path, monkeypatch):
    monkeypatch.setattr(CountEpochs, "counts", [])
    original = CountEpochs()
    tuner = nas.RandomSearch(
        build,
        "loss",
        max_trials=2,
        executions_per_trial=2,
        directory=tmp_path,
    )
    tuner.search(batches(), epochs=3, callbacks=[original], verbose=0)
    assert CountEpochs.counts == [3, 3, 3, 3]
    assert original.epochs == 0


def test_early_stopping_stops_every_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(CountEpochs, "counts", [])
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=2, directory=tmp_path
    )
    tuner.search(
        batches(),
        validation_data=batches(),
        epochs=9,
        callbacks=[
            ascend_after(1),
            keras.callbacks.EarlyStopping("val_loss", patience=1),
            CountEpochs(),
        ],
        verbose=0,
    )
    # The second epoch is worse; the stop waits for one more.
    assert CountEpochs.counts == [2, 2]


def test_callbacks_that_cannot_be_copied_are_named(tmp_path):
    class Uncopyable(keras.callbacks.Callback):
        def __deepcopy__(self, memo):
            raise TypeError("has an open file")

    tuner = nas.RandomSearch(build, "val_loss", directory=tmp_path)
    with pytest.raises(ValueError, match="deepcopy(.|\n)*Uncopyable"):
        tuner.search(X, Y, callbacks=[Uncopyable()], verbose=0)


def test_tensorboard_gets_a_folder_for_every_trial(tmp_path):
    logs = tmp_path / "logs"
    tuner = nas.RandomSearch(build, "loss", max_trials=2, directory=tmp_path)
    tuner.search(
        batches(),
        epochs=1,
        callbacks=[keras.callbacks.TensorBoard(logs, write_graph=False)],
        verbose=0,
    )
    assert column(tuner, STATUSES) == ["COMPLETED"] * 2
    assert sorted(path.name for path in logs.iterdir()) == [
        "0000",
        "0001",
        "search",
    ]
    for trial in ("0000", "0001"):
        assert list((logs / trial / "execution0").rglob("*tfevents*"))


# Executions.


def test_the_score_is_the_mean_over_the_executions(tmp_path):
    hypermodel = Scripted(
        make_history(val_loss=[4.0, 1.0], loss=[3.0, 2.0]),
        make_history(val_loss=[2.0, 6.0], loss=[5.0, 1.0]),
    )
    tuner = nas.RandomSearch(
        hypermodel,
        "val_loss",
        max_trials=1,
        executions_per_trial=2,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    (trial,) = _trials(tuner)
    # Of each execution the epoch that is best in the objective counts.
    assert trial.score == (1.0 + 2.0) / 2
    assert trial.metrics.get_last_value("loss") == (2.0 + 5.0) / 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"executions_per_trial": 2},
        {"evaluator": nas.evaluators.Training(executions=2)},
    ],
    ids=["executions_per_trial", "evaluator"],
)
def test_executions_start_from_different_weights(tmp_path, arguments):
    hypermodel = Scripted(1.0, 1.0)
    tuner = nas.RandomSearch(
        hypermodel, max_trials=1, seed=0, directory=tmp_path, **arguments
    )
    tuner.search(verbose=0)
    (first, *_), (second, *_) = hypermodel.fits
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])


def test_a_seed_makes_the_initial_weights_repeatable(tmp_path):
    def initial_weights(project_name):
        hypermodel = Scripted(1.0, 1.0)
        tuner = nas.RandomSearch(
            hypermodel,
            max_trials=2,
            seed=0,
            directory=tmp_path,
            project_name=project_name,
        )
        tuner.search(verbose=0)
        return [model.get_weights()[0] for model, *_ in hypermodel.fits]

    first, second = initial_weights("a"), initial_weights("b")
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_search_without_a_seed_leaves_the_random_state_alone(tmp_path):
    tuner = nas.RandomSearch(
        Scripted(1.0, 1.0), max_trials=2, directory=tmp_path
    )
    np.random.seed(7)
    expected = np.random.rand()
    np.random.seed(7)
    tuner.search(verbose=0)
    assert np.random.rand() == expected


# What replaces the arguments of `compile`.


def test_optimizer_loss_and_metrics_replace_those_compiled(tmp_path):
    tuner = nas.RandomSearch(
        build,
        "val_mae",
        max_trials=1,
        optimizer=keras.optimizers.Adam(0.25),
        loss="mae",
        metrics=["mae"],
        directory=tmp_path,
    )
    tuner.search(batches(), validation_data=batches(), epochs=1, verbose=0)
    (trial,) = _trials(tuner)
    (model,) = tuner.get_best_models()
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == 0.25
    assert model.loss == "mae"
    value = trial.metrics.get_last_value
    assert value("val_mae") == pytest.approx(value("val_loss"))


def test_replacing_one_argument_keeps_the_others(tmp_path):
    def build_with_metrics(hp):
        model = build(hp)
        model.compile("sgd", "mse", metrics=["mae"])
        return model

    tuner = nas.RandomSearch(
        build_with_metrics,
        "val_mae",
        max_trials=1,
        optimizer="adam",
        directory=tmp_path,
    )
    tuner.search(batches(), validation_data=batches(), epochs=1, verbose=0)
    (trial,) = _trials(tuner)
    (model,) = tuner.get_best_models()
    assert trial.status == "COMPLETED", trial.message
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.loss == "mse"


def test_a_model_may_be_compiled_by_the_tuner_alone(tmp_path):
    def build_uncompiled(hp):
        return keras.Sequential(
            [keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 4))]
        )

    tuner = nas.RandomSearch(
        build_uncompiled,
        "val_mae",
        max_trials=1,
        optimizer="sgd",
        loss="mse",
        metrics=["mae"],
        directory=tmp_path,
    )
    tuner.search(batches(), validation_data=batches(), epochs=1, verbose=0)
    assert column(tuner, STATUSES) == ["COMPLETED"]


def test_larger_models_than_allowed_fail_without_training(tmp_path):
    # (2 + 1) * units + (units + 1) parameters: 21 with 5 units.
    hypermodel = Scripted(*[1.0] * 6)
    tuner = nas.RandomSearch(
        hypermodel, max_trials=6, max_model_size=21, directory=tmp_path
    )
    tuner.search(verbose=0)
    status = {t.hyperparameters["units"]: t.status for t in _trials(tuner)}
    assert status == dict.fromkeys(UNITS, "COMPLETED") | {6: "FAILED"}
    assert len(hypermodel.fits) == 5
    (failed,) = [t for t in _trials(tuner) if t.status == "FAILED"]
    assert "25 trainable parameters" in failed.message
    assert "max_model_size=21" in failed.message


# Subclasses of `HyperModel` and `Tuner`.


@pytest.mark.parametrize(
    ("result", "score"),
    [
        (0.25, 0.25),
        (np.float32(0.25), 0.25),
        ({"val_loss": 0.25, "size": 3}, 0.25),
        (make_history(val_loss=[0.5, 0.25, 0.75]), 0.25),
        ([0.25, 0.75], 0.5),
        ([{"val_loss": 1.0}, {"val_loss": 2.0}], 1.5),
        ([make_history(val_loss=[3.0, 2.0]), make_history(val_loss=[4.0])], 3),
    ],
)
def test_fit_may_return_what_keras_tuner_takes(tmp_path, result, score):
    tuner = nas.RandomSearch(
        Scripted(result), "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(verbose=0)
    assert column(tuner, SCORES) == [score]


@pytest.mark.parametrize("result", [None, "0.25", {"loss": 1.0}, []])
def test_a_result_that_means_nothing_ends_the_search(tmp_path, result):
    hypermodel = Scripted(result, 1.0)
    tuner = nas.RandomSearch(
        hypermodel, "val_loss", max_trials=2, directory=tmp_path
    )
    with pytest.raises((TypeError, ValueError), match="Expected"):
        tuner.search(verbose=0)
    assert len(hypermodel.fits) == 1


def test_without_an_objective_the_returned_float_is_minimised(tmp_path):
    tuner = nas.RandomSearch(
        Scripted(3.0, 1.0, 2.0), max_trials=3, directory=tmp_path
    )
    tuner.search(verbose=0)
    assert tuner.oracle.get_best_trials()[0].score == 1.0


def test_fit_gets_what_search_was_given(tmp_path):
    hypermodel = Scripted(1.0)
    tuner = nas.RandomSearch(hypermodel, max_trials=1, directory=tmp_path)
    tuner.search(X, Y, epochs=7, verbose=0)
    ((_, args, kwargs),) = hypermodel.fits
    assert args[0] is X
    assert args[1] is Y
    assert kwargs["epochs"] == 7
    assert all(
        isinstance(c, keras.callbacks.Callback) for c in kwargs["callbacks"]
    )


def test_hyperparameters_may_be_asked_for_in_fit(tmp_path):
    class TunedBatches(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return float(hp.Int("batch_size", 1, 1000))

    tuner = nas.RandomSearch(
        TunedBatches(), max_trials=6, seed=0, directory=tmp_path
    )
    tuner.search(verbose=0)
    sizes = [t.hyperparameters["batch_size"] for t in _trials(tuner)]
    assert sizes == column(tuner, SCORES)
    # Only the first trial had to use the default.
    assert sizes[0] == 1
    assert len(set(sizes)) > 3


def test_an_overridden_fit_is_told_to_be_silent(tmp_path, capsys):
    class Plain(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, batch_size=hp.Choice("b", [4, 8]), **kwargs)

    tuner = nas.RandomSearch(Plain(), "loss", max_trials=1, directory=tmp_path)
    tuner.search(X, Y, verbose=0)
    assert column(tuner, STATUSES) == ["COMPLETED"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", [0, "auto"])
def test_an_overridden_fit_need_not_know_verbose(tmp_path, verbose):
    class Strict(keras_tuner.HyperModel):
        def build(self, hp):
            return build(hp)

        def fit(self, hp, model, x, callbacks):
            return 0.5

    tuner = nas.RandomSearch(Strict(), max_trials=1, directory=tmp_path)
    tuner.search(X, verbose=verbose)
    assert column(tuner, SCORES) == [0.5]


def test_run_trial_may_be_overridden_for_anything(tmp_path):
    class Parabola(nas.RandomSearch):
        def run_trial(self, trial, shift):
            x = trial.hyperparameters.Float("x", -2.0, 2.0)
            return (x - shift) ** 2

    tuner = Parabola(max_trials=20, seed=0, directory=tmp_path)
    tuner.search(1.0, verbose=0)
    (best,) = tuner.get_best_hyperparameters()
    assert len(tuner.oracle.trials) == 20
    assert abs(best["x"] - 1.0) < 0.5


def test_run_trial_may_call_the_hypermodel_itself(tmp_path):
    class Documented(nas.RandomSearch):
        """As the documentation of KerasTuner writes it."""

        def run_trial(self, trial, *args, **kwargs):
            hp = trial.hyperparameters
            model = self.hypermodel.build(hp)
            return self.hypermodel.fit(hp, model, *args, **kwargs)

    tuner = Documented(build, "val_loss", max_trials=1, directory=tmp_path)
    tuner.search(batches(), validation_data=batches(), epochs=1, verbose=0)
    assert column(tuner, STATUSES) == ["COMPLETED"]


def test_run_trial_may_change_the_arguments_and_call_super(
    tmp_path, monkeypatch
):
    class TunedEpochs(nas.RandomSearch):
        def run_trial(self, trial, *args, **kwargs):
            kwargs["epochs"] = trial.hyperparameters.Int("epochs", 2, 5)
            return super().run_trial(trial, *args, **kwargs)

    monkeypatch.setattr(CountEpochs, "counts", [])
    tuner = TunedEpochs(
        build, "val_loss", max_trials=2, seed=0, directory=tmp_path
    )
    tuner.search(
        batches(),
        validation_data=batches(),
        callbacks=[CountEpochs()],
        verbose=0,
    )
    epochs = [t.hyperparameters["epochs"] for t in _trials(tuner)]
    assert CountEpochs.counts == epochs
    assert len(tuner.get_best_models(2)) == 2


def test_run_trial_may_report_by_itself(tmp_path):
    class Reporting(nas.RandomSearch):
        def run_trial(self, trial):
            self.oracle.update_trial(trial.trial_id, {"val_loss": 0.125})

    tuner = Reporting(build, "val_loss", max_trials=1, directory=tmp_path)
    tuner.search(verbose=0)
    assert column(tuner, SCORES) == [0.125]


def test_the_hooks_of_a_subclass_are_called(tmp_path):
    calls = []

    class Hooked(nas.RandomSearch):
        def on_search_begin(self):
            calls.append("search begins")

        def on_trial_begin(self, trial):
            calls.append(f"trial {trial.trial_id} begins")

        def on_epoch_begin(self, trial, model, epoch, logs=None):
            calls.append(f"epoch {epoch} begins")

        def on_batch_end(self, trial, model, batch, logs=None):
            calls.append(f"batch {batch} ends with {sorted(logs)}")

        def on_epoch_end(self, trial, model, epoch, logs=None):
            assert isinstance(model, keras.Model)
            calls.append(f"epoch {epoch} ends with {sorted(logs)}")

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            calls.append(f"trial {trial.trial_id} ends")

        def on_search_end(self):
            calls.append("search ends")

    tuner = Hooked(build, "loss", max_trials=1, directory=tmp_path)
    tuner.search(batches(), epochs=2, verbose=0)
    assert calls == [
        "search begins",
        "trial 0000 begins",
        "epoch 0 begins",
        "batch 0 ends with ['loss']",
        "epoch 0 ends with ['loss']",
        "epoch 1 begins",
        "batch 0 ends with ['loss']",
        "epoch 1 ends with ['loss']",
        "trial 0000 ends",
        "search ends",
    ]


# Oracles, objectives, evaluators.


def test_an_oracle_of_keras_tuner_runs_in_the_tuner(tmp_path, capsys):
    tuner = nas.Tuner(
        keras_tuner.oracles.BayesianOptimizationOracle(
            keras_tuner.Objective("val_loss", "min"),
            max_trials=4,
            num_initial_points=2,
        ),
        build,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    assert column(tuner, STATUSES) == ["COMPLETED"] * 4
    assert capsys.readouterr().out == ""


def test_a_search_with_an_oracle_of_keras_tuner_without_seed_is_resumed(
    tmp_path,
):
    def make(max_trials):
        return nas.Tuner(
            keras_tuner.oracles.RandomSearchOracle(
                "val_loss", max_trials=max_trials
            ),
            build,
            evaluator=ScoredByUnits(),
            directory=tmp_path,
        )

    first = make(2)
    first.search(verbose=0)
    second = make(3)
    assert trials_of(second) == trials_of(first)
    second.search(verbose=0)
    assert len(second.oracle.trials) == 3


def test_what_is_no_oracle_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`oracle`(.|\n)*Received: oracle='"):
        nas.Tuner("random", build, directory=tmp_path)


@pytest.mark.parametrize(
    ("objective", "best"),
    [
        ("val_accuracy", 0.9),
        (keras_tuner.Objective("val_accuracy", "max"), 0.9),
        (keras_tuner.Objective("val_loss", "min"), 0.1),
        # The sum of what is minimised less what is maximised.
        (["val_loss", keras_tuner.Objective("val_accuracy", "max")], -0.5),
    ],
)
def test_an_objective_may_be_a_string_an_objective_or_a_list(
    tmp_path, objective, best
):
    tuner = nas.RandomSearch(
        Scripted(
            {"val_accuracy": 0.9, "val_loss": 0.5},
            {"val_accuracy": 0.6, "val_loss": 0.1},
            {"val_accuracy": 0.5, "val_loss": 0.3},
        ),
        objective,
        max_trials=3,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    (trial,) = tuner.oracle.get_best_trials()
    assert trial.score == pytest.approx(best)


def test_a_list_of_objectives_is_summed_in_every_epoch(tmp_path):
    tuner = nas.RandomSearch(
        build, ["loss", "val_loss"], max_trials=1, directory=tmp_path
    )
    tuner.search(batches(), validation_data=batches(), epochs=2, verbose=0)
    (trial,) = _trials(tuner)
    value = trial.metrics.get_last_value
    assert trial.score == pytest.approx(value("loss") + value("val_loss"))
    (model,) = tuner.get_best_models()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(value("val_loss"))


def test_an_evaluator_replaces_the_training(tmp_path, monkeypatch):
    trained = []
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: trained.append(1))
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=6,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    assert sorted(column(tuner, SCORES)) == UNITS
    assert tuner.get_best_hyperparameters()[0]["units"] == 1
    assert not trained


def test_a_model_that_was_never_trained_cannot_be_loaded(tmp_path):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=1,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    with pytest.raises(RuntimeError, match="0000 has no weights.*Train"):
        tuner.get_best_models()


def test_hyperparameters_given_in_advance_are_fixed(tmp_path):
    def build_two(hp):
        return make_model(
            hp.Choice("units", UNITS), hp.Choice("rate", [0.1, 0.2, 0.3])
        )

    space = keras_tuner.HyperParameters()
    space.Fixed("rate", 0.2)
    tuner = nas.RandomSearch(
        build_two,
        "val_loss",
        max_trials=6,
        hyperparameters=space,
        evaluator=ScoredByUnits(),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    values = [t.hyperparameters.values for t in _trials(tuner)]
    assert sorted(v["units"] for v in values) == UNITS
    assert {v["rate"] for v in values} == {0.2}
