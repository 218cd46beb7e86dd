"""Tables of other devices: files are written, measured and read back."""

import json
import subprocess
import sys

import keras
import pytest

from keras_nas import costs


def build(hp):
    return keras.Sequential(
        [
            keras.Input((32,)),
            keras.layers.Dense(hp.Choice("units", [4, 1024])),
        ]
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote") / "pixel8"
    count = costs.write_measurements(
        build,
        folder,
        "pixel8",
        num_calibration_models=1,
        num_test_models=1,
        verbose=0,
    )
    assert count == 2 + 2
    return folder


def test_the_device_needs_no_keras_nas(written):
    code = (written / "run.py").read_text()
    assert "keras" not in code.replace("keras_nas", "").partition('"""')[0]
    ran = subprocess.run(
        # Isolated: neither this folder nor PYTHONPATH.
        [sys.executable, "-I", str(written / "run.py")],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "4 of 4" in ran.stdout
    results = json.loads((written / "results.json").read_text())
    table = costs.read_measurements(written)
    assert table.device == "pixel8"
    assert sorted(table.latencies_ms.values()) == sorted(
        value for name, value in results.items() if name.startswith("piece")
    )
    assert table.error.num_models == 1
    # What a device has measured, this machine does not measure again.
    table.save(written / "table.json")
    again = costs.LatencyTable.measure(
        build,
        "pixel8",
        path=written / "table.json",
        num_calibration_models=1,
        num_test_models=1,
        verbose=0,
    )
    assert again.is_same_prediction(table)
    assert again.plan == table.plan is not None


def test_the_script_for_phones_reads_what_the_benchmark_prints(written):
    """`adb` and TensorFlow's benchmark are played by a script."""
    tools = written.parent / "tools"
    tools.mkdir()
    adb = tools / "adb"
    adb.write_text(
        "#!/bin/sh\n"
        'case "$*" in *benchmark_model\\ --graph*) echo "INFO: Inference '
        "timings in us: Init: 99, First inference: 88, Warmup (avg): 77, "
        'Inference (avg): 1250.5";; esac\n'
    )
    adb.chmod(0o755)
    results = written / "results.json"
    before = results.read_text() if results.exists() else None
    try:
        subprocess.run(
            [str(written / "run_adb.sh"), str(adb)],
            env={"PATH": f"{tools}:/usr/bin:/bin"},
            check=True,
            capture_output=True,
        )
        measured = json.loads(results.read_text())
        assert len(measured) == 4
        assert set(measured.values()) == {1.2505}
    finally:
        results.unlink(missing_ok=True)
        if before is not None:
            results.write_text(before)


def test_what_is_missing_is_named(written, tmp_path):
    (tmp_path / "plan.json").write_text((written / "plan.json").read_text())
    with pytest.raises(ValueError, match="results.json"):
        costs.read_measurements(tmp_path)
    (tmp_path / "results.json").write_text('{"model_000": 1.0}')
    with pytest.raises(ValueError, match="lacks 3 of 4"):
        costs.read_measurements(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": None}, "without .'device'."),
        ({"format_version": 99}, "newer"),
    ],
)
def test_another_plan_is_refused(written, tmp_path, changes, message):
    plan = json.loads((written / "plan.json").read_text()) | changes
    plan = {k: v for k, v in plan.items() if v is not None}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(ValueError, match=message):
        costs.read_measurements(tmp_path)


def test_times_are_numbers(written, tmp_path):
    plan = (written / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(plan)
    names = [f"piece_{key}" for key in json.loads(plan)["pieces"]]
    results = dict.fromkeys([*names, "model_000", "model_001"], "fast")
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="positive number. Received: 'fast'"):
        costs.read_measurements(tmp_path)


def test_a_folder_of_something_else_is_left_alone(written):
    with pytest.raises(ValueError, match="something else"):
        costs.write_measurements(build, written, "pixel9", verbose=0)
