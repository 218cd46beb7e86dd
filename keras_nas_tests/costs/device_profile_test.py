"""Profiles of devices: figures with sources, and nothing else."""

import dataclasses
import json

import pytest

from keras_nas import costs
from keras_nas.costs import DeviceProfile

FIGURES = [
    field.name
    for field in dataclasses.fields(DeviceProfile)
    if field.name not in ("name", "description", "sources")
]


@pytest.mark.parametrize("name", DeviceProfile.names())
def test_every_figure_has_a_source(name):
    device = DeviceProfile.load(name)
    assert device.name == name
    used_for = " ".join(source["used_for"] for source in device.sources)
    known = [field for field in FIGURES if getattr(device, field)]
    assert known
    assert [field for field in known if field not in used_for] == []
    assert all(source["citation"] for source in device.sources)


def test_a_missing_file_is_told():
    with pytest.raises(FileNotFoundError, match="no file 'nope.json'.*cortex"):
        costs.Energy(device="nope.json")


def test_there_are_presets_of_each_kind():
    assert {"cortex-a76", "cortex-a72", "cortex-m4", "cortex-m7"} < set(
        DeviceProfile.names()
    )


def test_the_memory_of_a_microcontroller_gives_constraints():
    size, memory = DeviceProfile.load("cortex-m4").constraints("int8_io")
    assert isinstance(size, costs.Size)
    assert isinstance(memory, costs.PeakMemory)
    assert (size.name, size.limit) == ("int8_io_size_bytes", 512 * 1024)
    assert memory.name == "int8_io_peak_memory_bytes"
    assert memory.limit == 128 * 1024


def test_energy_is_that_of_products_and_of_bytes():
    device = DeviceProfile(
        "mine",
        "",
        energy_per_mac_pj={"int8": 2.0, "float32": 5.0},
        energy_per_byte_pj=10.0,
    )
    assert device.energy_mj(1e9, 1e8, "int8") == pytest.approx(3.0)
    assert device.energy_mj(1e9, 1e8, "dynamic") == pytest.approx(3.0)
    assert device.energy_mj(1e9, 1e8, "float16") == pytest.approx(6.0)


def test_what_is_not_known_is_not_guessed():
    device = DeviceProfile.load("cortex-a72")
    with pytest.raises(ValueError, match="`flash_bytes` .* not known") as error:
        device.constraints()
    assert "['cortex-m4', 'cortex-m7']" in str(error.value)
    assert f"PeakMemory({device.ram_bytes}, quantize='int8')" in str(
        error.value
    )
    with pytest.raises(ValueError, match="`energy_per_mac_pj` in int8"):
        device.energy_mj(1, 1, "int8")


def test_an_unknown_device_lists_the_names():
    with pytest.raises(ValueError, match="cortex-a72.*cortex-m7") as error:
        DeviceProfile.load("cortex-m5")
    assert "'cortex-m5'" in str(error.value)
    with pytest.raises(ValueError, match="cortex-m7"):
        costs.Energy(device="phone")


@pytest.mark.parametrize(
    "text",
    ["", "[]", json.dumps({"name": "x"}), json.dumps({"ram": 1})],
    ids=["empty", "list", "no description", "unknown key"],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path, text):
    path = tmp_path / "device.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="Not a profile of a device"):
        DeviceProfile.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("ram_bytes", "a lot"),
        ("clock_hz", -1),
        ("energy_per_mac_pj", 4),
        ("energy_per_mac_pj", {"int8": "a"}),
        ("energy_per_mac_pj", {"int7": 1.0}),
        ("energy_per_byte_pj", -5.0),
        ("sources", "a book"),
    ],
)
def test_figures_of_a_file_are_checked(tmp_path, field, value):
    path = tmp_path / "board.json"
    fields = {"name": "board", "description": "mine"} | {field: value}
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=f"`{field}` of a device. Expected"):
        DeviceProfile.load(str(path))
