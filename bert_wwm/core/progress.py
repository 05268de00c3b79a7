"""Progress of long work on standard error: what is done, how fast, and the time left."""

import contextlib
import sys
import time
from typing import IO

from bert_wwm.core.output import escape, trusting

_SECONDS_ON_TERMINAL, _SECONDS_IN_LOG = 0.5, 10.0


class Progress:
    """A line that is rewritten on a terminal, and added now and then to a log.

    ``total`` is the size of the work, and ``done`` what was done before, in any unit.

    Example:
        with Progress("records", total=len(blocks)) as progress:
            progress.update(3, "12,000 instances")
        -> records:  30 %, 12,000 instances, 0:07 left
    """

    def __init__(self, what: str, total: float, done: float = 0, stream: IO[str] | None = None):
        self._what = what
        self._total = total
        self._before = done
        stream = stream or sys.stderr
        self._stream = trusting(stream) if stream is not None else None
        self._terminal = self._stream is not None and self._stream.isatty()
        self._begun = self._shown = time.monotonic()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._terminal:
            self._write("\r\033[K")

    def update(self, done: float, note: str = "") -> None:
        """Says how much is done, in the unit of ``total``."""
        now = time.monotonic()
        if now - self._shown < (_SECONDS_ON_TERMINAL if self._terminal else _SECONDS_IN_LOG):
            return
        self._shown = now
        share = min(1.0, done / self._total) if self._total else 1.0
        worked = share - self._before / self._total if self._total else share
        left = duration((now - self._begun) * (1 - share) / worked) if worked > 0 else "?"
        note = f", {note}" if note else ""
        line = escape(f"{self._what}: {100 * share:3.0f} %{note}, {left} left")
        self._write(f"\r{line}\033[K" if self._terminal else line + "\n")

    def _write(self, text: str) -> None:
        """Whoever read it may be gone; the work is not to end for that."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.write(text)
                self._stream.flush()


def duration(seconds: float) -> str:
    """Returns hours, minutes and seconds, such as ``1:02:03`` or ``0:07``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
