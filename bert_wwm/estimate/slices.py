"""TPU slices by name: their parts, and the published figures of their chips."""

from dataclasses import dataclass
from typing import NamedTuple

from bert_wwm.core.registry import Registry


class _Chip(NamedTuple):
    """One generation's chip.

    Peak and interconnect are from the pages "TPU v2" to "TPU v6e" of Google Cloud's documentation
    (System architecture). They don't give the interconnect of v2 and v3, which is from Jouppi et
    al., "A Domain Specific Supercomputer for Training Deep Neural Networks", CACM 2020: four links
    of 496 and of 656 Gbit/s in each direction. The links of v4 and v5p go in three dimensions, the
    others' in two: one to each neighbour.

    The clocks of v2, v3 and v4 are from the same article and from Jouppi et al., "TPU v4", ISCA
    2023. The other clocks follow from the peak, by whole matrix units of 128 x 128, each of which
    does two operations per element in a cycle: four in v5e, eight in v5p. The units of v6e are four
    times as large; the compiler's estimate for a large matmul is only possible with four of them at
    1.75 GHz, not with the two of its page.

    The available memory is the limit that the compiler names when it refuses a program (libtpu
    0.0.52): it keeps some for the system.
    """

    clock_hz: float
    peak_flops: float  # bf16, per second
    available_gib: float  # of one device
    interconnect: float  # bytes per second in one direction, of all links together
    links: int
    devices: int  # of XLA: the cores of v2 and v3, otherwise the chip, whose cores run as one
    topologies: dict[int, str]  # to compile for, by their numbers of chips
    config: str = "default"
    cores_in_name: int = 2  # the number in a slice's name counts cores; of v5e and v6e, chips


_HOST, _CUBE, _FLAT = {4: "2x2"}, {4: "2x2x1"}, {1: "1x1", 4: "2x2", 8: "2x4"}
_CHIPS = {
    "v2": _Chip(700e6, 45e12, 7.48, 4 * 496e9 / 8, 4, 2, _HOST),
    "v3": _Chip(940e6, 123.2e12, 15.48, 4 * 656e9 / 8, 4, 2, _HOST),
    "v4": _Chip(1050e6, 275e12, 30.75, 2400e9 / 8, 6, 1, _CUBE, "megacore"),
    "v5e": _Chip(1500e6, 197e12, 15.75, 1600e9 / 8, 4, 1, _FLAT, cores_in_name=1),
    "v5p": _Chip(1750e6, 459e12, 95.73, 4800e9 / 8, 6, 1, _CUBE, "megacore"),
    "v6e": _Chip(1750e6, 918e12, 31.24, 3200e9 / 8, 4, 1, _FLAT, cores_in_name=1),
}
_SIZES = {
    "v2": (8, 32, 128, 256, 512),
    "v3": (8, 32, 64, 128, 256, 512, 1024, 2048),
    "v4": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "v5e": (1, 4, 8, 16, 32, 64, 128, 256),
    "v5p": (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096),
    "v6e": (1, 4, 8, 16, 32, 64, 128, 256),
}


@dataclass(frozen=True)
class Slice:
    """A TPU slice, as rented. A device runs one replica of the step."""

    name: str  # such as "v3-8"
    # The compiler's name for the part that is compiled for, such as "v3:2x2": all of a small slice;
    # of a larger one as many chips as a host has, which all run the same program.
    topology: str
    chip_config: str  # the compiler's name for how the cores of a chip work together
    device: str  # "core" of v2 and v3, otherwise "chip"
    compiled_devices: int  # of ``topology``
    cores: int  # the devices of the slice
    chips: int
    clock_hz: float
    available_gib: float  # memory of one device that a program may use
    peak_flops: float  # bf16 operations per second of one device
    # Bytes per second that one chip sends to others of the slice. In a slice of a few chips, of a
    # chip at its edge, which has one neighbour in each dimension.
    interconnect_bandwidth: float


def slice_named(name: str) -> Slice:
    """Returns a slice by Google Cloud's name for it; raises ConfigError, which lists the names."""
    return SLICES[name.replace("v5litepod-", "v5e-")]  # the one name with another form


SLICES: Registry[Slice] = Registry("TPU slice")


def _make_slice(generation: str, size: int) -> Slice:
    chip = _CHIPS[generation]
    chips = size // chip.cores_in_name
    compiled = max(number for number in chip.topologies if number <= chips)
    topology = chip.topologies[compiled]
    links = chip.links
    if compiled == chips:
        links = sum(extent != "1" for extent in topology.split("x"))
    return Slice(
        name=f"{generation}-{size}",
        topology=f"{generation}:{topology}",
        chip_config=chip.config,
        device="core" if chip.devices > 1 else "chip",
        compiled_devices=compiled * chip.devices,
        cores=chips * chip.devices,
        chips=chips,
        clock_hz=chip.clock_hz,
        available_gib=chip.available_gib,
        peak_flops=chip.peak_flops / chip.devices,
        interconnect_bandwidth=chip.interconnect * links / chip.links,
    )


for _generation, _sizes in _SIZES.items():
    for _size in _sizes:
        _slice = _make_slice(_generation, _size)
        SLICES.add(_slice.name, _slice)
