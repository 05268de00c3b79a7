"""Files with random damage, read as the programs read them, thousands of each kind."""

import json
import pickle
import time
from collections.abc import Iterator, Sequence

import launcher

from torture.bench import ELSE, Bench, Outcome
from torture.targets import MAKERS, TARGETS

KINDS = tuple(MAKERS)
_PROGRAM = "tests/torture/mutants.py"
_PATIENCE = 60  # seconds for one file
_POLL_SECONDS = 0.1


def attack(
    bench: Bench, kind: str, seed: int, numbers: Sequence[int]
) -> Iterator[tuple[int, Outcome]]:
    """Yields the number and the outcome of each file; what ends the reading process is ELSE.

    Args:
        bench: makes the undamaged files.
        kind: one of KINDS.
        seed: of the damage.
        numbers: of the files, one after another.
    """
    with bench.new_folder(f"mutations-{kind}") as folder:
        targets = MAKERS[kind](bench.inputs, folder)
        (folder / TARGETS).write_bytes(pickle.dumps(targets))
        left = list(numbers)
        while left:
            arguments = (kind, str(seed), str(left[0]), str(left[-1] + 1), str(folder))
            process = launcher.start(_PROGRAM, *arguments)
            for number, outcome in _follow(process):
                left.remove(number)
                yield number, outcome
            if left:  # the first of these has ended the process
                yield left.pop(0), Outcome(ELSE, _describe_end(process))


def _follow(process: launcher.Program) -> Iterator[tuple[int, Outcome]]:
    """Yields what a process prints, until it ends or takes too long for one file."""
    done, since = 0, time.monotonic()
    while True:
        has_ended = process.poll() is not None
        lines = process.stdout().split("\n")[:-1]
        for line in lines[max(done, 1) :]:
            number, verdict, note = json.loads(line)
            yield number, Outcome(verdict, note)
        if len(lines) > done:
            done, since = len(lines), time.monotonic()
        if has_ended:
            if not done:
                raise RuntimeError(process.stderr())
            return
        if time.monotonic() - since > (_PATIENCE if done else launcher.PATIENCE):
            process.kill()
        time.sleep(_POLL_SECONDS)


def _describe_end(process: launcher.Program) -> str:
    how = "took too long" if process.returncode == -9 else f"ended with {process.returncode}"
    return f"the process {how}: {process.stderr()[-1000:]}"
