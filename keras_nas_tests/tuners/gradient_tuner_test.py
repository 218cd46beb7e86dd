import itertools
import json
import re

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import keras_nas as nas
from keras_nas import storage
from keras_nas.supernet.gradient import (
    GradientSearch,
    HessianStopping,
    SkipStopping,
)
from keras_nas_tests.tuners.tiny_searches import trials_of
from keras_nas_tests.tuners.two_devices import run_on_two_devices

RNG = np.random.default_rng(0)
X = RNG.standard_normal((64, 4)).astype("float32")
Y = np.tanh(X).sum(axis=1, keepdims=True)
FIT = {"x": X, "y": Y, "validation_split": 0.25, "batch_size": 8, "verbose": 0}


def build(hp):
    """Layers with all that a resume has to bring back."""
    x = inputs = keras.Input((4,))
    operations = {
        "tanh": lambda: keras.layers.Dense(4, "tanh"),
        "norm": keras.layers.BatchNormalization,
        "skip": nas.blocks.Identity,
    }
    x = nas.layers.LayerChoice(hp, "first", operations)(x)
    x = keras.layers.Dropout(0.2)(x)
    x = nas.layers.LayerChoice(hp, "second", operations)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    rate = hp.Choice("rate", [0.01, 0.05])
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), "mse")
    return model


