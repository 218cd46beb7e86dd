"""Mistakes are found before any training, and do no damage."""

import shutil

import keras
import keras_tuner
import pytest

import keras_nas as nas
from keras_nas import storage
from keras_nas_tests.tuners.tiny_searches import (
    ScoredByUnits,
    Scripted,
    X,
    Y,
    build,
    make_model,
    snapshot,
    trials_of,
)


@pytest.fixture(autouse=True)
def trainings(monkeypatch):
    """Lists the trainings, of which there must be none."""
    started = []

    def fit(*args, **kwargs):
        started.append(args)
        raise AssertionError("a training was started")

    monkeypatch.setattr(keras.Model, "fit", fit)
    return started


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project with two finished trials, to be copied."""
    directory = tmp_path_factory.mktemp("finished")
    tuner = nas.RandomSearch(
        build,
        "val_loss",
        max_trials=2,
        seed=1,
        evaluator=ScoredByUnits(),
        directory=directory,
        project_name="project",
    )
    tuner.search(verbose=0)
    return directory / "project"


@pytest.fixture
def project(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "project")


def make(project, hypermodel=build, objective="val_loss", **arguments):
    arguments = {"max_trials": 3, "seed": 1} | arguments
    return nas.RandomSearch(
        hypermodel,
        objective,
        directory=project.parent,
        project_name=project.name,
        **arguments,
    )


def build_nothing(hp):
    build(hp)


def build_layer(hp):
    return keras.layers.Dense(hp.Choice("units", [1, 2]))


def build_uncompiled(hp):
    return keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 3))]
    )


def build_without_choice(hp):
    return make_model(hp.Choice("units", [4]))


def build_broken(hp):
    raise RuntimeError(f"no such layer, with {hp.Int('units', 1, 3)} units")


BAD_HYPERMODELS = [
    (build_nothing, TypeError, "Received: None.*forget `return model`"),
    (build_layer, TypeError, "compiled `keras.Model`.*of type Dense"),
    (build_uncompiled, TypeError, "not compiled.*Call `model.compile"),
    (build_without_choice, ValueError, r"empty.*Received: \['units'\]"),
    (build_broken, RuntimeError, "no such layer"),
    ("build", ValueError, "`hypermodel`.*function.*Received.*'build'"),
    (None, ValueError, "`hypermodel`.*function.*Received.*None"),
    (
        nas.search_spaces.HyperMLP,
        ValueError,
        r"`hypermodel`.*such as `HyperMLP\(...\)`.*the class HyperMLP",
    ),
]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("hypermodel", "error", "message"), BAD_HYPERMODELS)
def test_a_bad_hypermodel_is_refused_and_the_project_is_kept(
    project, trainings, hypermodel, error, message, overwrite
):
    before = snapshot(project)
    with pytest.raises(error, match=f"(?s){message}"):
        make(project, hypermodel, overwrite=overwrite)
    assert snapshot(project) == before
    assert not trainings


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_trials": 0}, "`max_trials`.*Received: max_trials=0"),
        ({"max_trials": -3}, "`max_trials`.*Received: max_trials=-3"),
        ({"max_trials": 2.5}, "`max_trials`.*Received: max_trials=2.5"),
        ({"seed": -1}, "`seed`.*Received: seed=-1"),
        ({"executions_per_trial": 0}, "`executions_per_trial`.*=0"),
        ({"objective": "my_metric"}, "[Oo]bjective.*my_metric"),
    ],
)
def test_a_bad_argument_is_refused_and_the_project_is_kept(
    project, trainings, arguments, message, overwrite
):
    before = snapshot(project)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make(project, **arguments, overwrite=overwrite)
    assert snapshot(project) == before
    assert not trainings


def test_an_unknown_argument_is_refused_and_the_project_is_kept(
    project, trainings
):
    before = snapshot(project)
    with pytest.raises((TypeError, ValueError), match="max_trails"):
        make(project, max_trails=3, overwrite=True)
    assert snapshot(project) == before


@pytest.mark.parametrize("verbose", ["loud", 3, -1, None])
def test_a_bad_verbose_is_refused_and_the_project_is_kept(
    project, trainings, verbose
):
    tuner = make(project)
    before = snapshot(project)
    with pytest.raises(ValueError, match=r'0, 1, 2 or "auto"\. Received: ver'):
        tuner.search(X, Y, validation_data=(X, Y), verbose=verbose)
    assert snapshot(project) == before
    assert not trainings


# Objectives.


def test_an_objective_that_no_metric_gives_is_refused(tmp_path, trainings):
    tuner = nas.RandomSearch(
        build, "val_accuracy", directory=tmp_path, project_name="project"
    )
    with pytest.raises(ValueError, match="val_accuracy") as caught:
        tuner.search(X, Y, validation_data=(X, Y))
    assert "['loss', 'val_loss']" in str(caught.value)
    assert "compile(metrics=[...])" in str(caught.value)
    assert not trainings
    assert tuner.oracle.trials == {}


@pytest.mark.parametrize(
    "data", [{}, {"validation_split": 0.0}, {"validation_data": None}]
)
def test_a_validation_objective_needs_validation_data(project, trainings, data):
    tuner = make(project)
    before = snapshot(project)
    with pytest.raises(ValueError, match="`val_loss`.*`validation_data=`"):
        tuner.search(X, Y, **data)
    assert snapshot(project) == before
    assert not trainings


def test_one_of_several_objectives_may_be_the_wrong_one(tmp_path, trainings):
    tuner = nas.RandomSearch(
        build, ["val_loss", "val_accuracy"], directory=tmp_path
    )
    with pytest.raises(ValueError, match="`val_accuracy` is not among"):
        tuner.search(X, Y, validation_data=(X, Y))
    assert not trainings


# Another search in the same project.


def build_more_values(hp):
    return make_model(hp.Choice("units", [1, 2, 3, 4, 5, 6, 7]))


def build_another_name(hp):
    return make_model(hp.Choice("width", [1, 2, 3, 4, 5, 6]))


def build_one_more(hp):
    build(hp)
    return make_model(learning_rate=hp.Float("rate", 0.1, 0.5))


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (
            {"hypermodel": build_more_values},
            [
                "was Choice('units', default=1, values=[1, 2, 3, 4, 5, 6], ",
                "is Choice('units', default=1, values=[1, 2, 3, 4, 5, 6, 7], ",
            ],
        ),
        (
            {"hypermodel": build_another_name},
            ["gone: Choice('units', ", "new: Choice('width', "],
        ),
        ({"hypermodel": build_one_more}, ["new: Float('rate', "]),
        (
            {"objective": "val_mse"},
            ["`objective` was val_loss (min), is val_mse (min)"],
        ),
        (
            {"objective": keras_tuner.Objective("val_loss", "max")},
            ["`objective` was val_loss (min), is val_loss (max)"],
        ),
        ({"seed": 2}, ["`seed` was 1, is 2"]),
    ],
)
def test_another_search_is_refused_and_the_project_is_kept(
    project, trainings, arguments, messages
):
    before = snapshot(project)
    with pytest.raises(ValueError, match="belongs to another search") as error:
        make(project, **arguments)
    text = str(error.value)
    assert str(project) in text
    assert "`overwrite=True`" in text
    for message in messages:
        assert message in text
    # One line for each change, and no others.
    assert text.count("\n  - ") == len(
        [m for m in messages if not m.startswith("is ")]
    )
    assert snapshot(project) == before
    assert not trainings


def test_another_oracle_is_refused_and_the_project_is_kept(project, trainings):
    before = snapshot(project)
    with pytest.raises(
        ValueError,
        match="was RandomOracle, is RegularizedEvolutionOracle",
    ):
        nas.RegularizedEvolution(
            build,
            "val_loss",
            seed=1,
            directory=project.parent,
            project_name="project",
        )
    assert snapshot(project) == before


def test_the_right_search_still_opens_the_project_afterwards(project):
    with pytest.raises(ValueError):
        make(project, seed=2)
    assert len(make(project).oracle.trials) == 2


# Folders.


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_cannot_be_written_to_is_refused(
    tmp_path, trainings, overwrite
):
    file = tmp_path / "file"
    file.write_text("not a folder")
    with pytest.raises(ValueError, match="Cannot write to.*`directory`"):
        nas.RandomSearch(
            build, "val_loss", directory=file / "below", overwrite=overwrite
        )
    assert file.read_text() == "not a folder"


def test_a_project_name_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "project"
    file.write_text("not a folder")
    with pytest.raises(ValueError, match="Cannot write to"):
        make(file, overwrite=True)
    assert file.read_text() == "not a folder"


def test_a_folder_that_is_no_project_is_not_overwritten(tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("irreplaceable")
    before = snapshot(folder)
    with pytest.raises(ValueError, match="Will not overwrite.*no search"):
        make(folder, overwrite=True)
    assert snapshot(folder) == before


def test_a_project_that_was_killed_at_its_start_can_be_overwritten(project):
    for name in ("oracle.json", "tuner0.json"):
        (project / name).unlink()
    tuner = make(project, overwrite=True, seed=2, evaluator=ScoredByUnits())
    assert tuner.oracle.trials == {}
    tuner.search(verbose=0)
    assert storage.read_json(project / "keras_nas.json")["seed"] == 2


def test_trials_without_their_oracle_are_not_taken_over(project):
    (project / "oracle.json").unlink()
    with pytest.raises(RuntimeError, match="its 'oracle.json' is gone"):
        make(project)


def test_overwriting_waits_until_the_search_has_proved_good(project):
    before = snapshot(project)
    objective = keras_tuner.Objective("val_f1", "max")
    tuner = make(project, overwrite=True, objective=objective)
    with pytest.raises(ValueError, match="`val_f1` is not among"):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    assert snapshot(project) == before
    assert tuner.oracle.trials == {}


def test_a_trial_of_another_shape_is_named(project):
    path = project / "trial_0001" / "trial.json"
    path.write_text("[]")
    with pytest.raises(RuntimeError, match="trial_0001.*state of a trial"):
        make(project)


@pytest.mark.parametrize("content", ["{}", "[]", '{"format_version": 1}'])
def test_a_description_of_another_shape_is_named(project, content):
    (project / "keras_nas.json").write_text(content)
    with pytest.raises(RuntimeError, match="keras_nas.json"):
        make(project)


@pytest.mark.parametrize("content", ["{}", "[]"])
def test_a_project_of_keras_tuner_of_another_shape_is_named(project, content):
    (project / "keras_nas.json").unlink()
    (project / "oracle.json").write_text(content)
    with pytest.raises(RuntimeError, match="oracle.json"):
        make(project)


def test_executions_are_refused_beside_an_evaluator(tmp_path):
    with pytest.raises(ValueError, match="default evaluator only"):
        make(
            tmp_path,
            evaluator=nas.evaluators.Training(),
            executions_per_trial=2,
        )


# Damaged files.


@pytest.mark.parametrize("damage", ["empty", "cut", "not JSON", "not text"])
@pytest.mark.parametrize(
    "name",
    ["oracle.json", "keras_nas.json", "trial_0001/trial.json", "tuner0.json"],
)
def test_a_damaged_file_is_named_with_the_remedy(
    project, trainings, name, damage
):
    path = project / name
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "not JSON": b"units: 4",
            "not text": b"\xff\xfe\x00\x80",
        }[damage]
    )
    before = snapshot(project)
    with pytest.raises(RuntimeError, match="Cannot read") as error:
        make(project)
    assert f"'{path}'" in str(error.value)
    assert "`overwrite=True`" in str(error.value)
    assert snapshot(project) == before
    # The remedy works.
    assert make(project, overwrite=True).oracle.trials == {}


@pytest.mark.parametrize("name", ["oracle.json", "keras_nas.json"])
@pytest.mark.parametrize("content", ["{}", "[]", "null", "3"])
def test_a_file_that_holds_something_else_is_named_too(project, name, content):
    (project / name).write_text(content)
    before = snapshot(project)
    with pytest.raises(RuntimeError, match="Cannot read") as error:
        make(project)
    assert name in str(error.value)
    assert snapshot(project) == before


def test_a_missing_trial_is_named(project):
    shutil.rmtree(project / "trial_0001")
    with pytest.raises(RuntimeError, match="Cannot read.*0001"):
        make(project)


# Trials that fail.


def search(tmp_path, *results):
    tuner = nas.RandomSearch(
        Scripted(*results),
        keras_tuner.Objective("val_loss", "min"),
        max_trials=len(results),
        directory=tmp_path,
    )
    tuner.search(verbose=0)
    return trials_of(tuner), tuner


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_fails_the_trial_only(tmp_path, value):
    trials, tuner = search(tmp_path, value, 1.0, {"val_loss": value}, 2.0)
    assert [(status, score) for _, status, score, _ in trials] == [
        ("FAILED", None),
        ("COMPLETED", 1.0),
        ("FAILED", None),
        ("COMPLETED", 2.0),
    ]
    for failed in ("0000", "0002"):
        assert f"`val_loss` is {value}" in tuner.oracle.trials[failed].message
    assert tuner.oracle.get_best_trials()[0].trial_id == "0001"


def test_an_error_fails_the_trial_only(tmp_path):
    trials, tuner = search(
        tmp_path, 1.0, ValueError("kernel too large"), MemoryError(), 2.0
    )
    assert [status for _, status, *_ in trials] == [
        "COMPLETED",
        "FAILED",
        "FAILED",
        "COMPLETED",
    ]
    message = tuner.oracle.trials["0001"].message
    assert message.startswith("Traceback (most recent call last)")
    assert "tiny_searches.py" in message
    assert "ValueError: kernel too large" in message
    assert "MemoryError" in tuner.oracle.trials["0002"].message


def test_the_reasons_are_in_the_project(tmp_path):
    search(tmp_path, ValueError("kernel too large"), 1.0)
    tuner = nas.RandomSearch(
        Scripted(),
        keras_tuner.Objective("val_loss", "min"),
        max_trials=2,
        directory=tmp_path,
    )
    assert "kernel too large" in tuner.oracle.trials["0000"].message


def test_an_error_that_every_trial_has_ends_the_search(tmp_path):
    errors = [ValueError("wrong shape of y") for _ in range(6)]
    with pytest.raises(RuntimeError, match="wrong shape of y"):
        search(tmp_path, *errors)
    assert len(list(tmp_path.glob("untitled_project/trial_*"))) == 3


def test_a_failed_trial_is_tried_again_if_asked_for(tmp_path):
    hypermodel = Scripted(ValueError("no luck"), 1.0, 2.0)
    tuner = nas.RandomSearch(
        hypermodel, max_trials=2, max_retries_per_trial=1, directory=tmp_path
    )
    tuner.search(verbose=0)
    assert [(status, score) for _, status, score, _ in trials_of(tuner)] == [
        ("COMPLETED", 1.0),
        ("COMPLETED", 2.0),
    ]
