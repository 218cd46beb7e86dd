"""`keras-nas benchmark`: measures `.tflite` files."""

import json

from keras_nas import export, storage
from keras_nas.export.latency import make_run


def run(files, values):
    """Measures files in turns and prints a table.

    Args:
        files: List of paths.
        values: `absl.flags.FlagValues` of the command.

    Returns:
        The exit code.
    """
    try:
        counts = [int(count) for count in values.num_threads]
    except ValueError:
        raise ValueError(
            "Invalid value received for --num_threads. Expected integers "
            f"with commas between. Received: {','.join(values.num_threads)}"
        ) from None
    models = {path: _load(path) for path in dict.fromkeys(files)}
    settings = [
        (count, xnnpack) for xnnpack in (True, False) for count in counts
    ]
    runs = {
        (path, *setting): make_run(
            model, num_threads=setting[0], xnnpack=setting[1]
        )
        for path, model in models.items()
        for setting in settings
    }
    measured = export.measure_latency(runs, rounds=values.rounds)
    results = [
        {
            "file": path,
            "quantization": model.quantization or "float32",
            "size_bytes": model.size_bytes,
            "gzip_bytes": model.gzip_bytes,
            "peak_memory_bytes": export.measure_peak_memory(model),
            "latency": [
                {
                    "num_threads": count,
                    "xnnpack": xnnpack,
                    "latency_ms": measured[path, count, xnnpack].latency_ms,
                    "spread": measured[path, count, xnnpack].spread,
                }
                for count, xnnpack in settings
            ],
        }
        for path, model in models.items()
    ]
    for result in results:
        print(
            f"{result['file']}: {result['quantization']}, "
            f"{result['size_bytes']:,} bytes, {result['gzip_bytes']:,} after "
            f"gzip, {result['peak_memory_bytes']:,} bytes of memory"
        )
        for latency in result["latency"]:
            threads = latency["num_threads"]
            print(
                f"  {latency['latency_ms']:10.4g} ms ± "
                f"{latency['spread'] / 2:.0%}, {threads} "
                f"thread{'s' if threads > 1 else ''}, "
                f"{'with' if latency['xnnpack'] else 'without'} XNNPACK"
            )
    if values.json:
        storage.write_bytes(values.json, f"{json.dumps(results)}\n".encode())
    return 0


def _load(path):
    try:
        model = export.TFLiteModel.load(path)
    except OSError as error:
        raise ValueError(f"Cannot read '{path}': {error.strerror}.") from error
    if model.custom_operations:
        raise ValueError(
            f"'{path}' needs operations that LiteRT does not have: "
            f"{', '.join(sorted(set(model.custom_operations)))}."
        )
    return model
