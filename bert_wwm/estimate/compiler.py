"""The TPU's compiler, asked about a program: what it takes, or that it doesn't fit."""

import dataclasses
import functools
import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

from bert_wwm.core.errors import ConfigError, ToolkitError
from bert_wwm.core.staging import temporary_folder
from bert_wwm.estimate import profile
from bert_wwm.estimate.environment import compiler_python
from bert_wwm.estimate.slices import Slice

_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
# Settings for other programs, or for a TPU that is there.
_FOREIGN = ("JAX_", "XLA_", "LIBTPU_", "TPU_")
_SETTINGS = {
    # The compiler looks for no TPU, and for no one who would tell it of one.
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v3-8",
    "TPU_LOG_DIR": "disabled",
    # Two compilations at a time don't get into each other's way.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class DoesNotFit(ToolkitError):
    """A program that needs more memory than a device has.

    Attributes:
        needed_bytes: of one device; None where the compiler doesn't say.
    """

    def __init__(self, message: str, needed_bytes: int | None):
        super().__init__(message)
        self.needed_bytes = needed_bytes


@dataclasses.dataclass(frozen=True)
class Compiled:
    """What the compiler says of a program; all of one device, which runs one replica.

    Attributes:
        argument_bytes, output_bytes, temp_bytes: memory; outputs are among the arguments where
            the program overwrites them.
        alias_bytes: how much of the arguments it overwrites.
        flops: operations, of one step. The compiler counts what is in a loop once; the matmuls of
            its other rounds are added.
        hlo_text: the optimised program.
    """

    argument_bytes: int
    output_bytes: int
    temp_bytes: int
    alias_bytes: int
    flops: float
    hlo_text: str

    @functools.cached_property
    def instructions(self) -> list[profile.Instruction]:
        """The program's instructions with the cycles that the compiler expects of them."""
        return profile.instructions(self.hlo_text)

    @property
    def cycles(self) -> int:
        """The compiler's estimate of one step."""
        return sum(instruction.cycles for instruction in self.instructions)


def compile_for(
    hlo: bytes, tpu: Slice, num_replicas: int, log: Callable[[str], object]
) -> Compiled:
    """Compiles a program for devices of a slice.

    Args:
        hlo: a serialised HloModuleProto, not yet optimised.
        tpu: the slice.
        num_replicas: for how many of its ``compiled_devices``.
        log: is told where the compiler has to be installed first.

    Raises:
        DoesNotFit: the program needs more memory than a device has.
        ConfigError: the compiler can't be had, or refuses the program.
    """
    if not 1 <= num_replicas <= tpu.compiled_devices:
        raise ValueError(f"{num_replicas} replicas on {tpu.compiled_devices} devices")
    python = compiler_python(log)
    with temporary_folder() as folder:
        module, optimised = os.path.join(folder, "module.pb"), os.path.join(folder, "hlo.txt.gz")
        with open(module, "wb") as stream:
            stream.write(hlo)
        arguments = [f"--topology={tpu.topology}", f"--chip_config={tpu.chip_config}"]
        arguments += [f"--num_replicas={num_replicas}", module, optimised]
        answer = _ask(python, arguments)
        if "error" in answer:
            raise _refusal(tpu, answer["error"], answer["message"])
        with gzip.open(optimised, "rt", encoding="utf-8") as stream:
            compiled = Compiled(hlo_text=stream.read(), **answer)
    return dataclasses.replace(compiled, flops=compiled.flops + _flops_of_rounds(compiled))


def _flops_of_rounds(compiled: Compiled) -> int:
    """The operations of matmuls in the rounds of loops after the first."""
    return sum(
        instruction.flops * (instruction.times - 1) // instruction.times
        for instruction in compiled.instructions
        if instruction.times > 1
    )


def _ask(python: str, arguments: list[str]) -> dict[str, Any]:
    """Runs the worker, in the environment of that Python; returns its answer."""
    surroundings = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    run = subprocess.run(
        [python, "-I", _WORKER, *arguments],
        env={**surroundings, **_SETTINGS},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = run.stdout.splitlines()
    if run.returncode or not lines:
        why = _last_line(run.stderr)
        if why.startswith(("ImportError", "ModuleNotFoundError")):
            why += "; that environment is damaged: delete it, and it is set up anew"
        raise ConfigError(f"{python}: the TPU compiler ended with status {run.returncode}: {why}")
    return json.loads(lines[-1])


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _refusal(tpu: Slice, error: str, message: str) -> ToolkitError:
    """The error for what the compiler said."""
    if error != "RESOURCE_EXHAUSTED":
        words = " ".join(message.split())
        return ConfigError(f"the TPU compiler refuses the program for {tpu.name}: {words}")
    needed = needed_bytes(message)
    amount = f"{needed / 2**30:.2f} GiB" if needed else "more memory"
    return DoesNotFit(
        f"{tpu.name}: the program needs {amount}, and a device has {tpu.available_gib:g} GiB for "
        "programs",
        needed,
    )


def needed_bytes(message: str) -> int | None:
    """Returns how much memory a program needs, by the compiler's words; None if they don't tell."""
    found = re.search(r"\(([\d.]+)([KMGT])\) exceeds available HBM", message)
    return int(float(found.group(1)) * _UNITS[found.group(2)]) if found else None
