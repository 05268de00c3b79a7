"""Where a compiled program spends its cycles: by kind of work, and by part of the model."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import hlo
from bert_wwm.estimate.hlo import Module, Operation

MATMUL, REDUCE, RANDOM, COLLECTIVE, COPY, OTHER = KINDS = (
    "matmul",
    "reduce",
    "random bits",
    "collective",
    "copy",
    "other",
)
OPTIMIZER = "optimizer"
PARTS = (
    "embeddings",
    "layers/attention",
    "layers/feed-forward",
    "pooler",
    "heads",
    "other",
    OPTIMIZER,
)
_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_RANDOM = {"rng", "rng-bit-generator", "rng-get-and-update-state"}
_MOVES = {"copy", "copy-start", "copy-done", "transpose", "reshape", "bitcast"}
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
_CALLS = {"while", "call", "async-start", "conditional"}
# Operations without cycles from the compiler, and how often they move the bytes that count.
_UNPRICED = {"gather": 2, "scatter": 3, "sort": 2}

# The first that is found in the name of a TensorFlow operation counts.
_SCOPES = {
    OPTIMIZER: r"(^|/)(\w*Optimizer|global_norm|clip_by_global_norm)(_\d+)?/",
    "layers/attention": r"(^|/)layer_\d+/attention/",
    "layers/feed-forward": r"(^|/)layer_\d+/",
    "embeddings": r"(^|/)embeddings/",
    "pooler": r"(^|/)pooler/",
    # Heads have no scopes of their own, or none at all: the remaining matmuls are theirs.
    "heads": r"(^|/)(cls|(\w*SoftmaxCrossEntropy\w*|MatMul|BiasAdd)(_\d+)?(_grad)?)(/|$)",
}
_BACKWARD = re.compile(r"(?:^|/)gradients(_\d+)?/")


class Instruction(NamedTuple):
    """An instruction that the compiler estimates the cycles of."""

    cycles: int  # of all its runs in one step
    times: int  # how often it runs in one step
    kind: str  # one of ``KINDS``
    part: str  # one of ``PARTS``
    is_backward: bool


class Unpriced(NamedTuple):
    """Gathers, scatters and sorts, which the compiler doesn't estimate the cycles of."""

    operations: int  # that run in one step
    num_bytes: int  # that they read and write, roughly


def read_instructions(hlo_text: str, num_parts: int) -> tuple[list[Instruction], Unpriced]:
    """Returns what a step spends its cycles on, in the order in which it runs.

    The kind is that of the costliest operation in a fusion: a matmul (XLA calls it a convolution),
    random bits, a sum over replicas, a reduction; a copy only moves data. Loops count with all
    their rounds, a choice with all its branches (no step of this toolkit has one).

    Args:
        hlo_text: the optimised program of one device.
        num_parts: the accumulation steps. Of the loop over these, the first part is before it, and
            the compiler doesn't know the number of rounds.

    Raises:
        ConfigError: the number of a loop's rounds is unknown.
    """
    module = hlo.parse(hlo_text)
    found = []
    number = num_bytes = 0
    for operation, times in _run(module, module.entry, num_parts - 1):
        fused = list(module.fused(operation))
        if operation.cycles:
            # The compiler's own operations come from where the last one fused in them does.
            names = [operation.op_name, *(inner.op_name for inner in reversed(fused))]
            op_name = next(filter(None, names), "")
            found.append(
                Instruction(
                    cycles=operation.cycles * times,
                    times=times,
                    kind=_find_kind(fused),
                    part=find_part(op_name),
                    is_backward=bool(_BACKWARD.search(op_name)),
                )
            )
        elif operation.cycles is None:
            unpriced = [inner for inner in fused if inner.opcode in _UNPRICED]
            number += times * len(unpriced)
            num_bytes += times * sum(_moved_bytes(module, inner) for inner in unpriced)
    return found, Unpriced(number, num_bytes)


def find_part(op_name: str) -> str:
    """Returns the part of the model that a TensorFlow operation belongs to."""
    found = (part for part, scope in _SCOPES.items() if re.search(scope, op_name))
    return next(found, "other")


def _run(module: Module, computation: str, rounds: int) -> Iterator[tuple[Operation, int]]:
    """Yields the operations that run, and how often."""
    for operation in module.computations[computation]:
        if operation.opcode in _CALLS:
            times = 1 if operation.opcode != "while" else operation.trip_count or rounds
            if not times:
                raise ConfigError(
                    f"{operation.name}: the step has a loop, and the TPU compiler doesn't say how "
                    "often it repeats; expected one with a fixed number of rounds"
                )
            for name in operation.called:
                for inner, inner_times in _run(module, name, rounds):
                    yield inner, inner_times * times
        yield operation, 1


def _find_kind(fused: list[Operation]) -> str:
    opcodes = {operation.opcode for operation in fused}
    if opcodes & {"convolution", "dot"}:
        return MATMUL
    if opcodes & _RANDOM:
        return RANDOM
    if any(opcode.startswith(_COLLECTIVES) for opcode in opcodes):
        return COLLECTIVE
    if "reduce" in opcodes:
        return REDUCE
    return COPY if opcodes <= _MOVES | _FREE else OTHER


def _moved_bytes(module: Module, operation: Operation) -> int:
    """Returns what a gather, scatter or sort reads and writes.

    A gather moves its result; a scatter reads its updates, and reads and writes as much of the
    array that they go into.
    """
    sizes = operation.array_bytes
    if operation.opcode == "scatter":  # its operands: as many as results, the indices, the updates
        updates = operation.operands[len(sizes) + 1 :]
        sizes = [size for name in updates for size in module.operations[name].array_bytes]
    return _UNPRICED[operation.opcode] * sum(sizes)
