"""TPU slices by name: what they are made of, and the published figures of their chips."""

from dataclasses import dataclass
from typing import NamedTuple

from bert_wwm.core.registry import Registry


class _Chip(NamedTuple):
    """One generation's chip.

    Peak and interconnect are those of the pages "TPU v2" to "TPU v6e" of Google Cloud's
    documentation (System architecture); v2's and v3's interconnect, which these don't give, is of
    Jouppi et al., "A Domain Specific Supercomputer for Training Deep Neural Networks", CACM 2020:
    four links of 496 and of 656 Gbit/s in each direction. v4's and v5p's links go in three
    dimensions, the others' in two: one to each neighbour.

    The clocks of v2, v3 and v4 are of the same article and of Jouppi et al., "TPU v4", ISCA 2023.
    Those of the others follow from the peak, by whole matrix units of 128 x 128, each of which does
    two operations per element in a cycle: four in v5e, eight in v5p. v6e's units are four times as
    large; what the compiler estimates for a large matmul is only possible with four of them at
    1.75 GHz, not with the two of its page.

    What is available of the memory is what the compiler says when it refuses a program (libtpu
    0.0.52): it keeps some for the system.
    """

    clock_hz: float
    peak_flops: float  # bf16, per second
    available_gib: float  # of one device
    interconnect: float  # bytes per second in one direction, of all links together
    links: int
    devices: int  # what XLA counts: a core of v2 and v3, otherwise the chip
    config: str = "default"


_CHIPS = {
    "v2": _Chip(700e6, 45e12, 7.48, 4 * 496e9 / 8, links=4, devices=2),
    "v3": _Chip(940e6, 123.2e12, 15.48, 4 * 656e9 / 8, links=4, devices=2),
    "v4": _Chip(1050e6, 275e12, 30.75, 2400e9 / 8, links=6, devices=1, config="megacore"),
    "v5e": _Chip(1500e6, 197e12, 15.75, 1600e9 / 8, links=4, devices=1),
    "v5p": _Chip(1750e6, 459e12, 95.73, 4800e9 / 8, links=6, devices=1, config="megacore"),
    "v6e": _Chip(1750e6, 918e12, 31.24, 3200e9 / 8, links=4, devices=1),
}


@dataclass(frozen=True)
class Slice:
    """A TPU slice, as rented.

    Attributes:
        name: such as "v3-8".
        topology: what the compiler calls the part that is compiled for, such as "v3:2x2": all of
            a small slice; of a larger one so many chips as a host has, whose program all run.
        chip_config: the compiler's name for how the cores of a chip go together.
        device: what runs one replica of the step: a "core" of v2 and v3, and a "chip" of the
            others, of which v4 and v5p run two cores as one.
        compiled_devices: the devices of ``topology``.
        cores: the devices of the slice.
        chips: how many there are in the slice.
        clock_hz: cycles per second.
        available_gib: memory of one device that a program may take.
        peak_flops: bf16 operations per second of one device.
        interconnect_bandwidth: bytes per second that one chip sends to others of the slice. Of a
            slice of a few chips, a chip at its edge, which has one neighbour in each dimension.
    """

    name: str
    topology: str
    chip_config: str
    device: str
    compiled_devices: int
    cores: int
    chips: int
    clock_hz: float
    available_gib: float
    peak_flops: float
    interconnect_bandwidth: float


def slice_named(name: str) -> Slice:
    """Returns a slice by the name under which Google Cloud rents it.

    Raises:
        ConfigError: there is none of that name; the known ones are listed, and the nearest.
    """
    return SLICES[name.replace("v5litepod-", "v5e-")]  # the one name with another form


SLICES: Registry[Slice] = Registry("TPU slice")


def _add(generation: str, size: int, chips: int, topologies: dict[int, str]) -> None:
    """Adds a slice; ``topologies`` are those to compile for, by their numbers of chips."""
    chip = _CHIPS[generation]
    compiled = max(host for host in topologies if host <= chips)
    links = chip.links
    if compiled == chips:
        links = sum(size != "1" for size in topologies[compiled].split("x"))
    name = f"{generation}-{size}"
    SLICES.add(
        name,
        Slice(
            name=name,
            topology=f"{generation}:{topologies[compiled]}",
            chip_config=chip.config,
            device="core" if chip.devices > 1 else "chip",
            compiled_devices=compiled * chip.devices,
            cores=chips * chip.devices,
            chips=chips,
            clock_hz=chip.clock_hz,
            available_gib=chip.available_gib,
            peak_flops=chip.peak_flops / chip.devices,
            interconnect_bandwidth=chip.interconnect * links / chip.links,
        ),
    )


# The number in a name counts cores, two a chip, up to v5p; of v5e and v6e it counts chips.
for _size in (8, 32, 128, 256, 512):
    _add("v2", _size, _size // 2, {4: "2x2"})
for _size in (8, 32, 64, 128, 256, 512, 1024, 2048):
    _add("v3", _size, _size // 2, {4: "2x2"})
for _size in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
    _add("v4", _size, _size // 2, {4: "2x2x1"})
for _size in (1, 4, 8, 16, 32, 64, 128, 256):
    _add("v5e", _size, _size, {1: "1x1", 4: "2x2", 8: "2x4"})
for _size in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
    _add("v5p", _size, _size // 2, {4: "2x2x1"})
for _size in (1, 4, 8, 16, 32, 64, 128, 256):
    _add("v6e", _size, _size, {1: "1x1", 4: "2x2", 8: "2x4"})
