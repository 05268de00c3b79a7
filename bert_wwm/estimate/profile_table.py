"""Where the cycles of a step go, in a terminal and as JSON."""

from collections import Counter
from collections.abc import Sequence

from bert_wwm.estimate.profile import KINDS, OPTIMIZER, PARTS, Instruction

_ALL = "all"

Cells = dict[str, Counter[str]]  # cycles by row and kind; of the kind "all", their sum


def profile_lines(instructions: Sequence[Instruction]) -> list[str]:
    """Returns a table of megacycles by part of the model and kind of work."""
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
    """Returns the cells of all rows that aren't empty, in order."""
    cells: Cells = {}
    for part in PARTS:
        for way in ("",) if part == OPTIMIZER else (", forward", ", backward"):
            cells[part + way] = Counter()
    for one in instructions:
        way = "" if one.part == OPTIMIZER else ", backward" if one.is_backward else ", forward"
        cells[one.part + way].update({one.kind: one.cycles, _ALL: one.cycles})
    return {row: cycles for row, cycles in cells.items() if cycles}
