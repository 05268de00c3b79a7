"""Asks the TPU compiler about a program: its memory and cycles, or that it doesn't fit."""

import gzip
import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.staging import temporary_folder
from bert_wwm.estimate.environment import compiler_python, last_line
from bert_wwm.estimate.profile import MATMUL, UNPRICED, Instruction, read_instructions
from bert_wwm.estimate.slices import Slice

_WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
# Settings for other programs, or for a TPU of this machine.
_FOREIGN = ("JAX_", "XLA_", "LIBTPU_", "TPU_")
_SETTINGS = {
    # The compiler looks neither for a TPU nor for a service that would describe one.
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v3-8",
    "TPU_LOG_DIR": "disabled",
    # Two compilations at a time don't disturb each other.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class DoesNotFit(Exception):
    """A program that needs more memory than a device has."""

    def __init__(self, message: str):
        super().__init__(message)
        found = re.search(r"\(([\d.]+)([KMGT])\) exceeds available HBM", message)
        # Of one device; None if the compiler doesn't say.
        self.needed_bytes = int(float(found[1]) * _UNITS[found[2]]) if found else None


@dataclass(frozen=True)
class Compiled:
    """The compiler's figures for a program, all for one device."""

    argument_bytes: int
    output_bytes: int  # outputs that overwrite arguments included
    temp_bytes: int
    alias_bytes: int  # how much of the arguments is overwritten
    flops: float  # of one step
    instructions: list[Instruction]

    @property
    def cycles(self) -> int:
        """The compiler's estimate for one step."""
        return sum(one.cycles for one in self.instructions)

    @property
    def unpriced(self) -> int:
        """The gathers, scatters and sorts of a step, which the compiler doesn't estimate."""
        return sum(one.times for one in self.instructions if one.kind == UNPRICED)

    @property
    def used_bytes(self) -> int:
        """All memory; outputs that overwrite arguments need none."""
        return self.argument_bytes + self.temp_bytes + self.output_bytes - self.alias_bytes


def compile_for(
    hlo: bytes,
    num_parts: int,
    tpu: Slice,
    num_replicas: int,
    log: Callable[[str], object],
) -> Compiled:
    """Compiles a serialised HloModuleProto for some of the ``compiled_devices`` of a slice.

    ``num_parts`` are the accumulation steps; see ``read_instructions``. ``log`` takes a line if the
    compiler has to be installed first. Raises DoesNotFit, or ConfigError if the compiler is not
    available or refuses the program.
    """
    if not 1 <= num_replicas <= tpu.compiled_devices:
        raise ValueError(f"{num_replicas} replicas on {tpu.compiled_devices} devices")
    python = compiler_python(log)
    with temporary_folder() as folder:
        module, optimised = os.path.join(folder, "module.pb"), os.path.join(folder, "hlo.txt.gz")
        with open(module, "wb") as stream:
            stream.write(hlo)
        target = (tpu.topology, tpu.chip_config, str(num_replicas))
        answer = _run_worker(python, module, optimised, *target)
        if answer.get("error") == "RESOURCE_EXHAUSTED":
            raise DoesNotFit(answer["message"])
        if "error" in answer:
            words = " ".join(answer["message"].split())
            raise ConfigError(f"the TPU compiler refuses the program for {tpu.name}: {words}")
        with gzip.open(optimised, "rt", encoding="utf-8") as stream:
            instructions = read_instructions(stream.read(), num_parts)
    # The compiler counts the operations of a loop's first round only. Most of them are products,
    # and their cycles are known with all rounds.
    products = [one for one in instructions if one.kind == MATMUL]
    if products:
        first_rounds = sum(one.cycles / one.times for one in products)
        answer["flops"] *= sum(one.cycles for one in products) / first_rounds
    return Compiled(**answer, instructions=instructions)


def _run_worker(python: str, *arguments: str) -> dict[str, Any]:
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
        reason = last_line(run.stderr)
        if reason.startswith(("ImportError", "ModuleNotFoundError")):
            reason += "; that environment is damaged: delete it, and it is set up again"
        raise ConfigError(
            f"{python}: the TPU compiler ended with status {run.returncode}: {reason}"
        )
    return json.loads(lines[-1])
