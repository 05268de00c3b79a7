"""Where a compiled program spends its cycles: by kind of work, and by part of the model."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from bert_wwm.core.errors import ConfigError
from bert_wwm.estimate import hlo
from bert_wwm.estimate.hlo import Module, Operation

MATMUL, UNPRICED = "matmul", "not priced"
# The first kind of which a fusion has an operation counts; XLA calls a matmul a convolution.
_KINDS = {
    MATMUL: r"convolution|dot",
    "random bits": r"rng(-.*)?",
    "collective": r"(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(-.*)?",
    "reduce": r"reduce",
}
_COPIES = {"copy", "copy-start", "copy-done", "transpose", "reshape", "bitcast"}
_FREE = {"parameter", "constant", "tuple", "get-tuple-element"}
KINDS = (*_KINDS, "copy", "other")
_CALLS = {"while", "call", "async-start", "conditional"}
_WITHOUT_CYCLES = {"gather", "scatter", "sort"}  # from the compiler

# The first part whose scope is in the name of a TensorFlow operation counts.
_OPTIMIZER = "optimizer"
_PARTS = {
    _OPTIMIZER: r"(^|/)(\w*Optimizer|global_norm|clip_by_global_norm)(_\d+)?/",
    "layers/attention": r"(^|/)layer_\d+/attention/",
    "layers/feed-forward": r"(^|/)layer_\d+/",
    "embeddings": r"(^|/)embeddings/",
    "pooler": r"(^|/)pooler/",
    # Heads have no scopes of their own, or none at all: the remaining matmuls are theirs.
    "heads": r"(^|/)(cls|(\w*SoftmaxCrossEntropy\w*|MatMul|BiasAdd)(_\d+)?(_grad)?)(/|$)",
}
_BACKWARD = r"(^|/)gradients(_\d+)?/"


class Instruction(NamedTuple):
    """An instruction that costs something."""

    cycles: int  # of all its runs in one step; 0 if the compiler doesn't estimate them
    times: int  # how often it runs in one step
    kind: str  # one of ``KINDS``, or without cycles UNPRICED
    part: str  # of the model, such as "layers/attention, backward"


def read_instructions(hlo_text: str, num_parts: int) -> list[Instruction]:
    """Returns what a step spends its cycles on, and its gathers, scatters and sorts.

    Loops count with all their rounds, a choice with all its branches (no step has one). Of the loop
    over ``num_parts`` accumulation steps, the first part is before it, and the compiler doesn't
    know the number of rounds; raises ConfigError if it doesn't know another loop's.
    """
    module = hlo.parse(hlo_text)
    found = []
    for operation, times in _run(module, module.entry, num_parts - 1):
        fused = list(module.fused(operation))
        # The compiler's own operations come from where the last one fused in them does.
        names = [operation.op_name, *(inner.op_name for inner in reversed(fused))]
        part = find_part(next(filter(None, names), ""))
        if operation.cycles:
            found.append(Instruction(operation.cycles * times, times, _find_kind(fused), part))
        elif operation.cycles is None:
            number = sum(inner.opcode in _WITHOUT_CYCLES for inner in fused)
            found += [Instruction(0, times, UNPRICED, part)] * number
    return found


def find_part(op_name: str) -> str:
    """Returns the part of the model that a TensorFlow operation belongs to."""
    part = next((part for part, scope in _PARTS.items() if re.search(scope, op_name)), "other")
    if part == _OPTIMIZER:
        return part
    return f"{part}, {'backward' if re.search(_BACKWARD, op_name) else 'forward'}"


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
    for kind, pattern in _KINDS.items():
        if any(re.fullmatch(pattern, opcode) for opcode in opcodes):
            return kind
    return "copy" if opcodes <= _COPIES | _FREE else "other"
