"""The example finds a front, and writes what it says."""

import re

from keras_nas import export
from keras_nas_tests.examples.running import run_example


def test_the_example_finds_a_front_of_small_files(tmp_path):
    flags = (f"--output={tmp_path}", "--trials=3", "--epochs=6")
    printed = run_example("hardware_aware", *flags)
    front = re.findall(r"trial \d+: ([\d.]+)%, ([\d.]+) ms", printed)
    accuracies = [float(accuracy) for accuracy, _ in front]
    latencies = [float(latency_ms) for _, latency_ms in front]
    # Best accuracy first; the others are there because they are faster.
    assert accuracies == sorted(accuracies, reverse=True)
    assert latencies == sorted(latencies, reverse=True)
    assert max(accuracies) > 50  # One in ten would be guessed.
    for name in ("knee", "most_accurate", "fastest"):
        path = tmp_path / f"{name}.tflite"
        # The limit of the example; what is shipped is not what was searched
        # if the file of the trained network were another one.
        assert export.TFLiteModel.load(path).size_bytes < 31_000
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "latency_ms" in page
