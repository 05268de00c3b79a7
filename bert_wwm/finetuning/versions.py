"""Numbered folders, of which readers see each whole or not at all, as TensorFlow Serving's."""

import contextlib
import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator

from bert_wwm.core.input_files import check_unchanged

# TensorFlow Serving passes over what has no number for its name.
_UNPUBLISHED = re.compile(r"\.[0-9a-f]{32}\.tmp")


@contextlib.contextmanager
def unpublished(parent: str) -> Iterator[str]:
    """Gives an empty hidden folder, for ``publish``; where the block fails it is removed.

    It is locked while the block runs. What killed processes left, which nobody locks, is removed.

    Args:
        parent: the folder of the versions; made if need be.
    """
    is_new = not os.path.exists(parent)
    os.makedirs(parent, exist_ok=True)
    _remove_leftovers(parent)
    folder = os.path.join(parent, f".{uuid.uuid4().hex}.tmp")
    unlocked = f"{folder}.new"  # so that no other process takes it for a leftover
    os.makedirs(unlocked)
    with _opened(unlocked) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(unlocked, folder)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            if is_new:
                with contextlib.suppress(OSError):  # another process has written into it
                    os.rmdir(parent)
            raise


def publish(folder: str) -> str:
    """Gives a folder, which lies among the versions, the number behind their highest.

    Returns:
        Its new path.

    Raises:
        DataError: an input file has changed.
    """
    check_unchanged()
    parent = os.path.dirname(folder)
    while True:
        numbers = [int(name) for name in os.listdir(parent) if name.isdecimal()]
        version = os.path.join(parent, str(max(numbers, default=0) + 1))
        try:
            os.rename(folder, version)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise  # those mean that another process has just taken the number
        else:
            return version


def _remove_leftovers(parent: str) -> None:
    for name in filter(_UNPUBLISHED.fullmatch, os.listdir(parent)):
        folder = os.path.join(parent, name)
        try:
            with _opened(folder) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except (FileNotFoundError, BlockingIOError):
            continue  # it has just been published, or is in use


@contextlib.contextmanager
def _opened(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
