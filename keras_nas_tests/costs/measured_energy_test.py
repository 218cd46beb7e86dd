"""Measured joules, with the counters of a machine that is made up."""

import pathlib

import pytest

from keras_nas import costs

SYSTEM = pathlib.Path("/sys/class/powercap")


def write_zone(folder, zone, name, energy_uj, range_uj=1000_000):
    (folder / zone).mkdir()
    (folder / zone / "name").write_text(f"{name}\n")
    (folder / zone / "energy_uj").write_text(f"{energy_uj}\n")
    (folder / zone / "max_energy_range_uj").write_text(f"{range_uj}\n")


@pytest.fixture
def machine(tmp_path):
    """Two packages; cores are a part of theirs, memory is not."""
    write_zone(tmp_path, "intel-rapl:0", "package-0", 500)
    write_zone(tmp_path, "intel-rapl:0:0", "core", 400)
    write_zone(tmp_path, "intel-rapl:0:1", "dram", 300)
    write_zone(tmp_path, "intel-rapl:1", "package-1", 999_000)
    write_zone(tmp_path, "intel-rapl:2", "psys", 7)
    return tmp_path


def count(machine, zone, energy_uj):
    (machine / zone / "energy_uj").write_text(f"{energy_uj}\n")


def test_packages_and_memory_add_up(machine):
    counter = costs.RaplCounter(machine)
    assert counter.energy_mj() == 0.0
    count(machine, "intel-rapl:0", 2_500)
    count(machine, "intel-rapl:0:0", 9_000)
    count(machine, "intel-rapl:0:1", 1_300)
    count(machine, "intel-rapl:2", 9_000)
    assert counter.energy_mj() == pytest.approx(3.0)


def test_a_full_counter_starts_again(machine):
    counter = costs.RaplCounter(machine)
    count(machine, "intel-rapl:1", 1_000)
    assert counter.energy_mj() == pytest.approx(2.0)
    count(machine, "intel-rapl:1", 4_000)
    assert counter.energy_mj() == pytest.approx(5.0)


def test_energy_is_shared_by_the_runs(machine):
    used_uj = 500

    def run():
        nonlocal used_uj
        used_uj += 250
        count(machine, "intel-rapl:0", used_uj)

    measured = costs.measure_energy(run, duration_s=0.05, folder=machine)
    assert measured == pytest.approx(0.25)


def test_a_machine_without_counters_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="does not expose the energy"):
        costs.RaplCounter(tmp_path)
    with pytest.raises(RuntimeError, match="does not expose the energy"):
        costs.measure_energy(lambda: None, folder=tmp_path)


def test_counters_of_the_administrator_say_so(machine, monkeypatch):
    def read_text(path, *args, **kwargs):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *args, **kwargs)

    original = pathlib.Path.read_text
    monkeypatch.setattr(pathlib.Path, "read_text", read_text)
    with pytest.raises(RuntimeError, match="sudo chmod"):
        costs.RaplCounter(machine)


@pytest.mark.parametrize("duration_s", [0, -1, 61, "1"])
def test_a_duration_is_up_to_a_minute(machine, duration_s):
    with pytest.raises(ValueError, match="duration_s"):
        costs.measure_energy(
            lambda: None, duration_s=duration_s, folder=machine
        )


@pytest.mark.skipif(SYSTEM.exists(), reason="needs a machine without RAPL")
def test_measured_energy_is_refused_before_a_search():
    with pytest.raises(RuntimeError, match="method='model'"):
        costs.Energy(method="measured")
