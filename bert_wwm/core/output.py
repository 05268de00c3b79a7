"""The output of programs: no control characters, and no harm where its reader has gone."""

import errno
import os
import re
import sys
from typing import IO, Any

# Control characters but tab and line feed; characters that turn the direction of text; halves of
# surrogate pairs, which no encoding has.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_READER_HAS_GONE = (errno.EPIPE, errno.EIO)


def escape(text: str) -> str:
    r"""Returns a text with each control character as Python writes it, such as ``\x1b``."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


class SafeStream:
    """Standard output or error: escapes what it writes, and goes on when its reader has gone.

    Names in files may hold a terminal's commands. Long work is not to end because ``head`` has
    read enough, or the terminal was closed: what is written from then on is dropped. Characters
    that the stream's encoding lacks are escaped too.
    """

    def __init__(self, stream: IO[str], escapes: bool = True):
        self._stream = stream
        self._escapes = escapes
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        try:
            self._stream.write(escape(text) if self._escapes else text)
        except OSError as error:
            self._drop_the_rest(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._drop_the_rest(error)

    def trusting(self) -> "SafeStream":
        """Returns the same stream for a program's own colours, which are not escaped."""
        return SafeStream(self._stream, escapes=False)

    def _drop_the_rest(self, error: OSError) -> None:
        if error.errno not in _READER_HAS_GONE:
            raise error  # a full disk
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def protect_output() -> None:
    """Makes standard output and error ``SafeStream``s."""
    sys.stdout, sys.stderr = (
        stream if isinstance(stream, SafeStream) or stream is None else SafeStream(stream)
        for stream in (sys.stdout, sys.stderr)
    )


def trusting(stream: IO[str]) -> IO[str]:
    """Returns a stream that writes a terminal's commands as they are."""
    return stream.trusting() if isinstance(stream, SafeStream) else stream  # type: ignore


def log(text: str) -> None:
    """Prints a line at once, also where the output goes to a file or a pipe."""
    print(text, flush=True)