def make_tuner(directory, kind=nas.GDAS, **arguments):
    return kind(
        build,
        "val_loss",
        **{
            "search_epochs": 4,
            "seed": 1,
            "fixed": {"rate": 0.05},
            "alpha_optimizer": lambda: keras.optimizers.Adam(0.1),
            "directory": directory,
            **arguments,
        },
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A search that was not interrupted, of two trials."""
    tuner = make_tuner(tmp_path_factory.mktemp("finished"), max_trials=2)
    tuner.search(**FIT, epochs=2)
    return tuner


def test_the_most_probable_architectures_are_trained_as_trials(finished):
    options = [finished.probabilities[name] for name in ("first", "second")]
    assert all(abs(sum(p.values()) - 1) < 1e-6 for p in options)
    ranked = sorted(
        itertools.product(*options),
        key=lambda pair: -options[0][pair[0]] * options[1][pair[1]],
    )
    expected = [
        {"first": first, "second": second, "rate": 0.05}
        for first, second in ranked[:2]
    ]
    trials = trials_of(finished)
    assert [values for *_, values in trials] == expected
    assert [status for _, status, *_ in trials] == ["COMPLETED"] * 2
    best = finished.get_best_hyperparameters()[0].values
    assert best == min(trials, key=lambda trial: trial[2])[3]
    model = finished.get_best_models()[0]
    assert type(model) is keras.Model or type(model).__name__ == "Functional"
    assert model.predict(X, verbose=0).shape == (64, 1)
    assert len(finished.search_history) == 4
    assert finished.search_history[-1]["loss"] > 0


def test_what_was_found_is_shown_and_summarized(finished, capsys):
    finished.results_summary()
    assert "first=" in capsys.readouterr().out


def interrupted_after(epochs, monkeypatch):
    run_epoch = GradientSearch.run_epoch

    def run(search, data):
        if len(search.history) == epochs:
            raise KeyboardInterrupt
        return run_epoch(search, data)

    monkeypatch.setattr(GradientSearch, "run_epoch", run)


def test_a_resumed_search_is_no_different(finished, tmp_path, monkeypatch):
    for epochs in (1, 3):
        with monkeypatch.context() as patch:
            interrupted_after(epochs, patch)
            tuner = make_tuner(tmp_path, max_trials=2)
            with pytest.raises(KeyboardInterrupt):
                tuner.search(**FIT, epochs=2)
            with pytest.raises(RuntimeError, match="not over"):
                _ = tuner.probabilities
            assert tuner.oracle.trials == {}
    tuner = make_tuner(tmp_path, max_trials=2)
    tuner.search(**FIT, epochs=2)
    assert tuner.search_history == finished.search_history
    assert tuner.probabilities == finished.probabilities
    assert trials_of(tuner) == trials_of(finished)


ON_TWO_DEVICES = """
import pytest
from keras_nas_tests.tuners.gradient_tuner_test import (
    FIT, interrupted_after, make_tuner, trials_of)

def make(name, kind):
    return make_tuner(sys.argv[1] + "/" + name, kind, max_trials=1,
                      search_epochs=2, distribution_strategy=STRATEGY)

results = {}
for kind in (nas.GDAS, nas.DARTS):
    found = []
    for name in ("whole", "resumed"):
        name = kind.__name__ + name
        if name.endswith("resumed"):
            with pytest.MonkeyPatch.context() as patch:
                interrupted_after(1, patch)
                with pytest.raises(KeyboardInterrupt):
                    make(name, kind).search(**FIT)
        tuner = make(name, kind)
        tuner.search(**FIT)
        found.append([
            tuner.search_history, tuner.probabilities, trials_of(tuner)])
    model = tuner.get_best_models()[0]
    results[kind.__name__] = found + [devices(model.weights)]
try:
    make("odd", nas.GDAS).search(**FIT | {"batch_size": 7})
except ValueError as error:
    results["error"] = str(error)
print(json.dumps(results))
"""


def test_several_devices(tmp_path):
    results = run_on_two_devices(ON_TWO_DEVICES, tmp_path)
    error = results.pop("error")
    assert "multiple of 2" in error
    assert "Received a batch of 7 for the weights." in error
    assert list((tmp_path / "odd").rglob("gradient_search*")) == []
    for whole, resumed, devices in results.values():
        assert whole == resumed
        history, probabilities, trials = whole
        assert len(history) == 2
        assert max(probabilities["first"].values()) > 0.34
        assert [status for _, status, *_ in trials] == ["COMPLETED"]
        assert devices == [2]


class KilledError(BaseException):
    """Stands for the end of the process: nothing may be written after it."""


@pytest.mark.parametrize("number_of_writes", [6, 8, 9, 10])
def test_a_search_killed_at_the_seams_is_no_different(
    finished, tmp_path, monkeypatch, number_of_writes
):
    """Between epochs, before the result, before the trial and amid it."""
    write = storage.write_atomically
    written = []

    def write_some(path, function):
        if len(written) == number_of_writes:
            raise KilledError
        written.append(str(path).rpartition("/")[2])
        write(path, function)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_atomically", write_some)
        with pytest.raises(KilledError):
            make_tuner(tmp_path, max_trials=2).search(**FIT, epochs=2)
    last = {6: ".npz", 8: ".npz", 9: "_search.json", 10: "trial.json"}
    assert written[-1].endswith(last[number_of_writes])
    tuner = make_tuner(tmp_path, max_trials=2)
    tuner.search(**FIT, epochs=2)
    assert tuner.search_history == finished.search_history
    assert trials_of(tuner) == trials_of(finished)


def test_a_finished_search_is_not_searched_again(finished, monkeypatch):
    monkeypatch.delattr(GradientSearch, "run_epoch")
    directory = finished.project_dir.rpartition("/")[0]
    tuner = make_tuner(directory, max_trials=3)
    before = trials_of(tuner)
    tuner.search(**FIT, epochs=2)
    assert trials_of(tuner)[:2] == before == trials_of(finished)
    assert len(trials_of(tuner)) == 3  # One more was asked for.


def test_other_arguments_are_another_search(finished):
    directory = finished.project_dir.rpartition("/")[0]
    tuner = make_tuner(directory, search_epochs=5)
    with pytest.raises(ValueError, match="`search_epochs` was 4, is 5"):
        tuner.search(**FIT)


def test_ctrl_c_ends_the_search_after_the_epoch(tmp_path, capsys):
    tuner = make_tuner(tmp_path)
    make_data = tuner._make_data

    def interrupting(*arguments):
        data = make_data(*arguments)
        epoch = data.epoch

        def interrupt(number):
            tuner._interruption.is_wished = number == 1
            return epoch(number)

        data.epoch = interrupt
        return data

    tuner._make_data = interrupting
    tuner.search(**(FIT | {"verbose": 1}))
    output = capsys.readouterr().out
    assert "search epoch 2/4 | loss=" in output
    assert "search epoch 3/4" not in output
    assert "you asked for it" in output
    assert tuner.oracle.trials == {}


def test_darts_runs_with_all_it_has(tmp_path, capsys):
    seen = []

    def cost(probabilities):
        seen.append(set(probabilities))
        return tf.reduce_sum(probabilities["first"][:2])

    tuner = make_tuner(
        tmp_path,
        nas.DARTS,
        search_epochs=3,
        order=2,
        warmup_epochs=1,
        auxiliary_skip=True,
        skip_drop_rate=0.3,
        early_stopping=HessianStopping(window=1, ratio=0.01),
        cost=cost,
        cost_weight=10.0,
    )
    tuner.search(**(FIT | {"verbose": 1}), epochs=1)
    assert seen[0] == {"first", "second"}
    # Only the skip costs nothing.
    probabilities = tuner.probabilities["first"]
    assert max(probabilities, key=probabilities.get) == "skip"
    assert tuner.get_best_hyperparameters()[0]["first"] == "skip"
    assert {"cost", "eigenvalue", "alpha_loss"} <= set(tuner.search_history[-1])
    assert "search epoch 3/3" in capsys.readouterr().out


@pytest.mark.parametrize(("rate", "is_told"), [(1e-6, True), (0.5, False)])
def test_probabilities_near_uniform_are_told(tmp_path, capsys, rate, is_told):
    tuner = make_tuner(
        tmp_path,
        search_epochs=2,
        alpha_optimizer=lambda: keras.optimizers.Adam(rate),
    )
    tuner.search(**FIT | {"verbose": 1}, epochs=1)
    output = capsys.readouterr().out
    assert ("still near uniform" in output) == is_told
    if is_told:
        # It begins near an even chance, not at it.
        assert re.search(r"is 0\.33\d on average, .* chance 0\.333", output)
    certainty = np.mean([max(p.values()) for p in tuner.probabilities.values()])
    assert (certainty < 0.4) == is_told


def test_early_stopping_is_told_and_leaves_the_earlier_alphas(tmp_path, capsys):
    tuner = make_tuner(
        tmp_path,
        nas.DARTS,
        search_epochs=9,
        early_stopping=SkipStopping(max_skips=2),
        cost={name: {"tanh": 1.0, "norm": 1.0} for name in ("first", "second")},
        cost_weight=10.0,
    )
    tuner.search(**(FIT | {"verbose": 1}), epochs=1)
    assert len(tuner.search_history) < 9
    assert tuner.search_history[-1]["skips"] == 2
    assert "stopped early by SkipStopping" in capsys.readouterr().out
    values = tuner.get_best_hyperparameters()[0].values
    assert values == {"first": "skip", "second": "skip", "rate": 0.05}


def test_constraints_hold_for_what_is_trained(tmp_path):
    tuner = make_tuner(
        tmp_path,
        nas.DARTS,
        search_epochs=1,
        max_trials=2,
        constraints=[nas.costs.Parameters(max_parameters=5)],
        alpha_optimizer=lambda: keras.optimizers.SGD(0.0),
    )
    tuner.search(**FIT, epochs=1)
    # Of the nine, one has no weights but those of the last layer.
    (trial,) = trials_of(tuner)
    assert trial[3] == {"first": "skip", "second": "skip", "rate": 0.05}
    tuner = make_tuner(
        tmp_path / "too_small",
        nas.DARTS,
        search_epochs=1,
        constraints=[nas.costs.Parameters(max_parameters=4)],
    )
    with pytest.raises(RuntimeError, match="None of the 9 most probable"):
        tuner.search(**FIT, epochs=1)


def test_undecided_inactive_hyperparameters_do_not_matter(tmp_path):
    """Tuples that differ in them alone must not all be gone through."""

    def build_deep(hp):
        x = inputs = keras.Input((4,))
        operations = {
            name: lambda name=name: keras.layers.Activation(name)
            for name in ("tanh", "relu", "elu", "linear")
        }
        x = nas.layers.Repeat(
            hp,
            "stage",
            min_repeats=1,
            max_repeats=12,
            block=lambda name: nas.layers.LayerChoice(hp, name, operations),
        )(x)
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile("sgd", "mse")
        return model

    def make(max_trials):
        return nas.GDAS(
            build_deep,
            "val_loss",
            max_trials=max_trials,
            search_epochs=1,
            seed=1,
            directory=tmp_path,
        )

    make(1).search(**FIT, epochs=1)
    (path,) = tmp_path.rglob("gradient_search.json")
    result = json.loads(path.read_text())
    depth, first, *_ = result["choices"]
    shares = {depth: 0.001, first: 0.01}
    for name, values in result["choices"].items():
        share = shares.get(name, 1 / len(values))
        rest = 1 - share * (len(values) - 1)
        result["probabilities"][name] = [rest] + [share] * (len(values) - 1)
    path.write_text(json.dumps(result))
    tuner = make(3)
    tuner.search(**FIT, epochs=1)
    found = [values for *_, values in trials_of(tuner)]
    assert found[1:] == [{depth: 1, first: n} for n in ("tanh", "relu")]


def test_datasets_come_with_data_for_the_alphas(tmp_path):
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    tuner = make_tuner(tmp_path, nas.DARTS, search_epochs=1)
    fit = {"validation_data": (X, Y), "verbose": 0}
    with pytest.raises(ValueError, match="alpha_data="):
        tuner.search(dataset, **fit)
    tuner.search(dataset, alpha_data=(X, Y), **fit)
    assert len(trials_of(tuner)) == 1


def test_a_space_that_the_oracle_narrows_is_refused(tmp_path):
    hp = keras_tuner.HyperParameters()
    hp.Choice("first", ["tanh", "norm"])
    tuner = make_tuner(tmp_path, hyperparameters=hp)
    with pytest.raises(ValueError, match=r"'first'(.|\n)*fixed="):
        tuner.search(**FIT)


def test_what_cannot_be_weighed_is_refused_before_the_project_is(tmp_path):
    with pytest.raises(nas.supernet.SharingError, match="'rate'"):
        make_tuner(tmp_path, fixed=None).search(**FIT)
    with pytest.raises(ValueError, match="class_weight"):
        make_tuner(tmp_path).search(**FIT, class_weight={0: 1.0})
    (folder,) = tmp_path.iterdir()
    assert not [p for p in folder.iterdir() if p.suffix == ".json"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"search_epochs": 0},
        {"search_epochs": None},
        {"warmup_epochs": 4},
        {"warmup_epochs": -1},
        {"alpha_split": 1},
        {"alpha_split": 0},
        {"alpha_regularization": -1.0},
        {"alpha_optimizer": keras.optimizers.Adam()},
        {"cost_weight": -1},
        {"cost_weight": 1.0},
        {"cost": {"first": {"tanh": 1}}},
        {"early_stopping": keras.callbacks.EarlyStopping()},
        {"order": 3},
        {"auxiliary_skip": 0.5},
        {"skip_drop_rate": 1.0},
        {"temperatures": 3},
        {"temperatures": (1.0, 0.0)},
        {"max_trials": 0},
    ],
)
def test_bad_arguments_are_named_before_a_folder_is_made(tmp_path, arguments):
    (name,) = arguments
    kind = nas.GDAS if name == "temperatures" else nas.DARTS
    with pytest.raises(ValueError, match=rf"`{name}`(.|\n)*{name}="):
        make_tuner(tmp_path, kind, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_is_named_with_a_remedy(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupted_after(1, patch)
        with pytest.raises(KeyboardInterrupt):
            make_tuner(tmp_path).search(**FIT)
    (path,) = tmp_path.rglob("gradient_search.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RuntimeError, match=r"gradient_search.npz(.|\n)*Remove"):
        make_tuner(tmp_path).search(**FIT)
    path.unlink()
    make_tuner(tmp_path).search(**FIT)
    (path,) = tmp_path.rglob("gradient_search.json")
    assert json.loads(path.read_text())["choices"]["first"][2] == "skip"
