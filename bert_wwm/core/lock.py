"""The lock of this toolkit: on a folder or a file, held until the process ends, however that ends.

It is the kernel's, on an open descriptor (``flock``). There are file systems without locks: there
nobody is refused. On NFS the lock of a folder is known on one machine only.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from bert_wwm.core.errors import ConfigError
from bert_wwm.core.remote import is_remote

_REFUSAL = "another process is writing there; wait for its end, or choose another folder"


@contextlib.contextmanager
def locked(
    folder: str, refusal: str = "", wait: Callable[[], object] | None = None
) -> Iterator[int]:
    """Locks a local folder while the block runs, and gives the descriptor that holds the lock.

    The folder is made if need be, and removed again if it is empty at the end. Folders in buckets
    have no locks. Processes that inherit the descriptor keep the lock as long as they run.

    Where another process has locked it, ``wait`` is called, and the end of that process waited for;
    without ``wait`` ConfigError is raised with ``refusal``.
    """
    if is_remote(folder):
        yield -1
        return
    descriptor = _open_locked(folder, refusal or f"{folder}: {_REFUSAL}", wait)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            if leads_to(folder, descriptor):
                os.rmdir(folder)
        os.close(descriptor)


def _open_locked(folder: str, refusal: str, wait: Callable[[], object] | None) -> int:
    while True:
        os.makedirs(folder, exist_ok=True)
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:  # another process has just removed it
            continue
        if not try_lock(descriptor):
            if wait is None:
                os.close(descriptor)
                raise ConfigError(refusal)
            wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if leads_to(folder, descriptor):
            return descriptor
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    """Locks an open file or folder. Returns whether nobody else has locked it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # no locks there
    return True


def leads_to(path: str, descriptor: int) -> bool:
    """True where a path still leads to an open file or folder, not to none or to a later one."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
