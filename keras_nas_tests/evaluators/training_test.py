"""Scores by training."""

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y, make_history, make_model

LOSS = keras_tuner.Objective("val_loss", "min")


class Play:
    """A candidate whose trainings give histories that are written down."""

    def __init__(self, directory, *histories):
        self.histories = list(histories)
        self.models = []
        self.executions = []
        self.candidate = nas.evaluators.Candidate(
            hyperparameters=keras_tuner.HyperParameters(),
            objective=LOSS,
            directory=str(directory),
            build=self.build,
            fit=self.fit,
            callbacks=self.callbacks,
        )

    def build(self):
        self.models.append(make_model())
        return self.models[-1]

    def fit(self, model, callbacks):
        assert model is self.models[-1]
        assert callbacks[0] == f"callback of execution {self.executions[-1]}"
        return self.histories.pop(0)

    def callbacks(self, execution):
        self.executions.append(execution)
        return [f"callback of execution {execution}"]


def test_one_execution_is_one_training(tmp_path):
    play = Play(tmp_path, make_history(loss=[3, 2], val_loss=[0.5, 0.75]))
    metrics = nas.evaluators.Training().evaluate(play.candidate)
    assert metrics == {"loss": 3.0, "val_loss": 0.5, "best_epoch": 0.0}
    assert play.executions == [0]


def test_the_means_over_the_executions_are_of_their_best_epochs(tmp_path):
    play = Play(
        tmp_path,
        make_history(loss=[3, 2], val_loss=[0.5, 0.75]),
        make_history(loss=[5, 4, 1], val_loss=[2, 1, 3]),
        make_history(loss=[9], val_loss=[3.0]),
    )
    metrics = nas.evaluators.Training(executions=3).evaluate(play.candidate)
    assert metrics == {
        "loss": pytest.approx((3 + 4 + 9) / 3),
        "val_loss": pytest.approx((0.5 + 1 + 3) / 3),
        "best_epoch": pytest.approx((0 + 1 + 0) / 3),
    }
    assert play.executions == [0, 1, 2]
    assert len({id(model) for model in play.models}) == 3


def test_metrics_that_some_executions_lack_are_left_out(tmp_path):
    play = Play(tmp_path, {"val_loss": 1.0, "extra": 3.0}, {"val_loss": 2.0})
    metrics = nas.evaluators.Training(executions=2).evaluate(play.candidate)
    assert metrics == {"val_loss": 1.5}


@pytest.mark.parametrize("executions", [0, -1, 1.5, "2", None])
def test_the_number_of_executions_is_checked(executions):
    with pytest.raises(ValueError, match="`executions`.*Received: exec"):
        nas.evaluators.Training(executions=executions)


def test_the_weights_kept_are_of_the_best_epoch_of_the_best_execution(
    tmp_path,
):
    """Its loss falls for two epochs, and then rises."""
    runs = []

    def fit(model, callbacks):
        schedule = keras.callbacks.LearningRateScheduler(
            lambda epoch: 0.1 if epoch < 2 else -0.3
        )
        history = model.fit(
            X,
            Y,
            validation_data=(X, Y),
            epochs=3,
            callbacks=[schedule, *callbacks],
            verbose=0,
        )
        runs.append(history.history["val_loss"])
        return history

    candidate = nas.evaluators.Candidate(
        hyperparameters=keras_tuner.HyperParameters(),
        objective=LOSS,
        directory=str(tmp_path),
        build=make_model,
        fit=fit,
        callbacks=lambda execution: [],
    )
    metrics = nas.evaluators.Training(executions=2).evaluate(candidate)
    best = [min(losses) for losses in runs]
    assert [np.argmin(losses) for losses in runs] == [1, 1]
    assert metrics["val_loss"] == pytest.approx(np.mean(best))

    model = make_model()
    with nas.evaluators.best_weights.without_optimizer(model):
        model.load_weights(tmp_path / "checkpoint.weights.h5")
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(min(best))
