"""Where a compiled program's cycles go: by kind of work, and by the model's layers."""

import re
from typing import NamedTuple

from bert_wwm.estimate import hlo
from bert_wwm.estimate.flops import matmul_flops
from bert_wwm.estimate.hlo import Module, Operation
from bert_wwm.estimate.schedule import estimated_cycles, running

MATMUL, REDUCE, RANDOM, COLLECTIVE, COPY, OTHER = KINDS = (
    "matmul",
    "reduce",
    "random bits",
    "collective",
    "copy",
    "other",
)
_COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_RANDOM = {"rng", "rng-bit-generator", "rng-get-and-update-state"}
_MOVES = {"copy", "copy-start", "copy-done", "transpose", "reshape", "bitcast"}
_FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}
# What the compiler gives no cycles for, and how many times it moves the bytes that count.
_UNPRICED = {"gather": 2, "scatter": 3, "sort": 2}

_LAYER = re.compile(r"(?:^|/)layer_(\d+)/(attention/)?")
_NUMBER = re.compile(r"^layer_(\d+)/")
_OPTIMIZER = re.compile(r"(?:^|/)(\w*Optimizer|global_norm|clip_by_global_norm)(?:_\d+)?/")
_SCOPES = (
    ("optimizer", _OPTIMIZER),
    ("embeddings", re.compile(r"(?:^|/)embeddings/")),
    ("pooler", re.compile(r"(?:^|/)pooler/")),
    # Heads share scopes with nothing, or have none: what is left of matmuls is theirs.
    (
        "heads",
        re.compile(r"(?:^|/)(cls|(\w*SoftmaxCrossEntropy\w*|MatMul|BiasAdd)(_\d+)?(_grad)?)(/|$)"),
    ),
)
_BACKWARD = re.compile(r"(?:^|/)gradients(_\d+)?/")


class Instruction(NamedTuple):
    """An instruction that the compiler has put a price on.

    Attributes:
        cycles: in one step, of all its runs.
        kind: one of ``KINDS``.
        layer: "embeddings", "layer_3/attention", "layer_3/feed-forward", "pooler", "heads",
            "optimizer" or "other".
        is_backward: whether it is of the gradients.
        name: in the program.
        op_name: the TensorFlow operation that most of it comes from.
        shape: its result, as the program has it.
        times: how often it runs in one step.
        flops: of its matmuls, in one step.
    """

    cycles: int
    kind: str
    layer: str
    is_backward: bool
    name: str
    op_name: str
    shape: str
    times: int
    flops: int


class Unpriced(NamedTuple):
    """Gathers, scatters and sorts, of which the compiler doesn't estimate the cycles.

    Attributes:
        operations: how many run in one step.
        num_bytes: what they read and write, roughly; sorts are taken to do it once.
    """

    operations: int
    num_bytes: int


def instructions(hlo_text: str) -> list[Instruction]:
    """Returns what a program's cycles are spent on, in the order in which it runs.

    The kind is that of the costliest thing in a fusion: a matmul (XLA's name for it is
    convolution), random bits, a sum over replicas, a reduction; what only moves or lays out data
    anew is a copy. What a loop repeats counts that often; of alternatives the most expensive does.

    Args:
        hlo_text: the optimised program of one device.
    """
    module = hlo.parse(hlo_text)
    found = []
    for operation, op_name, times in running(module):
        cycles = estimated_cycles(operation)
        if cycles:
            found.append(
                Instruction(
                    cycles=cycles * times,
                    kind=_kind(module, operation),
                    layer=layer_of(op_name),
                    is_backward=bool(_BACKWARD.search(op_name)),
                    name=operation.name,
                    op_name=op_name,
                    shape=operation.shape,
                    times=times,
                    flops=times * matmul_flops(module, operation),
                )
            )
    return found


def unpriced(hlo_text: str) -> Unpriced:
    """Returns what the sum of the cycles lacks."""
    module = hlo.parse(hlo_text)
    count = num_bytes = 0
    for operation, _, times in running(module):
        if estimated_cycles(operation) is not None:
            continue
        for inner in hlo.within(module, operation):
            if inner.opcode in _UNPRICED:
                count += times
                num_bytes += times * _moved_bytes(module, inner)
    return Unpriced(count, num_bytes)


def layer_of(op_name: str) -> str:
    """Returns the part of the model that a TensorFlow operation belongs to."""
    layer = _LAYER.search(op_name)
    if layer and not _OPTIMIZER.search(op_name):
        return f"layer_{layer.group(1)}/{'attention' if layer.group(2) else 'feed-forward'}"
    return next((name for name, scope in _SCOPES if scope.search(op_name)), "other")


def number_of(layer: str) -> int | None:
    """Returns 3 for "layer_3/attention"; None for what isn't in a layer."""
    found = _NUMBER.match(layer)
    return int(found.group(1)) if found else None


def part_of(layer: str) -> str:
    """Returns the kind of layer: "layers/attention" for "layer_3/attention"."""
    return _NUMBER.sub("layers/", layer)


def _kind(module: Module, operation: Operation) -> str:
    opcodes = {inner.opcode for inner in hlo.within(module, operation)}
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
    """What a gather, scatter or sort reads and writes.

    Of a gather it is what it finds; a scatter reads its updates, and reads and writes as much of
    what it puts them into.
    """
    arrays = hlo.arrays(operation.shape)
    if operation.opcode == "scatter":  # its operands: so many results, the indices, the updates
        updates = operation.operands[len(arrays) + 1 :]
        arrays = [array for name in updates for array in hlo.arrays(module.operations[name].shape)]
    return _UNPRICED[operation.opcode] * sum(array.num_bytes for array in arrays)
