"""What is known of a device."""

import dataclasses
import importlib.resources
import json
import pathlib

from keras_nas.costs.amount import is_amount
from keras_nas.costs.peak_memory import PeakMemory
from keras_nas.costs.size import Size
from keras_nas.costs.tflite_files import check_quantization

# What a file of each kind computes its products in.
_COMPUTES_IN = {
    "float32": "float32",
    "float16": "float32",
    "dynamic": "int8",
    "int8": "int8",
    "int8_io": "int8",
    "int4": "int8",
}


_FORMATS = ("float32", "float16", "int8")
_NUMBERS = ("ram_bytes", "flash_bytes", "clock_hz", "energy_per_byte_pj")
_BY_FORMAT = (
    "peak_macs_per_second",
    "sustained_macs_per_second",
    "energy_per_mac_pj",
)
_EXPECTED = {
    "name": "a text that is not empty",
    "description": "a text",
    "sources": "a list",
    **dict.fromkeys(_NUMBERS, "a number that is not negative, or nothing"),
    **dict.fromkeys(
        _BY_FORMAT, f"a dict of numbers that are not negative by {_FORMATS}"
    ),
}


@dataclasses.dataclass(frozen=True)
class DeviceProfile:
    """Limits, speed and energy of a device, each with its source.

    What no source says is `None`: it is not guessed, and what depends on it is
    an error. A device of your own is a JSON file of the same fields;
    `DeviceProfile.load("my_device.json")` reads it, as does the argument
    `device` of `Energy`.

    Attributes:
        name: String.
        description: String, what the figures are of.
        ram_bytes: Integer or `None`, memory for activations and all else.
        flash_bytes: Integer or `None`, memory for files and code.
        clock_hz: Number or `None`.
        peak_macs_per_second: Dict by number format (`"float32"`, `"float16"`,
            `"int8"`): the most multiply-accumulates that one core can issue.
        sustained_macs_per_second: Dict as well: those measured of a network.
        energy_per_mac_pj: Dict as well, picojoules.
        energy_per_byte_pj: Number or `None`, picojoules to read or write one
            byte of memory.
        sources: List of dicts with the keys `"citation"` and `"used_for"`.

    Example:

    >>> device = DeviceProfile.load("cortex-m7")
    >>> device.ram_bytes, device.flash_bytes
    (327680, 1048576)
    >>> [constraint.name for constraint in device.constraints()]
    ['size_bytes', 'peak_memory_bytes']
    """

    name: str
    description: str
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    clock_hz: float | None = None
    peak_macs_per_second: dict = dataclasses.field(default_factory=dict)
    sustained_macs_per_second: dict = dataclasses.field(default_factory=dict)
    energy_per_mac_pj: dict = dataclasses.field(default_factory=dict)
    energy_per_byte_pj: float | None = None
    sources: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        checks = {
            "name": isinstance(self.name, str) and bool(self.name),
            "description": isinstance(self.description, str),
            "sources": isinstance(self.sources, list),
        }
        for field in _NUMBERS:
            value = getattr(self, field)
            checks[field] = value is None or is_amount(value)
        for field in _BY_FORMAT:
            value = getattr(self, field)
            checks[field] = isinstance(value, dict) and all(
                key in _FORMATS and is_amount(one) for key, one in value.items()
            )
        for field, is_right in checks.items():
            if not is_right:
                raise ValueError(
                    f"Invalid value received for `{field}` of a device. "
                    f"Expected {_EXPECTED[field]}. "
                    f"Received: {field}={getattr(self, field)!r}"
                )

    @classmethod
    def load(cls, name):
        """Reads a profile.

        Args:
            name: String, one of `DeviceProfile.names()`, or the path of a file
                whose name ends in `.json`.

        Returns:
            `DeviceProfile`.

        Raises:
            ValueError: If there is no profile of that name, or if a file is
                not one.
            FileNotFoundError: If there is no such file.
            OSError: If a file cannot be read.
        """
        if str(name).endswith(".json"):
            try:
                text = pathlib.Path(name).read_text(encoding="utf-8")
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f"There is no file '{name}' (the current folder is "
                    f"'{pathlib.Path.cwd()}'). Expected one of {cls.names()}, "
                    "or the path of a JSON file with the fields of "
                    "`DeviceProfile`."
                ) from error
        elif name in cls.names():
            text = (_presets() / f"{name}.json").read_text(encoding="utf-8")
        else:
            raise ValueError(
                "Invalid value received for argument `device`. Expected one "
                f"of {cls.names()}, or the path of a JSON file. Received: "
                f"device={name!r}"
            )
        try:
            fields = json.loads(text)
            return cls(**fields)
        except (TypeError, ValueError) as error:
            known = [field.name for field in dataclasses.fields(cls)]
            raise ValueError(
                f"Not a profile of a device: '{name}'. Expected a JSON object "
                f"with some of the keys {known}, 'name' and 'description' at "
                f"least. Received a file with the error: {error}"
            ) from error

    @staticmethod
    def names():
        """Lists the presets.

        Returns:
            List of strings.
        """
        return sorted(
            path.name.removesuffix(".json")
            for path in _presets().iterdir()
            if path.name.endswith(".json")
        )

    def constraints(self, quantize="int8"):
        """Makes constraints of the memory of the device.

        They are upper limits: the runtime and your program need memory too.

        Args:
            quantize: As for `export.to_tflite`. Microcontrollers run
                `"int8_io"`.

        Returns:
            List of a `Size` within the flash and a `PeakMemory` within the
            RAM, for the argument `constraints` of a tuner.

        Raises:
            ValueError: If one of them is not known of the device.
        """
        hint = ""
        if self.flash_bytes is None and self.ram_bytes is not None:
            hint = (
                " Its RAM alone: `constraints=[keras_nas.PeakMemory("
                f"{self.ram_bytes}, quantize={quantize!r})]`."
            )
        return [
            Size(self._known("flash_bytes", hint=hint), quantize=quantize),
            PeakMemory(self._known("ram_bytes"), quantize=quantize),
        ]

    def energy_mj(self, macs, traffic_bytes, quantize):
        """Computes energy from work.

        Args:
            macs: Integer, multiply-accumulates.
            traffic_bytes: Number, bytes read and written.
            quantize: As for `export.to_tflite`.

        Returns:
            Float, millijoules.

        Raises:
            ValueError: If the energy of either is not known of the device.
        """
        kind = _COMPUTES_IN[check_quantization(quantize)]
        energy_per_mac_pj = self._known("energy_per_mac_pj", kind)
        energy_per_byte_pj = self._known("energy_per_byte_pj")
        picojoules = (
            macs * energy_per_mac_pj + traffic_bytes * energy_per_byte_pj
        )
        return picojoules * 1e-9

    def _known(self, field, kind=None, hint=""):
        value = getattr(self, field)
        if kind is not None:
            value = value.get(kind)
        if value is None:
            what = f"`{field}`" + (f" in {kind}" if kind else "")
            others = [
                name
                for name in self.names()
                if _has(DeviceProfile.load(name), field, kind)
            ]
            raise ValueError(
                f"{what} of the device '{self.name}' is not known: no source "
                "gives it, and it is not guessed. Measure it and load a JSON "
                "file of your own, or use a device of which it is known: "
                f"{others}.{hint}"
            )
        return value


def _has(device, field, kind):
    value = getattr(device, field)
    return (value if kind is None else value.get(kind)) is not None


def _presets():
    return importlib.resources.files("keras_nas.costs") / "devices"
