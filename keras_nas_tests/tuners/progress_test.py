import io
import re
import sys

import keras
import keras_tuner
import numpy as np
import pytest

import keras_nas as nas
from keras_nas.tuners.progress import Progress
from keras_nas_tests.tuners.tiny_searches import Scripted, batches, build

TIME = r"\d+\.\ds"


class Terminal(io.StringIO):
    """A text stream that says that it is a terminal."""

    def isatty(self):
        return True

    def screen(self):
        """Returns the lines that a person sees in the end."""
        lines = []
        for line in self.getvalue().split("\n"):
            shown = ""
            for part in line.split("\r"):
                shown = part + shown[len(part) :]
            lines.append(shown.rstrip())
        return lines


def search(tmp_path, *results, verbose=1, max_trials=None, **arguments):
    tuner = nas.RandomSearch(
        Scripted(*results),
        keras_tuner.Objective("val_loss", "min"),
        max_trials=max_trials or len(results),
        seed=0,
        directory=tmp_path,
        **arguments,
    )
    tuner.search(verbose=verbose)
    return tuner


def units_of(tuner):
    trials = tuner.oracle.trials
    return [
        trials[i].hyperparameters["units"] for i in tuner.oracle.start_order
    ]


def test_every_trial_is_one_line_with_all_there_is_to_know(tmp_path, capsys):
    tuner = search(tmp_path, 0.5, 0.25, 0.75)
    first, *trials, last = capsys.readouterr().out.splitlines()
    units = units_of(tuner)
    assert first == (
        "RandomSearch: 1 hyperparameter, 6 architectures, objective "
        f"val_loss (min), 3 trials, in {tuner.project_dir}"
    )
    expected = [
        "trial 1/3 | val_loss 0.5 | best 0.5 (trial 1)",
        "trial 2/3 | val_loss 0.25 | best 0.25 (trial 2)",
        "trial 3/3 | val_loss 0.75 | best 0.25 (trial 2)",
    ]
    assert len(trials) == 3
    for line, beginning, unit in zip(trials, expected, units, strict=True):
        assert re.fullmatch(
            re.escape(beginning)
            + rf" \| {TIME}, spent {TIME}(, left ~{TIME})? \| units={unit}",
            line,
        )
    assert last == (
        f"Search finished: 3 trials completed, 0 failed, in {tuner.project_dir}"
    )


def test_a_silent_search_prints_nothing(tmp_path, capsys):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(batches(), validation_data=batches(), epochs=1, verbose=0)
    assert len(tuner.oracle.end_order) == 1
    assert capsys.readouterr().out == ""


