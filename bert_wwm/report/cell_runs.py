"""Carries out the cells of the papers' tables, or measures how long they will take."""

import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bert_wwm.core.json_files import read_object
from bert_wwm.core.lock import locked
from bert_wwm.core.progress import Progress, duration
from bert_wwm.report.cells import Cell, count_finished_runs, is_finished, mark_finished
from bert_wwm.tasks.table import TASKS

_LOG = "log.txt"
_POLL_SECONDS = 0.2
_STEP = re.compile(r"^step ([\d,]+)/([\d,]+)  .* ([\d.]+) examples/s")
_EXAMPLES = re.compile(r"^(train|dev|test) +.*: ([\d,]+) examples$")
_ERROR = ": error: "
# A measurement: so many steps after the first one, but not much longer than that.
_MEASURED_STEPS, _MEASURED_SECONDS = 8, 60.0
_PREDICTION_SPEED = 3.0  # of training: there is no backward pass, which takes two thirds


class Runner:
    """Runs programs with their output in a file; use it as a context.

    SIGTERM and SIGINT end the program that runs, which saves what it has, and then this process.
    """

    def __init__(self) -> None:
        self._received = 0
        self._is_running = False

    def __enter__(self) -> "Runner":
        self._before = {
            number: signal.signal(number, self._receive)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: object) -> None:
        self._received = number
        if not self._is_running:
            self._exit()

    def _exit(self) -> None:
        name = signal.Signals(self._received).name
        print(f"Stopped by {name}. Run the same command again to resume", file=sys.stderr)
        sys.exit(128 + self._received)

    def run(
        self, command: Sequence[str], log: str, watch: Callable[[list[str]], bool | None]
    ) -> int:
        """Runs a program to its end; returns its status, negative for a signal.

        Its output is added to the file ``log``. ``watch`` is called several times a second with the
        new lines of output, and ends the program by returning True.
        """
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "ab", buffering=0) as output, open(log, "rb") as written:
            output.write(f"$ {shlex.join(command)}\n".encode())
            written.seek(0, os.SEEK_END)
            self._is_running, is_told, has_ended, rest = True, False, False, b""
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            while not has_ended:
                time.sleep(_POLL_SECONDS)
                if self._received and not is_told:
                    process.terminate()
                    is_told = True
                has_ended = process.poll() is not None
                *lines, rest = (rest + written.read()).split(b"\n")
                if watch([line.decode("utf-8", "replace") for line in lines]) and not has_ended:
                    process.kill()
                    process.wait()
                    break
        self._is_running = False
        if self._received:
            self._exit()
        return process.returncode


def run_cells(cells: Sequence[Cell], runner: Runner, log: Callable[[str], None]) -> dict[str, str]:
    """Carries out the cells that haven't finished; one that fails does not stop the others.

    Returns what has gone wrong, by the title of the cell.
    """
    failures = {}
    total = sum(cell.cost * cell.num_runs for cell in cells)
    done = {cell.title: cell.cost * count_finished_runs(cell) for cell in cells}
    with Progress("tables", total, sum(done.values())) as progress:
        for number, cell in enumerate(cells, 1):
            log(f"\n== {number} of {len(cells)}: {cell.title}")
            if is_finished(cell):
                log("finished before")
                continue
            begun, output = time.monotonic(), _Output(cell)

            def watch(lines: list[str], cell: Cell = cell, output: _Output = output) -> None:
                output.read(lines)
                done[cell.title] = cell.cost * output.num_done
                run = min(int(output.num_done) + 1, cell.num_runs)
                note = f"{cell.title}, run {run} of {cell.num_runs}"
                progress.update(sum(done.values()), note)

            _wait_for_earlier_program(cell.folder, log)
            path = os.path.join(cell.folder, _LOG)
            log(f"log: {path}")
            status = runner.run(cell.command, path, watch)
            if status:
                failures[cell.title] = f"{output.error or f'status {status}'} ({path})"
                log(f"failed: {failures[cell.title]}")
            else:
                mark_finished(cell)
                log("\n".join([*output.results, f"took {duration(time.monotonic() - begun)}"]))
            done[cell.title] = cell.cost * cell.num_runs
    return failures


def _wait_for_earlier_program(folder: str, log: Callable[[str], None]) -> None:
    """Waits for a program that outlived the process which had started it."""
    note = f"{folder}: another process is writing there; waiting for its end"
    with locked(folder, wait=lambda: log(note)):
        pass


