"""From what the compiler says of a step to what a training takes: time, speed, memory, money."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from bert_wwm.estimate.compiler import Compiled
from bert_wwm.estimate.profile import unpriced
from bert_wwm.estimate.slices import Slice

GIB = 2**30
_SECONDS_OF_HOUR, _HOURS_OF_DAY = 3600, 24


class Work(NamedTuple):
    """What a step does, and how often.

    Attributes:
        batch_per_core: examples of a step on each device.
        num_accumulation_steps: parts that a device works them off in.
        length: tokens of a sequence.
        steps: how many there are; None where that isn't known.
    """

    batch_per_core: int
    num_accumulation_steps: int
    length: int
    steps: int | None = None


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a step that fits takes, of one device where nothing else is said.

    Attributes:
        batch_per_core, num_accumulation_steps, steps: as in ``Work``.
        estimated_megacycles: what the compiler expects. Gathers, scatters and sorts, of which it
            says nothing, aren't in it; nor is what goes between the devices.
        estimated_ms: the same at the clock of the device.
        network_ms: to add up the gradients of all devices, by ``all_reduce_seconds``.
        step_ms: both.
        argument_gib: weights, slots and features.
        temp_gib: what is kept within a step.
        used_gib: all memory.
        memory_limit_gib: what a program may take of the device's.
        unpriced_instructions: gathers, scatters and sorts in a step.
        unpriced_gib: what they move.
        examples_per_second, tokens_per_second: of the whole slice.
        share_of_peak: of the bf16 operations that the device could do in a step's time, fraction
            of 1; by the compiler's count, in which those that gradient checkpointing repeats are.
        hours, days: of all steps.
        cost: of these hours, in the price's currency; None without a price.
    """

    batch_per_core: int
    num_accumulation_steps: int
    steps: int | None
    estimated_megacycles: float
    estimated_ms: float
    network_ms: float
    step_ms: float
    argument_gib: float
    temp_gib: float
    used_gib: float
    memory_limit_gib: float
    unpriced_instructions: int
    unpriced_gib: float
    examples_per_second: float
    tokens_per_second: float
    share_of_peak: float
    hours: float | None
    days: float | None
    cost: float | None


def figures(
    compiled: Compiled,
    tpu: Slice,
    work: Work,
    reduced_bytes: int,
    price_per_hour: float | None = None,
) -> Figures:
    """Returns the figures of a step.

    Args:
        compiled: for one host of the slice.
        tpu: the slice.
        work: what the step does.
        reduced_bytes: what it adds up over all devices.
        price_per_hour: of the whole slice.
    """
    seconds = compiled.cycles / tpu.clock_hz
    network = all_reduce_seconds(tpu, reduced_bytes)
    step = seconds + network
    examples = work.batch_per_core * tpu.cores / step
    hours = None if work.steps is None else work.steps * step / _SECONDS_OF_HOUR
    number, moved = unpriced(compiled.hlo_text)
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
        used_gib=used_bytes(compiled) / GIB,
        memory_limit_gib=tpu.available_gib,
        unpriced_instructions=number,
        unpriced_gib=moved / GIB,
        examples_per_second=examples,
        tokens_per_second=examples * work.length,
        share_of_peak=compiled.flops / (step * tpu.peak_flops),
        hours=hours,
        days=None if hours is None else hours / _HOURS_OF_DAY,
        cost=None if hours is None or price_per_hour is None else hours * price_per_hour,
    )


def used_bytes(compiled: Compiled) -> int:
    """Returns the memory that a program takes; outputs that overwrite arguments take none."""
    outputs = compiled.output_bytes - compiled.alias_bytes
    return compiled.argument_bytes + compiled.temp_bytes + outputs


def all_reduce_seconds(tpu: Slice, num_bytes: int) -> float:
    """Returns how long a sum over all devices takes: a simple model from published link speeds.

    A reduce-scatter and an all-gather, in each of which each of n chips sends (n - 1) / n of the
    bytes over all its links at once and at their full speed (Patarasuk and Yuan, "Bandwidth optimal
    all-reduce algorithms", 2009): 2 * (n - 1) / n * bytes / bandwidth. A lower bound: in a chip,
    and for latency, nothing is counted. The step waits for it: gradients are clipped by their norm,
    so all of them are there before the first is sent.
    """
    if tpu.chips == 1:
        return 0.0
    return 2 * (tpu.chips - 1) / tpu.chips * num_bytes / tpu.interconnect_bandwidth


def totals(phases: Sequence[Figures | None]) -> dict[str, Any]:
    """Returns ``hours``, ``days`` and ``cost`` of all phases; None where one's isn't known."""
    result = {}
    for name in ("hours", "days", "cost"):
        values: list[Any] = [phase and getattr(phase, name) for phase in phases]
        result[name] = None if None in values else sum(values)
    return result
