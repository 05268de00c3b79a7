"""Estimates in a terminal, and the profile of a step there and as JSON."""

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

from bert_wwm.estimate.numbers import Figures
from bert_wwm.estimate.phase import Estimate
from bert_wwm.estimate.profile import KINDS, Instruction
from bert_wwm.estimate.slices import Slice

WHAT_THIS_IS = (
    "What this is: the TPU compiler's own estimate for this very step, made without a TPU. Not in "
    "it: reading the input on the host, checkpoints, evaluations between, the first minutes of "
    "compiling, and where a step has gathers, scatters and sorts, these."
)
OF_NETWORK = (
    "The compiler says nothing of the time on the network between the chips either; what is added "
    "for it is a simple model from the published link speeds, a lower bound."
)
_ALL = "all"

Cells = dict[str, Counter[str]]  # cycles by part and kind; of the kind "all", their sum


def estimate_lines(estimate: Estimate, tpu: Slice) -> list[str]:
    """Returns the lines for a phase."""
    phase, work = estimate.phase, estimate.phase.work
    shape = (
        f"{work.length:,} tokens, {work.batch_per_core * tpu.cores:,} {work.unit} a step, "
        f"{work.batch_per_core:,} on each of {tpu.cores:,} {tpu.device}s"
    )
    if work.num_accumulation_steps > 1:
        shape += f" in {work.num_accumulation_steps} parts"
    if work.instances_per_row > 1.0:
        shape += f"; {work.instances_per_row:.2f} examples a row"
    what = {"train": "training", "eval": "evaluation"}[phase.mode]
    lines = [f"{phase.name} on {tpu.name}: {phase.model}, {what}", _row("shape", shape)]
    if estimate.figures:
        lines += _figures(estimate.figures, tpu, phase.mode)
        if work.instances_per_row > 1.0:
            lines.append(_row("per million", _per_million(estimate.figures)))
    else:
        fits = f"no: more than {tpu.available_gib:g} GiB a {tpu.device}"
        if estimate.needed_gib:
            fits += f"; {estimate.needed_gib:.1f} GiB by the compiler's last attempt"
        lines.append(_row("fits", fits))
    if estimate.largest:
        figures, batch = estimate.largest, estimate.largest.batch_per_core
        memory = f"{figures.used_gib:.1f} GiB, {figures.step_ms:,.1f} ms, {_speed(figures)}"
        largest = f"{batch:,} a {tpu.device}, {batch * tpu.cores:,} a step: {memory}"
        lines.append(_row("largest batch", largest))
    elif not estimate.figures:
        lines.append(_row("largest batch", f"none: not even one example a {tpu.device} fits"))
    return lines


def total_line(totals: Mapping[str, float | None], number: int) -> str:
    """Returns the line for several phases together."""
    if totals["hours"] is None:
        return _row("all phases", "not known, as one of them is not")
    return _row(f"all {number} phases", _duration(totals["hours"], totals["cost"]))


def disclaimer(tpu: Slice) -> list[str]:
    """Returns what the figures leave out."""
    text = WHAT_THIS_IS if tpu.chips == 1 else f"{WHAT_THIS_IS} {OF_NETWORK}"
    return textwrap.wrap(text, 100)


def _figures(figures: Figures, tpu: Slice, mode: str) -> list[str]:
    memory = (
        f"yes: {figures.used_gib:.1f} of {figures.memory_limit_gib:g} GiB a {tpu.device} "
        f"(weights, {'slots and ' if mode == 'train' else ''}features {figures.argument_gib:.1f}, "
        f"temporaries {figures.temp_gib:.1f})"
    )
    step = f"{figures.step_ms:,.1f} ms: {figures.estimated_megacycles:,.1f} megacycles"
    if figures.network_ms:
        step += f", and {figures.network_ms:.1f} ms to add up the gradients of all {tpu.device}s"
    peak = f"{tpu.peak_flops / 1e12:.1f} TFLOP/s a {tpu.device}"
    lines = [
        _row("fits", memory),
        _row("step", step),
        _row("speed", _speed(figures)),
        _row("share of peak", f"{100 * figures.share_of_peak:.0f} % of {peak}"),
    ]
    if figures.unpriced_instructions:
        unpriced = f"{figures.unpriced_instructions} gathers, scatters and sorts"
        lines.append(_row("not counted", unpriced))
    if figures.hours is not None:
        lines.append(_row(f"{figures.steps:,} steps", _duration(figures.hours, figures.cost)))
    else:
        flag = "--num_train_steps" if mode == "train" else "--max_eval_steps"
        lines.append(_row("hours", f"the number of steps depends on the data; set {flag}"))
    return lines


def _speed(figures: Figures) -> str:
    return (
        f"{figures.examples_per_second:,.0f} examples/s, {figures.tokens_per_second:,.0f} tokens/s"
    )


def _per_million(figures: Figures) -> str:
    hours = 1e6 / 3600 / figures.examples_per_second
    cost = figures.cost and hours * figures.cost / figures.hours if figures.hours else None
    return f"examples: {_duration(hours, cost)}"


def _duration(hours: float, cost: float | None) -> str:
    text = f"{hours:,.1f} hours ({hours / 24:,.2f} days)"
    if hours < 1:
        text = f"{60 * hours:,.1f} minutes"
    return text if cost is None else f"{text}, at a cost of {cost:,.2f}"


def _row(label: str, text: str) -> str:
    return f"  {label:<13} {text}"


def profile_lines(instructions: Sequence[Instruction]) -> list[str]:
    """Returns a table of megacycles by part of the model and kind of work, the costliest first."""
    cells = _add_up(instructions)
    cells[_ALL] = sum(cells.values(), Counter())
    columns = [*(kind for kind in KINDS if cells[_ALL][kind]), _ALL]
    lines = [["megacycles", *columns, "share"]]
    for row, cycles in cells.items():
        share = 100 * cycles[_ALL] / cells[_ALL][_ALL]
        lines.append([row, *(f"{cycles[c] / 1e6:,.1f}" for c in columns), f"{share:.0f} %"])
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "  ".join(["", first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])])
        for first, *rest in lines
    ]


def profile_json(instructions: Sequence[Instruction]) -> dict[str, dict[str, float]]:
    """Returns the same for JSON."""
    return {
        row: {kind: cycles[kind] / 1e6 for kind in KINDS if cycles[kind]}
        for row, cycles in _add_up(instructions).items()
    }


def _add_up(instructions: Sequence[Instruction]) -> Cells:
    cells: Cells = {}
    for one in instructions:
        row = cells.setdefault(one.part, Counter())
        row.update({one.kind: one.cycles, _ALL: one.cycles})
    return dict(sorted(cells.items(), key=lambda item: -item[1][_ALL]))
