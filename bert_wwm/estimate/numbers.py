"""From the compiler's figures for a step to a training's: time, speed, memory, money."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.estimate.compiler import Compiled
from bert_wwm.estimate.slices import Slice

GIB = 2**30


class Work(NamedTuple):
    """The work of a step, and the number of steps."""

    batch_per_core: int  # sequences of a step on each device
    num_accumulation_steps: int
    length: int  # tokens of a sequence
    steps: int | None = None  # None if they depend on the data
    instances_per_row: float = 1.0  # examples of a sequence; more where they are packed

    @property
    def unit(self) -> str:
        """What the sequences are."""
        return "examples" if self.instances_per_row == 1.0 else "rows"


@dataclasses.dataclass(frozen=True)
class Figures:
    """The figures of a step that fits; memory is that of one device."""

    batch_per_core: int
    num_accumulation_steps: int
    steps: int | None
    # Without gathers, scatters and sorts, which the compiler doesn't price, and the network.
    estimated_megacycles: float
    estimated_ms: float  # the same at the device's clock
    network_ms: float  # to add up the gradients of all devices, by ``all_reduce_seconds``
    step_ms: float  # both
    argument_gib: float  # weights, slots and features
    temp_gib: float  # activations and gradients
    used_gib: float  # all memory
    memory_limit_gib: float  # for programs
    unpriced_instructions: int  # gathers, scatters and sorts in a step
    examples_per_second: float  # of the whole slice
    tokens_per_second: float
    # Of the bf16 operations that a device could do in a step's time, fraction of 1; by the
    # compiler's count, which includes those that gradient checkpointing repeats.
    share_of_peak: float
    hours: float | None  # of all steps
    days: float | None
    cost: float | None  # of these hours, in the price's currency; None without a price


def compute_figures(
    compiled: Compiled,
    tpu: Slice,
    work: Work,
    reduced_bytes: int,
    price_per_hour: float | None = None,
) -> Figures:
    """Returns the figures of a step, which adds up so many bytes over all devices of a slice."""
    seconds = compiled.cycles / tpu.clock_hz
    network = all_reduce_seconds(tpu, reduced_bytes)
    step = seconds + network
    sequences = work.batch_per_core * tpu.cores / step
    hours = None if work.steps is None else work.steps * step / 3600
    return Figures(
        batch_per_core=work.batch_per_core,
        num_accumulation_steps=work.num_accumulation_steps,
        steps=work.steps,
        estimated_megacycles=compiled.cycles / 1e6,
        estimated_ms=1e3 * seconds,
        network_ms=1e3 * network,
        step_ms=1e3 * step,
        argument_gib=compiled.argument_bytes / GIB,
        temp_gib=compiled.temp_bytes / GIB,
        used_gib=compiled.used_bytes / GIB,
        memory_limit_gib=tpu.available_gib,
        unpriced_instructions=compiled.unpriced,
        examples_per_second=sequences * work.instances_per_row,
        tokens_per_second=sequences * work.length,
        share_of_peak=compiled.flops / (step * tpu.peak_flops),
        hours=hours,
        days=None if hours is None else hours / 24,
        cost=None if hours is None or price_per_hour is None else hours * price_per_hour,
    )


def all_reduce_seconds(tpu: Slice, num_bytes: int) -> float:
    """Returns how long a sum over all devices takes: a simple model from published link speeds.

    A reduce-scatter and an all-gather, in each of which each of n chips sends (n - 1) / n of the
    bytes over all its links at once and at their full speed (Patarasuk and Yuan, "Bandwidth optimal
    all-reduce algorithms", 2009): 2 * (n - 1) / n * bytes / bandwidth. A lower bound, without
    latency and the time within a chip. The step waits for it: gradients are clipped by their norm,
    so all of them are there before the first is sent.
    """
    if tpu.chips == 1:
        return 0.0
    return 2 * (tpu.chips - 1) / tpu.chips * num_bytes / tpu.interconnect_bandwidth


def sum_phases(phases: Sequence[Figures | None]) -> dict[str, float | None]:
    """Returns ``hours``, ``days`` and ``cost`` of all phases; None if one's is unknown."""
    result: dict[str, float | None] = {}
    for name in ("hours", "days", "cost"):
        known = [value for phase in phases if (value := getattr(phase, name, None)) is not None]
        result[name] = sum(known) if len(known) == len(phases) else None
    return result
