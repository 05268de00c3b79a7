"""Runs the programs under attack, and compares what they leave with a run that nothing disturbs."""

import contextlib
import os
import pathlib
import random
import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from typing import NamedTuple

import launcher

from torture import results
from torture.cases import Case
from torture.inputs import Inputs

# How an attack ends.
SAME, VALID, SENTENCE, ELSE = VERDICTS = (
    "same result",
    "other valid input",
    "one sentence",
    "anything else",
)
PATIENCE = 300  # seconds
POLL_SECONDS = 0.002
PAGE = 4096
_ERROR = re.compile(r"^([\w.]+): error: .", re.MULTILINE)
_OTHER_PROCESS = "another process is writing"
_ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


class Outcome(NamedTuple):
    """The end of one attack.

    Attributes:
        verdict: one of VERDICTS.
        note: what went wrong where that is ELSE.
    """

    verdict: str
    note: str = ""


class Reference(NamedTuple):
    """A run that nothing disturbs.

    Attributes:
        result: what it wrote.
        seconds: how long it took.
        num_changes: how often a file appeared or went in its folder.
        disk_bytes: the most that its folder took, in whole pages.
        file_bytes: the size of the largest file.
    """

    result: results.Result
    seconds: float
    num_changes: int
    disk_bytes: int
    file_bytes: int


class Bench:
    """The inputs, the references and the folders of all attacks.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        (folder / "inputs").mkdir()
        self.inputs = Inputs(folder / "inputs")
        self._references: dict[str, Reference] = {}
        self._kept: set[pathlib.Path] = set()

    def command(self, case: Case, folder: pathlib.Path) -> str:
        """Returns the command line of a program that writes to a folder."""
        return shlex.join(["python", case.program, *case.flags(self.inputs, folder)])

    @contextlib.contextmanager
    def new_folder(self, name: str) -> Iterator[pathlib.Path]:
        """Gives an empty folder, and removes it unless it is to be kept."""
        folder = self._folder / re.sub(r"\W+", "-", name)
        folder.mkdir()
        yield folder
        if folder not in self._kept:
            shutil.rmtree(folder)

    def keep(self, folder: pathlib.Path) -> None:
        """Lets the folder of an attack stay, for those who look for what went wrong."""
        self._kept.add(folder)

    def start(self, case: Case, folder: pathlib.Path) -> launcher.Program:
        """Starts a program in a session of its own."""
        return launcher.start(
            case.program,
            *case.flags(self.inputs, folder),
            cwd=self._folder,
            environment=_ENVIRONMENT,
            new_session=True,
        )

    def reference(self, case: Case) -> Reference:
        """Runs a program to its end, once."""
        if case.name not in self._references:
            with self.new_folder("reference") as folder:
                self._references[case.name] = self._measure(case, folder)
        return self._references[case.name]

    def _measure(self, case: Case, folder: pathlib.Path) -> Reference:
        case.flags(self.inputs, folder)  # makes the inputs, which takes time
        process, begun = self.start(case, folder), time.monotonic()
        changes = disk = largest = 0
        names: set[str] = set()
        while process.poll() is None:
            sizes = file_sizes(folder)
            changes += set(sizes) != names
            names = set(sizes)
            disk = max(disk, sum(-(-size // PAGE) * PAGE for size in sizes.values()))
            largest = max([largest, *sizes.values()])
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - begun
        ended = process.result()
        if ended.returncode:
            raise RuntimeError(f"{self.command(case, folder)}\n{ended.stderr}")
        return Reference(case.result(folder), seconds, changes, disk, largest)

    def finish(self, case: Case, folder: pathlib.Path) -> str:
        """Runs a program to its end; returns what is wrong then, empty if nothing.

        What a killed program has started may still be at work there.
        """
        until = time.monotonic() + PATIENCE
        while True:
            ended = self.start(case, folder).result(PATIENCE)
            if _OTHER_PROCESS not in ended.stderr or time.monotonic() > until:
                break
            time.sleep(0.2)
        if ended.returncode:
            return f"run again it ended with status {ended.returncode}: {ended.stderr[-2000:]}"
        return self.compare(case, folder)

    def compare(self, case: Case, folder: pathlib.Path) -> str:
        """Returns how a finished run's result differs from the reference; empty if it doesn't."""
        try:
            found = case.result(folder)
        except (OSError, ValueError, IndexError) as error:
            return f"its result can't be read: {error}"
        return results.describe_difference(found, self.reference(case).result)

    def describe_half_files(self, case: Case, folder: pathlib.Path) -> str:
        """Returns which files with a final name are not whole; empty if all are."""
        wrong = results.describe_broken_files(folder)
        if not wrong and case.keeps_bytes:
            expected = self.reference(case).result
            found = results.all_files(folder)
            wrong = results.describe_difference(
                found, {name: data for name, data in expected.items() if name in found}
            )
        return wrong


def file_sizes(folder: pathlib.Path) -> dict[str, int]:
    """Returns the size of every file in a folder that a program is writing."""
    sizes = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            with contextlib.suppress(FileNotFoundError):
                sizes[path] = os.lstat(path).st_size
    return sizes


def is_one_sentence(ended: launcher.Result) -> bool:
    """True for a program that ended by one of its own error messages.

    A program that runs others says after the message of one that failed which step that was.
    """
    programs = _ERROR.findall(ended.stderr)
    return (
        ended.returncode == 1
        and "Traceback" not in ended.stderr
        and 0 < len(programs) == len(set(programs))
    )


def end_session(process: launcher.Program) -> None:
    """Kills what a program has started and left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def rng_for(seed: int, name: str) -> random.Random:
    """Returns the random numbers of one attack, which depend on no other attack."""
    return random.Random(f"{seed}/{name}")
