"""Where the cycles of a step go, in a terminal and as JSON."""

from collections import Counter
from collections.abc import Sequence

from bert_wwm.estimate.profile import KINDS, Instruction

_ALL = "all"

Cells = dict[str, Counter[str]]  # cycles by row and kind; of the kind "all", their sum


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
