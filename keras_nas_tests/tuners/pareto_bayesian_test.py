import keras_tuner

import keras_nas as nas


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
