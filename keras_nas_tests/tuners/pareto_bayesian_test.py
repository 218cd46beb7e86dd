import dataclasses

import keras
import keras_tuner
import pytest

import keras_nas as nas
from keras_nas_tests.tuners.tiny_searches import X, Y, build


class Size(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["parameters"] = self.model.count_params()


class SizedTraining(nas.evaluators.Training):
    def evaluate(self, candidate):
        objective = keras_tuner.Objective("val_loss", "min")
        trained = dataclasses.replace(candidate, objective=objective)
        metrics = super().evaluate(trained)
        return metrics | {"parameters": candidate.build().count_params()}


@pytest.mark.parametrize(
    ("evaluator", "callbacks"),
    [(None, [Size()]), (SizedTraining(), [])],
    ids=["callback", "evaluator"],
)
def test_a_second_objective_need_not_be_a_metric_of_the_model(
    evaluator, callbacks, tmp_path
):
    tuner = nas.ParetoBayesian(
        build,
        objective=["val_loss", keras_tuner.Objective("parameters", "min")],
        max_trials=3,
        keep_weights=None,
        evaluator=evaluator,
        seed=0,
        directory=tmp_path,
    )
    data = {"validation_data": (X, Y), "callbacks": callbacks}
    tuner.search(X, Y, epochs=1, verbose=0, **data)
    front = tuner.oracle.pareto_front()
    assert front
    for trial in front:
        val_loss, parameters = tuner.oracle.losses(trial)
        # Two inputs to `units`, and these to one output, each with a bias.
        assert parameters == 4 * trial.hyperparameters["units"] + 1
        model = tuner.load_model(trial)
        assert model.evaluate(X, Y, verbose=0) == pytest.approx(val_loss)


def test_the_front_of_a_search_is_a_choice_between_objectives(tmp_path):
    class Digits(nas.ParetoBayesian):
        def run_trial(self, trial):
            digits = list(trial.hyperparameters.values.values())
            return {"sum": float(sum(digits)), "ones": digits.count(1)}

    space = keras_tuner.HyperParameters()
    for i in range(6):
        space.Choice(f"digit{i}", [0, 1, 2, 3], ordered=False)
    tuner = Digits(
        objective=[
            keras_tuner.Objective("sum", "min"),
            keras_tuner.Objective("ones", "max"),
        ],
        hyperparameters=space,
        max_trials=60,
        seed=0,
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    front = {tuner.oracle.losses(t) for t in tuner.oracle.pareto_front()}
    # As many ones, and nothing else: (k, -k) is the true front.
    assert front == {(k, -k) for k in range(7)}
