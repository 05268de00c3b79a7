"""Kills and signals at random moments; then the same command has to end in the same result."""

import contextlib
import os
import pathlib
import random
import signal
import time

import launcher

from torture.bench import (
    ELSE,
    PATIENCE,
    POLL_SECONDS,
    SAME,
    Bench,
    Outcome,
    end_session,
    file_sizes,
    is_one_sentence,
)
from torture.cases import Case

_SIGNALS = [
    *[signal.SIGKILL] * 3,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
]
_MOST_AT_ONCE = 3
# Before this function runs, and after it, Python itself reports where a Ctrl-C came.
_TAKES_OVER = "in guarded"


def attack(bench: Bench, case: Case, folder: pathlib.Path, rng: random.Random) -> Outcome:
    """Ends a program by one to three signals, one after another, and runs it to its end."""
    bench.reference(case)
    history = []
    for _ in range(rng.randint(1, _MOST_AT_ONCE)):
        process = bench.start(case, folder)
        _wait_for_moment(bench, case, folder, rng, process)
        number, to_all = rng.choice(_SIGNALS), rng.random() < 0.5
        _send(process, number, to_all)
        ended = process.result(PATIENCE)
        history.append(f"{number.name}{' to all' if to_all else ''}: {ended.returncode}")
        wrong = _describe_end(ended, number) or bench.describe_half_files(case, folder)
        if wrong:
            end_session(process)
            return Outcome(ELSE, f"{', '.join(history)}: {wrong}")
        if case.is_rare or rng.random() < 0.5:  # else what it has started ends by itself
            end_session(process)
    wrong = bench.finish(case, folder)
    return Outcome(ELSE, f"{', '.join(history)}: {wrong}") if wrong else Outcome(SAME)


def _wait_for_moment(
    bench: Bench,
    case: Case,
    folder: pathlib.Path,
    rng: random.Random,
    process: launcher.Program,
) -> None:
    """Waits for a random time, or for a random change in the folder and a little longer."""
    reference = bench.reference(case)
    by_change = rng.random() < 0.6
    num_changes = rng.randint(1, max(1, reference.num_changes))
    until = time.monotonic() + rng.uniform(0, reference.seconds)
    names = set(file_sizes(folder))
    while process.poll() is None:
        if by_change:
            before, names = names, set(file_sizes(folder))
            num_changes -= before != names
            if not num_changes:
                time.sleep(rng.choice([0, 0, rng.uniform(0, 0.02)]))
                return
        elif time.monotonic() > until:
            return
        time.sleep(POLL_SECONDS)


def _send(process: launcher.Program, number: signal.Signals, to_all: bool) -> None:
    if not to_all:
        process.send_signal(number)
    elif process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # no session yet
            os.killpg(process.pid, number)


def _describe_end(ended: launcher.Result, number: signal.Signals) -> str:
    """Returns what is wrong with the way in which a program ended; empty if nothing."""
    if number != signal.SIGINT and ended.returncode == -number:
        return ""  # it could say nothing; what a starting worker of its says is Python's
    if "Traceback" in ended.stderr and not (
        number == signal.SIGINT
        and _TAKES_OVER not in ended.stderr
        and "KeyboardInterrupt" in ended.stderr
    ):
        return f"a traceback: {ended.stderr[-3000:]}"
    if ended.returncode in (0, -number, 128 + number) or is_one_sentence(ended):
        return ""
    return f"status {ended.returncode}: {ended.stderr[-2000:]}"
