"""Defects of KerasTuner 1.4.8: one test each, named for what is right.

`docs/kerastuner_defects.md` lists them all, with the tests that stand
elsewhere. A test runs with keras_nas, where it has to hold, and with plain
KerasTuner, where it must not: so it is known to be able to fail, and it says
when a repair of ours is no longer needed.
"""

import ast
import contextlib
import json
import pathlib
import re
import resource
import shutil
import socket
import sys
import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.engine.trial import Trial
from keras_tuner.errors import FatalError

import keras_nas as nas
from keras_nas_tests.oracles.oracle_contract import (
    OBJECTIVE,
    Project,
    finish,
    keys,
    search,
    small_space,
)
from keras_nas_tests.tuners.tiny_searches import (
    UNITS,
    Scripted,
    X,
    Y,
    build,
    make_model,
    snapshot,
    trials_of,
)

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Engine:
    """keras_nas, KerasTuner, or an oracle of KerasTuner in our `Tuner`."""

    def __init__(self, name, module, oracle):
        self.name = name
        self.random_search = module.RandomSearch
        self.tuner_class = module.Tuner
        self._oracle = oracle

    def __str__(self):
        return self.name

    def oracle(self, objective="val_loss", **arguments):
        return self._oracle(objective, **arguments)

    def tuner(self, directory, hypermodel, oracle=None, **arguments):
        return self.tuner_class(
            oracle=oracle or self.oracle(max_trials=3, seed=1),
            hypermodel=hypermodel,
            directory=directory,
            **arguments,
        )

    def holds(self, is_right):
        """Demands what is right of keras_nas, and the defect of KerasTuner."""
        if self is KERAS_TUNER:
            assert not is_right, "KerasTuner mended this: remove our repair."
        else:
            assert is_right


KERAS_NAS = Engine("keras_nas", nas, nas.oracles.RandomOracle)
KERAS_TUNER = Engine(
    "keras_tuner", keras_tuner, keras_tuner.oracles.RandomSearchOracle
)
# An oracle of KerasTuner in a tuner of keras_nas.
MIXED = Engine("mixed", nas, keras_tuner.oracles.RandomSearchOracle)

tuners = pytest.mark.parametrize("engine", [KERAS_NAS, KERAS_TUNER], ids=str)
tuners_and_mixed = pytest.mark.parametrize(
    "engine", [KERAS_NAS, MIXED, KERAS_TUNER], ids=str
)


@pytest.fixture(autouse=True)
def silent(capfd):
    """KerasTuner prints a lot."""
    yield
    capfd.readouterr()


def statuses(tuner):
    return [status for _, status, *_ in trials_of(tuner)]


# engine/tuner.py


@tuners
def test_a_search_needs_no_tensorboard(engine, tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.plugins.hparams"):
        monkeypatch.setitem(sys.modules, name, None)
    tuner = engine.tuner(tmp_path, build, engine.oracle(max_trials=1))
    tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    engine.holds(statuses(tuner) == ["COMPLETED"])


@tuners_and_mixed
def test_models_that_are_too_large_do_not_end_a_search(engine, tmp_path):
    def build_large(hp):
        return make_model(10 ** min(3, hp.Choice("digits", list(range(12)))))

    tuner = engine.tuner(
        tmp_path,
        build_large,
        engine.oracle(max_trials=12, seed=1),
        max_model_size=20,
    )
    try:
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)
    except RuntimeError as error:
        assert engine is KERAS_TUNER, error
    # One architecture of the twelve is small enough.
    failed = statuses(tuner).count("FAILED")
    engine.holds(failed == 11 and "COMPLETED" in statuses(tuner))


def test_models_that_are_all_too_large_end_a_search_in_the_end(tmp_path):
    def build_large(hp):
        return make_model(hp.Int("units", 10, 10**6) // 10**6 + 10)

    oracle = nas.oracles.RandomOracle(
        "val_loss", max_trials=None, max_rejections=15
    )
    tuner = nas.Tuner(oracle, build_large, directory=tmp_path, max_model_size=2)
    with pytest.raises(RuntimeError, match="15 .*rejected.*`max_rejections`"):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)


