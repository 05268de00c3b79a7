"""What an estimate looks like in a terminal."""

import textwrap
from collections.abc import Mapping
from typing import Any

from bert_wwm.estimate.numbers import Figures
from bert_wwm.estimate.phase import Estimate
from bert_wwm.estimate.slices import Slice

_WIDTH = 100
_LABEL_WIDTH = 13

WHAT_THIS_IS = (
    "What this is: the TPU compiler's own estimate for this very step, made without a TPU. Not in "
    "it: reading the input on the host, checkpoints, evaluations between, the first minutes of "
    "compiling, and where a step has gathers, scatters and sorts, these."
)
NO_PROFILE = ["", "  No profile: there is none of a step that doesn't fit."]
OF_NETWORK = (
    "The compiler says nothing of the time on the network between the chips either; what is added "
    "for it is a simple model from the published link speeds, a lower bound."
)


def estimate_lines(estimate: Estimate, tpu: Slice) -> list[str]:
    """Returns the lines on a phase, its name in front."""
    phase = estimate.phase
    what = {"train": "training", "eval": "evaluation"}[phase.mode]
    lines = [f"{phase.name} on {tpu.name}: {phase.model}, {what}", *_shape(estimate, tpu)]
    if estimate.measured:
        lines += _figures(estimate.measured.figures, tpu, phase.mode)
        if estimate.largest:
            lines.append(_row("largest batch", _batch(estimate.largest, tpu)))
    else:
        lines += _not_fitting(estimate, tpu)
    return lines


def total_lines(totals: Mapping[str, Any], number: int) -> list[str]:
    """Returns the lines on several phases together."""
    if totals["hours"] is None:
        return [_row("all phases", "not known, as one of them is not")]
    return [_row(f"all {number} phases", _duration(totals["hours"], totals["cost"]))]


def disclaimer(tpu: Slice) -> list[str]:
    """Returns what the figures don't say."""
    text = WHAT_THIS_IS if tpu.chips == 1 else f"{WHAT_THIS_IS} {OF_NETWORK}"
    return textwrap.wrap(text, _WIDTH)


def _shape(estimate: Estimate, tpu: Slice) -> list[str]:
    work = estimate.phase.work
    examples = (
        f"{work.length:,} tokens, {work.batch_per_core * tpu.cores:,} examples a step, "
        f"{work.batch_per_core:,} on each of {tpu.cores:,} {tpu.device}s"
    )
    if work.num_accumulation_steps > 1:
        examples += f" in {work.num_accumulation_steps} parts"
    return [_row("shape", examples)]


def _figures(figures: Figures, tpu: Slice, mode: str) -> list[str]:
    memory = (
        f"yes: {figures.used_gib:.1f} of {figures.memory_limit_gib:g} GiB a {tpu.device} "
        f"(weights, {'slots and ' if mode == 'train' else ''}features {figures.argument_gib:.1f}, "
        f"temporaries {figures.temp_gib:.1f})"
    )
    step = f"{figures.step_ms:,.1f} ms: {figures.estimated_megacycles:,.1f} megacycles"
    if figures.network_ms:
        step += f", and {figures.network_ms:.1f} ms to add up the gradients of all {tpu.device}s"
    peak = (
        f"{100 * figures.share_of_peak:.0f} % of {tpu.peak_flops / 1e12:.1f} TFLOP/s a {tpu.device}"
    )
    lines = [
        _row("fits", memory),
        _row("step", step),
        _row("speed", _speed(figures)),
        _row("share of peak", peak),
    ]
    if figures.unpriced_instructions:
        unpriced = (
            f"{figures.unpriced_instructions} of gathers, scatters and sorts, which move "
            f"{figures.unpriced_gib:.2f} GiB"
        )
        lines.append(_row("not counted", unpriced))
    if figures.hours is not None:
        lines.append(_row(f"{figures.steps:,} steps", _duration(figures.hours, figures.cost)))
    else:
        flag = "--num_train_steps" if mode == "train" else "--max_eval_steps"
        lines.append(_row("hours", f"not known: steps hang on the data; {flag} tells how many"))
    return lines


def _not_fitting(estimate: Estimate, tpu: Slice) -> list[str]:
    limit = f"{tpu.available_gib:g} GiB a {tpu.device}"
    fits = f"no: more than {limit}"
    if estimate.needed_gib:
        fits = f"no: {estimate.needed_gib:.1f} of {limit}, by the compiler's last attempt"
    lines = [_row("fits", fits)]
    if not estimate.largest:
        lines.append(_row("largest batch", f"none: not even one example a {tpu.device} fits"))
        return lines
    lines.append(_row("largest batch", _batch(estimate.largest, tpu)))
    if estimate.in_parts:
        figures = estimate.in_parts
        parts = (
            f"--num_accumulation_steps={figures.num_accumulation_steps} fits: "
            f"{figures.used_gib:.1f} GiB, {figures.step_ms:,.1f} ms a step, {_speed(figures)}"
        )
        lines.append(_row("in parts", parts))
        if figures.hours is not None:
            lines.append(_row(f"{figures.steps:,} steps", _duration(figures.hours, figures.cost)))
    return lines


def _batch(figures: Figures, tpu: Slice) -> str:
    batch = figures.batch_per_core
    return (
        f"{batch:,} a {tpu.device}, {batch * tpu.cores:,} a step: "
        f"{figures.used_gib:.1f} GiB, {figures.step_ms:,.1f} ms, {_speed(figures)}"
    )


def _speed(figures: Figures) -> str:
    return (
        f"{figures.examples_per_second:,.0f} examples/s, {figures.tokens_per_second:,.0f} tokens/s"
    )


def _duration(hours: float, cost: Any) -> str:
    text = f"{hours:,.1f} hours ({hours / 24:,.2f} days)"
    if hours < 1:
        text = f"{60 * hours:,.1f} minutes"
    return text if cost is None else f"{text}, at a cost of {cost:,.2f}"


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL_WIDTH}} {text}"
