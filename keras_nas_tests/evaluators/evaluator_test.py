"""Ways of scoring that a user writes."""

import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y, build, trials_of


def search(tmp_path, evaluator, **arguments):
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        evaluator=evaluator,
        directory=tmp_path,
        **arguments,
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=3, verbose=0)
    return tuner


def test_the_base_has_to_be_subclassed(tmp_path):
    with pytest.raises(NotImplementedError):
        nas.evaluators.Evaluator().evaluate(None)


def test_an_evaluator_is_given_a_candidate_of_each_trial(tmp_path):
    candidates = []

    class Look(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            candidates.append(candidate)
            return {"val_loss": 1.0}

    tuner = search(tmp_path, Look())
    assert len(candidates) == 2
    for candidate, trial in zip(candidates, trials_of(tuner), strict=True):
        trial_id, *_, values = trial
        assert isinstance(candidate, nas.evaluators.Candidate)
        assert candidate.hyperparameters.values == values
        assert candidate.objective == tuner.oracle.objective
        assert candidate.directory == tuner.get_trial_dir(trial_id)


def test_an_evaluator_may_train_in_its_own_way(tmp_path):
    class TwoShortTrainings(nas.evaluators.Evaluator):
        """Trains one model twice, with the data given to `search`."""

        def evaluate(self, candidate):
            model = candidate.build()
            first = candidate.fit(model, candidate.callbacks(0))
            second = candidate.fit(model, candidate.callbacks(1))
            assert len(first.history["val_loss"]) == 3
            return {
                "val_loss": second.history["val_loss"][-1],
                "gain": first.history["val_loss"][-1]
                - second.history["val_loss"][-1],
            }

    tuner = search(tmp_path, TwoShortTrainings())
    for trial in tuner.oracle.trials.values():
        assert trial.status == "COMPLETED", trial.message
        assert trial.metrics.get_last_value("gain") > 0


def test_what_an_evaluator_measures_is_stored_with_the_trial(tmp_path):
    class Measure(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            return {"val_loss": 0.5, "bytes": 1200, "best_epoch": 7}

    search(tmp_path, Measure())
    reloaded = nas.RandomSearch(
        build, "val_loss", max_trials=2, directory=tmp_path
    )
    for trial in reloaded.oracle.trials.values():
        assert trial.metrics.get_last_value("bytes") == 1200
        assert trial.best_step == 7


def test_an_evaluator_that_forgets_the_objective_ends_the_search(tmp_path):
    class Forgetful(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            return {"bytes": 1200}

    with pytest.raises(ValueError, match=r"`val_loss`.*\['bytes'\]"):
        search(tmp_path, Forgetful())


def test_an_error_in_an_evaluator_is_the_reason_of_the_failure(tmp_path):
    class Flaky(nas.evaluators.Evaluator):
        calls = 0

        def evaluate(self, candidate):
            self.calls += 1
            if self.calls == 1:
                raise OSError("device lost")
            return {"val_loss": 0.5}

    tuner = search(tmp_path, Flaky())
    first, second = tuner.oracle.trials.values()
    assert first.status == "FAILED"
    assert "OSError: device lost" in first.message
    assert second.status == "COMPLETED"


def test_a_model_that_is_too_large_is_not_built_into_a_score(tmp_path):
    class Parameters(nas.evaluators.Evaluator):
        def evaluate(self, candidate):
            return {"val_loss": float(candidate.build().count_params())}

    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=6,
        max_model_size=13,
        evaluator=Parameters(),
        max_consecutive_failed_trials=6,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    # 3 * units + units + 1 parameters.
    sizes = sorted(t.score for t in tuner.oracle.completed_trials())
    assert sizes == [5, 9, 13]
