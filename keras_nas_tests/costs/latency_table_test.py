"""Tables of latencies: what they predict, and how they are kept."""

import json

import keras
import keras_tuner
import pytest

import keras_nas as nas
from keras_nas import costs, export
from keras_nas.costs import latency_table
from keras_nas.costs.measurement_plan import MeasurementPlan, WholeModel

# Of the nine architectures.
FOUR_AND_FOUR = {
    "num_calibration_models": 4,
    "num_test_models": 4,
    "verbose": 0,
}


def build(hp):
    model = keras.Sequential([keras.Input((6,))])
    for name in ("first", "second"):
        model.add(keras.layers.Dense(hp.Choice(name, [2, 4, 8])))
    return model


def built(**values):
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    return build(hp)


@pytest.fixture
def timed(monkeypatch):
    """Instead of running files: 1 microsecond a byte, and 50 for a model."""
    batches = []

    def measure(files, num_threads, rounds):
        batches.append(list(files))
        return {
            key: export.LatencyMeasurement(file.size_bytes / 1000, 0.0, ())
            for key, file in files.items()
        }

    class File:
        def __init__(self, model):
            dense = [x for x in model.layers if hasattr(x, "units")]
            self.size_bytes = sum(x.kernel.shape[0] * x.units for x in dense)
            self.size_bytes += 50 if len(dense) > 1 else 0

    monkeypatch.setattr(export, "measure_latency", measure)
    monkeypatch.setattr(
        latency_table, "piece_file", lambda segment, _: File(segment.model())
    )
    monkeypatch.setattr(latency_table, "tflite_file", lambda m, _: File(m))
    return batches


def test_the_pieces_of_a_space_are_all_found():
    plan = MeasurementPlan(build, 2, 3)
    # 3 first layers, and for each of them 3 second ones.
    assert len(plan.segments) == 3 + 9
    assert len(plan.models) == 5
    assert len({tuple(whole.keys) for whole in plan.models}) == 5
    first = plan.models[0]
    assert first.flops == costs.Flops().measure(first.model)


def test_a_table_learns_the_sum_and_what_comes_on_top(timed):
    table = costs.LatencyTable.measure(build, "mine", **FOUR_AND_FOUR)
    assert len(table) == 12
    assert table.scale == pytest.approx(1.0)
    assert table.offset_ms == pytest.approx(0.05)
    milliseconds = (6 * 4 + 4 * 8 + 50) / 1000
    predicted = table.predict(built(first=4, second=8))
    assert predicted == pytest.approx(milliseconds)
    assert table.error.mean_error == pytest.approx(0.0, abs=1e-9)
    assert table.error.rank_correlation == pytest.approx(1.0)


def test_a_space_of_few_models_has_some_to_test_with():
    def few(hp, number=6):
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(hp.Int("units", 1, number))]
        )

    def two(hp):
        return few(hp, 2)

    plan = MeasurementPlan(few, 8, 4)
    assert len(plan.models) == 6
    assert plan.num_calibration_models == 4
    assert MeasurementPlan(few, 2, 2).num_calibration_models == 2
    assert MeasurementPlan(few, 8, 0).num_calibration_models == 8
    assert MeasurementPlan(few, 0, 8).num_calibration_models == 0
    # A rank correlation needs two.
    assert MeasurementPlan(few, 8, 1).num_calibration_models == 4
    assert MeasurementPlan(two, 8, 8).num_calibration_models == 8


def test_errors_are_those_of_models_that_were_not_fitted():
    table = costs.LatencyTable(
        "mine", latencies_ms={"a": 1.0, "b": 2.0, "c": 4.0}
    )
    models = [
        WholeModel(["a", "b"], flops=30, latency_ms=6.0),
        WholeModel(["c"], flops=10, latency_ms=8.0),
        WholeModel(["a", "a"], flops=20, latency_ms=5.0),
        WholeModel(["b", "b", "b"], flops=5, latency_ms=10.0),
        WholeModel(["a"], flops=1, latency_ms=2.0),
    ]
    table.calibrate(models, 2)
    assert (table.scale, table.offset_ms) == pytest.approx((2.0, 0.0))
    # Predicted 4, 12 and 2 instead of 5, 10 and 2.
    assert table.error.num_models == 3
    assert table.error.mean_error == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert table.error.rank_correlation == pytest.approx(1.0)
    # FLOPs 20, 5, 1 for 5, 10, 2: ranks 3 2 1 and 2 3 1.
    assert table.error.flops_rank_correlation == pytest.approx(0.5)


