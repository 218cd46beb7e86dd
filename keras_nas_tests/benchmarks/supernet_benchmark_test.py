"""The benchmark of weight sharing measures what it says."""

import gzip

import numpy as np
import pytest

from benchmarks import supernet


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(supernet, "PLACES", 1)


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


def test_random_architectures_are_of_the_space():
    rng = np.random.default_rng(0)
    drawn = {supernet.random_values(rng)["place0"] for _ in range(50)}
    assert drawn == set(supernet.CANDIDATES)
    model = supernet.single({"place0": "e3k3"}, 0)
    assert (
        model.count_params()
        < supernet.single({"place0": "e6k5"}, 0).count_params()
    )


def test_unknown_parts_are_refused(capsys):
    with pytest.raises(SystemExit):
        supernet.main(["--only", "steps"])
    assert "Received: ['steps']" in capsys.readouterr().err
