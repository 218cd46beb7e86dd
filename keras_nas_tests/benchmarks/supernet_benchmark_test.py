"""The benchmark of weight sharing measures what it says."""

import functools
import gzip
import json
import re

import keras
import numpy as np
import pytest

import keras_nas as nas
from benchmarks import supernet
from keras_nas.search_spaces import HyperCell
from keras_nas_tests.supernet import builds


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(supernet, "PLACES", 1)
    monkeypatch.setattr(supernet, "STAGES", 1)
    monkeypatch.setattr(supernet, "_VALIDATION_IMAGES", 4000)


@pytest.fixture
def folder(tmp_path):
    """A data set of 5,000 images: the mean of one is its label."""
    labels = np.arange(5000, dtype="uint8") % 10
    images = np.repeat(labels * 20, 28 * 28).astype("uint8")
    for name, values, size in (
        ("images-idx3", images, 16),
        ("labels-idx1", labels, 8),
    ):
        path = tmp_path / f"train-{name}-ubyte.gz"
        with gzip.open(path, "wb") as file:
            file.write(bytes(size) + values.tobytes())
    return tmp_path


def test_it_reads_and_reduces_the_images(folder):
    x, y, x_val, y_val = supernet.read_data(folder, 100)
    assert x.shape == (100, 14, 14, 1)
    assert len(x_val) == len(y_val) == 4000
    np.testing.assert_allclose(x.mean((1, 2, 3)), y * 20 / 255, rtol=1e-5)


def test_steps_of_supernet_and_single_architectures(folder):
    data = supernet.read_data(folder, 2000)
    result = supernet.measure_step(data, rounds=2, singles=1)
    (single_ms,) = result["single_ms"]
    ratio = result["supernet_ms"] / single_ms
    assert result["step_ratio"] == pytest.approx(ratio)
    low, high = result["step_ratio_quartiles"]
    assert 0 < low <= high


@pytest.mark.parametrize(
    "space, name, size",
    [
        ("operations", "place0", "e6k5"),
        ("widths", "operation0", "e6k5"),
        ("widths", "filters0", 16),
        ("activations", "operation0", "conv5"),
        ("cell", "cell_node2_op0", "nor_conv_3x3"),
    ],
)
def test_random_architectures_are_of_the_space(space, name, size):
    rng = np.random.default_rng(0)
    drawn = [supernet.random_values(rng, space) for _ in range(50)]
    assert {values[name] for values in drawn} == set(
        supernet.choices(space)[name]
    )
    smallest = {key: c[0] for key, c in supernet.choices(space).items()}
    counts = [
        supernet.single(values, 0, space).count_params()
        for values in (smallest, smallest | {name: size})
    ]
    assert counts[0] < counts[1]


def test_random_cells_connect_their_input_with_their_output():
    rng = np.random.default_rng(0)
    codes = {
        HyperCell.code(supernet.random_values(rng, "cell")) for _ in range(300)
    }
    assert not any(code.endswith("000") for code in codes)
    # By each of the four ways through a cell alone.
    for pattern in ("...[^0]..", "[^0]..0[^0].", ".[^0].0.[^0]"):
        assert any(re.fullmatch(pattern, code) for code in codes)
    assert not any(re.fullmatch("00.0..", code) for code in codes)


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """Measures a part as the command does, and as little as it can."""
    monkeypatch.setattr(supernet, "_VALIDATION_IMAGES", 40)
    monkeypatch.setattr(supernet, "BOTTLENECKS", {"e1k3": (3, 1)})
    monkeypatch.setattr(supernet, "CANDIDATES", ("identity", "e1k3"))
    monkeypatch.setattr(supernet, "WIDTHS", (2, 4))
    options = dict(vars(supernet.OPTIONS))

    def measure(part, *arguments):
        path = tmp_path / "results.json"
        supernet.main(
            [
                *("--only", part, "--json", str(path)),
                *("--data", str(folder), "--images", "64"),
                *("--epochs", "1", "--supernet_epochs", "4"),
                *arguments,
            ]
        )
        return json.loads(path.read_text())[part]

    yield measure
    vars(supernet.OPTIONS).update(options)


def test_subnets_are_compared_with_extracted_models(run, monkeypatch):
    def build(hp):
        x = inputs = keras.Input((11, 11, 3))
        x = nas.layers.Conv2D(hp.Choice("width", [2, 4]), 3, strides=4)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Flatten()(x)
        return builds.compiled(inputs, keras.layers.Dense(3, "softmax")(x))

    monkeypatch.setattr(builds, "everything", build)
    few = functools.partial(supernet.measure_extraction, architectures=3)
    monkeypatch.setattr(supernet, "measure_extraction", few)
    result = run("extraction")
    assert result["architectures"] == 3
    assert 0 <= result["largest_difference"] < 1e-5


