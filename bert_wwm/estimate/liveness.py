"""What takes the memory of a compiled program at its fullest moment."""

import collections
import re
from dataclasses import dataclass
from typing import NamedTuple, Optional

from bert_wwm.estimate import hlo
from bert_wwm.estimate.hlo import Array, Module, Operation
from bert_wwm.estimate.profile import layer_of, part_of
from bert_wwm.estimate.schedule import origins

_NOT_OURS = {"parameter", "constant"}
_SAME_MEMORY = {"bitcast", "tuple", "while", "optimization-barrier", "opt-barrier"}
_INDEX = re.compile(r"index=(\d+)")
_ALIASES = re.compile(r'"aliasing_operands":\{"lists":\[(.*?)\]\}\]?')
_PAIR = re.compile(r'"(\d+)","(\d+)"')
_OUTPUT = re.compile(r"\{(\d*)\}: \(\d+, \{")

# The buffers that a value lies in, an item an array; None for what the program is called with.
_Value = list[Optional["_Buffer"]]


@dataclass(frozen=True, order=True)
class MemoryGroup:
    """Arrays alike that are kept at the same time.

    Attributes:
        num_bytes: of all, padded as they lie in memory.
        count: how many there are.
        part: of the model, as ``part_of`` has it.
        shape: of each, such as "bf16[40960,768]".
    """

    num_bytes: int
    count: int
    part: str
    shape: str


class PeakMemory(NamedTuple):
    """The moment at which a program's temporaries take most.

    Attributes:
        num_bytes: of all; the compiler's own figure differs by what it can't pack tightly.
        instruction: at which it is.
        groups: the largest first.
    """

    num_bytes: int
    instruction: str
    groups: list[MemoryGroup]


class _Buffer:
    """Memory of an array from the operation that writes it to the last that reads it."""

    def __init__(self, array: Array, origin: str, birth: int):
        self.array = array
        self.origin = origin
        self.birth = self.death = birth


def peak_memory(hlo_text: str) -> PeakMemory:
    """Returns what a program keeps when it keeps most, without its arguments.

    The program runs in the order in which it is written. What is written over arguments, or over
    what isn't needed any more, takes nothing.
    """
    module = hlo.parse(hlo_text)
    given_back = set(map(int, filter(None, _OUTPUT.findall(hlo_text.partition("\n")[0]))))
    instruction, buffers = _fullest(module, module.entry, given_back)
    sizes: dict[tuple[str, str], list[int]] = collections.defaultdict(list)
    for buffer in buffers:
        part = part_of(layer_of(buffer.origin))
        sizes[part, str(buffer.array)].append(buffer.array.num_bytes)
    groups = [MemoryGroup(sum(group), len(group), *key) for key, group in sizes.items()]
    return PeakMemory(
        sum(group.num_bytes for group in groups), instruction, sorted(groups, reverse=True)
    )


def _fullest(module: Module, computation: str, given_back: set[int]) -> tuple[str, list[_Buffer]]:
    """The operation at which a computation keeps most, and what that is.

    Args:
        given_back: which of its results are written over what it is called with.
    """
    operations = module.computations[computation]
    buffers = _lifetimes(module, computation, given_back)
    starting: dict[int, list[_Buffer]] = collections.defaultdict(list)
    for buffer in buffers:
        starting[buffer.birth].append(buffer)
    most = -1
    fullest: tuple[str, list[_Buffer]] = ("", [])
    live: list[_Buffer] = []
    for now, operation in enumerate(operations):
        live = [buffer for buffer in live if buffer.death >= now] + starting[now]
        alternatives = [_fullest(module, name, set()) for name in _called(operation)]
        moment, within = max(
            [(operation.name, []), *alternatives], key=lambda alternative: _size(alternative[1])
        )
        if _size(live) + _size(within) > most:
            most, fullest = _size(live) + _size(within), (moment, live + within)
    return fullest


def _size(buffers: list[_Buffer]) -> int:
    return sum(buffer.array.num_bytes for buffer in buffers)


def _called(operation: Operation) -> list[str]:
    if operation.opcode not in ("while", "conditional", "call"):
        return []
    names = ("body", "branch_computations", "true_computation", "false_computation", "to_apply")
    return [called for name in names for called in operation.called(name)]


def _lifetimes(module: Module, computation: str, given_back: set[int]) -> list[_Buffer]:
    """The buffers that a computation writes to."""
    operations = module.computations[computation]
    comes_from = origins(module, computation)
    values: dict[str, _Value] = {}
    buffers: list[_Buffer] = []
    for now, operation in enumerate(operations):
        operands = [buffer for name in operation.operands for buffer in values[name]]
        for buffer in filter(None, operands):
            buffer.death = now
        reused = _reused(module, operation, operands)
        value = values[operation.name] = []
        for index, array in enumerate(hlo.arrays(operation.shape)):
            if index not in reused and operation.opcode not in _NOT_OURS:
                buffer = reused[index] = _Buffer(array, comes_from[operation.name], now)
                if array.in_main_memory:
                    buffers.append(buffer)
            value.append(reused.get(index))
    results = [buffer for one in operations if one.is_root for buffer in values[one.name]]
    for buffer in filter(None, results):
        buffer.death = len(operations)
    over = {id(results[index]) for index in given_back}
    return [buffer for buffer in buffers if id(buffer) not in over]


def _reused(module: Module, operation: Operation, operands: _Value) -> dict[int, _Buffer | None]:
    """The memory of operands that results lie in, by the results' numbers."""
    if operation.opcode == "get-tuple-element":
        index = _INDEX.search(operation.attributes)
        return {0: operands[int(index.group(1))]} if index else {}
    if operation.opcode in _SAME_MEMORY:
        return dict(enumerate(operands))
    # What goes on beside others begins with (to, from, state), or with ((from), to, state).
    if operation.opcode == "copy-start":
        return {1: operands[0]}
    if operation.opcode.endswith("-start") and operation.shape.startswith("(("):
        return dict(enumerate(operands))
    if operation.opcode.endswith("-done"):
        begun = hlo.arrays(module.operations[operation.operands[0]].shape)
        found = hlo.arrays(operation.shape)[0]
        # Layouts may be written in another way.
        alike = [number for number, array in enumerate(begun) if str(array) == str(found)]
        first = begun.index(found) if found in begun else alike[-1] if alike else 0
        return dict(enumerate(operands[first:]))
    aliases = _ALIASES.search(operation.attributes)
    pairs = _PAIR.findall(aliases.group(1)) if aliases else []
    return {int(to) - len(operands): operands[int(of)] for of, to in pairs}