def test_trials_that_take_too_long_are_failures_and_no_rejections(tmp_path):
    def build_slow(hp):
        time.sleep(0.002)
        return build(hp)

    tuner = nas.RandomSearch(
        build_slow,
        "val_loss",
        max_trials=6,
        max_consecutive_failed_trials=4,
        trial_timeout=0.001,
        directory=tmp_path,
    )
    # Not after three: these say nothing of a mistake in the script.
    with pytest.raises(RuntimeError, match="4 trials in a row have failed"):
        tuner.search(X, Y, validation_data=(X, Y), verbose=0)


@tuners
def test_a_model_that_is_built_by_its_data_is_measured(engine, tmp_path):
    def build_unbuilt(hp):
        model = keras.Sequential(
            [keras.layers.Dense(hp.Choice("units", UNITS))]
        )
        model.compile("sgd", "mse", run_eagerly=True)
        assert not model.built
        return model

    tuner = engine.tuner(
        tmp_path, build_unbuilt, engine.oracle(max_trials=1), max_model_size=1
    )
    tuner.search(X, Y, validation_data=(X, Y), epochs=1, verbose=0)
    (trial,) = tuner.oracle.trials.values()
    engine.holds(trial.status == "FAILED")
    if engine is KERAS_NAS:
        assert re.search(r"\d trainable parameters", trial.message)


# engine/oracle.py