def test_scores_are_compared_with_trainings(run, monkeypatch):
    trained = []
    train_alone = supernet.train_alone

    def train(values, data, epochs, seed, space):
        trained.append((tuple(values.values()), seed))
        if len(trained) == 1:
            accuracy, took_s = train_alone(values, data, epochs, seed, space)
            assert 0 <= accuracy <= 1
            assert took_s > 0
        return seed % 100 / 10, 2.0

    monkeypatch.setattr(supernet, "train_alone", train)
    result = run("ranking", "--architectures", "8")
    # A quarter of them is trained again, by other seeds.
    assert [seed for _, seed in trained] == [*range(8), 1000, 1001]
    assert [v for v, _ in trained[8:]] == [v for v, _ in trained[:2]]
    assert -1 <= result["flops_tau"] <= 1
    assert result["architectures"] == 8
    assert result["epochs_alone"] == 1
    assert result["training_alone_s"] == 2.0
    assert result["trained_accuracy"] == [0.0, 0.7]
    assert result["seed_noise_tau"] == 1.0
    rules = result["rules"]
    assert {name: rule["epochs"] for name, rule in rules.items()} == {
        "UniformSampling": 4,
        "FairSampling": 2,  # A step for each of the two candidates.
        "SandwichSampling": 1,
        "ProgressiveShrinking": 2,
    }
    for rule in rules.values():
        assert rule["speedup"] == pytest.approx(
            result["training_alone_s"] * rule["scores_per_s"]
        )
        low, high = rule["interval"]
        assert not low > rule["kendall_tau"]
        assert not high < rule["kendall_tau"]


def test_a_search_without_a_limit(run, monkeypatch):
    monkeypatch.setattr(
        supernet, "train_alone", lambda *arguments: (arguments[3] % 7 / 7, 1.0)
    )
    result = run(
        *("search", "--trials", "2"),
        *("--search_space", "activations", "--flops_quantile", "1"),
    )
    assert result["max_flops"] is None
    assert result["found"].keys() == {"operation0", "activation0"}
    assert len(result["random_accuracies"]) == 10


def test_what_a_search_finds_is_compared_with_random_ones(run, monkeypatch):
    trained = []

    def train(values, data, epochs, seed, space):
        trained.append((tuple(values.values()), seed))
        finalists = {1000: 0.5, 1001: 0.9, 1002: 0.6}
        if seed in finalists:
            return finalists[seed], 1.0
        found = {2000: 0.9, 2001: 0.8, 2002: 0.7}
        is_second = trained[-1][0] == trained[1][0]
        if seed in found:
            return found[seed] - (0.0 if is_second else 0.5), 1.0
        return (seed - 3000) / 44, 1.0

    monkeypatch.setattr(supernet, "train_alone", train)
    # More than are drawn for the limit, so that more have to be drawn.
    many = functools.partial(supernet.measure_search, num_random=45)
    monkeypatch.setattr(supernet, "measure_search", many)
    result = run("search", "--trials", "3")
    assert result["found_flops"] <= result["max_flops"]
    # Three finalists, of which the second is the best once it is trained.
    assert [seed for _, seed in trained[:3]] == [1000, 1001, 1002]
    first, second = trained[0][0], trained[1][0]
    assert tuple(result["first"].values()) == first
    assert tuple(result["found"].values()) == second
    assert len({values for values, _ in trained[:3]}) == 3
    assert result["finalist_accuracies"] == [0.5, 0.9, 0.6]
    # Both are trained with seeds that have chosen nothing.
    again = [(v, 2000 + seed) for v in (first, second) for seed in range(3)]
    assert trained[3:9] == again
    assert result["first_accuracy"] == pytest.approx(0.3)
    assert result["found_accuracy"] == pytest.approx(0.8)
    assert [seed for _, seed in trained[9:]] == list(range(3000, 3045))
    cost = nas.costs.Flops()
    for values in {values for values, _ in trained[9:]}:
        values = dict(zip(supernet.choices("widths"), values, strict=True))
        flops = cost.measure(supernet.single(values, 0, "widths"))
        assert flops >= result["found_flops"]
    # The variance of the means: 0.1 ** 2 of 3, and of 0 to 44 by 44ths, of
    # which that of a sample is 45 * 46 / 12.
    error = (0.01 / 3 + 46 / 12 / 44**2) ** 0.5
    assert result["margin_in_standard_errors"] == pytest.approx(0.3 / error)


def test_unknown_parts_are_refused(capsys):
    with pytest.raises(SystemExit):
        supernet.main(["--only", "steps"])
    assert "Received: ['steps']" in capsys.readouterr().err
