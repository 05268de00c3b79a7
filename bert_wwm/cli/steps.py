"""Runs programs of the toolkit one after the other, and shows them as one would type them."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from bert_wwm.core.errors import ToolkitError
from bert_wwm.core.progress import duration

# The checkout, which holds the programs.
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


class Steps:
    """Runs steps and keeps their times.

    ``inherited`` are file descriptors that stay open in the programs, such as a lock's.
    """

    def __init__(self, inherited: Sequence[int] = ()):
        self.times: dict[str, float] = {}  # seconds of each finished step, by its title
        self._inherited = tuple(inherited)
        self._title = ""
        self._begin = 0.0

    def begin(self, title: str) -> None:
        """Ends the step before and begins the next."""
        self.finish()
        self._title, self._begin = title, time.monotonic()
        print(f"\n== {len(self.times) + 1}. {title}", flush=True)

    def finish(self) -> None:
        """Ends the last step."""
        if self._title:
            self.times[self._title] = time.monotonic() - self._begin

    def run(self, program: str, *arguments: str) -> None:
        """Runs a program, given by its path in the checkout, and passes SIGTERM on to it."""
        path = os.path.relpath(os.path.join(ROOT, program))
        print(f"$ {' '.join(map(shlex.quote, ('python', path, *arguments)))}", flush=True)
        process = subprocess.Popen([sys.executable, path, *arguments], pass_fds=self._inherited)
        status = _wait(process)
        if status in (-signal.SIGTERM, 128 + signal.SIGTERM):
            sys.exit(128 + signal.SIGTERM)
        if status:
            raise ToolkitError(
                f"step {len(self.times) + 1} ({self._title}) failed: {program} ended with status "
                f"{status}; its message is above"
            )

    def lines(self) -> Sequence[str]:
        """Returns the steps and their times, for a summary."""
        return [f"  {duration(seconds):>5}  {title}" for title, seconds in self.times.items()]


def _wait(process: "subprocess.Popen[Any]") -> int:
    """Returns a process's status; meanwhile SIGTERM is passed on to it."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C has reached it too
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