def test_a_silent_search_says_nothing_of_failures_either(tmp_path, capsys):
    search(tmp_path, ValueError("no"), 1.0, verbose=0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("verbose", ["auto", 1])
def test_training_prints_no_lines_of_its_own(tmp_path, capsys, verbose):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(
        batches(), validation_data=batches(), epochs=2, verbose=verbose
    )
    out = capsys.readouterr().out
    assert "Epoch" not in out
    assert len(out.splitlines()) == 3


def test_verbose_2_shows_the_candidate_first_and_every_epoch(tmp_path, capsys):
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(batches(), validation_data=batches(), epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == f"trial 1/1: units={units_of(tuner)[0]}"
    assert lines.index("Epoch 1/2") < lines.index("Epoch 2/2")
    assert lines[-2].startswith("trial 1/1 | val_loss ")


def test_a_log_file_gets_no_carriage_returns(tmp_path, monkeypatch):
    with open(tmp_path / "log.txt", "w") as log:
        monkeypatch.setattr(sys, "stdout", log)
        tuner = nas.RandomSearch(
            build, "val_loss", max_trials=1, directory=tmp_path
        )
        tuner.search(batches(), validation_data=batches(), epochs=2)
    content = (tmp_path / "log.txt").read_bytes()
    assert content.count(b"\n") == 3
    assert b"\r" not in content
    assert b"\b" not in content
    assert b"\x1b" not in content


def test_a_terminal_shows_the_running_epoch_in_place(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    tuner = nas.RandomSearch(
        build, "val_loss", max_trials=1, directory=tmp_path
    )
    tuner.search(batches(), validation_data=batches(), epochs=2)
    out = terminal.getvalue()
    live = [part for part in re.split("[\r\n]", out) if "epoch" in part]
    assert [part.split(" | ")[1] for part in live] == [
        "epoch 1/2",
        "epoch 2/2",
    ]
    assert all("loss" in part for part in live)
    # A longer line would wrap, and could not be rewritten.
    assert all(len(part) < 60 for part in live)
    # In the end the whole lines are left, without rests of the live one.
    lines = terminal.screen()
    assert len(lines) == 4
    assert lines[1].startswith("trial 1/1 | val_loss ")
    assert "epoch" not in "".join(lines)


def test_a_stream_that_only_writes_is_enough(tmp_path, monkeypatch):
    class Tee:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    tee = Tee()
    monkeypatch.setattr(sys, "stdout", tee)
    search(tmp_path, 0.5)
    assert "trial 1/1 | val_loss 0.5" in tee.text


def test_a_failure_is_shown_with_its_reason(tmp_path, capsys):
    search(tmp_path, ValueError("the kernel is too large"), 0.5, float("nan"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith(
        "trial 1/3 | FAILED: ValueError: the kernel is too large | best none"
    )
    assert lines[2].startswith("trial 2/3 | val_loss 0.5 | best 0.5 (trial 2)")
    assert lines[3].startswith("trial 3/3 | FAILED: The objective `val_loss` ")
    assert " nan" in lines[3]
    assert lines[4].startswith("Search finished: 1 trial completed, 2 failed")


def test_the_reason_of_an_error_of_many_lines_is_its_message(tmp_path, capsys):
    """Errors of TensorFlow have long tails; the first line says it."""
    error = ValueError("bad shape (3, 4)\n\nArguments received:\n  • x=None")
    search(tmp_path, error, 0.5)
    line = capsys.readouterr().out.splitlines()[1]
    assert "ValueError: bad shape (3, 4)" in line


def test_the_reason_of_an_error_in_a_layer_is_below_kerass_heading(
    tmp_path, capsys
):
    class Failing(keras.layers.Layer):
        def call(self, inputs):
            raise ValueError("no such kernel")

        def compute_output_spec(self, inputs):
            return inputs

    try:
        Failing()(np.ones((2, 2)))
    except ValueError as caught:
        error = caught
    search(tmp_path, error, 0.5)
    line = capsys.readouterr().out.splitlines()[1]
    assert "FAILED: ValueError: Exception encountered when calling" in line
    assert "no such kernel | best none" in line


def test_the_estimate_of_the_time_left_counts_the_trials_left(capsys):
    progress = Progress(verbose=1)
    progress.begin_trial("trial 2/4", {"units": 3})
    progress.end_trial(
        "trial 2/4", "loss 1", "1 (trial 1)", 75.0, 7322.0, {"units": 3}
    )
    out = capsys.readouterr().out
    assert "spent 1m15s, left ~2h02m" in out


def test_without_a_limit_of_trials_no_time_left_is_guessed(tmp_path, capsys):
    tuner = nas.RandomSearch(
        Scripted(*[1.0] * 6), max_trials=None, directory=tmp_path
    )
    tuner.search()
    out = capsys.readouterr().out
    assert "unlimited trials" in out
    assert "trial 6 | " in out
    assert "left" not in out


def test_a_resumed_search_says_what_is_done_already(tmp_path, capsys):
    search(tmp_path, 0.5, 0.25)
    capsys.readouterr()
    search(tmp_path, 0.75, max_trials=3)
    out = capsys.readouterr().out
    assert "3 trials, 2 of them finished before" in out
    assert "trial 3/3 | val_loss 0.75 | best 0.25 (trial 2)" in out


def test_an_interrupted_search_says_how_to_go_on(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, 0.5, KeyboardInterrupt())
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Interrupted. 1 finished trial in {tmp_path}/untitled_project; "
        "run the same script to go on."
    )


def test_a_terminal_shows_what_is_done_before_a_trial():
    terminal = Terminal()
    progress = Progress(verbose=1, stream=terminal)
    progress.prepare("1 candidate turned away")
    progress.prepare("2 candidates turned away")
    assert terminal.screen() == ["2 candidates turned away"]
    progress.note("done")
    assert terminal.screen() == ["done", ""]


def test_a_log_file_is_told_of_it_after_half_a_minute(monkeypatch):
    clock_s = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock_s[-1])
    log, silent = io.StringIO(), io.StringIO()
    progresses = [Progress(1, log), Progress(0, silent)]
    for time_s, text in ((110.0, "first"), (131.0, "second"), (140.0, "third")):
        clock_s.append(time_s)
        for progress in progresses:
            progress.prepare(text)
    assert log.getvalue() == "second\n"
    assert silent.getvalue() == ""
