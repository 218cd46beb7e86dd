"""Latency tables of devices that are elsewhere: files out, times back."""

import json
import os
import pathlib

from keras_nas import storage
from keras_nas.costs.amount import is_amount
from keras_nas.costs.latency_table import LatencyTable
from keras_nas.costs.measurement_plan import (
    MeasurementPlan,
    WholeModel,
    piece_file,
    plan_digest,
)
from keras_nas.costs.tflite_files import tflite_file

PLAN_FILE = "plan.json"
RESULTS_FILE = "results.json"
FORMAT_VERSION = 1

# Runs wherever there are Python and LiteRT, without keras_nas.
_RUN_PY = '''\
"""Measures all .tflite files beside this script; writes results.json.

    pip install ai-edge-litert
    python run.py

Run it again after an interruption: what was measured stays.
"""

import json
import os
import pathlib
import statistics
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

NUM_THREADS = {num_threads}
ROUNDS = 5


def median_ms(path):
    interpreter = Interpreter(str(path), num_threads=NUM_THREADS)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        values = np.zeros(details["shape"], details["dtype"])
        if details["dtype"] == np.float32:
            values = rng.random(details["shape"]).astype("float32")
        interpreter.set_tensor(details["index"], values)
    begin = time.perf_counter()
    runs = 0
    while runs < 3 or time.perf_counter() - begin < 0.02:
        interpreter.invoke()
        runs += 1
    count = max(3, round(0.03 * runs / (time.perf_counter() - begin)))
    medians = []
    for _ in range(ROUNDS):
        times_ms = []
        for _ in range(count):
            begin = time.perf_counter_ns()
            interpreter.invoke()
            times_ms.append((time.perf_counter_ns() - begin) / 1e6)
        medians.append(statistics.median(times_ms))
    return statistics.median(medians)


folder = pathlib.Path(__file__).parent
path = folder / "results.json"
results = json.loads(path.read_text()) if path.exists() else {{}}
files = sorted(folder.glob("*.tflite"))
for number, file in enumerate(files):
    if file.stem not in results:
        results[file.stem] = median_ms(file)
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(results))
        os.replace(temporary, path)
    print(f"{{number + 1}} of {{len(files)}}: {{results[file.stem]:.4f}} ms")
'''

# For phones: TensorFlow's own benchmark, which its site has for Android.
_RUN_ADB = """\
#!/usr/bin/env bash
# Measures all .tflite files beside this script on the phone that adb shows;
# writes results.json. It needs TensorFlow Lite's `benchmark_model` for Android:
#     ./run_adb.sh path/to/android_aarch64_benchmark_model
set -euo pipefail
benchmark="${{1:?usage: run_adb.sh path/to/benchmark_model}}"
cd "$(dirname "$0")"
there=/data/local/tmp/keras_nas
adb shell mkdir -p "$there"
adb push "$benchmark" "$there/benchmark_model" > /dev/null
adb shell chmod +x "$there/benchmark_model"
echo "{{" > results.part
comma=""
for file in *.tflite; do
  adb push "$file" "$there/model.tflite" > /dev/null
  printed=$(adb shell "$there/benchmark_model" \\
    --graph="$there/model.tflite" --num_threads={num_threads} \\
    --warmup_runs=5 --num_runs=50 2>&1 < /dev/null)
  us=$(echo "$printed" |
    sed -n 's/.*Inference (avg): *\\([0-9.e+]*\\).*/\\1/p' | tail -1)
  if [ -z "$us" ]; then
    echo "no time for $file:" >&2
    echo "$printed" >&2
    exit 1
  fi
  ms=$(awk "BEGIN {{ print $us / 1000 }}")
  echo "$comma\\"${{file%.tflite}}\\": $ms" >> results.part
  comma=","
  echo "$file: $ms ms"
done
echo "}}" >> results.part
mv results.part results.json
"""


