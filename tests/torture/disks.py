"""Disks that fill up; with space again, the same command has to end in the same result."""

import contextlib
import functools
import os
import pathlib
import random
import resource
import subprocess
import tempfile
from collections.abc import Iterator

from torture.bench import (
    ELSE,
    PAGE,
    PATIENCE,
    SAME,
    SENTENCE,
    Bench,
    Outcome,
    end_session,
    is_one_sentence,
)
from torture.cases import Case

_ENOUGH = "1g"


def attack(bench: Bench, case: Case, folder: pathlib.Path, rng: random.Random) -> Outcome:
    """Runs a program on a disk that is too small, and again on one that is large enough."""
    reference = bench.reference(case)
    share = rng.random()
    with contextlib.ExitStack() as stack:
        if can_mount():
            size = (1 + int(share * reference.disk_bytes) // PAGE) * PAGE
            stack.enter_context(_disk(folder, size))
            process = bench.start(case, folder)
        else:  # to write past a limit fails in the same way
            size = 1 + int(share * reference.file_bytes)
            process = bench.start(case, folder)
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, -1))
        ended = process.result(PATIENCE)
        end_session(process)
        where = f"with {size:,} of {reference.disk_bytes:,} bytes"
        if ended.returncode and not is_one_sentence(ended):
            return Outcome(ELSE, f"{where} status {ended.returncode}: {ended.stderr[-3000:]}")
        wrong = bench.describe_half_files(case, folder)
        if can_mount():
            _mount(folder, _ENOUGH, "remount,")
        wrong = wrong or bench.finish(case, folder)
        if wrong:
            return Outcome(ELSE, f"{where}, {ended.stderr[-1000:]}: {wrong}")
    return Outcome(SENTENCE if ended.returncode else SAME)


@functools.cache
def can_mount() -> bool:
    """True where this process may mount a disk of its own."""
    if os.geteuid():
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _disk(pathlib.Path(folder), PAGE):
                return True
        except subprocess.CalledProcessError:
            return False


@contextlib.contextmanager
def _disk(folder: pathlib.Path, size: int) -> Iterator[None]:
    _mount(folder, str(size))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(folder: pathlib.Path, size: str, options: str = "") -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"{options}size={size}", "torture", folder]
    subprocess.run(command, check=True, capture_output=True)
