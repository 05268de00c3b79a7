"""The text of an optimised HLO module: what runs, and what the compiler says of it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = re.compile(r"(ENTRY )?%?([\w.-]+) \(.*\{$")
# The shape may be a tuple with brackets of its own, but none follows a space and a word.
_OPERATION = re.compile(r"\s+(?:ROOT )?%?([\w.-]+) = .*? ([\w-]+)\([^)]*\)(.*)")
_NAME = re.compile(r"%([\w.-]+)")
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIP_COUNT = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_CALLED = re.compile(r"\b(?:calls|to_apply|condition|body|\w+_computations?)=(%[\w.-]+|\{[^}]*\})")


class Operation(NamedTuple):
    """One instruction, as written."""

    name: str
    opcode: str  # such as "fusion"
    attributes: str

    @property
    def op_name(self) -> str:
        """The TensorFlow operation that it comes from; empty if it is the compiler's own."""
        found = _OP_NAME.search(self.attributes)
        return found.group(1) if found else ""

    @property
    def cycles(self) -> int | None:
        """The compiler's estimate for one run."""
        found = _CYCLES.search(self.attributes)
        return int(found.group(1)) if found else None

    @property
    def trip_count(self) -> int | None:
        """How often a loop repeats, if the compiler says."""
        found = _TRIP_COUNT.search(self.attributes)
        return int(found.group(1)) if found else None

    @property
    def called(self) -> list[str]:
        """The names of the computations that it calls."""
        return [name for text in _CALLED.findall(self.attributes) for name in _NAME.findall(text)]


class Module(NamedTuple):
    """A module."""

    entry: str  # the computation that is the program
    computations: dict[str, list[Operation]]

    def fused(self, operation: Operation) -> Iterator[Operation]:
        """Yields the operations of a fusion, at any depth, or the operation itself."""
        if operation.opcode != "fusion":
            yield operation
            return
        for name in operation.called:
            for inner in self.computations[name]:
                yield from self.fused(inner)


def parse(text: str) -> Module:
    """Returns the module that a text describes; an empty one if it describes none."""
    entry = ""
    current: list[Operation] = []
    computations = {entry: current}
    for line in text.splitlines():
        head = _HEAD.match(line)
        found = _OPERATION.match(line)
        if head:
            current = computations.setdefault(head.group(2), [])
            entry = head.group(2) if head.group(1) else entry
        elif found:
            current.append(Operation(*found.groups()))
    return Module(entry, computations)
