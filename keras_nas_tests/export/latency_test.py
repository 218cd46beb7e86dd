import time

import pytest

from keras_nas import export


def test_measures_what_a_function_takes():
    measured = export.measure_latency(
        {
            "short": lambda: time.sleep(0.002),
            "long": lambda: time.sleep(0.006),
        },
        rounds=3,
    )
    assert list(measured) == ["short", "long"]
    # Sleeping takes a little longer, never shorter.
    assert 2 <= measured["short"].latency_ms < 5
    assert 6 <= measured["long"].latency_ms < 12


def test_latency_is_the_median_of_the_rounds():
    measurement = export.measure_latency(lambda: time.sleep(1e-4), rounds=5)
    rounds = sorted(measurement.round_ms)
    assert len(rounds) == 5
    assert measurement.latency_ms == rounds[2]
    assert measurement.spread == pytest.approx(
        (rounds[4] - rounds[0]) / rounds[2]
    )
    assert "ms" in str(measurement)


def test_models_take_turns():
    calls = []
    models = {
        "a": lambda: calls.append("a") or time.sleep(0.02),
        "b": lambda: calls.append("b") or time.sleep(0.02),
    }
    export.measure_latency(models, rounds=2)
    # Three runs to warm up each, then three runs a round.
    assert "".join(calls) == "aaabbb" + "aaabbb" * 2


def test_keras_model_beside_its_files(classifier, classifier_files):
    measured = export.measure_latency(
        {
            "keras": classifier,
            "float32": classifier_files[None],
            "int8": classifier_files["int8"],
            "int8_io": classifier_files["int8_io"],
        },
        rounds=3,
    )
    assert measured["float32"].latency_ms < measured["keras"].latency_ms
    assert all(m.latency_ms > 0 for m in measured.values())


@pytest.mark.parametrize(
    "options", [{"xnnpack": False}, {"num_threads": 2}], ids=str
)
def test_options_of_the_runtime(classifier_files, options):
    measurement = export.measure_latency(
        classifier_files[None], rounds=1, **options
    )
    assert 0 < measurement.latency_ms < 100


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({}, {}, "`models`.*at least one"),
        (None, {}, "`models`.*None"),
        ({"a": b"TFL3"}, {}, "`models`.*bytes"),
        (print, {"rounds": 0}, "`rounds`.*0"),
        (print, {"num_threads": 0}, "`num_threads`.*0"),
        (print, {"num_threads": 1.5}, "`num_threads`.*1.5"),
    ],
)
def test_invalid_arguments(models, options, message):
    with pytest.raises(ValueError, match=message):
        export.measure_latency(models, **options)
