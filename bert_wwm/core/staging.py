"""Temporary files and folders, of which killed runs leave nothing for good.

Each is locked while it is used. The next run that makes one of the same name removes those that
nobody has locked. Buckets have no locks: there the next run that writes into the same folder
removes what has not changed for a week.
"""

import contextlib
import fcntl
import functools
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator

from bert_wwm.core import remote
from bert_wwm.core.lock import leads_to, try_lock

_IN_BUCKET = re.compile(r".*\.[0-9a-f]{32}\.tmp")
_LEFT_SECONDS = 7 * 24 * 3600  # far longer than a file takes to be written


@contextlib.contextmanager
def temporary_file(path: str) -> Iterator[str]:
    """Gives the path of a temporary file beside ``path``, removed at the end if it is still there.

    In a bucket the file is not made yet.
    """
    if not remote.is_remote(path):
        with _temporary(*os.path.split(path), _open_new_file) as temporary:
            yield temporary
        return
    _remove_from_bucket(path.rpartition("/")[0])
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        yield temporary
    finally:
        if remote.gfile().exists(temporary):
            remote.gfile().remove(temporary)


@contextlib.contextmanager
def temporary_folder(parent: str | None = None, name: str = "bert_wwm") -> Iterator[str]:
    """Gives a new local folder, which is removed at the end if it is still there.

    It lies in ``parent``, by default the system's folder of temporary files. ``name`` is a part of
    its name: leftovers of the same name are removed.
    """
    parent = parent or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    with _temporary(parent, name, _open_new_folder) as temporary:
        yield temporary


@contextlib.contextmanager
def _temporary(folder: str, name: str, open_new: Callable[[str], int]) -> Iterator[str]:
    _remove_leftovers(folder, name)
    while True:
        path = os.path.join(folder, f".{name}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            descriptor = open_new(path)
        except FileNotFoundError:  # another process took it for a leftover before it was open
            continue
        if try_lock(descriptor) and leads_to(path, descriptor):
            break
        os.close(descriptor)  # or before it was locked
    try:
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def _open_new_file(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)


def _open_new_folder(path: str) -> int:
    os.mkdir(path)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _remove_leftovers(folder: str, name: str) -> None:
    """Removes the temporary files and folders of a name that no process has locked."""
    its_own = re.compile(rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}\.tmp")
    for found in filter(its_own.fullmatch, os.listdir(folder or os.curdir)):
        path = os.path.join(folder, found)
        with contextlib.suppress(OSError):  # in use, gone, another user's, or without locks
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if leads_to(path, descriptor):
                    _remove(path)
            finally:
                os.close(descriptor)


def _remove(path: str) -> None:
    """Removes a file or a folder if it is there."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@functools.cache
def _remove_from_bucket(folder: str) -> None:
    """Removes what killed runs left in a folder in a bucket. Each process looks once."""
    for name in remote.list_folder(folder):
        path = f"{folder}/{name}"
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            age = time.time() - remote.stat(path).mtime_nsec / 1e9
            if _IN_BUCKET.fullmatch(name) and age > _LEFT_SECONDS:
                remote.gfile().remove(path)
