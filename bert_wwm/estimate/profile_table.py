"""Where the cycles and the memory of a step go, in a terminal and as JSON."""

import collections
from collections import Counter
from collections.abc import Sequence
from typing import Any

from bert_wwm.estimate.compiler import Compiled
from bert_wwm.estimate.hlo import arrays
from bert_wwm.estimate.liveness import peak_memory
from bert_wwm.estimate.numbers import GIB
from bert_wwm.estimate.profile import KINDS, Instruction, number_of, part_of

_PARTS = (
    "embeddings",
    "layers/attention",
    "layers/feed-forward",
    "pooler",
    "heads",
    "other",
)
_OPTIMIZER, _ALL = "optimizer", "all"
_ROWS = (*(f"{part}, {way}" for part in _PARTS for way in ("forward", "backward")), _OPTIMIZER)
_OF_LAYER = tuple(
    f"{part}, {way}" for part in ("attention", "feed-forward") for way in ("forward", "backward")
)
_MOST_INSTRUCTIONS, _MOST_GROUPS = 10, 10


def profile_lines(compiled: Compiled) -> list[str]:
    """Returns four tables.

    Megacycles by part of the model and kind of work, forward and backward; by layer; the costliest
    instructions; and what takes most at the moment when most is kept.
    """
    tables = (
        _cycles_table(compiled),
        _layers_table(compiled),
        _costliest_instructions(compiled),
        _memory_table(compiled),
    )
    return [line for table in tables if table for line in ("", *table)]


def profile_json(compiled: Compiled) -> dict[str, Any]:
    """Returns the same as JSON knows it."""
    cells = _cycles_by_part(compiled)
    layers, cells_of_layers = _cycles_by_layer(compiled)
    return {
        "megacycles": {
            row: {kind: cells[row, kind] / 1e6 for kind in KINDS if cells[row, kind]}
            for row in _ROWS
            if cells[row, _ALL]
        },
        "layers": [
            {name: cells_of_layers[layer, name] / 1e6 for name in (*_OF_LAYER, _ALL)}
            for layer in layers
        ],
        "costliest_instructions": [
            {
                "op_name": one.op_name,
                "kind": one.kind,
                "megacycles": one.cycles / 1e6,
                "largest_result": _largest_result(one),
            }
            for one in _costliest(compiled)
        ],
        "memory_at_peak": [
            {
                "part": group.part,
                "number": group.count,
                "shape": group.shape,
                "gib": group.num_bytes / GIB,
            }
            for group in peak_memory(compiled.hlo_text).groups[:_MOST_GROUPS]
        ],
    }


def _cycles_by_part(compiled: Compiled) -> Counter[tuple[str, str]]:
    """Returns cycles by part and kind; all of either too."""
    cells: Counter[tuple[str, str]] = collections.Counter()
    for instruction in compiled.instructions:
        for row in (_row(instruction), _ALL):
            for column in (instruction.kind, _ALL):
                cells[row, column] += instruction.cycles
    return cells


def _row(instruction: Instruction) -> str:
    part = part_of(instruction.layer)
    if part == _OPTIMIZER:
        return part
    return f"{part}, {'backward' if instruction.is_backward else 'forward'}"


def _cycles_table(compiled: Compiled) -> list[str]:
    cells = _cycles_by_part(compiled)
    columns = [*(kind for kind in KINDS if cells[_ALL, kind]), _ALL]
    lines = [["megacycles", *columns, "share"]]
    for row in (*_ROWS, _ALL):
        if cells[row, _ALL]:
            values = [f"{cells[row, column] / 1e6:,.1f}" for column in columns]
            share = 100 * cells[row, _ALL] / cells[_ALL, _ALL]
            lines.append([row, *values, f"{share:.0f} %"])
    return _aligned(lines)


def _cycles_by_layer(compiled: Compiled) -> tuple[list[int], Counter[tuple[int, str]]]:
    """Returns the numbers of the layers, and cycles by number and part; all of a layer too."""
    cells: Counter[tuple[int, str]] = collections.Counter()
    for instruction in compiled.instructions:
        number = number_of(instruction.layer)
        if number is not None:
            part = _row(instruction).partition("/")[2]
            for column in (part, _ALL):
                cells[number, column] += instruction.cycles
    return sorted({number for number, _ in cells}), cells


def _layers_table(compiled: Compiled) -> list[str]:
    layers, cells = _cycles_by_layer(compiled)
    if not layers:
        return []
    lines = [["megacycles", *_OF_LAYER, _ALL]]
    for layer in layers:
        values = [f"{cells[layer, name] / 1e6:,.2f}" for name in (*_OF_LAYER, _ALL)]
        lines.append([f"layer {layer}", *values])
    return _aligned(lines)


def _costliest_instructions(compiled: Compiled) -> list[str]:
    lines = [["costliest instructions", "kind", "Mcycles", "largest result"]]
    for one in _costliest(compiled):
        cycles = f"{one.cycles / 1e6:,.2f}"
        lines.append([_last_scopes(one.op_name), one.kind, cycles, _largest_result(one)])
    return _aligned(lines, left=(0, 1, 3))


def _costliest(compiled: Compiled) -> list[Instruction]:
    ordered = sorted(compiled.instructions, key=lambda one: one.cycles, reverse=True)
    return ordered[:_MOST_INSTRUCTIONS]


def _largest_result(one: Instruction) -> str:
    results = sorted(arrays(one.shape), key=lambda array: array.num_bytes)
    return str(results[-1]) if results else ""


def _memory_table(compiled: Compiled) -> list[str]:
    peak = peak_memory(compiled.hlo_text)
    lines = [["memory at its peak", "number", "shape", "GiB"]]
    for group in peak.groups[:_MOST_GROUPS]:
        size = f"{group.num_bytes / GIB:,.2f}"
        lines.append([group.part, f"{group.count:,}", group.shape, size])
    rest = sum(group.num_bytes for group in peak.groups[_MOST_GROUPS:])
    lines.append(["others", "", "", f"{rest / GIB:,.2f}"])
    lines.append(["all temporaries", "", "", f"{peak.num_bytes / GIB:,.2f}"])
    return _aligned(lines, left=(0, 2))


def _last_scopes(op_name: str) -> str:
    """Returns the end of an operation's name, which says what it is."""
    return "/".join(op_name.split("/")[-4:]) or "made up by the compiler"


def _aligned(lines: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Returns a table, its head in front; the columns of ``left`` are aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]
