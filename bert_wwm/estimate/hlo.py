"""The text of an optimised HLO module: computations, instructions, and what arrays take."""

import functools
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_HEAD = re.compile(r"(ENTRY )?%?([\w.-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"\s+(ROOT )?%?([\w.-]+) = ")
_OPCODE = re.compile(r" ?([\w-]+)\(")
_BRACKET = re.compile(r"[()]")
_NAME = re.compile(r"%([\w.-]+)")
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_ARRAY = re.compile(r"([a-z]+\d*)\[([\d,]*)\](?:\{([\d,]*)((?::[^}]*)?)\})?")
_TILE = re.compile(r"T\(([\d,]+)\)")
_BITS = {"pred": 8, "token": 0}


class Operation(NamedTuple):
    """One instruction, as written.

    Attributes:
        name: unique within the module.
        shape: an array, or a tuple of arrays, with their layouts.
        opcode: such as "fusion".
        arguments: what stands in the brackets: operands, or a number.
        attributes: all that follows the operands.
        is_root: whether it is the result of its computation.
    """

    name: str
    shape: str
    opcode: str
    arguments: str
    attributes: str
    is_root: bool

    @property
    def operands(self) -> list[str]:
        """The names of what it is applied to, in the same computation."""
        return _NAME.findall(self.arguments)

    @property
    def op_name(self) -> str:
        """The TensorFlow operation that it comes from; empty where the compiler made it up."""
        found = _OP_NAME.search(self.attributes)
        return found.group(1) if found else ""

    def called(self, attribute: str) -> list[str]:
        """The names of the computations that an attribute, such as "body", has."""
        found = re.search(rf"[ ,{{]{attribute}=(%[\w.-]+|\{{[^}}]*\}})", self.attributes)
        return _NAME.findall(found.group(1)) if found else []


class Module(NamedTuple):
    """A module.

    Attributes:
        entry: the computation that is the program.
        computations: by name; operations in the order in which they run.
        operations: all of them, by name.
    """

    entry: str
    computations: dict[str, list[Operation]]
    operations: dict[str, Operation]


class Array(NamedTuple):
    """An array in memory.

    Attributes:
        dtype: such as "bf16".
        dims: its shape.
        num_bytes: with what pads it to whole tiles.
        in_main_memory: whether it lies in the memory outside the core.
    """

    dtype: str
    dims: tuple[int, ...]
    num_bytes: int
    in_main_memory: bool

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.dims))}]"


@functools.lru_cache(maxsize=1)  # several look at the same program
def parse(text: str) -> Module:
    """Returns the module that a text describes; an empty one where it describes none."""
    entry = ""
    current: list[Operation] = []
    computations = {entry: current}
    operations: dict[str, Operation] = {}
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            current = computations.setdefault(head.group(2), [])
            entry = head.group(2) if head.group(1) else entry
            continue
        start = _INSTRUCTION.match(line)
        if start:
            operation = _operation(line, start)
            current.append(operation)
            operations[operation.name] = operation
    return Module(entry, computations, operations)


def within(module: Module, operation: Operation) -> Iterator[Operation]:
    """Yields an operation, or where it is a fusion, those that are fused, at any depth."""
    if operation.opcode != "fusion":
        yield operation
        return
    for name in operation.called("calls"):
        for inner in module.computations[name]:
            yield from within(module, inner)


def _operation(line: str, start: "re.Match[str]") -> Operation:
    begin = start.end()
    end = _closing(line, begin) if line[begin] == "(" else line.index(" ", begin)
    opcode = _OPCODE.match(line, end)
    if not opcode:
        raise ValueError(f"no HLO instruction: {line[:200]}")
    close = _closing(line, opcode.end() - 1)
    return Operation(
        name=start.group(2),
        shape=line[begin:end],
        opcode=opcode.group(1),
        arguments=line[opcode.end() : close - 1],
        attributes=line[close:],
        is_root=bool(start.group(1)),
    )


def _closing(line: str, begin: int) -> int:
    """The position after the bracket that closes the one at ``begin``."""
    depth = 0
    for bracket in _BRACKET.finditer(line, begin):
        depth += 1 if bracket.group() == "(" else -1
        if not depth:
            return bracket.end()
    raise ValueError(f"no HLO instruction: {line[:200]}")


def arrays(shape: str) -> list[Array]:
    """Returns the arrays of a shape, of a tuple in its order.

    Example:
        arrays("bf16[40,100]{1,0:T(8,128)(2,1)}") -> [Array("bf16", (40, 100), 10240, True)]
    """
    return [_array(*found.groups()) for found in _ARRAY.finditer(shape)]


def _array(dtype: str, dims: str, order: str, layout: str) -> Array:
    sizes = _integers(dims)
    padded = [sizes[index] for index in _integers(order or "")] or list(sizes)
    tile = _TILE.search(layout or "")
    # The first tile covers the minor-most dimensions, its own last one the very minor-most.
    for index, extent in enumerate(reversed(_integers(tile.group(1)) if tile else ())):
        if index < len(padded):
            padded[index] = -(-padded[index] // extent) * extent
        else:
            padded.append(extent)
    return Array(
        dtype, sizes, math.prod(padded) * bits(dtype) // 8, not re.search(r"S\([1-9]", layout or "")
    )


def bits(dtype: str) -> int:
    """Returns what an element takes: 16 for "bf16"."""
    found = re.search(r"\d+", dtype)
    return _BITS[dtype] if dtype in _BITS else int(found.group()) if found else 0


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)
