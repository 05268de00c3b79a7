"""What runs of a compiled program, in which order, and how many times."""

import re
from collections.abc import Iterator

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import hlo
from bert_wwm.estimate.hlo import Module, Operation

_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_INDEX = re.compile(r"index=(\d+)")


def estimated_cycles(operation: Operation) -> int | None:
    """Returns what the compiler expects of one run; None where it says nothing."""
    found = _CYCLES.search(operation.attributes)
    return int(found.group(1)) if found else None


def running(module: Module) -> Iterator[tuple[Operation, str, int]]:
    """Yields what a program runs: the operation, where it comes from, and how many times.

    A loop's operations run as often as it goes round; of alternatives the most expensive is taken.

    Raises:
        ConfigError: nobody knows how often a loop goes round.
    """
    return _running(module, module.entry)


def origins(module: Module, computation: str) -> dict[str, str]:
    """Returns the TensorFlow operation that each of a computation's comes from, by their names.

    What the compiler made up comes from where the last of what is fused in it does, or where its
    first operand does; it is empty where there is none.
    """
    found: dict[str, str] = {}
    for operation in module.computations[computation]:
        fused = [inner.op_name for inner in hlo.within(module, operation) if inner.op_name]
        before = [found[name] for name in operation.operands[:1]]
        found[operation.name] = operation.op_name or next(iter([*fused[-1:], *before]), "")
    return found


def _running(module: Module, computation: str) -> Iterator[tuple[Operation, str, int]]:
    comes_from = origins(module, computation)
    for operation in module.computations[computation]:
        if operation.opcode == "while":
            rounds = trip_count(module, operation)
            for name in operation.called("condition") + operation.called("body"):
                for inner, origin, times in _running(module, name):
                    yield inner, origin, times * rounds
        elif operation.opcode == "conditional":
            branches = [list(_running(module, name)) for name in _branches(operation)]
            yield from max(branches, key=_total)
        elif operation.opcode in ("call", "async-start"):
            for name in operation.called("to_apply") + operation.called("calls"):
                yield from _running(module, name)
        yield operation, comes_from[operation.name], 1


def _branches(operation: Operation) -> list[str]:
    both = operation.called("true_computation") + operation.called("false_computation")
    return operation.called("branch_computations") or both


def _total(branch: list[tuple[Operation, str, int]]) -> int:
    return sum(times * (estimated_cycles(operation) or 0) for operation, _, times in branch)


def trip_count(module: Module, loop: Operation) -> int:
    """Returns how often a loop goes round: as the compiler says, or else by its condition.

    The condition is that a counter, maybe with something added, is less than a number, or several
    of that kind together, as of TensorFlow's loops with a limit to their rounds.

    Raises:
        ConfigError: the condition is of another kind.
    """
    known = _TRIPS.search(loop.attributes)
    if known:
        return int(known.group(1))
    rounds = []
    for name in loop.called("condition"):
        for compare in module.computations[name]:
            if compare.opcode == "compare" and "direction=LT" in compare.attributes:
                counter, limit = (_at_first(module, loop, operand) for operand in compare.operands)
                if counter is not None and limit is not None:
                    rounds.append(limit - counter)
    if not rounds:
        raise ConfigError(
            f"{loop.name}: the step has a loop, and the TPU compiler doesn't say how often it goes "
            "round; expected one whose number of rounds is fixed"
        )
    return max(0, min(rounds))


def _at_first(module: Module, loop: Operation, name: str) -> int | None:
    """What an integer of a loop's condition is when the loop begins; None where that isn't told."""
    operation = module.operations[name]
    if operation.opcode == "constant":
        return int(operation.arguments)
    if operation.opcode in ("copy", "bitcast"):
        return _at_first(module, loop, operation.operands[0])
    if operation.opcode == "add":
        parts = [_at_first(module, loop, operand) for operand in operation.operands]
        return None if None in parts else sum(part for part in parts if part)
    carried = module.operations[loop.operands[0]]
    index = _INDEX.search(operation.attributes)
    if operation.opcode == "get-tuple-element" and index and carried.opcode == "tuple":
        return _at_first(module, loop, carried.operands[int(index.group(1))])
    return None
