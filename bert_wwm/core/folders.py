"""Folders that are there whole, or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from bert_wwm.core import input_files
from bert_wwm.core.errors import naming
from bert_wwm.core.lock import locked

_NEW, _OLD = "new", "old"


@contextlib.contextmanager
def replaced(path: str) -> Iterator[str]:
    """Gives an empty folder that takes the place of ``path`` when the block ends well.

    Until then it lies in a hidden folder beside ``path``, together with what has that name so far
    while the two are exchanged. The hidden folder is locked: another process that writes the same
    path is refused, and what a killed one left is cleared away, the folder that it was about to
    replace put back. Errors of the block name ``path``, not the hidden folder. A link stays a link.
    Raises DataError if an input file has changed.
    """
    given, path = path, os.path.realpath(path)
    hidden = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
    new, old = os.path.join(hidden, _NEW), os.path.join(hidden, _OLD)
    refusal = f"{path}: another process is writing it; expected its end, or another folder"
    with locked(hidden, refusal):
        try:
            _put_back(old, path)
            for folder in (new, old):
                if os.path.isdir(folder):
                    shutil.rmtree(folder)
            os.mkdir(new)
            with naming(given, new):
                yield new
            input_files.check_unchanged()
            if os.path.isdir(path):
                shutil.copymode(path, new)
                os.rename(path, old)
            os.rename(new, path)
        finally:
            _put_back(old, path)
            for folder in (new, old):
                shutil.rmtree(folder, ignore_errors=True)


def _put_back(old: str, path: str) -> None:
    """Gives a folder its name back where nothing has taken it."""
    if os.path.isdir(old) and not os.path.lexists(path):
        os.rename(old, path)
