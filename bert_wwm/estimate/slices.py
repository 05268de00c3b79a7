"""TPU slices by name: what they are made of, and the published figures of their chips."""

from dataclasses import dataclass
from typing import Dict, NamedTuple

from bert_wwm.core.registry import Registry


class _Chip(NamedTuple):
    """One generation's chip.

    Peak, memory and interconnect are those of the pages "TPU v2" to "TPU v6e" of Google Cloud's
    documentation (System architecture); v2's and v3's interconnect, which these don't give, is of
    Jouppi et al., "A Domain Specific Supercomputer for Training Deep Neural Networks", CACM 2020:
    four links of 496 and of 656 Gbit/s in each direction.

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
    memory_gib: float
    available_gib: float  # of one device
    memory_bandwidth: float  # bytes per second
    interconnect: float  # bytes per second in one direction, of all links together
    devices: int  # what XLA counts: a core of v2 and v3, otherwise the chip
    config: str = "default"


_CHIPS = {
    "v2": _Chip(700e6, 45e12, 16, 7.48, 700e9, 4 * 496e9 / 8, devices=2),
    "v3": _Chip(940e6, 123.2e12, 32, 15.48, 900e9, 4 * 656e9 / 8, devices=2),
    "v4": _Chip(1050e6, 275e12, 32, 30.75, 1200e9, 2400e9 / 8, devices=1, config="megacore"),
    "v5e": _Chip(1500e6, 197e12, 16, 15.75, 819e9, 1600e9 / 8, devices=1),
    "v5p": _Chip(1750e6, 459e12, 96, 95.73, 2765e9, 4800e9 / 8, devices=1, config="megacore"),
    "v6e": _Chip(1750e6, 918e12, 32, 31.24, 1600e9, 3200e9 / 8, devices=1),
}


@dataclass(frozen=True)
class Slice:
    """A TPU slice, as rented.

    Attributes:
        name: such as "v3-8".
        topology: what the compiler calls the part that is compiled for, such as "v3:2x2": the
            slice, or of a pod slice that of one host, whose program every host runs.
        chip_config: the compiler's name for how the cores of a chip go together.
        compiled_devices: the devices of ``topology``.
        cores: the devices of the slice; each runs one replica of the step. A device is a core of
            v2 and v3, and a chip of the others, of which v4 and v5p run two cores as one.
        chips: how many there are in the slice.
        clock_hz: cycles per second.
        memory_gib: of one device.
        available_gib: how much of that a program may take.
        peak_flops: bf16 operations per second of one device.
        memory_bandwidth: bytes per second of one device.
        interconnect_bandwidth: bytes per second that one chip sends over all its links.
    """

    name: str
    topology: str
    chip_config: str
    compiled_devices: int
    cores: int
    chips: int
    clock_hz: float
    memory_gib: float
    available_gib: float
    peak_flops: float
    memory_bandwidth: float
    interconnect_bandwidth: float

    @property
    def is_pod(self) -> bool:
        """True where the slice has more devices than the step is compiled for."""
        return self.cores > self.compiled_devices


def slice_named(name: str) -> Slice:
    """Returns a slice by the name under which Google Cloud rents it.

    Raises:
        ConfigError: there is none of that name; the known ones are listed, and the nearest.
    """
    return SLICES[name]


SLICES: Registry[Slice] = Registry("TPU slice")


def _add(generation: str, size: int, chips: int, topologies: Dict[int, str]) -> None:
    """Adds a slice; ``topologies`` has those of one host by their numbers of chips."""
    chip = _CHIPS[generation]
    compiled = max(host for host in topologies if host <= chips)
    name = f"{generation}-{size}"
    SLICES.add(
        name,
        Slice(
            name=name,
            topology=f"{generation}:{topologies[compiled]}",
            chip_config=chip.config,
            compiled_devices=compiled * chip.devices,
            cores=chips * chip.devices,
            chips=chips,
            clock_hz=chip.clock_hz,
            memory_gib=chip.memory_gib / chip.devices,
            available_gib=chip.available_gib,
            peak_flops=chip.peak_flops / chip.devices,
            memory_bandwidth=chip.memory_bandwidth / chip.devices,
            interconnect_bandwidth=chip.interconnect,
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
