"""Runs programs as users run them, but for the seconds that importing TensorFlow takes."""

import atexit
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATIENCE = 300  # seconds
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


class Result(NamedTuple):
    """A program that has ended.

    Attributes:
        returncode: its exit status; negative: the signal that ended it.
        stdout: what it printed.
        stderr: what it wrote to standard error.
    """

    returncode: int
    stdout: str
    stderr: str


class _Server:
    """The process that the programs are forked from, and the folder of their output."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="programs-")
        self._count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "fork_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ENVIRONMENT},
        )

    def close(self) -> None:
        """Waits for the server's end, which adds its CPU time to this process's."""
        self._process.stdin.close()
        self._process.wait(PATIENCE)

    def next_path(self) -> pathlib.Path:
        self._count += 1
        return pathlib.Path(self._folder.name, str(self._count))

    def fork(self, request: dict[str, object]) -> int:
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@functools.cache
def _server() -> _Server:
    server = _Server()
    atexit.register(server.close)
    return server


class Program:
    """A started program, with the methods of subprocess.Popen that the tests need."""

    def __init__(
        self,
        program: str,
        flags: list[str],
        cwd: pathlib.Path | None = None,
        environment: dict[str, str] | None = None,
        new_session: bool = False,
    ):
        server = _server()
        path = server.next_path()
        self._stdout, self._stderr, self._status = (
            path.with_suffix(suffix) for suffix in (".stdout", ".stderr", ".status")
        )
        for file in (self._stdout, self._stderr):
            file.touch()
        self.returncode: int | None = None
        self.pid = server.fork(
            {
                "argv": [str(ROOT / program), *map(str, flags)],
                "cwd": str(cwd or ROOT),
                "environment": {**os.environ, **ENVIRONMENT, **(environment or {})},
                "new_session": new_session,
                "stdout": str(self._stdout),
                "stderr": str(self._stderr),
                "status": str(self._status),
            }
        )

    def stdout(self) -> str:
        """Returns what it has printed so far."""
        return self._stdout.read_text(encoding="utf-8", errors="replace")

    def stderr(self) -> str:
        """Returns what it has written to standard error so far."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def poll(self) -> int | None:
        """Returns its exit status, or None while it runs."""
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text())
        return self.returncode

    def wait(self, timeout: float = PATIENCE) -> int:
        """Waits for its end; kills it and raises TimeoutExpired if that takes too long."""
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                self.kill()
                raise subprocess.TimeoutExpired(
                    "the program", timeout, self.stdout(), self.stderr()
                )
            time.sleep(0.005)
        return self.returncode

    def wait_for(self, pattern: str, timeout: float = PATIENCE) -> bool:
        """Waits until its output matches a pattern; returns False if it ends without a match."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            has_ended = self.poll() is not None
            if re.search(pattern, self.stdout(), re.MULTILINE):
                return True
            if has_ended:
                return False
            time.sleep(0.005)
        self.kill()
        raise subprocess.TimeoutExpired("the program", timeout, self.stdout(), self.stderr())

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def result(self, timeout: float = PATIENCE) -> Result:
        """Waits for its end; returns the exit status and the output."""
        return Result(self.wait(timeout), self.stdout(), self.stderr())


def start(program: str, *flags: str, **options) -> Program:
    """Starts a program of the checkout; for the options see ``Program``."""
    return Program(program, list(flags), **options)


def run(program: str, *flags: str, status: int = 0, **options) -> Result:
    """Runs a program; checks the exit status, and that a failure shows no traceback."""
    result = start(program, *flags, **options).result()
    assert result.returncode == status, result.stdout + result.stderr
    if status:
        assert "Traceback" not in result.stderr, result.stderr
    return result


def output(program: str, *flags: str, **options) -> str:
    """Runs a program that succeeds; returns what it prints."""
    return run(program, *flags, **options).stdout


def interrupt(program: str, *flags: str, at: str, by: int = signal.SIGKILL, **options) -> Result:
    """Runs a program; ends it by a signal as soon as its output matches a pattern."""
    process = start(program, *flags, **options)
    process.wait_for(at)
    process.send_signal(by)
    result = process.result()
    assert by != signal.SIGKILL or result.returncode == -by, result.stdout + result.stderr
    return result


def error(program: str, *flags: str, **options) -> str:
    """Runs a program that fails; returns the one sentence it writes, without its own name."""
    stderr = run(program, *flags, status=1, **options).stderr
    lines = [line for line in stderr.splitlines() if ": error: " in line]
    assert len(lines) == 1, stderr
    return lines[0].partition(": error: ")[2]