class _Output:
    """What the output of a cell's program has said so far."""

    def __init__(self, cell: Cell):
        self._cell = cell
        self._num_finished = count_finished_runs(cell)
        self._share = 0.0
        self.num_steps = 0  # of a run
        self.speeds: list[float] = []  # examples per second, at each step that was printed
        self.sizes: dict[str, int] = {}  # examples of each split
        self.results: list[str] = []
        self.error = ""

    @property
    def num_done(self) -> float:
        """Runs that have finished, and the share of the steps of the one that is at work."""
        return min(self._num_finished + self._share, self._cell.num_runs)

    def read(self, lines: Sequence[str]) -> None:
        for line in lines:
            if match := _STEP.match(line):
                done, self.num_steps = (_parse(number) for number in match.groups()[:2])
                self._share = done / self.num_steps
                self.speeds.append(float(match[3]))
            elif match := _EXAMPLES.match(line):
                self.sizes[match[1]] = _parse(match[2])
            elif line.startswith("== Seed "):
                self._num_finished, self._share = count_finished_runs(self._cell), 0.0
            elif line.startswith(f"{TASKS[self._cell.task].title}, "):
                self.results.append(line)
            elif _ERROR in line:
                self.error = line.partition(_ERROR)[2]


def _parse(number: str) -> int:
    return int(number.replace(",", ""))


class Estimate(NamedTuple):
    """The time that a cell will take on this machine."""

    num_runs: int  # those that are left
    num_steps: int  # training steps of a run
    speed: float  # examples per second in training
    seconds: float  # of all runs that are left


def measure(cell: Cell, runner: Runner, scratch: str) -> Estimate | str:
    """Trains some steps of a cell and estimates the time of all; a failed program's error instead.

    Evaluation is not measured, but counted as three times as fast as training.
    """
    num_runs = cell.num_runs - count_finished_runs(cell)
    output = _Output(cell)
    begun, first_step = time.monotonic(), 0.0

    def watch(lines: list[str]) -> bool:
        nonlocal first_step
        output.read(lines)
        if output.speeds and not first_step:
            first_step = time.monotonic()
        is_slow = first_step and time.monotonic() - first_step > _MEASURED_SECONDS
        return len(output.speeds) > (1 if is_slow else _MEASURED_STEPS)

    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    folder, log = os.path.join(scratch, "run"), os.path.join(scratch, _LOG)
    flags = (f"--output_dir={folder}", "--num_runs=1", "--log_every_steps=1")
    runner.run([*cell.command, *flags], log, watch)
    if not output.speeds:
        return f"{output.error or 'ended before its first step'} ({log})"
    settings = read_object(os.path.join(folder, "run.json"))["settings"]
    shutil.rmtree(scratch)
    # The first step includes what happens once, such as compilation.
    speed = statistics.harmonic_mean(output.speeds[1:] or output.speeds)
    predicted = output.sizes.get("dev", 0) * settings["num_train_epochs"]
    predicted += output.sizes.get("test", 0)
    examples = output.num_steps * settings["train_batch_size"] + predicted / _PREDICTION_SPEED
    seconds = num_runs * examples / speed + (first_step - begun if num_runs else 0)
    return Estimate(num_runs, output.num_steps, speed, seconds)


def write_estimates(estimates: dict[str, Estimate]) -> list[str]:
    """Returns the lines of a table of estimates by the titles of cells, with their total."""
    width = max(map(len, estimates))
    lines = [f"{'':<{width}}  {'runs':>6}  {'steps each':>10}  {'examples/s':>10}  {'hours':>9}"]
    for title, (num_runs, num_steps, speed, seconds) in estimates.items():
        line = f"{title:<{width}}  {num_runs:>6,}  {num_steps:>10,}  {speed:>10,.1f}"
        lines.append(f"{line}  {seconds / 3600:>9,.2f}")
    num_runs = sum(estimate.num_runs for estimate in estimates.values())
    num_steps = sum(estimate.num_runs * estimate.num_steps for estimate in estimates.values())
    hours = sum(estimate.seconds for estimate in estimates.values()) / 3600
    line = f"{'total':<{width}}  {num_runs:>6,}  {num_steps:>10,}  {'':>10}  {hours:>9,.2f}"
    return [*lines, line]