def test_an_interrupted_measurement_goes_on(timed, tmp_path, monkeypatch):
    monkeypatch.setattr(latency_table, "_BATCH_SIZE", 5)
    path = tmp_path / "table.json"
    measure = export.measure_latency

    def interrupted(files, num_threads, rounds):
        if len(timed) == 2:
            raise KeyboardInterrupt
        return measure(files, num_threads, rounds)

    monkeypatch.setattr(export, "measure_latency", interrupted)
    arguments = {"device": "mine", "path": path, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        costs.LatencyTable.measure(build, **arguments)
    assert len(costs.LatencyTable.load(path)) == 10
    monkeypatch.setattr(export, "measure_latency", measure)
    table = costs.LatencyTable.measure(build, **arguments)
    assert [len(batch) for batch in timed] == [5, 5, 2, 9]
    assert len(table) == 12
    assert costs.LatencyTable.load(path).latencies_ms == table.latencies_ms


def test_a_complete_table_is_not_measured_again(timed, tmp_path):
    arguments = {"device": "mine", "path": tmp_path / "table.json"}
    table = costs.LatencyTable.measure(build, **arguments, **FOUR_AND_FOUR)
    measured = len(timed)
    again = costs.LatencyTable.measure(build, **arguments, **FOUR_AND_FOUR)
    assert vars(again) == vars(table)
    assert len(timed) == measured


def test_another_space_does_not_change_a_complete_table(timed, tmp_path):
    def other(hp):
        model = build(hp)
        model.add(keras.layers.Dense(3))
        return model

    path = tmp_path / "table.json"
    arguments = {"device": "mine", "path": path}
    costs.LatencyTable.measure(build, **arguments, **FOUR_AND_FOUR)
    before = path.read_text()
    with pytest.raises(ValueError, match="another search space.*another `path"):
        costs.LatencyTable.measure(other, **arguments, **FOUR_AND_FOUR)
    with pytest.raises(ValueError, match="`seed`"):
        costs.LatencyTable.measure(build, seed=1, **arguments, **FOUR_AND_FOUR)
    assert path.read_text() == before


@pytest.mark.parametrize(
    "other", [{"device": "yours"}, {"quantize": "float32"}, {"num_threads": 2}]
)
def test_a_file_of_other_measurements_is_not_gone_on_with(tmp_path, other):
    path = tmp_path / "table.json"
    costs.LatencyTable("mine", latencies_ms={"a": 1.0}).save(path)
    before = path.read_text()
    with pytest.raises(ValueError, match="do not belong in one table"):
        costs.LatencyTable.measure(
            build, **{"device": "mine", "path": path} | other
        )
    assert path.read_text() == before


def test_a_table_survives_a_file(timed, tmp_path):
    table = costs.LatencyTable.measure(
        build, "mine", num_threads=2, **FOUR_AND_FOUR
    )
    table.save(tmp_path / "table.json")
    loaded = costs.LatencyTable.load(tmp_path / "table.json")
    assert vars(loaded) == vars(table)
    latency = costs.PredictedLatency(str(tmp_path / "table.json"), max_ms=0.1)
    model = built(first=2, second=2)
    assert latency.name == "2_threads_mine_latency_ms"
    assert latency.measure(model) == table.predict(model)
    assert latency.violation(0.15) == pytest.approx(0.5)


def test_names_tell_tables_apart():
    names = [
        costs.PredictedLatency(costs.LatencyTable("pi", *settings)).name
        for settings in (("int8", 1), ("float32", 1), ("int8", 4))
    ]
    assert names == [
        "pi_latency_ms",
        "float32_pi_latency_ms",
        "4_threads_pi_latency_ms",
    ]


def test_two_tables_of_one_name_are_not_one_cost(timed, tmp_path):
    def compiled(hp):
        model = build(hp)
        model.compile("sgd", "mse")
        return model

    def make(first, second, name):
        return nas.RandomSearch(
            compiled,
            objective=["val_loss", costs.PredictedLatency(first)],
            constraints=[costs.PredictedLatency(second, max_ms=1.0)],
            directory=tmp_path,
            project_name=name,
        )

    table = costs.LatencyTable.measure(build, "mine", **FOUR_AND_FOUR)
    table.save(tmp_path / "table.json")
    make(table, str(tmp_path / "table.json"), "equal")
    other = costs.LatencyTable.load(tmp_path / "table.json")
    other.scale *= 2
    with pytest.raises(ValueError, match="Two costs are called `mine_lat"):
        make(table, other, "other")


def test_what_a_table_lacks_is_named_and_can_be_added(timed):
    table = costs.LatencyTable("mine", latencies_ms={})
    model = built(first=2, second=8)
    with pytest.raises(ValueError, match=r"no entry .*: Dense of \(6,\)"):
        table.predict(model)
    table.add(model)
    assert table.predict(model) == pytest.approx((6 * 2 + 2 * 8) / 1000)


def test_tables_of_one_device_can_be_merged():
    first, second = (
        costs.LatencyTable("mine", latencies_ms=latencies_ms, plan=plan)
        for latencies_ms, plan in (
            ({"a": 1.0, "b": 2.0}, "one"),
            ({"b": 3.0, "c": 4.0}, "other"),
        )
    )
    merged = first.merge(second)
    assert merged.latencies_ms == {"a": 1.0, "b": 3.0, "c": 4.0}
    assert first.latencies_ms == {"a": 1.0, "b": 2.0}
    assert merged.plan is None  # More can be measured for it.
    assert first.merge(first).plan == "one"
    with pytest.raises(ValueError, match="do not belong in one table"):
        first.merge(costs.LatencyTable("yours"))


def test_a_real_measurement_orders_small_and_large():
    def wide(hp):
        return keras.Sequential(
            [
                keras.Input((256,)),
                keras.layers.Dense(hp.Choice("units", [8, 4096])),
            ]
        )

    table = costs.LatencyTable.measure(
        wide, num_calibration_models=2, num_test_models=0, verbose=0
    )
    small, large = sorted(table.latencies_ms.values())
    assert large > 5 * small > 0


def test_a_wrong_path_is_known_before_anything_is_measured(timed, tmp_path):
    path = tmp_path / "missing" / "table.json"
    with pytest.raises(ValueError, match="no folder .*missing"):
        costs.LatencyTable.measure(build, "mine", path=path)
    assert timed == []
    with pytest.raises(ValueError, match="it is a folder"):
        costs.LatencyTable("mine").save(tmp_path)


def test_a_missing_file_is_told(tmp_path):
    path = str(tmp_path / "pixel8.json")
    with pytest.raises(FileNotFoundError, match="no latency table '.*pixel8"):
        costs.PredictedLatency(path)


def test_a_search_of_another_space_does_not_begin(timed, tmp_path):
    def build_other(hp):
        units = hp.Choice("units", [3, 5])
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(units)])
        model.compile("sgd", "mse")
        return model

    table = costs.LatencyTable.measure(build, "mine", **FOUR_AND_FOUR)
    with pytest.raises(ValueError, match="no entry for a piece"):
        nas.RandomSearch(
            build_other,
            objective=["val_loss", nas.costs.PredictedLatency(table)],
            directory=tmp_path,
        )


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format_version": 1}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is no latency table"):
        costs.LatencyTable.load(path)


def test_a_newer_file_is_refused(tmp_path):
    path = tmp_path / "table.json"
    costs.LatencyTable("mine").save(path)
    content = json.loads(path.read_text()) | {"format_version": 99}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="newer keras_nas"):
        costs.LatencyTable.load(path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"device": "pixel 8"}, "`device`"),
        ({"quantize": "int3"}, "int3"),
        ({"num_test_models": -1}, "`num_test_models`"),
        ({"seed": "x"}, "`seed`"),
        ({"search_space": 3}, "`search_space`"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        costs.LatencyTable.measure(**{"search_space": build} | arguments)
