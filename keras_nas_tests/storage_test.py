import errno
import json
import os
import pathlib
import stat
import subprocess
import sys

import numpy as np
import pytest

from keras_nas import storage

ROOT = pathlib.Path(__file__).resolve().parents[1]


def read(path):
    with open(path) as file:
        return json.load(file)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "state.json"
    content = {"text": "ü → 日本", "list": [1, 2.5, True, None], "empty": {}}
    storage.write_json(path, content)
    assert storage.read_json(path) == content
    assert storage.read_json(str(path)) == read(path) == content


def test_a_second_write_replaces_the_first(tmp_path):
    path = tmp_path / "state.json"
    storage.write_json(path, {"long": "x" * 1000})
    storage.write_json(path, {"short": 1})
    assert read(path) == {"short": 1}
    assert os.listdir(tmp_path) == ["state.json"]


def test_numpy_numbers_become_plain_numbers(tmp_path):
    path = tmp_path / "state.json"
    storage.write_json(
        path,
        {
            "int": np.int64(3),
            "float32": np.float32(0.5),
            "float64": np.float64(0.1),
            "bool": np.bool_(True),
            "inside": [{"a": np.uint8(255)}],
        },
    )
    content = storage.read_json(path)
    assert content == {
        "int": 3,
        "float32": 0.5,
        "float64": 0.1,
        "bool": True,
        "inside": [{"a": 255}],
    }
    assert content["bool"] is True


def test_numbers_that_are_not_finite_survive(tmp_path):
    path = tmp_path / "state.json"
    storage.write_json(path, [np.float64("nan"), float("inf"), -np.inf])
    nan, inf, minus_inf = storage.read_json(path)
    assert np.isnan(nan)
    assert (inf, minus_inf) == (np.inf, -np.inf)


@pytest.mark.parametrize("value", [object(), {1, 2}, np.ones(2), b"bytes"])
def test_what_json_cannot_hold_is_an_error_that_leaves_the_file_alone(
    tmp_path, value
):
    path = tmp_path / "state.json"
    storage.write_json(path, {"good": 1})
    with pytest.raises(TypeError, match=f"type {type(value).__name__} as JSON"):
        storage.write_json(path, {"bad": value})
    assert read(path) == {"good": 1}
    assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("started", [True, False])
