"""The example makes files that are right and within its limits."""

import json

from keras_nas import export
from keras_nas_tests.examples.running import run_example


def test_the_example_writes_checked_files_and_their_card(tmp_path):
    printed = run_example("deploy", f"--output={tmp_path}")
    card = json.loads((tmp_path / "model_card.json").read_text())
    assert card["models"][0]["score"] > 0.95
    (best,) = [f for f in card["files"] if f["name"] == card["best"]]
    assert best["verified"]
    assert best["size_bytes"] <= card["limits"]["max_bytes"] == 100_000
    assert best["accuracy_drop"] <= 0.01
    file = export.TFLiteModel.load(tmp_path / best["file"])
    assert file.metadata["outputs"][0]["labels"][7] == "digit 7"
    assert "is it a 7? True" in printed