@contextlib.contextmanager
def full_disk(size):
    """No file may grow beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@tuners_and_mixed
@pytest.mark.parametrize("name", ["oracle.json", "trial_0000/trial.json"])
def test_a_state_file_is_whole_though_its_writing_was_cut(
    engine, name, tmp_path
):
    oracle = engine.oracle(max_trials=1000, seed=1)
    tuner = engine.tuner(tmp_path, Scripted(*[1.0] * 3), oracle)
    trial = oracle.create_trial("tuner0")
    path = tmp_path / "untitled_project" / name
    oracle.save()
    before = path.read_text()
    with full_disk(100), contextlib.suppress(Exception):
        if name == "oracle.json":
            oracle.save()
        else:
            oracle.update_trial(trial.trial_id, {"val_loss": 1.0})
    engine.holds(path.read_text() == before)
    assert len(before) > 100
    assert tuner.oracle is oracle


@tuners_and_mixed
def test_a_trial_that_ended_just_before_a_kill_does_not_run_again(
    engine, tmp_path
):
    def open_project():
        oracle = engine.oracle(max_trials=3, seed=1)
        return engine.tuner(tmp_path, Scripted(1.0), oracle).oracle

    oracle = open_project()
    finish(oracle, oracle.create_trial("tuner0"), 1.0)
    # KerasTuner's tuner would save once more: the kill comes before that.
    (tmp_path / "untitled_project" / "tuner0.json").write_text("{}")
    again = open_project().create_trial("tuner0")
    first = oracle.start_order[0]
    engine.holds(again.trial_id != first)


@tuners_and_mixed
def test_the_trial_whose_end_raises_is_saved(engine, tmp_path):
    oracle = engine.oracle(
        max_trials=3, seed=1, max_consecutive_failed_trials=1
    )
    engine.tuner(tmp_path, Scripted(1.0), oracle)
    trial = oracle.create_trial("tuner0")
    with pytest.raises(RuntimeError):
        finish(oracle, trial, None, "FAILED", "broken")
    folder = tmp_path / "untitled_project"
    state = json.loads((folder / "oracle.json").read_text())
    record = json.loads(
        (folder / f"trial_{trial.trial_id}" / "trial.json").read_text()
    )
    engine.holds(
        state["end_order"] == [trial.trial_id] and record["status"] == "FAILED"
    )


@tuners_and_mixed
def test_a_call_that_raises_leaves_no_lock_behind(engine, tmp_path):
    oracle = engine.oracle(
        max_trials=3, seed=1, max_consecutive_failed_trials=1
    )
    engine.tuner(tmp_path, Scripted(1.0), oracle)
    with pytest.raises(RuntimeError):
        finish(oracle, oracle.create_trial("tuner0"), None, "FAILED", "broken")
    thread = threading.Thread(
        target=oracle.create_trial, args=("tuner1",), daemon=True
    )
    thread.start()
    thread.join(timeout=1 if engine is KERAS_TUNER else 60)
    engine.holds(not thread.is_alive())


@tuners
def test_seed_0_is_a_seed(engine):
    seeds = {engine.oracle(seed=0).seed for _ in range(10)}
    engine.holds(seeds == {0})


@tuners
def test_neighbouring_seeds_give_unrelated_searches(engine, tmp_path):
    space = keras_tuner.HyperParameters()
    space.Float("x", 0, 1)
    first, second = (
        [
            values["x"]
            for values in search(
                Project(tmp_path / str(seed)).open(
                    engine.oracle(
                        OBJECTIVE,
                        hyperparameters=space,
                        seed=seed,
                        max_trials=20,
                    )
                )
            )
        ]
        for seed in (3, 4)
    )
    engine.holds(not set(first) & set(second))


@tuners_and_mixed
def test_a_space_is_exhausted_only_when_all_of_it_was_tried(engine, tmp_path):
    def build_space(hp):
        for name in "abc":
            hp.Choice(name, [1, 2, 3, 4])
        return make_model()

    oracle = engine.oracle(OBJECTIVE, max_trials=None, seed=1)
    engine.tuner(tmp_path, build_space, oracle)
    oracle.verbose = 0
    proposals = search(oracle)
    engine.holds(len(set(keys(proposals, oracle.get_space()))) == 4**3)


@tuners_and_mixed
def test_failures_of_an_earlier_run_do_not_end_a_later_one(engine, tmp_path):
    def make(*results):
        oracle = engine.oracle(max_trials=6, seed=1)
        return engine.tuner(tmp_path, Scripted(*results), oracle)

    errors = [ValueError(word) for word in ("one", "two", "three")]
    first = make(*errors, 1.0, 1.0, 1.0)
    with contextlib.suppress(RuntimeError):
        first.search(verbose=0)
    second = make(1.0, 1.0, 1.0)
    try:
        second.search(verbose=0)
    except RuntimeError as error:
        assert engine is KERAS_TUNER, error
    engine.holds(statuses(second) == ["FAILED"] * 3 + ["COMPLETED"] * 3)


# engine/base_tuner.py


@tuners_and_mixed
def test_a_retry_makes_good_for_nan(engine, tmp_path):
    oracle = engine.oracle(max_trials=1, seed=1, max_retries_per_trial=1)
    hypermodel = Scripted(float("nan"), 0.25)
    tuner = engine.tuner(tmp_path, hypermodel, oracle)
    tuner.search(verbose=0)
    assert len(hypermodel.fits) == 2
    (trial,) = oracle.trials.values()
    engine.holds((trial.status, trial.score) == ("COMPLETED", 0.25))


@tuners
def test_k_exclusive_scopes_take_k_builds(engine, tmp_path):
    k = 6
    builds = []

    def build_scopes(hp):
        builds.append(1)
        kind = hp.Choice("kind", list(range(k)))
        for value in range(k):
            with hp.conditional_scope("kind", [value]):
                if kind == value:
                    hp.Int(f"units{value}", 1, 3)
        return make_model()

    engine.tuner(tmp_path, build_scopes)
    engine.holds(len(builds) == k)
    if engine is KERAS_TUNER:
        assert len(builds) == k * (k - 1) // 2 + 1


# tuners/bayesian.py


@pytest.mark.parametrize("engine", [MIXED, KERAS_TUNER], ids=str)
def test_an_infinite_loss_is_not_the_best_score(engine, tmp_path):
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(
        "val_loss", max_trials=4, num_initial_points=3, seed=1
    )
    tuner = engine.tuner(
        tmp_path, Scripted(5.0, float("inf"), 6.0, 7.0), oracle
    )
    tuner.search(verbose=0)
    # KerasTuner fits its model to a loss of 0 for an infinite one.
    known = [
        trial.score
        for trial in oracle.trials.values()
        if trial.status == "COMPLETED"
    ]
    engine.holds(np.all(np.isfinite(known)))
    assert statuses(tuner)[0] == statuses(tuner)[2] == "COMPLETED"


# Several objectives


@tuners_and_mixed
def test_run_trial_may_return_a_dict_of_several_objectives(engine, tmp_path):
    class Own(engine.tuner_class):
        def run_trial(self, trial, *args, **kwargs):
            units = float(trial.hyperparameters.Choice("units", UNITS))
            return {"val_loss": units, "loss": 2 * units}

    tuner = Own(
        oracle=engine.oracle(["val_loss", "loss"], max_trials=2, seed=1),
        directory=tmp_path,
    )
    try:
        tuner.search(verbose=0)
    except FatalError:
        assert engine is KERAS_TUNER
    engine.holds(statuses(tuner) == ["COMPLETED"] * 2)
    for trial in tuner.oracle.get_best_trials(2):
        if engine is not KERAS_TUNER:
            assert trial.score == 3 * trial.hyperparameters["units"]


# The proto round trip


def sent(trial):
    """What arrives of a trial in another process."""
    received = Trial.from_proto(trial.to_proto())
    received.status = trial.status
    return received


def discover(oracle):
    """Searches on after a worker has found a parent with two children."""
    trial = oracle.create_trial("tuner0")
    hp = trial.hyperparameters
    hp.Boolean("norm")
    with hp.conditional_scope("norm", [True]):
        hp.Float("momentum", 0.5, 0.9)
    with hp.conditional_scope("norm", [False]):
        hp.Float("epsilon", 0.1, 0.2)
    received = sent(trial)
    names = [hp.name for hp in received.hyperparameters.space]
    assert names.index("momentum") < names.index("norm")
    finish(oracle, received, 0.5)
    return search(oracle)


@tuners_and_mixed
def test_hyperparameters_found_by_a_worker_are_drawn_from_the_seed(
    engine, tmp_path
):
    first, second = (
        discover(
            engine.tuner(
                tmp_path / str(number),
                Scripted(),
                engine.oracle(
                    OBJECTIVE,
                    hyperparameters=small_space(),
                    seed=1,
                    max_trials=8,
                ),
            ).oracle
        )
        for number in range(2)
    )
    assert len(first) == 7
    for values in first:
        active = "momentum" if values["norm"] else "epsilon"
        assert len({"momentum", "epsilon"} & set(values)) == 1
        assert values[active] is not None
    engine.holds(first == second)


# Resuming


@tuners_and_mixed
@pytest.mark.parametrize("change", ["range", "objective"])
def test_a_changed_search_is_not_resumed_silently(engine, change, tmp_path):
    class Any(Scripted):
        def build(self, hp):
            return make_model(hp.Int("units", 1, self.maximum))

    def make(maximum, objective):
        hypermodel = Any(1.0)
        hypermodel.maximum = maximum
        oracle = engine.oracle(objective, max_trials=1, seed=1)
        return engine.tuner(tmp_path, hypermodel, oracle)

    make(8, "val_loss").search(verbose=0)
    with contextlib.suppress(ValueError):
        if change == "range":
            make(9, "val_loss")
        else:
            make(8, "loss")
        engine.holds(False)
        return
    engine.holds(True)


@tuners_and_mixed
def test_a_tuner_with_a_name_is_resumed(engine, tmp_path):
    def make():
        return engine.tuner(tmp_path, Scripted(1.0, 2.0, 3.0), tuner_id="mine")

    first = make()
    first.search(verbose=0)
    engine.holds(trials_of(make()) == trials_of(first))


# The chief and its workers


class Roles:
    """Lets this process be a chief and its workers, in turn."""

    def __init__(self, engine, directory, patch):
        self.engine = engine
        self.directory = directory
        self.patch = patch
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        patch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
        patch.setenv("KERASTUNER_ORACLE_PORT", str(self.port))
        self.chief = None
        self.thread = None
        self.error = None

    def tuner(self, role, hypermodel, max_trials=3, **arguments):
        self.patch.setenv("KERASTUNER_TUNER_ID", role)
        oracle = self.engine.oracle(
            max_trials=max_trials, seed=1, max_consecutive_failed_trials=9
        )
        return self.engine.tuner(
            self.directory, hypermodel, oracle, **arguments
        )

    def start_chief(self, hypermodel=None, **arguments):
        self.chief = self.tuner("chief", hypermodel or build, **arguments)

        def serve():
            try:
                self.chief.search()
            except RuntimeError as error:
                self.error = error

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.01)
        raise TimeoutError("The chief does not answer.")

    def end(self):
        self.thread.join(timeout=60)
        assert not self.thread.is_alive(), "The chief does not end."


@pytest.fixture(scope="module", params=[KERAS_NAS, MIXED, KERAS_TUNER], ids=str)
def distributed(request, tmp_path_factory):
    """A search of three trials, of which the second has failed."""
    directory = tmp_path_factory.mktemp("distributed")
    with pytest.MonkeyPatch.context() as patch:
        roles = Roles(request.param, directory, patch)
        roles.start_chief()
        roles.worker = roles.tuner(
            "tuner0", Scripted(0.1, ValueError("no luck"), 0.3)
        )
        roles.worker.search(verbose=0)
        roles.end()
    return roles


def test_a_worker_reads_scores_as_they_were_measured(distributed):
    best = distributed.chief.oracle.get_best_trials(2)
    if distributed.engine is KERAS_TUNER:
        best = [sent(trial) for trial in best]
    else:
        best = distributed.worker.oracle.get_best_trials(2)
    distributed.engine.holds([trial.score for trial in best] == [0.1, 0.3])


def test_the_chief_knows_scores_as_they_were_measured(distributed):
    scores = [t.score for t in distributed.chief.oracle.get_best_trials(2)]
    # KerasTuner rounds only on the way back.
    assert scores == [0.1, 0.3]


def test_the_chief_learns_why_a_trial_has_failed(distributed):
    (failed,) = [
        trial
        for trial in distributed.chief.oracle.trials.values()
        if trial.status == "FAILED"
    ]
    distributed.engine.holds("ValueError: no luck" in (failed.message or ""))


def test_a_worker_has_all_methods_of_its_oracle_after_a_search(distributed):
    oracle = distributed.worker.oracle
    distributed.engine.holds(hasattr(oracle, "trials"))
    if distributed.engine is not KERAS_TUNER:
        assert len(oracle.completed_trials()) == 2
        distributed.worker.results_summary()


def test_a_finished_distributed_search_has_nothing_left_to_run(
    distributed, tmp_path
):
    folder = "untitled_project"
    shutil.copytree(distributed.directory / folder, tmp_path / folder)
    tuner = distributed.engine.tuner(tmp_path, build)
    assert tuner.remaining_trials == 0
    again = tuner.oracle.create_trial("tuner0")
    distributed.engine.holds(again.status == "STOPPED")


@pytest.fixture
def roles(tmp_path, monkeypatch):
    return Roles(KERAS_NAS, tmp_path, monkeypatch)


@tuners_and_mixed
def test_overwrite_on_a_worker_keeps_the_live_project(
    engine, tmp_path, monkeypatch
):
    roles = Roles(engine, tmp_path, monkeypatch)
    chief = roles.tuner("chief", build)
    chief.save()
    before = set(snapshot(tmp_path))
    roles.tuner("tuner0", build, overwrite=True)
    engine.holds(before <= set(snapshot(tmp_path)))


def test_a_chief_notices_that_another_search_is_resumed(roles):
    roles.start_chief()
    roles.tuner("tuner0", Scripted(1.0, 2.0, 3.0)).search(verbose=0)
    roles.end()
    roles.patch.delenv("KERASTUNER_ORACLE_IP")
    oracle = nas.oracles.RandomOracle("loss", max_trials=3, seed=1)
    with pytest.raises(ValueError, match="`objective` was val_loss"):
        roles.engine.tuner(roles.directory, build, oracle)


def test_a_worker_may_return_a_dict_of_several_objectives(
    tmp_path, monkeypatch
):
    class Several(Engine):
        def oracle(self, objective=None, **arguments):
            return super().oracle(["val_loss", "loss"], **arguments)

    class Own(nas.Tuner):
        def run_trial(self, trial, *args, **kwargs):
            return {"val_loss": 1.0, "loss": 2.0}

    engine = Several("several", nas, nas.oracles.RandomOracle)
    roles = Roles(engine, tmp_path, monkeypatch)
    roles.start_chief()
    engine.tuner_class = Own
    roles.tuner("tuner0", build).search(verbose=0)
    roles.end()
    assert [t.score for t in roles.chief.oracle.trials.values()] == [3.0] * 3


def test_an_error_that_ends_a_search_ends_the_chief(roles):
    errors = [ValueError("always the same") for _ in range(3)]
    roles.start_chief(max_trials=10)
    # Its worker is told that there are no more trials.
    roles.tuner("tuner0", Scripted(*errors), max_trials=10).search(verbose=0)
    roles.end()
    assert "all failed with the same error" in str(roles.error)
    assert "ValueError: always the same" in str(roles.error)
    assert statuses(roles.chief) == ["FAILED"] * 3


def test_a_fatal_error_of_a_worker_ends_the_chief(roles):
    roles.start_chief()
    with pytest.raises(FatalError, match="val_loss"):
        roles.tuner("tuner0", Scripted({"accuracy": 1.0})).search(verbose=0)
    roles.end()
    assert "way in which all others would" in str(roles.error)
    assert "not among the metrics" in str(roles.error)
    assert statuses(roles.chief) == ["FAILED"]


def test_a_worker_that_died_is_replaced_by_one_of_its_name(roles):
    roles.start_chief()
    dead = roles.tuner("tuner0", build)
    lost = dead.oracle.create_trial("tuner0")
    live = roles.tuner("tuner0", Scripted(1.0, 2.0, 3.0))
    live.search(verbose=0)
    roles.end()
    assert statuses(roles.chief) == ["COMPLETED"] * 3
    scores = {i: score for i, _, score, _ in trials_of(roles.chief)}
    assert scores[lost.trial_id] == 1.0


# The page that lists them all


def listed_tests():
    page = (ROOT / "docs" / "kerastuner_defects.md").read_text()
    return re.findall(r"`([\w/]+_test\.py)::(\w+)`", page)


def test_the_page_lists_every_defect_of_this_file():
    here = pathlib.Path(__file__)
    tree = ast.parse(here.read_text())
    tests = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    listed = {name for file, name in listed_tests() if file.endswith(here.name)}
    assert tests - listed == {
        "test_the_page_lists_every_defect_of_this_file",
        "test_every_test_on_the_page_exists",
        "test_every_row_of_the_page_has_a_test_or_says_why_not",
    }


def test_every_test_on_the_page_exists():
    tests = listed_tests()
    assert len(tests) > 30
    for file, name in tests:
        path = ROOT / "keras_nas_tests" / file
        tree = ast.parse(path.read_text())
        defined = {
            node.name for node in tree.body if isinstance(node, ast.FunctionDef)
        }
        assert name in defined, f"{file} has no {name}"


def test_every_row_of_the_page_has_a_test_or_says_why_not():
    page = (ROOT / "docs" / "kerastuner_defects.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith(("| defect", "|--"))]
    assert len(rows) > 25
    for row in rows:
        assert "_test.py::test_" in row or "not repaired" in row.lower(), row