def test_a_writer_that_raises_leaves_the_old_content_and_nothing_else(
    tmp_path, error, started
):
    path = tmp_path / "weights.h5"
    path.write_text("old")

    def write(temporary):
        if started:
            with open(temporary, "w") as file:
                file.write("half of the n")
        raise error("disk full")

    with pytest.raises(error, match="disk full"):
        storage.write_atomically(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights.h5"]


def test_a_writer_that_writes_nothing_leaves_the_old_content(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_text("old")
    with pytest.raises(OSError):
        storage.write_atomically(path, lambda temporary: None)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights.h5"]


def test_the_old_content_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("old")
    seen = []

    def write(temporary):
        with open(temporary, "w") as file:
            file.write("n")
            file.flush()
            seen.append(path.read_text())
            file.write("ew")
        seen.append(path.read_text())

    storage.write_atomically(path, write)
    assert seen == ["old", "old"]
    assert path.read_text() == "new"


def test_the_temporary_file_stands_beside_its_target_with_its_ending(tmp_path):
    # Keras looks at the ending; a rename is atomic within a folder only.
    path = tmp_path / "best.weights.h5"
    temporaries = []

    def write(temporary):
        temporaries.append(temporary)
        pathlib.Path(temporary).write_text("new")

    storage.write_atomically(path, write)
    assert os.path.dirname(temporaries[0]) == str(tmp_path)
    assert temporaries[0] != str(path)
    assert temporaries[0].endswith(".weights.h5")


def test_a_path_without_a_folder_means_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.write_json("state.json", [1])
    assert read(tmp_path / "state.json") == [1]
    assert storage.read_json("state.json") == [1]


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "nowhere" / "state.json"
    with pytest.raises(Exception, match=r"nowhere.*state\.json.*No such file"):
        storage.write_json(path, [1])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "content, problem",
    [
        (None, "there is no such file"),
        (b"", "it is empty"),
        (b'{"trials": [1, 2', "it is damaged (Expecting"),
        (b"not JSON", "it is damaged (Expecting"),
        (b'{"a": 1}{"a": 2}', "it is damaged (Extra data"),
        (b"\x00" * 50, "it is damaged"),
        (b"\x89HDF\r\n\xff\xfe", "it is not text"),
    ],
    ids=["missing", "empty", "cut", "text", "twice", "zeros", "binary"],
)
def test_a_file_that_cannot_be_read_is_an_error_that_says_what_to_do(
    tmp_path, content, problem
):
    path = tmp_path / "oracle.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuntimeError) as raised:
        storage.read_json(path)
    message = str(raised.value)
    assert message.startswith(f"Cannot read '{path}': {problem}")
    assert "`overwrite=True`" in message


def test_a_folder_in_place_of_a_file_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Is a directory"):
        storage.read_json(tmp_path)


def test_exists_is_true_for_files_and_folders(tmp_path):
    path = tmp_path / "state.json"
    assert not storage.exists(path)
    storage.write_json(path, {})
    assert storage.exists(path)
    assert storage.exists(str(tmp_path))


@pytest.mark.parametrize("scheme", ["file", "ram"])
def test_paths_that_are_not_local_are_written_and_read(tmp_path, scheme):
    folder = f"{scheme}://{tmp_path}"
    path = f"{folder}/state.json"
    assert not storage.exists(path)
    storage.write_json(path, {"a": np.int64(1)})
    storage.write_json(path, {"a": np.int64(2)})
    assert storage.exists(path)
    assert storage.read_json(path) == {"a": 2}
    with pytest.raises(TypeError):
        storage.write_json(path, object())
    assert storage.read_json(path) == {"a": 2}
    with pytest.raises(RuntimeError, match="there is no such file"):
        storage.read_json(f"{folder}/gone.json")


def test_a_written_file_can_be_read_by_others_as_any_file(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("")
    storage.write_json(tmp_path / "state.json", {})
    assert stat.S_IMODE(os.stat(tmp_path / "state.json").st_mode) == (
        stat.S_IMODE(os.stat(plain).st_mode)
    )


KILL_LOOP = """
import os, random, signal, sys, time
from keras_nas import storage

path, kills = sys.argv[1], int(sys.argv[2])
rng = random.Random(0)
storage.write_json(path, {"number": 0, "filling": "x" * 100_000})
last = -1
for _ in range(kills):
    child = os.fork()
    if child == 0:
        number = last
        while True:
            number += 1
            storage.write_json(
                path, {"number": number, "filling": "x" * 100_000}
            )
    time.sleep(0.01 + 0.03 * rng.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    content = storage.read_json(path)
    assert len(content["filling"]) == 100_000
    assert content["number"] >= last, (content["number"], last)
    last = content["number"]
print("last number", last)
"""


def test_several_files_replace_those_of_their_names(tmp_path):
    folder = tmp_path / "new" / "model"
    storage.write_files(folder, {"a": b"1", "b": b"2"})
    (folder / "c").write_bytes(b"3")
    storage.write_files(str(folder), {"b": b"22"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        "a": b"1",
        "b": b"22",
        "c": b"3",
    }


@pytest.mark.parametrize("failing_call", [1, 2, 3])
def test_a_disk_that_gets_full_leaves_all_files_as_they_were(
    tmp_path, monkeypatch, failing_call
):
    storage.write_files(tmp_path, {"a": b"old", "b": b"old"})
    calls = []
    flush = os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == failing_call:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.write_files(tmp_path, {"a": b"n", "b": b"n", "c": b"n"})
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "a": b"old",
        "b": b"old",
    }


def test_a_folder_that_was_made_for_nothing_is_removed(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        storage.write_files(tmp_path / "new", {"a": b"n"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_one_of_the_files_changes_nothing(tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(IsADirectoryError):
        storage.write_files(tmp_path, {"a": b"n", "b": b"n"})
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    # KerasTuner left an empty or cut file after 121 of 200 kills.
    run = subprocess.run(
        [sys.executable, "-c", KILL_LOOP, tmp_path / "state.json", "20"],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) >= 20  # It was killed while writing.
