"""Input files, which have to stay as they are until a run has finished, and until it is resumed.

A program notes the size and the time of each file before it reads it for the first time, and
compares both before it writes its results. ``files`` notes all files that it opens; files that
other libraries or worker processes read are noted by ``note``. What is in the program's own output
folder is not input: TensorFlow writes there too, unnoticed.
"""

import contextlib
import datetime
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bert_wwm.core.errors import DataError
from bert_wwm.core.remote import absolute, is_remote, stat


class Version(NamedTuple):
    """What distinguishes a file from what it was before."""

    size: int  # in bytes
    modified: int  # when it was last changed, in nanoseconds

    def __str__(self) -> str:
        date = datetime.datetime.fromtimestamp(self.modified / 1e9, datetime.timezone.utc)
        return f"{self.size} bytes of {date.strftime('%Y-%m-%d %H:%M:%S.%f')}"


_noted: dict[str, Version] | None = None  # by path; None: outside of ``noting``
_output_folder: str | None = None


def read_version(path: str) -> Version:
    """Returns the version of a file, local or in a bucket. Raises OSError if it is missing."""
    if is_remote(path):
        remote = stat(path)
        return Version(int(remote.length), int(remote.mtime_nsec))
    local = os.stat(path)
    return Version(local.st_size, local.st_mtime_ns)


def describe_inputs(paths: Sequence[str]) -> dict[str, str]:
    """Notes input files; returns what tells whether they, and their order, are still the same."""
    for path in paths:
        note(path)
    numbered = enumerate(paths, 1)
    return {absolute(path): f"file {number}, {read_version(path)}" for number, path in numbered}


@contextlib.contextmanager
def noting(output_folder: str | None = None) -> Iterator[None]:
    """Notes files while the block runs, but for those of the output folder; compares at its end."""
    global _noted, _output_folder
    _noted = {}
    _output_folder = output_folder and os.path.join(absolute(output_folder), "")
    try:
        yield
        check_unchanged()
    finally:
        _noted = None


def note(path: str) -> None:
    """Notes the version of a file that is about to be read, unless that was done before."""
    if _noted is None or (path := absolute(path)) in _noted:
        return
    if _output_folder and path.startswith(_output_folder):
        return
    with contextlib.suppress(OSError):  # whoever opens it reports that
        _noted[path] = read_version(path)


def forget(path: str) -> None:
    """Forgets a file that this program itself has written or removed."""
    if _noted is not None:
        _noted.pop(absolute(path), None)


def check_unchanged() -> None:
    """Raises DataError if a file has changed since it was noted.

    A file that is gone has not changed what was read of it.
    """
    for path, before in (_noted or {}).items():
        with contextlib.suppress(FileNotFoundError):
            now = read_version(path)
            if now != before:
                raise DataError(
                    f"{path}: changed while it was read, from {before} to {now}; expected a file "
                    "that stays as it is. Results may mix both: begin again, with --overwrite or "
                    "in a new folder"
                )
