"""Folders that are there whole, or not at all."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator

from bert_wwm.core import input_files
from bert_wwm.core.errors import ConfigError, naming
from bert_wwm.core.lock import locked

_NEW, _OLD = "new", "old"


@contextlib.contextmanager
def replaced(path: str) -> Iterator[str]:
    """Gives an empty folder that takes the place of ``path`` when the block ends well.

    Until then it lies in a hidden folder beside ``path``, together with what has that name so far
    while the two are exchanged. The hidden folder is locked: another process that writes the same
    path is refused, and what a killed one left is cleared away, the folder that it was about to
    replace put back. Errors of the block name ``path``, not the hidden folder.

    Args:
        path: the folder to be; it need not exist. A link stays a link.

    Raises:
        ConfigError: another process is writing it.
        DataError: an input file has changed.
    """
    given, path = path, os.path.realpath(path)
    hidden = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.tmp")
    new, old = os.path.join(hidden, _NEW), os.path.join(hidden, _OLD)
    with _locked(hidden, path):
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
            with contextlib.suppress(OSError):
                os.rmdir(hidden)


@contextlib.contextmanager
def scratch(path: str) -> Iterator[None]:
    """Makes an empty local folder that is there while the block runs.

    It is locked. What a killed process left in it is removed.

    Raises:
        ConfigError: another process uses it.
    """
    with locked(path):
        _empty(path)
        try:
            yield
        finally:
            _empty(path)


def _empty(folder: str) -> None:
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


@contextlib.contextmanager
def _locked(hidden: str, path: str) -> Iterator[None]:
    """Makes a folder, or takes over one that nobody uses any more, and locks it."""
    while True:
        os.makedirs(hidden, exist_ok=True)
        try:
            descriptor = os.open(hidden, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process is done with it
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"{path}: another process is writing it; expected its end, or another folder"
                ) from None
            if not _is(hidden, descriptor):
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _is(path: str, descriptor: int) -> bool:
    """True where a path still leads to an open folder, not to none or to a later one."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _put_back(old: str, path: str) -> None:
    """Gives a folder its name back where nothing has taken it."""
    if os.path.isdir(old) and not os.path.lexists(path):
        os.rename(old, path)
