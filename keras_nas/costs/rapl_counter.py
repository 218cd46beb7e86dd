"""Energy that a processor counts itself."""

import pathlib
import re


class RaplCounter:
    """Reads the energy counters of Intel and AMD processors on Linux.

    RAPL (running average power limit) counts the joules of each processor
    package, and on some machines those of the memory. All that runs on the
    machine meanwhile is in them, and so is its idle power. Virtual machines
    mostly do not show them.

    Args:
        folder: Path of Linux's power capping framework.

    Raises:
        RuntimeError: If the machine exposes no counter, or if this user may
            not read them.

    Example:

    >>> try:
    ...     counter = RaplCounter()
    ... except RuntimeError:
    ...     counter = None  # Not on this machine.
    """

    def __init__(self, folder="/sys/class/powercap"):
        self._zones = [
            zone
            for zone in sorted(pathlib.Path(folder).glob("intel-rapl:*"))
            if _counts(zone)
        ]
        if not self._zones:
            raise RuntimeError(
                "This machine does not expose the energy it uses: expected "
                f"counters of RAPL as '{folder}/intel-rapl:0/energy_uj'. "
                "They need an Intel or AMD processor, Linux, and mostly no "
                "virtual machine. Use the modelled energy, "
                "`Energy(method='model')`, instead."
            )
        self._ranges = [
            self._read(z, "max_energy_range_uj") for z in self._zones
        ]
        self._last = self._values()
        self._total_uj = 0

    def energy_mj(self):
        """Reads the counters.

        Returns:
            Float, the millijoules since this object was made. Ask at least
            once a minute: counters start again at zero when they are full.
        """
        values = self._values()
        for value, last, range_uj in zip(
            values, self._last, self._ranges, strict=True
        ):
            self._total_uj += (value - last) % range_uj
        self._last = values
        return self._total_uj / 1000.0

    def _values(self):
        return [self._read(zone, "energy_uj") for zone in self._zones]

    def _read(self, zone, name):
        try:
            return int((zone / name).read_text())
        except PermissionError as error:
            raise RuntimeError(
                f"This user may not read the energy counter '{zone / name}'. "
                "Linux leaves them to the administrator: run "
                f"`sudo chmod a+r {zone.parent}/intel-rapl:*/energy_uj`."
            ) from error


def _counts(zone):
    """Whether a zone is that of a package, or of memory beside it."""
    try:
        name = (zone / "name").read_text().strip()
    except OSError:
        return False
    # Cores are a part of their package.
    is_top = re.fullmatch(r"intel-rapl:\d+", zone.name)
    return name == "dram" or bool(is_top and name.startswith("package"))