def write_measurements(
    search_space,
    folder,
    device,
    quantize="int8",
    num_threads=1,
    num_calibration_models=8,
    num_test_models=8,
    seed=0,
    verbose=1,
):
    """Writes what has to be measured on another device to a folder.

    Copy the folder to the device, or to a computer that the phone is connected
    to, and run `run.py` or `run_adb.sh` in it; then give the folder to
    `read_measurements`.

    Args:
        search_space: Function `build(hp)` or `keras_tuner.HyperModel`.
        folder: String, a folder, which is made. Files in it from an earlier
            call are not made again.
        device: String, the name of the device in metrics, such as `"pixel8"`.
        quantize: What kind of files to make, as for `export.to_tflite`.
        num_threads: Integer, CPU threads.
        num_calibration_models: Integer, as for `LatencyTable.measure`.
        num_test_models: Integer, as there.
        seed: Integer, as there.
        verbose: `0` is silent, `1` prints how far it is.

    Returns:
        Integer, the number of `.tflite` files.

    Raises:
        ValueError: If an argument is invalid, or the folder holds what was
            written for something else.
    """
    table = LatencyTable(device, quantize, num_threads)
    plan = MeasurementPlan(
        search_space, num_calibration_models, num_test_models, seed
    )
    folder = pathlib.Path(folder)
    content = {
        "format_version": FORMAT_VERSION,
        "device": device,
        "quantize": table.quantize,
        "num_threads": num_threads,
        "num_calibration_models": plan.num_calibration_models,
        "pieces": {k: s.description for k, s in plan.segments.items()},
        "models": [
            {"keys": whole.keys, "flops": whole.flops} for whole in plan.models
        ],
    }
    plan_path = folder / PLAN_FILE
    if plan_path.exists() and storage.read_json(str(plan_path)) != content:
        raise ValueError(
            f"The folder '{folder}' holds the measurements of something else. "
            "Expected an empty folder, or the same arguments as before. "
            f"Received: folder={str(folder)!r}, device={device!r}, quantize="
            f"{quantize!r}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    storage.write_json(str(plan_path), content)
    makers = {
        f"piece_{key}": lambda segment=segment: piece_file(
            segment, table.quantize
        )
        for key, segment in plan.segments.items()
    }
    for number, whole in enumerate(plan.models):
        makers[f"model_{number:03d}"] = lambda whole=whole: tflite_file(
            whole.model, table.quantize
        )
    for number, (name, make) in enumerate(makers.items()):
        path = folder / f"{name}.tflite"
        if not path.exists():
            storage.write_bytes(str(path), make().content)
        if verbose and (number + 1) % 10 == 0:
            print(f"wrote {number + 1} of {len(makers)} files", flush=True)
    scripts = {"run.py": _RUN_PY, "run_adb.sh": _RUN_ADB}
    for name, text in scripts.items():
        text = text.format(num_threads=num_threads)
        storage.write_bytes(str(folder / name), text.encode())
    os.chmod(folder / "run_adb.sh", 0o755)
    return len(makers)


def read_measurements(folder):
    """Makes a latency table of what was measured on another device.

    Args:
        folder: String, what `write_measurements` has written, with the
            `results.json` of the device.

    Returns:
        `LatencyTable`, calibrated, with its error.

    Raises:
        ValueError: If something in the folder is missing or wrong.
    """
    folder = pathlib.Path(folder)
    origin = "`write_measurements` or `keras-nas measure --remote` has written"
    plan = _read(folder / PLAN_FILE, origin)
    missing = [key for key in _PLAN_KEYS if key not in plan]
    if missing:
        raise ValueError(
            f"'{folder / PLAN_FILE}' is not what {origin}. Expected a JSON "
            f"object with the keys {_PLAN_KEYS}. Received: one without "
            f"{missing}"
        )
    if plan["format_version"] > FORMAT_VERSION:
        raise ValueError(
            f"'{folder / PLAN_FILE}' was written by a newer keras_nas. "
            "Upgrade it."
        )
    results = _read(folder / RESULTS_FILE, "`run.py` on the device has written")
    table = LatencyTable(plan["device"], plan["quantize"], plan["num_threads"])
    names = [f"piece_{key}" for key in plan["pieces"]]
    names += [f"model_{number:03d}" for number in range(len(plan["models"]))]
    missing = [name for name in names if name not in results]
    if missing:
        raise ValueError(
            f"'{folder / RESULTS_FILE}' lacks {len(missing)} of {len(names)} "
            f"measurements, such as that of {missing[0]}.tflite. Run the "
            "script on the device again: it goes on where it was."
        )
    wrong = [n for n in names if not _is_time(results[n])]
    if wrong:
        raise ValueError(
            f"'{folder / RESULTS_FILE}' has no milliseconds for {wrong[0]}. "
            "Expected a positive number. Received: "
            f"{results[wrong[0]]!r}"
        )
    for key, description in plan["pieces"].items():
        table.latencies_ms[key] = results[f"piece_{key}"]
        table.descriptions[key] = description
    models = [
        WholeModel(
            one["keys"],
            one["flops"],
            latency_ms=results[f"model_{number:03d}"],
        )
        for number, one in enumerate(plan["models"])
    ]
    table.calibrate(models, plan["num_calibration_models"])
    table.plan = plan_digest(
        plan["pieces"],
        [whole.keys for whole in models],
        plan["num_calibration_models"],
    )
    return table


_PLAN_KEYS = (
    "format_version",
    "device",
    "quantize",
    "num_threads",
    "num_calibration_models",
    "pieces",
    "models",
)


def _is_time(value):
    return is_amount(value) and value > 0


def _read(path, origin):
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Cannot read '{path}'. Expected the JSON file that {origin}. The "
            f"error was: {error}"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(
            f"'{path}' is not the JSON file that {origin}. Received: a "
            f"{type(content).__name__}"
        )
    return content
