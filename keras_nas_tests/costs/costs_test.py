"""What all costs have in common."""

import pickle

import keras_tuner
import pytest

import keras_nas as nas
from keras_nas import costs, oracles
from keras_nas_tests.costs.sample_models import open_shape, unbuilt

LIMITED = [
    costs.Parameters,
    costs.Flops,
    costs.Macs,
    costs.Size,
    costs.Latency,
    costs.PeakMemory,
    costs.Energy,
]


@pytest.mark.parametrize(
    "value, violation", [(50, 0.0), (100, 0.0), (150, 0.5), (300, 2.0)]
)
@pytest.mark.parametrize("cost", LIMITED)
def test_a_violation_is_a_share_of_the_limit(cost, value, violation):
    assert cost(100).violation(value) == pytest.approx(violation)
    assert cost().violation(value) == 0.0


@pytest.mark.parametrize("limit", [0, -1, "100", True])
@pytest.mark.parametrize("cost", LIMITED)
def test_a_limit_is_a_positive_number(cost, limit):
    with pytest.raises(ValueError, match="Expected a positive number"):
        cost(limit)


@pytest.mark.parametrize("cost", LIMITED)
def test_a_cost_is_an_objective_to_be_minimised(cost):
    cost = cost()
    assert isinstance(cost, keras_tuner.Objective)
    assert cost.direction == "min"
    oracle = oracles.RandomOracle(["val_accuracy", cost], max_trials=1)
    assert oracle.objectives[1] is cost


def test_the_names_of_metrics_say_the_unit():
    assert [cost().name for cost in LIMITED] == [
        "parameters",
        "flops",
        "macs",
        "size_bytes",
        "latency_ms",
        "peak_memory_bytes",
        "energy_mj",
    ]


def test_costs_of_different_settings_have_different_names():
    named = [
        costs.Size(),
        costs.Size(quantize="float32"),
        costs.Size(quantize="float16"),
        costs.Latency(num_threads=2),
        costs.Latency(quantize="float32", num_threads=2),
        costs.Latency(xnnpack=False),
        costs.PeakMemory(),
        costs.PeakMemory(method="analytic"),
        costs.PeakMemory(method="analytic", quantize="int8_io"),
        costs.Energy(),
        costs.Energy(device="45nm-sram"),
        costs.Energy(device="45nm-sram", quantize="float32"),
    ]
    names = [cost.name for cost in named]
    assert len(set(names)) == len(names)
    assert names[1] == "float32_size_bytes"
    assert names[4] == "float32_2_threads_latency_ms"
    assert names[8] == "int8_io_analytic_peak_memory_bytes"
    assert names[11] == "float32_45nm_sram_energy_mj"
    assert costs.Size(quantize=None).name == names[1]


@pytest.mark.parametrize("cost", LIMITED)
def test_a_cost_travels_to_workers(cost):
    restored = pickle.loads(pickle.dumps(cost(100)))
    assert (restored.name, restored.limit) == (cost().name, 100)


@pytest.mark.parametrize("cost", LIMITED)
def test_a_model_that_is_not_built_is_refused(cost):
    with pytest.raises(
        ValueError, match="keras.Input|`Sequential` one of known"
    ):
        cost().measure(unbuilt())


@pytest.mark.parametrize(
    "cost",
    [
        costs.Flops(),
        costs.Macs(),
        costs.Size(),
        costs.Latency(),
        costs.PeakMemory(),
        costs.PeakMemory(method="analytic"),
        costs.Energy(),
    ],
    ids=lambda cost: cost.name,
)
def test_an_open_shape_is_refused(cost):
    with pytest.raises(ValueError, match="size"):
        cost.measure(open_shape())


@pytest.mark.parametrize(
    "cost", [costs.Size, costs.Latency, costs.PeakMemory, costs.Energy]
)
def test_an_unknown_quantization_is_refused(cost):
    with pytest.raises(ValueError, match="'dynamic', 'int4', 'int8'"):
        cost(quantize="int3")


def test_the_costs_of_the_artefact_are_at_the_top():
    for cost in LIMITED:
        assert getattr(nas, cost.__name__) is cost
